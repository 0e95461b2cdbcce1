"""Where Prometheus 3.x, and so the engine, answers otherwise than Debian's Prometheus 2.42.

Known besides, and kept out of the comparison by its choice of times and data: 2.42's ranges and
look-back are closed at their start, 3.x's are left-open; 2.42 clamps a counter's extrapolation to
its zero point before it compares with the threshold, 3.x after.
"""

from __future__ import annotations

VERSION_DIFFERENCES: dict[str, str] = {
    "temperature atan2 ignoring (nothing) size": "2.42 forgets to drop the name after atan2",
    "stdvar(odd)": "the variance of a single infinite value is NaN in 3.x, 0 in 2.42",
}
"""Expression -> why 2.42 differs."""
