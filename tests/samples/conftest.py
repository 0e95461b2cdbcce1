"""Directories of this room's tests lie in memory where they can: they fsync thousands of times."""

from __future__ import annotations

import itertools
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

_IN_MEMORY = Path("/dev/shm")


@pytest.fixture(scope="session")
def new_directory() -> Iterator[Callable[[], Path]]:
    """Makes an empty directory at each call."""
    place = _IN_MEMORY if os.access(_IN_MEMORY, os.W_OK) else None
    numbers = itertools.count()
    with tempfile.TemporaryDirectory(prefix="tidecast-samples-", dir=place) as parent:

        def make() -> Path:
            directory = Path(parent) / str(next(numbers))
            directory.mkdir()
            return directory

        yield make


@pytest.fixture
def tmp_path(new_directory: Callable[[], Path]) -> Path:
    return new_directory()
