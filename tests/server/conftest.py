"""One server process for the tests that only ask it, in this room."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.scenario.driver import Server


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server; each test writes under names and hosts of its own."""
    with Server(tmp_path_factory.mktemp("server")) as running:
        yield running
