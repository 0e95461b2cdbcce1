"""Where the real data lies that some tests read."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def shared_data():
    """The folder of real data: TIDECAST_DATA, or ../shared/data beside the project or above it."""
    places = [
        Path(place)
        for place in (
            os.environ.get("TIDECAST_DATA"),
            ROOT.parent / "shared" / "data",
            ROOT.parent.parent / "shared" / "data",
        )
        if place
    ]
    for place in places:
        if place.is_dir():
            return place
    pytest.fail(f"no real data in {', '.join(map(str, places))}: set TIDECAST_DATA to its folder")
