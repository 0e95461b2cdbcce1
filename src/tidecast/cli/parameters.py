"""Types of command line parameters that several commands share."""

from __future__ import annotations

import re

import click

_MILLISECONDS = {
    "s": 1000,
    "m": 60_000,
    "h": 3_600_000,
    "d": 86_400_000,
    "w": 7 * 86_400_000,
    "y": 365 * 86_400_000,
}
_DURATION = re.compile(r"(?:\d{1,9}[smhdwy])+", re.ASCII)
_PART = re.compile(r"(\d+)([smhdwy])", re.ASCII)


class Duration(click.ParamType[int]):
    """A duration such as 90d, 12h, 2w or 1d12h, converted to milliseconds.

    The units are those of Prometheus: a day has 24 hours, a week 7 days, a year 365 days.
    """

    name = "duration"

    def convert(
        self, value: str | int, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """Milliseconds; fails with a usage error for anything else than a positive duration."""
        if isinstance(value, int):
            return value
        text = value.strip()
        if not _DURATION.fullmatch(text):
            self.fail(f"{value!r} is not a duration such as 90d, 12h or 2w", param, ctx)
        total = sum(int(number) * _MILLISECONDS[unit] for number, unit in _PART.findall(text))
        if total == 0:
            self.fail(f"{value!r} is no time at all; write a duration such as 90d", param, ctx)
        return total


DURATION = Duration()
