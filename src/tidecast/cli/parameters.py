"""Types of command line parameters that several commands share."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

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

_UNITS = {
    "": 1,
    **{f"{prefix}B": 1000**power for power, prefix in enumerate(("", "k", "M", "G", "T"))},
    **{f"{prefix}iB": 1024**power for power, prefix in enumerate(("K", "M", "G", "T"), 1)},
}


class Size(click.ParamType[int]):
    """A size such as 20GB, 512MiB or plain bytes, converted to bytes."""

    name = "size"

    def convert(
        self, value: str | int, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """Bytes; fails with a usage error for anything else than a size above zero."""
        if isinstance(value, int):
            return value
        found = re.fullmatch(r"([0-9]{1,15})(?:\.([0-9]{1,6}))? ?([A-Za-z]*)", value.strip())
        unit = _UNITS.get(found[3]) if found else None
        if found is None or unit is None:
            self.fail(f"{value!r} is no size; write one such as 20GB or 512MiB", param, ctx)
        total: int = round(float(f"{found[1]}.{found[2] or 0}") * unit)
        if total < 1:
            self.fail(f"{value!r} is no room at all; write a size such as 20GB", param, ctx)
        return total


SIZE = Size()


class Moment(click.ParamType[str]):
    """A time in ISO 8601; without an offset it is UTC."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no time; write it as in 2026-10-05T22:00Z", param, ctx)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).isoformat()


MOMENT = Moment()
