"""What is wrong with a history before anything is forecast from it: findings for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from tidecast_analytics.outlook import History
from tidecast_analytics.series import DAY_MS, HOUR_MS

Int64s = npt.NDArray[np.int64]
Float64s = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

AHEAD_MS = 2 * HOUR_MS
"""Hourly records are stamped at the end of their hour: from here on a clock is wrong."""

_CLOCK_GRAVE_MS = 5 * 60_000
_LEAST = 8
_LONG_GAP_STEPS = 6
_MISSING = 0.05
_FLAT_DAYS = 3
_FLAT_STEPS = 24
_OVER = 1.001
_PERCENT_SHARE = 0.5
_SCALES_APART = 1e4
_RESET_FALL = 0.5
_LEAST_RESETS = 1
_RISING = 0.98


class Severity(StrEnum):
    """NOTE: good to know. WARNING: the forecast may be off. ERROR: it says nothing of value."""

    NOTE = "note"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, in [first_ms, last_ms] (milliseconds UTC): `what` it is and what
    to `do` about it."""

    kind: str
    severity: Severity
    first_ms: int
    last_ms: int
    what: str
    do: str


def findings(history: History, unit: str, now_ms: int) -> tuple[Finding, ...]:
    """Everything that is wrong with a history in `unit`, the gravest first.

    Any values are coped with. Kinds: no_data, unit_mismatch, over_limit, clock_skew,
    counter_reset, gap, flat_line, duplicate_time; `twin_finding`, `clock_finding` and
    `unit_finding` tell more.
    """
    times_ms = np.asarray(history.times_ms, dtype=np.int64)
    values = np.asarray(history.values, dtype=np.float64)
    order = np.argsort(times_ms, kind="stable")
    times_ms, values = times_ms[order], values[order]
    seen = np.isfinite(values)
    times_ms, values = times_ms[seen], values[seen]
    if not times_ms.size:
        nothing = Finding(
            "no_data", Severity.ERROR, now_ms, now_ms, "No value at all was recorded.",
            "See whether its source still runs.",
        )  # fmt: skip
        return (nothing,)
    found = [
        *_units(times_ms, values, history, unit),
        *_over_limit(times_ms, values, history.limit),
        *_ahead(times_ms, now_ms),
        *_duplicates(times_ms, values),
    ]
    if times_ms.size >= _LEAST:
        found += [*_resets(times_ms, values), *_gaps(times_ms), *_flat(times_ms, values)]
    grave = list(Severity)[::-1]
    return tuple(sorted(found, key=lambda each: grave.index(each.severity)))


def _finding(
    kind: str, severity: Severity, times_ms: Int64s, what: str, do: str
) -> Finding:  # fmt: skip
    return Finding(kind, severity, int(times_ms[0]), int(times_ms[-1]), what, do)


def _units(
    times_ms: Int64s, values: Float64s, history: History, unit: str
) -> list[Finding]:  # fmt: skip
    """Percent where a ratio is meant, or usage and limit in units far apart."""
    typical = 2 * float(np.median(np.abs(values) / 2))  # huge ones do not overflow
    if unit == "ratio" and (values > 1.5).mean() > _PERCENT_SHARE:
        looks = "look like percent" if values.max() <= 110 else "are none"
        return [_finding(
            "unit_mismatch", Severity.ERROR, times_ms,
            f"The unit is a ratio, but the values {looks} (typically {typical:.3g}).",
            "Mend the unit where the usage is defined, or import it again with --unit.",
        )]  # fmt: skip
    for name, other in (("limit", history.limit), ("mark", history.mark)):
        if other is None or not np.isfinite(other) or other <= 0:
            continue
        if typical > _SCALES_APART * other:
            return [_finding(
                "unit_mismatch", Severity.ERROR, times_ms,
                f"The usage (typically {typical:.3g}) is far above the {name} of {other:.3g}: "
                "one is hardly in the unit of the other.",
                f"Give usage and {name} in the same unit.",
            )]  # fmt: skip
        if unit == "bytes" and other >= 1e6 and 0 < values.max() <= 100:
            return [_finding(
                "unit_mismatch", Severity.ERROR, times_ms,
                f"The {name} of {other:.3g} is in bytes, but the usage of at most "
                f"{values.max():.3g} looks like a ratio or percent.",
                "Give the usage in bytes, or the limit as 1 or 100.",
            )]  # fmt: skip
    return []


def _over_limit(times_ms: Int64s, values: Float64s, limit: float | None) -> list[Finding]:
    if limit is None or not np.isfinite(limit) or limit <= 0:
        return []
    over = values > _OVER * limit
    if not over.any():
        return []
    where = times_ms[over]
    severity = Severity.WARNING if over.mean() > 0.01 else Severity.NOTE
    return [_finding(
        "over_limit", severity, where,
        f"{_counted(where.size, 'value')} above 100 % of the limit, "
        f"at most {float(values.max()) / limit:.1%}.",
        "See whether the limit has grown, or usage and limit are measured differently.",
    )]  # fmt: skip


def _ahead(times_ms: Int64s, now_ms: int) -> list[Finding]:
    ahead = times_ms > now_ms + AHEAD_MS
    if not ahead.any():
        return []
    hours = (int(times_ms[-1]) - now_ms) / HOUR_MS
    return [_finding(
        "clock_skew", Severity.ERROR, times_ms[ahead],
        f"{_counted(int(ahead.sum()), 'value')} from the future, up to {hours:.1f} hours ahead.",
        "Set the host's clock (NTP); the forecast counts from its newest value.",
    )]  # fmt: skip


def _duplicates(times_ms: Int64s, values: Float64s) -> list[Finding]:
    same = (times_ms[1:] == times_ms[:-1]) & (values[1:] != values[:-1])
    if not same.any():
        return []
    where = times_ms[1:][same]
    return [_finding(
        "duplicate_time", Severity.WARNING, where,
        f"{_counted(where.size, 'time')} with two different values; the later given one counts.",
        "See whether two sources write the same series.",
    )]  # fmt: skip


def _resets(times_ms: Int64s, values: Float64s) -> list[Finding]:
    """A counter that was recorded as it is: it only rises, but for falls to (nearly) nothing."""
    highest = float(values.max())
    if highest <= 0 or values.min() < 0:
        return []
    steps = np.diff(values)
    falls = (steps < -_RESET_FALL * highest) & (values[1:] < 0.05 * highest)
    rises = steps >= 0
    if falls.sum() < _LEAST_RESETS or (rises | falls).mean() < 1 - 1e-9:
        return []
    if (steps > 0).mean() < 0.5 or rises.mean() < _RISING - 1 / steps.size:
        return []
    where = times_ms[1:][falls]
    return [_finding(
        "counter_reset", Severity.WARNING, where,
        f"It only rises, and fell to nearly nothing {_counted(where.size, 'time')}: "
        "this looks like a counter.",
        "Record its rate (rate(...[5m])) in place of the counter itself.",
    )]  # fmt: skip


def _gaps(times_ms: Int64s) -> list[Finding]:
    """Steps that were missed; of what comes oftener than once an hour, whole hours."""
    times = np.unique(times_ms)
    step = int(np.median(np.diff(times))) if times.size > 1 else 0
    if 0 < step < HOUR_MS:
        times, step = np.unique(-(-times // HOUR_MS)) * HOUR_MS, HOUR_MS
    if step == 0 or times.size < 2:
        return []
    steps = np.diff(times)
    missing = np.maximum(steps // step - 1, 0)
    share = float(missing.sum() / (missing.sum() + steps.size + 1))
    longest = int(missing.argmax())
    if missing[longest] < _LONG_GAP_STEPS and share < _MISSING:
        return []
    start = int(times[longest])
    severity = Severity.WARNING if share >= _MISSING else Severity.NOTE
    return [Finding(
        "gap", severity, start, start + int(steps[longest]),
        f"{share:.1%} of it is missing; the longest gap lasts {_span(int(steps[longest]))}.",
        "Import what is missing (tidecast import), or live with wider bands.",
    )]  # fmt: skip


def _flat(times_ms: Int64s, values: Float64s) -> list[Finding]:
    """A sensor that repeats its last value, though it moved before."""
    moves = np.flatnonzero(values[1:] != values[:-1])
    if not moves.size:
        return []
    since = int(moves[-1]) + 1
    still_ms = int(times_ms[-1] - times_ms[since])
    usual = float(np.quantile(np.diff(np.append(-1, moves)), 0.99))
    length = values.size - since
    if still_ms < _FLAT_DAYS * DAY_MS or length < max(_FLAT_STEPS, 10 * usual):
        return []
    return [_finding(
        "flat_line", Severity.WARNING, times_ms[since:],
        f"It has been at exactly {values[-1]:.6g} for {_span(still_ms)}, and moved before.",
        "See whether its source still measures, or the resource is no longer in use.",
    )]  # fmt: skip


def twins(histories: Sequence[History]) -> dict[int, int]:
    """The places of histories that equal an earlier one to the last bit, with that one's place.

    Constant ones and short ones are nobody's twin. Twins are two sensors that read one thing.
    """
    first: dict[bytes, int] = {}
    found = {}
    for place, history in enumerate(histories):
        values = np.asarray(history.values, dtype=np.float64)
        if values.size < 2 * _FLAT_STEPS or np.unique(values[np.isfinite(values)]).size < 2:
            continue
        key = np.asarray(history.times_ms, dtype=np.int64).tobytes() + values.tobytes()
        earlier = first.setdefault(key, place)
        if earlier != place:
            found[place] = earlier
    return found


def clock_finding(apart_ms: int, now_ms: int) -> Finding:
    """What is said of a history whose host's clock is so much ahead of ours (negative: behind)."""
    return Finding(
        "clock_skew",
        Severity.NOTE if abs(apart_ms) < _CLOCK_GRAVE_MS else Severity.WARNING,
        now_ms,
        now_ms,
        f"The host's clock is {_lasting(abs(apart_ms))} {'ahead' if apart_ms > 0 else 'behind'}, "
        "by the stamps of its samples and when they come.",
        "Set the clock of the host (NTP), or of this server where that is said of every host.",
    )


def unit_finding(history: History, inferred: str) -> Finding:
    """What is said of a history whose unit nobody stated; `inferred` tells how it was found."""
    times_ms = np.sort(np.asarray(history.times_ms, dtype=np.int64))
    return _finding(
        "unit_inferred", Severity.NOTE, times_ms, inferred,
        "Where that is wrong, import it with --unit.",
    )  # fmt: skip


def twin_finding(history: History, other: str) -> Finding:
    """What is said of a history that equals that of another resource."""
    times_ms = np.sort(np.asarray(history.times_ms, dtype=np.int64))
    return _finding(
        "twin", Severity.NOTE, times_ms, f"Every value equals that of {other}.",
        "See whether both measure the same thing; one of them is enough.",
    )  # fmt: skip


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _lasting(length_ms: int) -> str:
    if length_ms < 2 * 60_000:
        return _counted(round(length_ms / 1000), "second")
    if length_ms < 2 * HOUR_MS:
        return _counted(round(length_ms / 60_000), "minute")
    return f"{length_ms / HOUR_MS:.1f} hours"


def _span(length_ms: int) -> str:
    if length_ms < 2 * DAY_MS:
        return _counted(round(length_ms / HOUR_MS), "hour")
    return _counted(round(length_ms / DAY_MS), "day")
