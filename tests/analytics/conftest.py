"""The real data that some tests of this room read."""

from pathlib import Path

import pytest
from tests.real_data import real_data


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Its folder."""
    return real_data()
