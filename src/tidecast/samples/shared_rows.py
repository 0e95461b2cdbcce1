"""Rows of numbers in memory that grow without being copied, and that other processes can read."""

from __future__ import annotations

import contextlib
import mmap
import os
import weakref
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tidecast_collector.errors import TidecastError

_FEWEST_ROWS = 1 << 15

Rows = npt.NDArray[Any]


class NotShared(TidecastError):
    """Memory that one process cannot let another one read."""


@dataclass(frozen=True, slots=True)
class RowsElsewhere:
    """Where another process has its rows, as plain data."""

    path: str
    kind: str
    shape: tuple[int, int]

    def read(self) -> Rows:
        """The rows as they are there, not to be written to; raises `NotShared`."""
        size = self.shape[0] * self.shape[1] * np.dtype(self.kind).itemsize
        if not size:
            return np.empty(self.shape, dtype=self.kind)
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                memory = mmap.mmap(descriptor, size, access=mmap.ACCESS_READ)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise NotShared(f"{self.path} cannot be read: {error.strerror or error}") from error
        return np.ndarray(self.shape, dtype=self.kind, buffer=memory)


class SharedRows:
    """Rows of so many numbers of one kind each.

    They stand in a file of no name that is in memory only; where the system has none, or does not
    let it grow, in memory that is this process' own.
    """

    def __init__(self, kind: str, width: int) -> None:
        self._kind, self._width = kind, width
        self._descriptor: int | None = None
        if hasattr(os, "memfd_create"):
            with contextlib.suppress(OSError):
                self._descriptor = os.memfd_create("tidecast", os.MFD_CLOEXEC)
                weakref.finalize(self, os.close, self._descriptor)
        self.array: Rows = np.empty((0, width), dtype=kind)
        """All rows there is room for."""

    def reserve(self, rows: int) -> Rows:
        """The rows, at least so many; what is in them stays."""
        if rows > len(self.array):
            # Pages that are never written to take no memory.
            self._lengthen(max(rows, 2 * len(self.array), _FEWEST_ROWS))
        return self.array

    def elsewhere(self, rows: int) -> RowsElsewhere:
        """For other processes: the first so many rows, as long as this one holds them.

        Raises `NotShared`.
        """
        if self._descriptor is None:
            raise NotShared("the memory of this process cannot be shared")
        path = f"/proc/{os.getpid()}/fd/{self._descriptor}"
        return RowsElsewhere(path, self._kind, (rows, self._width))

    def _lengthen(self, rows: int) -> None:
        if self._descriptor is not None:
            size = rows * self._width * self.array.itemsize
            try:
                os.truncate(self._descriptor, size)
                memory = mmap.mmap(self._descriptor, size)
            except OSError:
                self._descriptor = None
            else:
                self.array = np.ndarray((rows, self._width), dtype=self._kind, buffer=memory)
                return
        own = np.empty((rows, self._width), dtype=self._kind)
        own[: len(self.array)] = self.array
        self.array = own
