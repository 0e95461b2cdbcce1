"""Query parameters as Prometheus' HTTP API spells them."""

from __future__ import annotations

import math
import re
from datetime import datetime
from decimal import Decimal, InvalidOperation
from urllib.parse import parse_qsl

from starlette.datastructures import ImmutableMultiDict
from starlette.requests import Request

from tidecast.promql.durations import DURATION_PATTERN
from tidecast.promql.durations import duration_ms as promql_duration_ms
from tidecast.server.body import read_body
from tidecast_collector.errors import InvalidInput

MIN_TIME_MS, MAX_TIME_MS = -(2**53), 2**53


class InvalidParameter(InvalidInput):
    """A parameter of a request that is missing or wrong; the message names it."""


Parameters = ImmutableMultiDict[str, str]
MAX_FORM_BYTES, MAX_FIELDS = 8 << 20, 1000
MAX_DIGITS = 18
_DURATION = re.compile(DURATION_PATTERN)


async def parameters_of(request: Request) -> Parameters:
    """Those of the path and the URL and, for a form, those of its body too."""
    items = [*request.query_params.multi_items(), *request.path_params.items()]
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if request.method in ("POST", "PUT") and kind == "application/x-www-form-urlencoded":
        body = await read_body(request, MAX_FORM_BYTES)
        try:
            items += parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MAX_FIELDS)
        except ValueError as error:
            raise InvalidParameter(f"the form cannot be read: {error}") from error
    return ImmutableMultiDict(items)


def required(parameters: Parameters, name: str) -> str:
    """The parameter's text; raises `InvalidParameter` where it is missing."""
    value = parameters.get(name)
    if not value:
        raise InvalidParameter(f'invalid parameter "{name}": it is missing or empty')
    return value


def time_ms(text: str, name: str) -> int:
    """Unix seconds (with a fraction) or RFC 3339, in milliseconds UTC."""
    try:
        value = Decimal(text)
        if value.is_finite():
            # Compared before it is made an integer: 1e999999 would have a million digits.
            value = max(min(value, Decimal(MAX_TIME_MS)), Decimal(MIN_TIME_MS))
            return _bounded(int((value * 1000).to_integral_value()), text, name)
    except InvalidOperation:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise InvalidParameter(
            f'invalid parameter "{name}": cannot parse "{text[:100]}" to a valid timestamp'
        )
    return _bounded(round(moment.timestamp() * 1000), text, name)


def _bounded(value: int, text: str, name: str) -> int:
    if not MIN_TIME_MS <= value <= MAX_TIME_MS:
        raise InvalidParameter(f'invalid parameter "{name}": "{text[:100]}" is out of range')
    return value


def duration_ms(text: str, name: str) -> int:
    """Seconds (with a fraction, with a sign) or a Prometheus duration, in milliseconds."""
    try:
        milliseconds = float(text) * 1000
        value = round(milliseconds) if math.isfinite(milliseconds) else None
    except ValueError:
        value = promql_duration_ms(text) if _DURATION.fullmatch(text) else None
    if value is None or abs(value) >= MAX_TIME_MS:
        raise InvalidParameter(
            f'invalid parameter "{name}": cannot parse "{text[:100]}" to a valid duration'
        )
    return value


def whole_number(parameters: Parameters, name: str) -> int | None:
    """A count of zero or more; None where the parameter is missing."""
    text = parameters.get(name)
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > MAX_DIGITS:
        raise InvalidParameter(
            f'invalid parameter "{name}": "{text[:100]}" is not a whole number of at most '
            f"{MAX_DIGITS} digits"
        )
    return int(text)
