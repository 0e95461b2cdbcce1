"""One target under atheris: `python -m tests.soak.follow_coverage TARGET CORPUS [-option=...]`."""

from __future__ import annotations

import operator
import sys
from collections.abc import Callable
from typing import Any

import atheris
import numpy as np

with atheris.instrument_imports(include=["tidecast", "tidecast_collector"]):
    from tests.soak.targets import TARGETS

_COMPARISONS = (operator.lt, operator.le, operator.eq, operator.ne, operator.gt, operator.ge)
"""In the order of CPython's numbers for them."""


def _without_arrays(trace: Callable[..., Any]) -> Callable[..., Any]:
    """What is called for a comparison in instrumented code; `trace` is told of those of no array.

    atheris (3.0.0) never frees what a comparison of arrays gives.
    """

    def compare(left: Any, right: Any, comparison: int, *where: Any) -> Any:
        if isinstance(left, np.ndarray) or isinstance(right, np.ndarray):
            return _COMPARISONS[comparison](left, right)
        return trace(left, right, comparison, *where)

    return compare


def main() -> None:
    """Never returns: libFuzzer ends the process."""
    name = sys.argv.pop(1)
    atheris.Setup(sys.argv, TARGETS[name])
    # Setup puts its own there; instrumented code looks it up whenever it compares.
    atheris._trace_cmp = _without_arrays(atheris._trace_cmp)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
