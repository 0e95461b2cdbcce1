"""The number forms of PromQL."""

from __future__ import annotations

import math
from decimal import Decimal

from tidecast.promql.durations import duration_ms
from tidecast.promql.errors import ParseError
from tidecast.promql.lexer import Token, TokenKind


def is_number_word(word: str) -> bool:
    """Whether this lower-case word is a number: `inf` or `nan`."""
    return word in ("inf", "nan")


def parse_number(query: str, token: Token) -> float:
    """The value of a number, or the seconds of a duration; raises `ParseError`."""
    if token.kind is TokenKind.DURATION:
        milliseconds = duration_ms(token.text)
        if milliseconds is None:
            raise ParseError(query, token.start, "duration out of range")
        return milliseconds / 1000
    text = token.text.lower().replace("_", "")
    if text == "nan":
        return math.nan
    based = text.startswith("0x") or _is_octal(text)
    value = _of_base(text) if based else float(text)
    if math.isinf(value) and text != "inf":
        raise ParseError(query, token.start, f'error parsing number: "{token.text}" out of range')
    return value


def _is_octal(text: str) -> bool:
    return len(text) > 1 and text[0] == "0" and all(digit in "01234567" for digit in text)


def _of_base(text: str) -> float:
    """The value of hexadecimal or octal digits; infinite where no float is that large."""
    try:
        if "." in text or "p" in text:
            return float.fromhex(text)
        return float(int(text, 16 if text.startswith("0x") else 8))
    except OverflowError:
        return math.inf


def format_value(value: float) -> str:
    """The shortest decimal text of the value without exponent, as Prometheus writes scalars.

    >>> format_value(1e21), format_value(1.5e-7), format_value(float("-inf")), format_value(3.0)
    ('1000000000000000000000', '0.00000015', '-Inf', '3')
    """
    text = repr(value)
    if "e" in text:
        return format(Decimal(text), "f")
    if text[-1] in "fn":
        return {"inf": "+Inf", "-inf": "-Inf", "nan": "NaN"}[text]
    return text.removesuffix(".0")


def format_sample(value: float) -> str:
    """The shortest text, with an exponent from 1e+21 on or below 1e-06: as its API writes samples.

    >>> format_sample(1e21), format_sample(1.5e-7), format_sample(1e-6), format_sample(1e20)
    ('1e+21', '1.5e-07', '0.000001', '100000000000000000000')
    """
    if value and math.isfinite(value) and not 1e-6 <= abs(value) < 1e21:
        return _with_exponent(value)
    return format_value(value)


def format_short(value: float) -> str:
    """The shortest text of the value, with an exponent from 1e+06 on or below 1e-4: Go's `%g`.

    >>> format_short(1234567.0), format_short(1e-5), format_short(-1.5), format_short(math.inf)
    ('1.234567e+06', '1e-05', '-1.5', '+Inf')
    """
    if value and math.isfinite(value) and not 1e-4 <= abs(value) < 1e6:
        return _with_exponent(value)
    return format_value(value)


def _with_exponent(value: float) -> str:
    mantissa, _, exponent = f"{Decimal(repr(value)).normalize():e}".partition("e")
    return f"{mantissa}e{exponent[0]}{exponent[1:]:0>2}"
