"""Where Prometheus 3.x, and so the engine, answers otherwise than Debian's Prometheus 2.42.

Known besides, and kept out of the comparison by its choice of times, data and expressions:

- 2.42's ranges and look-back are closed at their start, 3.x's are left-open;
- 2.42 clamps a counter's extrapolation to its zero point before it compares with the threshold,
  3.x after;
- 2.42 refuses at once where series become equal when a function drops their name, 3.x only if they
  still are at the end;
- 2.42 lets the window of `predict_linear(x[1m] @ t, ...)` wander with the steps of a range query,
  and forgets the offset in `timestamp(x @ t offset d)`;
- where several series match one without `group_left`, 2.42 sees an error only if a comparison keeps
  more than one of them, 3.x always;
- the calendar of an infinite or NaN time is what Go's conversion to an integer happens to give;
  ours is NaN.
"""

from __future__ import annotations

VERSION_DIFFERENCES: dict[str, str] = {
    "temperature atan2 ignoring (nothing) size": "2.42 forgets to drop the name after atan2",
    "stdvar(odd)": "the variance of a single infinite value is NaN in 3.x, 0 in 2.42",
}
"""Expression -> why 2.42 differs."""
