"""Where the real data lies that some tests read in place, and never copy."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def real_data() -> Path:
    """The folder TIDECAST_DATA, or shared/data beside the project or above it; fails without."""
    given = os.environ.get("TIDECAST_DATA")
    beside = [folder / "shared" / "data" for folder in (ROOT.parent, ROOT.parent.parent)]
    places = [*([Path(given)] if given else []), *beside]
    for place in places:
        if place.is_dir():
            return place
    pytest.fail(f"no real data in {', '.join(map(str, places))}: set TIDECAST_DATA to its folder")
