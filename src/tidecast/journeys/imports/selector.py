"""A series selector as `--match` takes it, read into matchers."""

from __future__ import annotations

import re

from tidecast.samples.matchers import Matcher, MatchOp
from tidecast_collector.errors import InvalidInput
from tidecast_collector.labels import NAME

_METRIC = re.compile(r"\s*([a-zA-Z_:][a-zA-Z0-9_:]*)\s*")
_MATCHER = re.compile(
    r"""\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*(=~|!~|!=|=)\s*
    ("(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`[^`]*`)\s*""",
    re.VERBOSE,
)
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|.)")
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}


class InvalidSelector(InvalidInput):
    """A selector that cannot be read; the message says at which column."""


def parse_selector(text: str) -> list[Matcher]:
    r"""The matchers of this selector.

    >>> [str(each) for each in parse_selector('up{job="node", instance=~"web-.*"}')]
    ['__name__="up"', 'job="node"', 'instance=~"web-.*"']
    """
    matchers: list[Matcher] = []
    position = 0
    metric = _METRIC.match(text)
    if metric:
        matchers.append(Matcher(NAME, MatchOp.EQUAL, metric[1]))
        position = metric.end()
    rest = text[position:].rstrip()
    if rest:
        matchers += _braces(text.rstrip(), position + len(rest) - len(rest.lstrip()))
    if not matchers:
        raise InvalidSelector(f'selector {text!r} selects by nothing, e.g. {{job="node"}}')
    return matchers


def _braces(text: str, position: int) -> list[Matcher]:
    if text[position] != "{":
        raise _fault(text, position, "expected '{'")
    position += 1
    matchers: list[Matcher] = []
    while text[position:].strip() != "}":
        found = _MATCHER.match(text, position)
        if not found:
            raise _fault(text, position, 'expected a matcher such as job="node"')
        matchers.append(Matcher(found[1], MatchOp(found[2]), _unquoted(found[3], text, position)))
        position = found.end()
        if text[position : position + 1] == ",":
            position += 1
        elif text[position:].strip() != "}":
            raise _fault(text, position, "expected ',' or '}'")
    return matchers


def _unquoted(quoted: str, text: str, position: int) -> str:
    inside = quoted[1:-1]
    if quoted[0] == "`":
        return inside

    def replaced(escape: re.Match[str]) -> str:
        code = escape[1]
        if len(code) > 1:
            return chr(int(code[1:], 16))
        if code in _ESCAPED:
            return _ESCAPED[code]
        if code in "\\\"'":
            return code
        raise _fault(text, position, f"unknown escape \\{code}")

    return _ESCAPE.sub(replaced, inside)


def _fault(text: str, position: int, why: str) -> InvalidSelector:
    return InvalidSelector(f"selector {text!r}, column {position + 1}: {why}")
