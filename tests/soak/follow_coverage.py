"""One target under atheris: `python -m tests.soak.follow_coverage TARGET CORPUS [-option=...]`."""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["tidecast", "tidecast_collector"]):
    from tests.soak.targets import TARGETS


def main() -> None:
    """Never returns: libFuzzer ends the process."""
    name = sys.argv.pop(1)
    atheris.Setup(sys.argv, TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
