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


class _Target:
    """The target of this name, with comparisons of arrays that atheris is not told of.

    atheris (3.0.0) never frees what it is told that such a comparison gives.
    """

    def __init__(self, name: str) -> None:
        self._run = TARGETS[name]
        self._trace: Callable[..., Any] | None = None

    def __call__(self, data: bytes) -> None:
        if self._trace is None:
            # Only now: `Fuzz` puts its own there. Instrumented code looks it up at each comparison.
            self._trace, atheris._trace_cmp = atheris._trace_cmp, self._compare
        self._run(data)

    def _compare(self, left: Any, right: Any, comparison: int, *where: Any) -> Any:
        if self._trace is None or isinstance(left, np.ndarray) or isinstance(right, np.ndarray):
            return _COMPARISONS[comparison](left, right)
        return self._trace(left, right, comparison, *where)


def main() -> None:
    """Never returns: libFuzzer ends the process."""
    name = sys.argv.pop(1)
    atheris.Setup(sys.argv, _Target(name))
    atheris.Fuzz()


if __name__ == "__main__":
    main()
