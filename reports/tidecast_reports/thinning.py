"""Long series reduced to what a chart can show, without losing their peaks."""

from __future__ import annotations

import numpy as np

from tidecast_reports.capacity import Band, Float64s, Int64s


def thin_history(times_ms: Int64s, values: Float64s, points: int) -> tuple[Int64s, Float64s]:
    """At most `points` samples: of each stretch of time its lowest and its highest, in order.

    Samples without a finite value are left out; a short series comes back as it is.
    """
    finite = np.isfinite(values)
    times_ms, values = times_ms[finite], values[finite]
    if times_ms.size <= points:
        return times_ms, values
    edges = np.linspace(0, times_ms.size, max(points // 2, 1) + 1).astype(np.int64)
    kept: set[int] = set()
    for start, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        if end > start:
            stretch = values[start:end]
            kept |= {start + int(stretch.argmin()), start + int(stretch.argmax())}
    index = np.array(sorted(kept), dtype=np.int64)
    return times_ms[index], values[index]


def thin_band(band: Band, points: int) -> Band:
    """At most `points` steps, evenly spread in time: of each stretch the mean, its widest bands.

    Steps may lie unevenly (hourly at first, then daily).
    """
    size = band.times_ms.size
    if size <= points:
        return band
    borders = np.linspace(band.times_ms[0], band.times_ms[-1], points + 1)[:-1]
    edges = np.unique(np.searchsorted(band.times_ms, borders))
    counts = np.diff(np.append(edges, size))
    middle = edges + counts // 2
    return Band(
        times_ms=band.times_ms[middle],
        mean=np.add.reduceat(band.mean, edges) / counts,
        lo80=np.minimum.reduceat(band.lo80, edges),
        hi80=np.maximum.reduceat(band.hi80, edges),
        lo95=np.minimum.reduceat(band.lo95, edges),
        hi95=np.maximum.reduceat(band.hi95, edges),
    )
