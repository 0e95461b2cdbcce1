"""How published forecasts fared: of each resource, of each kind of resource, and of the fleet."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

import numpy as np

from tidecast.journeys.usage_records import ResourceKey
from tidecast.records import ForecastScore, Records, Verdicts, resource_digest
from tidecast_analytics.calibration import NOTHING, Fared, Widening, together, widening
from tidecast_analytics.scoring import Alarm

DAY_MS = 86_400_000
LAST = 10
"""The track record goes over so many forecasts of a resource, one a day."""
BANDS_MS = 35 * DAY_MS
"""Bands are judged by forecasts of so long, since the world changes..."""
VERDICTS_MS = 400 * DAY_MS
"""...alarms and dates, which are rare, by those of more than a year."""
_AT_ONCE = 20_000
_CALIBRATING_LEAD_DAYS = 7
_CALIBRATING = 14
"""Calibration learns from so many of the newest forecasts: what was mended long ago is past."""


@dataclass(frozen=True, slots=True)
class Track:
    """How some forecasts fared, one of each resource and day.

    `held` of the last `scored` held. Of `values` values `inside80` and `inside95` lay within the
    bands as they were stated; `mae_ratio` and `pinball_ratio` are mean errors as shares of the
    mark. `alarms` counts how "full within 30 days" came out, and `crossing_error_ms` is how far P50
    was off on average over `crossings` crossings, both over one forecast a week. `fared` is what
    calibration learns from.
    """

    held: int = 0
    scored: int = 0
    values: int = 0
    inside80: int = 0
    inside95: int = 0
    mae_ratio: float = 0.0
    pinball_ratio: float = 0.0
    alarms: Mapping[Alarm, int] = field(default_factory=dict)
    crossings: int = 0
    crossing_error_ms: float = 0.0
    fared: Fared = NOTHING

    @property
    def coverage80(self) -> float | None:
        """The share of values within the 80 % band; None where none came."""
        return self.inside80 / self.values if self.values else None

    @property
    def coverage95(self) -> float | None:
        """The share of values within the 95 % band; None where none came."""
        return self.inside95 / self.values if self.values else None


@dataclass(frozen=True, slots=True)
class FleetTrack:
    """Tracks by resource (its digest), by kind of resource, and of all."""

    by_resource: Mapping[bytes, Track] = field(default_factory=dict)
    by_kind: Mapping[str, Track] = field(default_factory=dict)
    fleet: Track = field(default_factory=Track)

    def of(self, key: ResourceKey) -> Track:
        """How forecasts for this resource fared."""
        return self.by_resource.get(resource_digest(*key), Track())

    def widening(self, key: ResourceKey) -> Widening:
        """By how much its next forecast is to be widened."""
        kind = self.by_kind.get(key.resource, Track())
        return widening(self.of(key).fared, kind.fared)


def read_tracks(records: Records, now_ms: int) -> FleetTrack:
    """The tracks of all forecasts scored so far."""
    by_resource: dict[bytes, Track] = {}
    kinds: dict[bytes, str] = {}
    for digest, scores in groupby(_scores(records, now_ms), lambda each: each.resource_digest):
        some = list(scores)
        kinds[digest] = some[0].resource
        by_resource[digest] = track_of(some)
    with records.reading() as unit:
        verdicts = unit.scores.verdicts(now_ms - VERDICTS_MS)
    for digest, told in groupby(
        sorted(verdicts, key=lambda each: each.resource_digest), lambda each: each.resource_digest
    ):
        some_verdicts = list(told)
        kinds[digest] = some_verdicts[0].resource
        by_resource[digest] = _with_verdicts(by_resource.get(digest, Track()), some_verdicts)
    of_kind: dict[str, list[Track]] = defaultdict(list)
    for digest, track in by_resource.items():
        of_kind[kinds[digest]].append(track)
    by_kind = {kind: all_of(tracks) for kind, tracks in sorted(of_kind.items())}
    return FleetTrack(by_resource, by_kind, all_of(list(by_kind.values())))


def _scores(records: Records, now_ms: int) -> Iterator[ForecastScore]:
    after = (b"", 0, 0, 0)
    while True:
        with records.reading() as unit:
            some = unit.scores.since(now_ms - BANDS_MS, after, _AT_ONCE)
        yield from some
        if len(some) < _AT_ONCE:
            return
        last = some[-1]
        after = (last.resource_digest, last.published_ms, last.forecast_id, last.lead_days)


def track_of(scores: Sequence[ForecastScore]) -> Track:
    """The track of one resource, by the scores of its first forecasts of a day in any order."""
    longest = _longest(scores)
    newest = sorted(longest, key=lambda each: each.published_ms)[-LAST:]
    judged = [each for each in newest if each.held is not None]
    return Track(
        held=sum(bool(each.held) for each in judged),
        scored=len(judged),
        values=sum(each.values for each in longest),
        inside80=sum(each.inside80 for each in longest),
        inside95=sum(each.inside95 for each in longest),
        mae_ratio=_share([each.mae for each in longest], longest),
        pinball_ratio=_share([each.pinball for each in longest], longest),
        fared=_fared(scores),
    )


def _longest(scores: Iterable[ForecastScore]) -> list[ForecastScore]:
    """Of each forecast the score of its longest lead."""
    found: dict[int, ForecastScore] = {}
    for each in scores:
        if each.forecast_id not in found or found[each.forecast_id].lead_days < each.lead_days:
            found[each.forecast_id] = each
    return list(found.values())


def _share(errors: Sequence[float], scores: Sequence[ForecastScore]) -> float:
    ratios = [error / each.scale for error, each in zip(errors, scores, strict=True) if each.scale]
    return float(np.mean(ratios)) if ratios else 0.0


def _fared(scores: Sequence[ForecastScore]) -> Fared:
    """Scores of the first week: those of a longer lead hold the day's envelope, not its values.

    Forecasts a day apart see much of the same: each counts as half of an independent one.
    """
    weekly = _longest(each for each in scores if each.lead_days <= _CALIBRATING_LEAD_DAYS)
    newest = sorted(weekly, key=lambda each: each.published_ms)[-_CALIBRATING:]
    return together([Fared(each.reach, 0.5) for each in newest])


def _with_verdicts(track: Track, verdicts: Sequence[Verdicts]) -> Track:
    alarms = {each.alarm: each.forecasts for each in verdicts if each.alarm is not None}
    crossings = sum(each.crossings for each in verdicts)
    error_ms = sum(each.error_ms for each in verdicts)
    return replace(
        track,
        alarms=alarms,
        crossings=crossings,
        crossing_error_ms=error_ms / crossings if crossings else 0.0,
    )


def all_of(tracks: Sequence[Track]) -> Track:
    """Several tracks as one; errors are averaged by values, dates by crossings."""
    if not tracks:
        return Track()
    values = sum(each.values for each in tracks)
    crossings = sum(each.crossings for each in tracks)

    def mean(errors: Iterable[tuple[float, int]], count: int) -> float:
        return sum(error * weight for error, weight in errors) / count if count else 0.0

    return Track(
        held=sum(each.held for each in tracks),
        scored=sum(each.scored for each in tracks),
        values=values,
        inside80=sum(each.inside80 for each in tracks),
        inside95=sum(each.inside95 for each in tracks),
        mae_ratio=mean([(each.mae_ratio, each.values) for each in tracks], values),
        pinball_ratio=mean([(each.pinball_ratio, each.values) for each in tracks], values),
        alarms={a: sum(each.alarms.get(a, 0) for each in tracks) for a in Alarm},
        crossings=crossings,
        crossing_error_ms=mean(
            [(each.crossing_error_ms, each.crossings) for each in tracks], crossings
        ),
        fared=together([each.fared for each in tracks]),
    )
