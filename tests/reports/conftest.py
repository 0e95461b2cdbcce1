"""A small resource to vary."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tidecast_reports.capacity import Band, CapacityReport, ResourceOutlook

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
NOW_MS = 1_798_761_600_000  # 1 Jan 2027
GIB = 2.0**30


@pytest.fixture
def outlook() -> Callable[..., ResourceOutlook]:
    """An outlook of /var on web-3 (30 days past, 90 ahead) with whatever is to differ."""
    past = np.arange(-30 * 24 + 1, 1)
    ahead = np.arange(1, 90 * 24 + 1)
    mean = (0.8 + 0.002 * ahead / 24) * 50 * GIB
    spread = 0.01 * np.sqrt(ahead / 24) * 50 * GIB
    base = ResourceOutlook(
        host="web-3",
        resource="filesystem",
        item="/var",
        unit="bytes",
        statistic="max",
        source="agent",
        usage=40 * GIB,
        limit=50 * GIB,
        mark=45 * GIB,
        state="in_horizon",
        p10_ms=NOW_MS + 33 * DAY_MS,
        p50_ms=NOW_MS + 48 * DAY_MS,
        p90_ms=NOW_MS + 67 * DAY_MS,
        reasons=("Grows by 0.1 GiB a day.",),
        method="damped trend",
        query='tidecast_usage{instance="web-3"}',
        published_ms=NOW_MS,
        history_ms=NOW_MS + past.astype(np.int64) * HOUR_MS,
        history=(0.8 + 0.002 * past / 24) * 50 * GIB,
        band=Band(
            NOW_MS + ahead.astype(np.int64) * HOUR_MS,
            mean,
            mean - 1.28 * spread,
            mean + 1.28 * spread,
            mean - 1.96 * spread,
            mean + 1.96 * spread,
        ),
    )

    def vary(**change: Any) -> ResourceOutlook:
        return replace(base, **change)

    return vary


@pytest.fixture
def report(outlook: Callable[..., ResourceOutlook]) -> CapacityReport:
    """Two resources, the later one first."""
    later = outlook(host="db-1", p10_ms=None, p50_ms=None, p90_ms=None, state="beyond_horizon")
    return CapacityReport("Capacity", NOW_MS, 90, (later, outlook()))
