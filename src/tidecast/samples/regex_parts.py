"""What a regular expression says plainly, so that not every value need be tried on it.

Only what is certain is told; a pattern that is not understood here is simply tried.
"""

from __future__ import annotations

from functools import lru_cache

_SPECIAL = frozenset("\\.+*?()|[]{}^$")
_QUANTIFIERS = frozenset("*?{")
_PUNCTUATION = frozenset(".+*?()|[]{}^$\\-/:")


@lru_cache(maxsize=1024)
def alternatives(pattern: str) -> tuple[str, ...] | None:
    """The only texts that match, where the pattern is these between bars.

    >>> alternatives(r"a|b\\.c"), alternatives("(?:a|b)"), alternatives("a.*")
    (('a', 'b.c'), ('a', 'b'), None)
    """
    for opening in ("(?:", "("):
        if pattern.startswith(opening) and pattern.endswith(")"):
            pattern = pattern[len(opening) : -1]
            break
    texts, text, at = [], "", 0
    while at < len(pattern):
        char = pattern[at]
        if char == "|":
            texts.append(text)
            text = ""
        elif char == "\\" and pattern[at + 1 : at + 2] in _PUNCTUATION:
            at += 1
            text += pattern[at]
        elif char in _SPECIAL:
            return None
        else:
            text += char
        at += 1
    return (*texts, text)


@lru_cache(maxsize=1024)
def prefix_of(pattern: str) -> str:
    """A text that all that matches begins with; "" where there is none to be sure of.

    >>> prefix_of("web-.*"), prefix_of("web-?.*"), prefix_of("web|db"), prefix_of(r"a\\.b+")
    ('web-', 'web', '', 'a.b')
    """
    if "|" in pattern:
        return ""
    text, at = "", 0
    while at < len(pattern):
        char, width = pattern[at], 1
        if char == "\\" and pattern[at + 1 : at + 2] in _PUNCTUATION:
            char, width = pattern[at + 1], 2
        elif char in _SPECIAL:
            break
        if pattern[at + width : at + width + 1] in _QUANTIFIERS:
            break
        text += char
        at += width
    return text
