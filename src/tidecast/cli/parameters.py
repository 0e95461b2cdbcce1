"""Types of command line parameters that several commands share."""

from __future__ import annotations

import click

from tidecast_collector.durations import parse_duration_ms
from tidecast_collector.errors import InvalidInput


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
        try:
            total = parse_duration_ms(value.strip())
        except InvalidInput as error:
            self.fail(str(error), param, ctx)
        if total == 0:
            self.fail(f"{value!r} is no time at all; write a duration such as 90d", param, ctx)
        return total


DURATION = Duration()
