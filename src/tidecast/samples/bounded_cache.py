"""What was found out about files that no longer change, as much of it as may be held."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class BoundedCache(Generic[Key, Value]):
    """Values of at most `room` weight together; what was not asked for longest goes first.

    Safe to use from several threads. A value is not to be written to.
    """

    def __init__(self, room: int) -> None:
        self._room = room
        self._lock = threading.Lock()
        self._held: OrderedDict[Key, tuple[Value, int]] = OrderedDict()
        self._weight = 0

    def get(self, key: Key) -> Value | None:
        """The value of the key; None where it is not held (any more)."""
        with self._lock:
            found = self._held.get(key)
            if found is None:
                return None
            self._held.move_to_end(key)
            return found[0]

    def put(self, key: Key, value: Value, weight: int) -> None:
        """Holds the value, unless it alone is more than a quarter of the room."""
        if weight > self._room // 4:
            return
        with self._lock:
            self._forget(key)
            self._held[key] = (value, weight)
            self._weight += weight
            while self._weight > self._room:
                self._forget(next(iter(self._held)))

    def _forget(self, key: Key) -> None:
        found = self._held.pop(key, None)
        if found is not None:
            self._weight -= found[1]
