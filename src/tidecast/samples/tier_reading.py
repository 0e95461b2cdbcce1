"""Which tier answers for which time, and what it holds of the selected series."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tidecast.samples.batch import SampleBatch
from tidecast.samples.deletions import covers
from tidecast.samples.gathering import read
from tidecast.samples.index import find
from tidecast.samples.kept import BEFORE_ALL_MS, Tier
from tidecast.samples.locating import View, locate
from tidecast.samples.matchers import Matchers
from tidecast.samples.merge import within
from tidecast.samples.points import Field, PointBatch, one_series, single_points
from tidecast.samples.protocol import (
    Layer,
    LimitExceeded,
    PointSelection,
    SelectHint,
    SelectLimits,
)
from tidecast.samples.reading import Snapshot
from tidecast.samples.segment import Segment
from tidecast.samples.tier_building import hidden_points, pieces
from tidecast.samples.tier_files import overlaid
from tidecast_collector.labels import Labels


@dataclass(frozen=True, slots=True)
class Plan:
    """The layers of a selection, and where raw samples are needed beside them."""

    layers: tuple[Layer, ...]
    raw_after_ms: int


def plan_reading(view: View, hint: SelectHint) -> Plan | None:
    """How to answer with tiers; None where raw samples are the best answer.

    Where raw samples are kept they are read, unless a tier gives the same answer for less.
    """
    kept = view.kept
    if not kept.tiers or hint.end_ms <= hint.after_ms:
        return None
    if hint.after_ms >= kept.raw_after_ms:
        return _shortcut(view, hint)
    chosen = _chosen(kept.tiers, hint)
    layers = []
    until = min(kept.raw_after_ms, hint.end_ms)
    for tier in sorted(kept.tiers, key=lambda tier: tier.width_ms):
        if tier.width_ms < chosen.width_ms or hint.after_ms >= until:
            continue
        # A time within a bucket is answered by the bucket that ended before it.
        reach = (hint.after_ms // tier.width_ms - 1) * tier.width_ms
        after = max(reach, kept.tier_after(tier))
        if after < until:
            layers.append(Layer(tier.width_ms, after, until))
            until = after
    return Plan(tuple(reversed(layers)), hint.after_ms)


def _chosen(tiers: Sequence[Tier], hint: SelectHint) -> Tier:
    """The coarsest tier that step and window allow, else the finest.

    One on whose buckets all windows begin and end goes before one that is only coarse enough.
    """

    def allowed(tier: Tier) -> bool:
        if not hint.step_ms and not hint.window_ms:
            return False
        return tier.width_ms <= (hint.step_ms or hint.window_ms) and (
            not hint.window_ms or tier.width_ms <= hint.window_ms
        )

    fitting = [tier for tier in tiers if allowed(tier)]
    aligned = [tier for tier in fitting if hint.grid_ms % tier.width_ms == 0]
    if aligned or fitting:
        return max(aligned or fitting, key=lambda tier: tier.width_ms)
    return min(tiers, key=lambda tier: tier.width_ms)


def _shortcut(view: View, hint: SelectHint) -> Plan | None:
    """The coarsest tier that answers as raw samples would, as far as it has all of them."""
    kept = view.kept
    if not hint.exact or not kept.stretches:
        return None
    until = min(hint.end_ms, kept.stretches[-1].up_to_ms)
    fitting = [
        tier
        for tier in kept.tiers
        if hint.grid_ms % tier.width_ms == 0
        and kept.tier_after(tier) <= hint.after_ms
        and until - hint.after_ms >= hint.window_ms >= tier.width_ms
    ]
    if not fitting or not _is_tiered(view, hint.after_ms, until):
        return None
    tier = max(fitting, key=lambda tier: tier.width_ms)
    until = until // tier.width_ms * tier.width_ms
    return Plan((Layer(tier.width_ms, hint.after_ms, until),), until)


def _is_tiered(view: View, after_ms: int, up_to_ms: int) -> bool:
    """Whether the tiers have every raw sample in (after, up to], and nothing was deleted there."""
    ends = {stretch.up_to_ms: stretch for stretch in view.kept.stretches}
    length = view.kept.stretches[-1].up_to_ms - view.kept.stretches[-1].after_ms
    for segment in view.segments:
        low, high = max(segment.meta.first_ms, after_ms + 1), min(segment.meta.last_ms, up_to_ms)
        if low > high:
            continue
        for end in range(-(-low // length) * length, high + length, length):
            stretch = ends.get(end)
            if stretch is None or stretch.seen < segment.meta.priority:
                return False
    held = [*view.segments, *(segment for tier in view.tiers for segment in tier)]
    return not any(
        deletion.concerns(segment) for deletion in view.forgotten.deletions for segment in held
    )


def tier_series(
    view: View, layer: Layer, matchers: Matchers
) -> dict[Labels, list[tuple[Segment, int]]]:
    """Where the points of the matching series in the layer are, oldest write first."""
    found: dict[Labels, list[tuple[Segment, int]]] = {}
    place = next(i for i, tier in enumerate(view.kept.tiers) if tier.width_ms == layer.width_ms)
    for segment in view.tiers[place]:
        if segment.meta.start_ms > layer.up_to_ms or segment.meta.end_ms <= layer.after_ms:
            continue
        low = layer.after_ms - layer.width_ms
        numbers = segment.overlapping(find(segment.index, matchers), low, layer.up_to_ms)
        for number, labels in zip(numbers.tolist(), segment.labels(numbers), strict=True):
            found.setdefault(labels, []).append((segment, number))
    return found


def labels_in_tiers(view: View, matchers: Matchers, start_ms: int, end_ms: int) -> set[Labels]:
    """The matching series that have points in [start, end] where raw samples are past keeping."""
    found: set[Labels] = set()
    for tier in view.kept.tiers:
        after = max(start_ms - 1, view.kept.tier_after(tier))
        layer = Layer(tier.width_ms, after, min(end_ms, view.kept.raw_after_ms))
        if layer.after_ms >= layer.up_to_ms:
            continue
        rows = tier_series(view, layer, matchers)
        held = {segment.path: segment for row in rows.values() for segment, _ in row}
        hidden = hidden_points(list(held.values()), view.forgotten)
        for labels, row in rows.items():
            if not all(
                covers(hidden[segment.path].get(number, ()), *segment.span(number))
                for segment, number in row
            ):
                found.add(labels)
    return found


def points_of(
    snapshot: Snapshot, matchers: Matchers, hint: SelectHint, limits: SelectLimits
) -> PointSelection | None:
    """The matching series as points; None where samples are the answer after all."""
    plan = plan_reading(snapshot.view, hint)
    if plan is None:
        return None
    late = hint.after_ms + 1, plan.raw_after_ms
    if any(len(within(series.run, *late)[0]) for series in snapshot.recent):
        return None
    raw = max(plan.raw_after_ms, hint.after_ms) + 1, hint.end_ms
    recent = [replace(series, run=within(series.run, *raw)) for series in snapshot.recent]
    kept = [series for series in recent if len(series.run[0])]
    located = locate(snapshot.view, kept, matchers, *raw)
    samples = read(located, *raw, limits)
    return _select_points(snapshot.view, plan, matchers, samples, hint.fields, limits)


def _select_points(
    view: View,
    plan: Plan,
    matchers: Matchers,
    samples: SampleBatch,
    fields: Sequence[Field],
    limits: SelectLimits,
) -> PointSelection:
    """The points of the plan's layers with the samples beside them, by series, sorted."""
    parts: dict[Labels, list[PointBatch]] = {}
    size = len(samples.timestamps)
    for layer in plan.layers:
        rows = tier_series(view, layer, matchers)
        held = {segment.path: segment for row in rows.values() for segment, _ in row}
        hidden = hidden_points(list(held.values()), view.forgotten)
        for labels, row in rows.items():
            points = overlaid(pieces(row, hidden), fields)
            inside = (points.end_ms > layer.after_ms) & (points.end_ms <= layer.up_to_ms)
            points = points.only(inside)
            size += len(points.end_ms)
            if len(points.end_ms):
                parts.setdefault(labels, []).append(points)
            if size > limits.samples or len(parts) > limits.series:
                raise LimitExceeded(
                    f"the selection touches more than {limits.samples} points or {limits.series} "
                    "series: narrow its matchers or its time range, or ask for a longer step"
                )
    for labels, points in single_points(samples):
        known = parts.setdefault(labels, [])
        known.append(_not_within(points, known))
    series = [(labels, one_series(parts[labels])) for labels in sorted(parts)]
    return PointSelection(PointBatch.of(series), plan.layers)


def _not_within(samples: PointBatch, known: Sequence[PointBatch]) -> PointBatch:
    """The samples that do not lie between the first and the last of a point: these it knows."""
    for points in known:
        before = np.searchsorted(points.first_ms, samples.last_ms, side="right") - 1
        last_ms = np.where(before >= 0, points.last_ms[np.maximum(before, 0)], BEFORE_ALL_MS)
        samples = samples.only(samples.last_ms > last_ms)
    return samples
