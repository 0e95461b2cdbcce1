"""Samples come in: what is ours is refused, late hours are marked, hosts are seen."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tidecast.journeys.host_clocks import LATEST_MS, HostClocks
from tidecast.journeys.usage_records import HOUR_MS, USAGE_KEPT_MS, hour_end
from tidecast.records import Records
from tidecast.samples.batch import Int64s, SampleBatch, distinct, is_stale
from tidecast.samples.catalogue import PerSeries, joined_batches, note_stored, part_of
from tidecast.samples.protocol import AppendReport, Samples
from tidecast.samples.routed import is_own
from tidecast_collector.labels import NAME, Labels, host_of_instance, label_value

MOST_HOURS = 100_000
"""Eleven years: more than any host has samples of."""
_NOBODY = ""
LIVE_MS = HOUR_MS
"""Samples older than this are history that somebody imports, not a sign of life."""


class LateHours:
    """Closed hours whose usage records have to be computed, mostly again.

    They are written down before the late samples are: after a crash an hour may be computed once
    too often, but never stays wrong.
    """

    def __init__(self, records: Records) -> None:
        self._records = records
        self._lock = threading.Lock()
        with records.unit() as unit:
            self._watermark = unit.usage.watermark_ms()
            self._marked = set(unit.usage.dirty_hours(MOST_HOURS))

    @property
    def watermark_ms(self) -> int | None:
        """The end of the last closed hour; None before the first."""
        return self._watermark

    def close(self, until_ms: int) -> set[int]:
        """Closes the hours up to this one; returns those that are new and are now to be computed.

        They are closed before they are computed: a sample that comes in between is late for them.
        """
        with self._lock:
            first = until_ms if self._watermark is None else self._watermark
            hours = set(range(first + HOUR_MS, until_ms + 1, HOUR_MS))
            if hours or self._watermark is None:
                with self._records.unit() as unit:
                    unit.usage.mark_dirty(hours)
                    unit.usage.set_watermark(until_ms)
                self._watermark = until_ms
                self._marked |= hours
            return hours

    def note(self, timestamps: Int64s) -> None:
        """Marks the closed hours that these samples fall into, and of which records are kept."""
        if self._watermark is None:
            return
        oldest = self._watermark - USAGE_KEPT_MS
        if int(timestamps.min(initial=oldest)) < oldest:
            timestamps = timestamps[timestamps >= oldest]
        if not len(timestamps):
            return
        first, last = hour_end(int(timestamps.min())), hour_end(int(timestamps.max()))
        if first > self._watermark:
            return
        hours = {first, last}
        if last - first > HOUR_MS:
            hours.update((distinct(-(-timestamps // HOUR_MS)) * HOUR_MS).tolist())
        with self._lock:
            new = {hour for hour in hours if hour <= self._watermark} - self._marked
            if new:
                with self._records.unit() as unit:
                    unit.usage.mark_dirty(new)
                self._marked |= new

    def take(self, limit: int) -> list[int]:
        """The oldest marked hours; those that get samples from now on are marked anew."""
        with self._lock:
            if not self._marked:
                return []
            with self._records.unit() as unit:
                hours = unit.usage.dirty_hours(limit)
            self._marked.difference_update(hours)
            return hours

    def done(self, hours: Iterable[int]) -> None:
        """These were computed again; the ones marked anew meanwhile stay."""
        with self._lock:
            finished = set(hours) - self._marked
            if finished:
                with self._records.unit() as unit:
                    unit.usage.clear_dirty(finished)

    def put_back(self, hours: Iterable[int]) -> None:
        """These could not be computed; they stay marked."""
        with self._lock:
            self._marked.update(hours)

    def __len__(self) -> int:
        return len(self._marked)


class HostsSeen:
    """When each host was last heard of, for the host-silence rule and the pages; and its clock."""

    def __init__(self, seen_ms: Mapping[str, int]) -> None:
        self.clocks = HostClocks()
        self._seen = dict(seen_ms)
        self._hosts: list[str] = [_NOBODY]
        self._number_of_host: dict[str, int] = {_NOBODY: 0}
        self._host_number = PerSeries(self._number_of_speaker)
        self._lock = threading.Lock()

    def all(self) -> dict[str, int]:
        """Milliseconds UTC of the newest live sample of each host."""
        with self._lock:
            return dict(self._seen)

    def forget(self, host: str) -> None:
        """The host is retired."""
        self.clocks.forget(host)
        with self._lock:
            self._seen.pop(host, None)

    def note(self, batch: SampleBatch, now_ms: int) -> None:
        """Takes the batch's live samples as signs of life of their hosts."""
        if not len(batch.timestamps):
            return
        since_ms = now_ms - LIVE_MS
        if int(batch.timestamps.max()) < since_ms:
            if int(batch.timestamps.max()) - int(batch.timestamps.min()) > LATEST_MS:
                return
            since_ms = 0  # history, or a clock that is hours behind
        live = (batch.timestamps >= since_ms) & ~is_stale(batch.values)
        times = np.where(live, batch.timestamps, 0)
        with self._lock:
            numbers, starts = _stretches(self._host_number.of(batch.labels), batch.offsets)
            newest = np.zeros(len(self._hosts), dtype=np.int64)
            np.maximum.at(newest, numbers, np.maximum.reduceat(times, starts))
            newest[self._number_of_host[_NOBODY]] = 0
            for number in np.flatnonzero(newest).tolist():
                host, at_ms = self._hosts[number], int(newest[number])
                self.clocks.note(host, at_ms, now_ms)
                if now_ms - LIVE_MS <= at_ms and min(at_ms, now_ms) > self._seen.get(host, 0):
                    self._seen[host] = min(at_ms, now_ms)

    def _number_of_speaker(self, labels: Labels) -> int:
        host = _speaking_host(labels)
        number = self._number_of_host.get(host)
        if number is None:
            number = self._number_of_host[host] = len(self._hosts)
            self._hosts.append(host)
        return number


def _stretches(hosts: Int64s, offsets: Int64s) -> tuple[Int64s, Int64s]:
    """The host of each stretch of series of one host, and where its samples start."""
    heard = offsets[1:] > offsets[:-1]
    hosts, starts = hosts[heard], offsets[:-1][heard]
    changes = np.ones(len(hosts), dtype=np.bool_)
    np.not_equal(hosts[1:], hosts[:-1], out=changes[1:])
    return hosts[changes], starts[changes]


def _speaking_host(labels: Labels) -> str:
    """The host whose life this series shows; "" for what others say about a host."""
    name = label_value(labels, NAME)
    if name in ("up", "ALERTS", "ALERTS_FOR_STATE") or name.startswith("scrape_") or is_own(name):
        return ""
    return host_of_instance(label_value(labels, "instance"))


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What became of a write: the store's report and how many series of our own came back."""

    appended: AppendReport
    own_series_dropped: int


class Ingest:
    """The door for samples from outside."""

    def __init__(self, samples: Samples, late: LateHours, hosts: HostsSeen) -> None:
        self._samples, self._late, self._hosts = samples, late, hosts
        self._is_own = PerSeries(lambda labels: is_own(label_value(labels, NAME)))

    def write(self, batch: SampleBatch, now_ms: int) -> IngestReport:
        """Keeps the batch, durable when this returns; raises `SamplesUnavailable`."""
        own = self._is_own.of(batch.labels) > 0
        dropped = int(np.count_nonzero(own))
        kept = part_of(batch, ~own) if dropped else batch
        self._late.note(kept.timestamps)
        report = self._samples.append(kept)
        refused = {each.labels for each in report.rejected}
        note_stored(kept.labels, refused)
        # An hour that was computed while this was being written has missed it.
        self._late.note(kept.timestamps)
        if refused:
            # What is refused is nobody's sign of life, and must not be remembered.
            stored = np.array([labels not in refused for labels in kept.labels], dtype=np.bool_)
            kept = part_of(kept, stored)
        self._hosts.note(kept, now_ms)
        return IngestReport(report, dropped)

    def write_all(self, batches: Sequence[SampleBatch], now_ms: int) -> list[IngestReport]:
        """What `write` returns for each of the batches, which are written together if they can."""
        whole = joined_batches(batches)
        report = None if whole is None else self._write_known(whole, now_ms)
        if report is None:
            return [self.write(batch, now_ms) for batch in batches]
        reports, same = [], report.duplicates
        for batch in batches:
            # Of samples that were here already it is not known which batch brought them.
            own = min(same, len(batch.timestamps))
            reports.append(IngestReport(AppendReport(len(batch.timestamps) - own, own), 0))
            same -= own
        return reports

    def _write_known(self, batch: SampleBatch, now_ms: int) -> AppendReport | None:
        """Keeps the batch if it holds nothing to be refused, of known series."""
        if self._is_own.of(batch.labels).any():
            return None
        self._late.note(batch.timestamps)
        report = self._samples.append_known(batch)
        if report is not None:
            note_stored(batch.labels, ())
            self._late.note(batch.timestamps)
            self._hosts.note(batch, now_ms)
        return report


def last_closed_hour(now_ms: int, grace_ms: int = 60_000) -> int:
    """The newest hour end after which pushing agents have had their grace."""
    return hour_end(now_ms - grace_ms + 1) - HOUR_MS
