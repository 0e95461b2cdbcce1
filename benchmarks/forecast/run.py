"""How good the dates of crossings are, beside what others say of the same series.

python benchmarks/forecast/run.py [--test | --sealed] [--part families|growth] [--no-peers]

Validation windows are measured unless --test or --sealed (a fifth of the real series, by their
names, and made ones of their own) is given: write such a look into LOOKS.md. A full run writes its
figures into benchmarks/results/forecast.json.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "analytics")]

from benchmarks.first_run import machine  # noqa: E402
from benchmarks.forecast import (  # noqa: E402
    crossings,
    datasets,
    date_peers,
    families,
    peers,
    scores,
)
from benchmarks.forecast.hours import sealed  # noqa: E402

from tidecast_analytics.forecasting import forecast  # noqa: E402
from tidecast_analytics.outlook import History, Outlook  # noqa: E402
from tidecast_analytics.series import DAY_MS  # noqa: E402

Figures = dict[str, object]
Dates = peers.Dates

SEEDS = {"validation": 1, "test": 2, "sealed": 3}
FAMILY_EACH = 24


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    opened = parser.add_mutually_exclusive_group()
    opened.add_argument("--test", action="store_true", help="open the test parts")
    opened.add_argument("--sealed", action="store_true", help="open the sealed fifth")
    parser.add_argument("--part", choices=PARTS, help="measure this only, and write no file")
    parser.add_argument("--no-peers", action="store_true", help="leave the peers out")
    arguments = parser.parse_args()
    windows = "test" if arguments.test else "sealed" if arguments.sealed else "validation"
    figures: Figures = {}
    for name in [arguments.part] if arguments.part else PARTS:
        began = time.process_time()
        figures[name] = PARTS[name](windows, not arguments.no_peers)
        print(f"\n{name} ({time.process_time() - began:.0f} s CPU)")
        print(json.dumps(figures[name], indent=1))
    if arguments.part is None:
        write(figures, windows)


def write(figures: Figures, windows: str) -> None:
    """Put the figures into the results, beside those of the other windows."""
    file = ROOT / "benchmarks" / "results" / "forecast.json"
    results = json.loads(file.read_text()) if file.exists() else {}
    measured = datetime.now(UTC).isoformat(timespec="seconds")
    results[windows] = {"measured": measured, **machine(), **figures}
    file.write_text(json.dumps(results, indent=2) + "\n")


def history(values: np.ndarray, step_ms: int, mark: float | None = None) -> History:
    return History(step_ms * np.arange(values.size, dtype=np.int64), values, mark)


def _bands(
    windows: Sequence[datasets.Window], outlooks: Sequence[Outlook], units: Sequence[float]
) -> dict[str, float]:
    figures: dict[str, list[float]] = defaultdict(list)
    for w, o, unit in zip(windows, outlooks, units, strict=True):
        figures["coverage 80"].append(scores.inside(w.hidden, o.lo80, o.hi80))
        figures["coverage 95"].append(scores.inside(w.hidden, o.lo95, o.hi95))
        figures["MSIS 95"].append(scores.msis(w.hidden, o.lo95, o.hi95, unit, 95))
    return {name: round(float(np.mean(of)), 3) for name, of in figures.items()}


def made_families(windows: str, with_peers: bool) -> Figures:
    """Crossing dates of seeded families over 90 days, in all and by family."""
    seed = SEEDS[windows]
    resources = families.made(FAMILY_EACH, seed) + families.more_made(FAMILY_EACH, seed)
    return _crossings(crossings.family_cases(resources), with_peers)


def growth(windows: str, with_peers: bool) -> Figures:
    """Real storage growth, 460 days known: bands over 90 days, crossings over 180."""
    every = datasets.growth(windows != "validation")
    some = [w for w in every if sealed(w.series) == (windows == "sealed")]
    ahead = [datasets.Window(w.series, w.known, w.hidden[:90]) for w in some]
    outlooks = forecast([history(w.known, DAY_MS) for w in ahead], 90 * DAY_MS)
    paces = [float(np.ptp(w.known)) / w.known.size or 1.0 for w in ahead]
    cases = crossings.growth_cases(some)
    knowing = crossings.figures(cases, crossings.all_but_order(some))
    figures = _crossings(cases, with_peers)
    bands = _bands(ahead, outlooks, paces)
    return {"bands": bands, "all but the order known": knowing, **figures}


def _crossings(cases: Sequence[crossings.Case], with_peers: bool) -> Figures:
    """The dates said, in all and by group, and those of the peers with our ratio to each."""
    asked = [history(c.known, DAY_MS // c.per_day, c.mark) for c in cases]
    outlooks = forecast(asked, cases[0].days * DAY_MS)
    said = [_dates(o, c.per_day) for o, c in zip(outlooks, cases, strict=True)]
    ours = crossings.figures(cases, said)
    figures: Figures = {"tidecast": ours, "by group": crossings.by_group(cases, said)}
    if not with_peers:
        return figures
    answers = {name: crossings.peer_answers(name, cases) for name in date_peers.MODELS}
    answers |= {
        f"predict_linear {days}d": crossings.line_answers(days)(cases) for days in date_peers.LINES
    }
    theirs = {name: crossings.figures(cases, dates) for name, dates in answers.items()}
    for name, scored in theirs.items():
        figures[name] = {**scored, "ours / theirs": ratio(ours, scored)}
    best = min(theirs, key=lambda name: theirs[name]["pinball days"])
    figures["best peer"] = {best: ratio(ours, theirs[best])}
    return figures


def ratio(ours: Mapping[str, float], theirs: Mapping[str, float]) -> float:
    """Our pinball loss beside theirs: below one we are better."""
    return round(ours["pinball days"] / max(theirs["pinball days"], 1e-9), 3)


def _dates(outlook: Outlook, per_day: int) -> Dates:
    """The dates as days after the end of the history."""
    start = int(outlook.times_ms[0]) - outlook.step_ms

    def days(at: int | None) -> float | None:
        return None if at is None else max((at - start) / DAY_MS, 1 / per_day)

    return (days(outlook.p10_ms), days(outlook.p50_ms), days(outlook.p90_ms))


PARTS: Mapping[str, Callable[[str, bool], Figures]] = {
    "growth": growth,
    "families": made_families,
}


if __name__ == "__main__":
    main()
