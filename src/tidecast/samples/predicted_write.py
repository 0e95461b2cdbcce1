"""The quickest way through a remote-write message: as the messages before it lead to expect.

Senders send the same series in the same order again and again. What changes is times and values,
and where a value has become zero or is zero no more, the length of its sample. So a message is laid
beside those read before: every bit that is not of a time or a value must be the same, stretch by
stretch. Where one differs, that series is read by itself and the comparison goes on behind it.

Nothing is taken because it was expected: each bit of a message has been compared with one that was
read in full, or is read here.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from tidecast.samples.batch import Int64s, SampleBatch, distinct
from tidecast.samples.catalogue import Catalogue, CataloguedLabels
from tidecast.samples.single_series import SeriesSpan, SingleSeries, read_samples, read_span
from tidecast.samples.usual_write import Octets, UsualSeries, sample_values
from tidecast_collector.errors import InvalidInput

MAX_BYTES, SPARE_BYTES = 512 << 20, 64 << 20
"""What is remembered of messages, and how much of it beyond the size of the series that were
stored; where it is more, the oldest are forgotten."""
_STRETCH_BYTES = 2000
"""About what a message takes besides what is in it."""
_WORTH_KEEPING = 4
"""A message with so many surprises is remembered in place of those it was compared with."""
_SURPRISES, _SURPRISES_SHARE = 16, 8
"""So many surprises, and one more for so many series, before a message is read another way."""
_BLOCK = 64 << 10
"""Bytes compared at once: what that makes on the way stays in the cache."""
_TIME_BYTES, _VALUE_BYTES = np.arange(-6, 0), np.arange(-15, -7)
"""Where timestamp and value of a sample stand, from its end."""
_CONTINUES = 0x80
"""The bit of a timestamp's byte that tells whether another follows."""
_NOWHERE = -1

Labelled = Callable[[Sequence[bytes], Callable[[int], int]], CataloguedLabels]
"""Gives the labels that runs of label fields mean."""


@dataclass(frozen=True, slots=True)
class _Places:
    """Consecutive series of a message by number, where each begins, and where its samples end.

    Series `i` owns the samples from `offsets[i]` on; `whole` says which samples have a value.
    """

    numbers: Int64s
    starts: Int64s
    offsets: Int64s
    ends: Int64s
    whole: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Stretch:
    """A message read before: its bytes, which of their bits must come again, where what stands.

    In `places`, `starts` and `offsets` have one element more than there are series.
    """

    octets: Octets
    fixed: Octets
    places: _Places

    @property
    def size_bytes(self) -> int:
        """About how much memory it takes."""
        places = self.places
        content = 2 * len(self.octets) + 24 * len(places.numbers) + 9 * len(places.ends)
        return _STRETCH_BYTES + content

    def alike_until(self, octets: Octets, at: int, series: int) -> int:
        """The first series, from this one on, that does not stand so at this place of a message."""
        start = int(self.places.starts[series])
        size = min(len(octets) - at, len(self.octets) - start)
        for low in range(0, size, _BLOCK):
            high = min(low + _BLOCK, size)
            own = slice(start + low, start + high)
            differs = octets[at + low : at + high] ^ self.octets[own]
            differs &= self.fixed[own]
            if np.maximum.reduce(differs):
                size = low + int((differs != 0).argmax())
                break
        return int(self.places.starts.searchsorted(start + size, side="right")) - 1

    def part(self, first: int, last: int, at: int) -> _Part:
        """The series from the first to before the last, where they stand so from a place on."""
        own, (low, high) = self.places, self.places.offsets[[first, last]].tolist()
        shift = at - int(own.starts[first])
        octets = slice(int(own.starts[first]), int(own.starts[last]))
        return _Part(
            _Places(
                own.numbers[first:last],
                own.starts[first:last] + shift,
                own.offsets[first:last] - low,
                own.ends[low:high] + shift,
                own.whole[low:high],
            ),
            lambda: self.fixed[octets],
        )


_Expected = tuple[_Stretch, int]
"""A stretch and the place of a series in it: what a message is to be compared with."""


@dataclass(frozen=True, slots=True)
class _Part:
    """Places in the message at hand, and what gives their fixed bits."""

    places: _Places
    fixed: Callable[[], Octets]


def _fixed(size: int, ends: Int64s, whole: npt.NDArray[np.bool_]) -> Octets:
    """The bits that are not of a time or a value, of so many bytes with samples that end there."""
    fixed = np.full(size, 0xFF, dtype=np.uint8)
    fixed[ends[:, None] + _TIME_BYTES] = _CONTINUES
    fixed[ends[whole][:, None] + _VALUE_BYTES] = 0
    return fixed


def _of_singles(singles: Sequence[SingleSeries]) -> _Part:
    """The part that these series, read one by one, make."""
    ends = np.array([end for one in singles for end in one.ends], dtype=np.int64)
    whole = np.array([whole for one in singles for whole in one.whole], dtype=np.bool_)
    start, end = singles[0].span.start, singles[-1].span.end
    return _Part(
        _Places(
            np.array([one.number for one in singles], dtype=np.int64),
            np.array([one.span.start for one in singles], dtype=np.int64),
            np.array([0, *(len(one.ends) for one in singles[:-1])], dtype=np.int64).cumsum(),
            ends,
            whole,
        ),
        lambda: _fixed(end - start, ends - start, whole),
    )


def _joined(parts: Sequence[_Part], size: int) -> _Places:
    """These parts of a message of this size as one, with the last elements that a stretch has."""
    places = [part.places for part in parts]
    offsets, samples = [], 0
    for each in places:
        offsets.append(each.offsets + samples)
        samples += len(each.ends)
    return _Places(
        np.concatenate([each.numbers for each in places]),
        np.concatenate([*(each.starts for each in places), [size]]),
        np.concatenate([*offsets, [samples]]),
        np.concatenate([each.ends for each in places]),
        np.concatenate([each.whole for each in places]),
    )


@dataclass(slots=True)
class _Memory:
    """The stretches that are remembered, and for each series of the catalogue where it stands.

    Another thread may be learning while one looks up: what it finds is only where to compare.
    """

    catalogue: Catalogue
    stretches: dict[int, _Stretch] = field(default_factory=dict)
    """By a number that rises: the oldest first."""
    size_bytes: int = 0
    issued: int = 0
    stretch_of: Int64s = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    place_of: Int64s = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    next_of: Int64s = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    """The series that last came behind it."""

    def find(self, number: int) -> _Expected | None:
        """The stretch that holds this series, and its place there."""
        if not 0 <= number < len(self.place_of):
            return None
        stretch, place = (
            self.stretches.get(int(self.stretch_of[number])),
            int(self.place_of[number]),
        )
        if stretch is None:
            return None
        numbers = stretch.places.numbers
        return (stretch, place) if place < len(numbers) and numbers[place] == number else None

    def after(self, number: int) -> _Expected | None:
        """The same for the series that is expected behind this one."""
        return self.find(int(self.next_of[number])) if number < len(self.next_of) else None

    def put(self, stretch: _Stretch) -> None:
        """Remembers the stretch, forgets those none of whose series is looked up there any more."""
        numbers = stretch.places.numbers
        self._know(len(self.catalogue.labels))
        replaced = distinct(self.stretch_of[numbers]).tolist()
        self.issued += 1
        self.stretches[self.issued] = stretch
        self.stretch_of[numbers] = self.issued
        self.place_of[numbers] = np.arange(len(numbers))
        self.next_of[numbers[:-1]] = numbers[1:]
        self.size_bytes += stretch.size_bytes
        for issue in replaced:
            before = self.stretches.get(issue)
            if before is not None and not (self.stretch_of[before.places.numbers] == issue).any():
                self._drop(issue)
        most = min(MAX_BYTES, SPARE_BYTES + self.catalogue.stored_bytes)
        while self.size_bytes > most:
            self._drop(next(iter(self.stretches)))

    def _drop(self, issue: int) -> None:
        self.size_bytes -= self.stretches.pop(issue).size_bytes

    def _know(self, series: int) -> None:
        more = series - len(self.place_of)
        if more > 0:
            unknown = np.full(more + series // 2, _NOWHERE, dtype=np.int64)
            self.stretch_of = np.concatenate([self.stretch_of, unknown])
            self.place_of = np.concatenate([self.place_of, unknown])
            self.next_of = np.concatenate([self.next_of, unknown])


class Predictor:
    """Messages read before, for those that come. Safe for several threads.

    `labelled` gives the labels of label fields, as `KnownLabels.of` does.
    """

    def __init__(self, labelled: Labelled) -> None:
        self._labelled = labelled
        self._memory = _Memory(Catalogue())
        self._lock = threading.Lock()

    @property
    def remembered_bytes(self) -> int:
        """About how much memory the messages read before take."""
        return self._memory.size_bytes

    def read(self, message: bytes) -> SampleBatch | None:
        """The samples of a message much like those before, None for any other."""
        memory = self._memory
        reading = _Reading(memory, message, self._labelled)
        if not reading.to_the_end():
            return None
        read = _joined(reading.parts, len(message))
        if reading.surprises >= _WORTH_KEEPING:
            fixed = np.concatenate([part.fixed() for part in reading.parts])
            with self._lock:
                memory.put(_Stretch(reading.octets, fixed, read))
        timestamps, values = sample_values(message, read.ends, read.whole, len(read.numbers))
        labels = CataloguedLabels(memory.catalogue, read.numbers)
        return SampleBatch(labels, read.offsets, timestamps, values)

    def learn(self, message: bytes, series: UsualSeries, labels: CataloguedLabels) -> None:
        """Remembers a message that was read in full: its series, and their labels."""
        starts = np.append(series.starts, len(message))
        stretch = _Stretch(
            np.frombuffer(message, dtype=np.uint8),
            _fixed(len(message), series.ends, series.whole),
            _Places(labels.numbers, starts, series.offsets, series.ends, series.whole),
        )
        with self._lock:
            if self._memory.catalogue is not labels.catalogue:
                self._memory = _Memory(labels.catalogue)
            self._memory.put(stretch)


class _Reading:
    """One message on its way through the memory."""

    def __init__(self, memory: _Memory, message: bytes, labelled: Labelled) -> None:
        self._memory, self._message, self._labelled = memory, message, labelled
        self._singles: list[SingleSeries] = []
        self._series = 0
        self.octets = np.frombuffer(message, dtype=np.uint8)
        self.parts: list[_Part] = []
        self.surprises = 0
        """How many series were read by themselves."""

    def to_the_end(self) -> bool:
        """Whether the whole message could be read."""
        at, expected = 0, None
        while at < len(self._message):
            if expected is not None:
                stretch, series = expected
                until = stretch.alike_until(self.octets, at, series)
                if until > series:
                    self._take(stretch.part(series, until, at))
                    at += int(stretch.places.starts[until] - stretch.places.starts[series])
                if until == len(stretch.places.numbers):
                    expected = self._memory.after(int(stretch.places.numbers[-1]))
                    continue
                if at == len(self._message):
                    break
                expected = stretch, until
            span = self._surprise(at)
            number = None if span is None else self._number(span)
            if span is None or number is None:
                return False
            if expected is None or expected[0].places.numbers[expected[1]] != number:
                expected = self._memory.find(number)
                if expected is not None:
                    continue
            if not self._single(span, number):
                return False
            at, expected = span.end, self._behind(expected, number)
        self._end_singles()
        return bool(self.parts)

    def _take(self, part: _Part) -> None:
        self._end_singles()
        self.parts.append(part)
        self._series += len(part.places.numbers)

    def _surprise(self, at: int) -> SeriesSpan | None:
        """The series at this place, None where it is unusual, or one surprise too many."""
        self.surprises += 1
        if self.surprises > _SURPRISES + self._series // _SURPRISES_SHARE:
            return None
        return read_span(self._message, at)

    def _number(self, span: SeriesSpan) -> int | None:
        """The number of the series by its labels, None where they are none."""
        chunk = self._message[span.labels_start : span.labels_end]
        try:
            labels = self._labelled([chunk], lambda _: span.labels_start)
        except InvalidInput:
            return None
        return int(labels.numbers[0]) if labels.catalogue is self._memory.catalogue else None

    def _single(self, span: SeriesSpan, number: int) -> bool:
        """Takes the series by itself; False where its samples are unusual."""
        samples = read_samples(self._message, span)
        if samples is None:
            return False
        self._singles.append(SingleSeries(number, span, *samples))
        return True

    def _behind(self, expected: _Expected | None, number: int) -> _Expected | None:
        """Where what follows this series is expected to stand, if this one is known to stand
        anywhere."""
        if expected is None:
            return None
        stretch, place = expected[0], expected[1] + 1
        if place == len(stretch.places.numbers):
            return self._memory.after(number)
        return stretch, place

    def _end_singles(self) -> None:
        if self._singles:
            self.parts.append(_of_singles(self._singles))
            self._singles = []
