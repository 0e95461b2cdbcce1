"""Which series and which times a request names: match[], start and end."""

from __future__ import annotations

from tidecast.promql.errors import ParseError
from tidecast.promql.parser import parse_selector
from tidecast.samples.matchers import Matchers
from tidecast.server.parameters import (
    MAX_TIME_MS,
    MIN_TIME_MS,
    InvalidParameter,
    Parameters,
    time_ms,
)


def given_time(parameters: Parameters, name: str, otherwise: int) -> int:
    """The time that the parameter names, in milliseconds; `otherwise` where it is missing."""
    text = parameters.get(name)
    return time_ms(text, name) if text else otherwise


def given_span(parameters: Parameters) -> tuple[int, int]:
    """Start and end; all times where they are missing."""
    return (
        given_time(parameters, "start", MIN_TIME_MS),
        given_time(parameters, "end", MAX_TIME_MS),
    )


def given_matchers(parameters: Parameters) -> list[Matchers]:
    """The selectors of match[]; raises `InvalidParameter` for anything else."""
    return [_selector(text) for text in parameters.getlist("match[]")]


def _selector(text: str) -> Matchers:
    try:
        matchers = parse_selector(text).all_matchers
    except ParseError as error:
        raise InvalidParameter(f'invalid parameter "match[]": {error}') from error
    if all(matcher.matches("") for matcher in matchers):
        raise InvalidParameter(
            'invalid parameter "match[]": match[] must contain at least one non-empty matcher'
        )
    return matchers
