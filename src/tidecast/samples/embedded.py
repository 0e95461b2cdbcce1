"""The store in a directory of its own: log, head and segments behind the `Samples` protocol.

A sample goes into the log (durable from then on), then into the head; a flush writes the head into
segments and only then removes its log files. Dying between any two of these steps leaves a sample
in both, which reading makes one again.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from tidecast.samples.admission import admit
from tidecast.samples.apart import Runner
from tidecast.samples.batch import SampleBatch
from tidecast.samples.catalogue import PerSeries
from tidecast.samples.commit import GroupCommit
from tidecast.samples.copying import copy_store
from tidecast.samples.durable import (
    lock_directory,
    remove_durably,
    sync_directory,
    writing_in,
)
from tidecast.samples.embedded_reading import EmbeddedReading
from tidecast.samples.head import Head
from tidecast.samples.holdings import Holdings
from tidecast.samples.keeping import (
    Room,
    build_due,
    fit,
    join_due,
    retain,
    retain_tiers,
)
from tidecast.samples.kept import BEFORE_ALL_MS, Tier
from tidecast.samples.log import LogWriter, log_paths
from tidecast.samples.log_record import LogEntry
from tidecast.samples.matchers import Matchers
from tidecast.samples.metadata import MetadataFile
from tidecast.samples.protocol import (
    AppendReport,
    MetricMetadata,
    SamplesUnavailable,
)
from tidecast.samples.recovery import replay_logs
from tidecast.samples.sealing import BLOCK_WINDOWS
from tidecast.samples.segment_work import SegmentWork
from tidecast.samples.series_limit import Numbered, SeriesLimit
from tidecast.samples.validation import MIN_TIMESTAMP_MS, why_refused
from tidecast_collector.labels import Labels

TWO_HOURS_MS = 7_200_000
MAX_SERIES = 2_000_000
_GRACE_SHARE = 24
"""A window is flushed this part of its width after its end, when stragglers have arrived."""
_MOST_FLUSHES = 10
"""However many series there are, the head takes no more than so many times its usual size."""

_log = logging.getLogger(__name__)


def wall_clock_ms() -> int:
    """Milliseconds since 1970 UTC."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class _Write:
    """A batch to be written, or (`only_known`) only if the head has all its series."""

    batch: SampleBatch
    only_known: bool = False


@dataclass(frozen=True, slots=True)
class _Sealed:
    """A head that takes no more samples, and the log files that can go once it is in segments."""

    head: Head
    logs: Sequence[Path]


class EmbeddedSamples(EmbeddedReading):
    """Samples in files of one directory, which one process at a time may have open.

    `window_ms` is the width of fresh segments. The head is flushed when a window is over or when
    it holds `flush_samples`, or (where that is more, up to ten times as many) so many of each of
    its series; at twice that, appending waits for the flush. Upkeep runs every
    `upkeep_seconds` in a thread of its own, or (None) only when `maintain` is called. Samples that
    lag behind the clock by more than `out_of_order_window_ms` are refused (None: none are), and so
    are new series where `max_series` are active. What is older than twelve windows goes into the
    `tiers` too, which `keep` looks after. Segments are written by `apart` in another process, or
    (None) here.

    Opening raises `StoreLocked` where another process has the directory open, `DamagedFile` where
    it is no longer known what was deleted, `SamplesUnavailable` where the disk refuses.
    """

    def __init__(  # noqa: PLR0913 (each is a choice of its own)
        self,
        directory: Path,
        *,
        window_ms: int = TWO_HOURS_MS,
        flush_samples: int = 5_000_000,
        flush_samples_a_series: int = 0,
        tiers: Sequence[Tier] = (),
        out_of_order_window_ms: int | None = None,
        max_series: int = MAX_SERIES,
        clock: Callable[[], int] = wall_clock_ms,
        upkeep_seconds: float | None = 30.0,
        apart: Runner | None = None,
    ) -> None:
        self.directory = directory
        self._max_series = max_series
        self._window_ms = window_ms
        self._flush_samples = flush_samples
        self._flush_samples_a_series = flush_samples_a_series
        self._out_of_order_window_ms = out_of_order_window_ms
        self._clock = clock
        self._upkeep_lock = threading.RLock()
        self._memory_lock = threading.RLock()
        self._tiers = tuple(tiers)
        self._closed = False
        with ExitStack() as undo, writing_in(directory):
            directory.mkdir(parents=True, exist_ok=True)
            self._lock_descriptor = lock_directory(directory)
            undo.callback(os.close, self._lock_descriptor)
            self._open(directory, SegmentWork(window_ms, apart))
            undo.pop_all()
        self._opened_ms = clock()
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._upkeep = threading.Thread(
            target=self._keep_up, args=(upkeep_seconds,), name="samples-upkeep", daemon=True
        )
        if upkeep_seconds is not None:
            self._upkeep.start()

    def _open(self, directory: Path, work: SegmentWork) -> None:
        log_directory = directory / "log"
        log_directory.mkdir(exist_ok=True)
        sync_directory(directory)
        sync_directory(directory.parent)
        self._holdings = Holdings(directory, self._tiers, work, self._memory_lock)
        self._metadata = MetadataFile(directory / "metadata.json")
        problems = self._holdings.problems
        self._head = Head()
        self._sealed: _Sealed | None = None
        self._removed_bytes = 0
        self._refused = PerSeries(self._is_refused)
        problems += self._metadata.problems
        problems += replay_logs(log_paths(log_directory), self._head)
        self._limit = SeriesLimit(self._max_series, self._head)
        self._log = LogWriter(log_directory)
        self._commits = GroupCommit(self._commit)
        for problem in problems:
            _log.warning("%s", problem)

    def __enter__(self) -> EmbeddedSamples:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()

    def close(self) -> None:
        """Lets go of the directory; what is in the head comes back from the log."""
        if self._closed:
            return
        self._stopping.set()
        self._wake.set()
        if self._upkeep.is_alive():
            self._upkeep.join()
        with self._upkeep_lock, self._commits.paused():
            self._closed = True
            self._log.close()
            os.close(self._lock_descriptor)

    def append(self, batch: SampleBatch) -> AppendReport:
        """Writes the batch; returns once it would survive a power cut.

        Duplicates are counted among samples not yet in segments. Series that break the rules of
        `validation`, and samples older than what is retained, are left out and named.
        """
        admitted, rejected = admit(batch, self._refused, self._oldest_ms())
        if not len(admitted.timestamps):
            return AppendReport(0, 0, rejected)
        self._make_room()
        report = self._commits.submit(_Write(admitted))
        assert report is not None
        return replace(report, rejected=(*rejected, *report.rejected)) if rejected else report

    def append_known(self, batch: SampleBatch) -> AppendReport | None:
        """The same where all series are known and nothing would be refused; otherwise None."""
        admitted, rejected = admit(batch, self._refused, self._oldest_ms())
        if rejected or admitted is not batch or not len(batch.timestamps):
            return None
        self._make_room()
        return self._commits.submit(_Write(batch, only_known=True))

    def _is_refused(self, labels: Labels) -> bool:
        return labels not in self._head and why_refused(labels) is not None

    def _oldest_ms(self) -> int:
        window_ms = self._out_of_order_window_ms
        return MIN_TIMESTAMP_MS if window_ms is None else self._clock() - window_ms

    def _commit(self, writes: Sequence[_Write]) -> list[AppendReport | None]:
        """Logs the batches, then takes them into the head; returns what became of each."""
        self._require_open()
        with self._memory_lock:
            numbered = [self._numbered(write) for write in writes]
        entries = [LogEntry(each.numbers, each.batch) for each in numbered if each is not None]
        self._log.write([entry for entry in entries if len(entry.numbers)])
        with self._memory_lock:
            duplicates = iter([self._take(entry) for entry in entries])
        return [None if each is None else each.report(next(duplicates)) for each in numbered]

    def _numbered(self, write: _Write) -> Numbered | None:
        if write.only_known and int(self._head.find(write.batch.labels).min(initial=0)) < 0:
            return None
        return self._limit.numbered(write.batch)

    def _require_open(self) -> None:
        if self._closed:
            raise SamplesUnavailable(f"the samples store in {self.directory} is closed")

    def _take(self, entry: LogEntry) -> int:
        batch = entry.batch
        return self._head.add_numbered(entry.numbers, batch.offsets, batch.timestamps, batch.values)

    def _make_room(self) -> None:
        if self._head.samples >= 2 * self._full_at():
            self.flush()
        elif self._head.samples >= self._full_at():
            self._wake.set()

    def _full_at(self) -> int:
        """How many samples make the head full."""
        wished = self._flush_samples_a_series * len(self._head)
        return min(max(self._flush_samples, wished), _MOST_FLUSHES * self._flush_samples)

    def copy_to(self, target: Path) -> None:
        """Copies the store, with all that is acknowledged by now, into that empty directory.

        Appending goes on meanwhile, flushing does not. Raises `OSError` where the disk refuses.
        """
        with self._upkeep_lock:
            with self._commits.paused():
                self._require_open()
                sizes = {p: p.stat().st_size for p in log_paths(self.directory / "log")}
            holdings = self._holdings
            segments = [s.path for files in holdings.files for s in holdings.segments(files)]
            copy_store(self.directory, target, sizes, segments)

    def put_metadata(self, metadata: dict[str, MetricMetadata]) -> None:
        """Remembers what these metric names are."""
        with writing_in(self.directory):
            self._metadata.put(metadata)

    def clean(self) -> None:
        """Writes anew what deletions hide something of, so that it takes no more room."""
        with self._upkeep_lock:
            self._join(self._clock())

    def _heads(self) -> list[Head]:
        return [self._head] if self._sealed is None else [self._sealed.head, self._head]

    def maintain(self, now_ms: int) -> None:
        """Flushes the head when that is due, and joins segments where that is worth while."""
        with self._upkeep_lock:
            self._flush_if_due(now_ms)
            self._join(now_ms)

    def _join(self, now_ms: int) -> None:
        between = partial(self._flush_if_due, now_ms)
        join_due(self._holdings, self._stretch_ms, now_ms, between)

    def keep(self, now_ms: int, raw_keep_ms: int) -> None:
        """Builds tiers, and removes what is kept for long enough.

        Raises `SamplesUnavailable` where the disk refuses; what is too old has gone by then.
        """
        try:
            while self._build_tiers(now_ms, BEFORE_ALL_MS):
                pass
        finally:
            with self._upkeep_lock:
                retain(self._holdings, now_ms - raw_keep_ms)
                retain_tiers(self._holdings, self._stretch_ms, now_ms)

    def build_tiers(self, now_ms: int) -> None:
        """Builds the tiers where raw samples are kept: these stay to be read all the same."""
        while self._build_tiers(now_ms, self._holdings.view.kept.raw_after_ms):
            pass

    def _build_tiers(self, now_ms: int, after_ms: int) -> int:
        with self._upkeep_lock:
            settled_ms = now_ms - self._window_ms
            return build_due(self._holdings, self._stretch_ms, settled_ms, after_ms)

    def make_room(self, room: Room) -> None:
        """Removes the oldest samples where all of them need more than this."""
        with self._upkeep_lock:
            others = room.others_bytes + self._log_bytes()
            self._removed_bytes += fit(self._holdings, Room(room.max_bytes, others))

    @property
    def _stretch_ms(self) -> int:
        return self._window_ms * BLOCK_WINDOWS

    def _log_bytes(self) -> int:
        return sum(path.stat().st_size for path in log_paths(self.directory / "log"))

    def flush(self) -> None:
        """Writes every sample of the head into segments and removes the log files they are in.

        Raises `SamplesUnavailable` where the disk refuses; then all is still in log and head.
        """
        with self._upkeep_lock:
            self._flush(self._clock())

    def delete(self, matchers: Matchers, start_ms: int, end_ms: int) -> int:
        """Forgets the matching samples in [start, end], durably; returns how many series it met."""
        with self._upkeep_lock:
            met = len(self.series([matchers], start_ms, end_ms))
            # What is deleted must be in segments: the log would bring it back.
            self._flush(self._clock())
            if met:
                self._holdings.forget(matchers, *self._bounds(start_ms, end_ms))
            return met

    def retain(self, before_ms: int) -> None:
        """Hides samples not newer than this, and removes the segments that hold no others."""
        with self._upkeep_lock:
            retain(self._holdings, before_ms)

    def _flush_if_due(self, now_ms: int) -> None:
        if self._flush_due(now_ms):
            self._flush(now_ms)

    def _flush_due(self, now_ms: int) -> bool:
        window_ms = self._window_ms
        over = (now_ms - window_ms // _GRACE_SHARE) // window_ms > self._opened_ms // window_ms
        return over or self._sealed is not None or self._head.samples >= self._full_at()

    def _flush(self, now_ms: int) -> None:
        if self._sealed is not None:
            self._write_sealed(self._sealed, now_ms)
        with self._commits.paused():
            self._require_open()
            self._opened_ms = now_ms
            if not self._head.samples:
                # Files that could not be removed the last time; their samples are in segments.
                with writing_in(self.directory):
                    remove_durably(self._log.rotate())
                return
            sealed = _Sealed(self._head, self._log.rotate())
            with self._memory_lock:
                sealed.head.settle()
                self._sealed, self._head = sealed, Head()
                self._limit.next_head(self._head)
        self._write_sealed(sealed, now_ms)

    def _write_sealed(self, sealed: _Sealed, now_ms: int) -> None:
        with writing_in(self.directory):
            holdings = self._holdings
            written = holdings.work.write_head(holdings.raw, sealed.head, now_ms)
            with self._memory_lock:
                holdings.exchange(holdings.raw, [], written)
                self._sealed = None
            remove_durably(sealed.logs)

    def _keep_up(self, every_seconds: float) -> None:
        while True:
            self._wake.wait(every_seconds)
            self._wake.clear()
            if self._stopping.is_set():
                return
            try:
                self.maintain(self._clock())
            except SamplesUnavailable as error:
                _log.warning("upkeep of the samples store will be tried again: %s", error)
