"""How good the forecasts are, beside what others do with the same series.

python benchmarks/forecast/run.py [--test] [--part m4|real|families|growth|speed] [--no-peers]

Without --test everything is measured on validation windows. With it the test parts are opened:
write that look into LOOKS.md. A full run writes its figures into benchmarks/results/forecast.json.
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

from tidecast_analytics.forecasting import forecast  # noqa: E402
from tidecast_analytics.outlook import History, Outlook  # noqa: E402
from tidecast_analytics.series import DAY_MS, HOUR_MS  # noqa: E402

Figures = dict[str, object]
Dates = peers.Dates

VALIDATION_SEED, TEST_SEED = 1, 2
FAMILY_EACH = 24
POINT_PEERS: Mapping[str, peers.Point] = {
    "seasonal naive 24": peers.seasonal_naive(24),
    "seasonal naive 168": peers.seasonal_naive(168),
    "drift": peers.drift,
    "predict_linear 1d": peers.predict_linear(24),
    "predict_linear 7d": peers.predict_linear(168),
    "predict_linear 30d": peers.predict_linear(720),
    "Holt-Winters": peers.holt_winters,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--test", action="store_true", help="open the test parts")
    parser.add_argument("--part", choices=PARTS, help="measure this only, and write no file")
    parser.add_argument("--no-peers", action="store_true", help="leave the peers out")
    arguments = parser.parse_args()
    figures: Figures = {}
    for name in [arguments.part] if arguments.part else PARTS:
        began = time.process_time()
        figures[name] = PARTS[name](arguments.test, not arguments.no_peers)
        print(f"\n{name} ({time.process_time() - began:.0f} s CPU)")
        print(json.dumps(figures[name], indent=1))
    if arguments.part is None:
        write(figures, "test" if arguments.test else "validation")


def write(figures: Figures, windows: str) -> None:
    """Put the figures into the results, beside those of the other windows."""
    file = ROOT / "benchmarks" / "results" / "forecast.json"
    results = json.loads(file.read_text()) if file.exists() else {}
    measured = datetime.now(UTC).isoformat(timespec="seconds")
    results[windows] = {"measured": measured, **machine(), **figures}
    file.write_text(json.dumps(results, indent=2) + "\n")


def history(values: np.ndarray, step_ms: int, mark: float | None = None) -> History:
    return History(step_ms * np.arange(values.size, dtype=np.int64), values, mark)


def m4(test: bool, with_peers: bool) -> Figures:
    """OWA against Naive2, errors, and the bands, on 414 hourly series over 48 hours."""
    windows = datasets.m4(test)
    official = datasets.m4_naive2() if test else {}
    naive2 = [official.get(w.series, peers.naive2(w.known, w.hidden.size)) for w in windows]
    yardstick = _point_scores(windows, naive2)
    figures: Figures = {"Naive2": yardstick}
    outlooks = forecast([history(w.known, HOUR_MS) for w in windows], 48 * HOUR_MS)
    ours = _point_scores(windows, [o.mean for o in outlooks])
    bands = _bands(windows, outlooks, _day_units(windows))
    figures["tidecast"] = {**ours, "OWA": _owa(ours, yardstick), **bands}
    for name, peer in POINT_PEERS.items() if with_peers else ():
        theirs = _point_scores(windows, [peer(w.known, w.hidden.size) for w in windows])
        figures[name] = {**theirs, "OWA": _owa(theirs, yardstick)}
    return figures


def real(test: bool, with_peers: bool) -> Figures:
    """Relative errors on real utilization: seasonal naive 24 is 1.0, over 72 and 168 hours."""
    figures: Figures = {}
    for horizon in (72, 168):
        for group, windows in datasets.utilization(test, horizon).items():
            naive = [peers.seasonal_naive(24)(w.known, horizon) for w in windows]
            yardstick = _point_scores(windows, naive)
            outlooks = forecast([history(w.known, HOUR_MS) for w in windows], horizon * HOUR_MS)
            ours = _point_scores(windows, [o.mean for o in outlooks])
            shares = {"tidecast": _owa(ours, yardstick)}
            for name, peer in POINT_PEERS.items() if with_peers else ():
                theirs = _point_scores(windows, [peer(w.known, horizon) for w in windows])
                shares[name] = _owa(theirs, yardstick)
            figures[f"{group}, {horizon} h"] = {
                "windows": len(windows),
                **shares,
                "bands": _bands(windows, outlooks, _day_units(windows)),
            }
    return figures


def _point_scores(
    windows: Sequence[datasets.Window], forecasts: Sequence[np.ndarray]
) -> dict[str, float]:
    figures: dict[str, list[float]] = defaultdict(list)
    for w, made, unit in zip(windows, forecasts, _day_units(windows), strict=True):
        figures["sMAPE"].append(scores.smape(w.hidden, made))
        figures["MASE"].append(scores.mase(w.hidden, made, unit))
    return {name: round(float(np.mean(of)), 3) for name, of in figures.items()}


def _owa(of: Mapping[str, float], yardstick: Mapping[str, float]) -> float:
    return round(float(np.mean([of[key] / yardstick[key] for key in ("sMAPE", "MASE")])), 3)


def _bands(
    windows: Sequence[datasets.Window], outlooks: Sequence[Outlook], units: Sequence[float]
) -> dict[str, float]:
    figures: dict[str, list[float]] = defaultdict(list)
    for w, o, unit in zip(windows, outlooks, units, strict=True):
        figures["coverage 80"].append(scores.inside(w.hidden, o.lo80, o.hi80))
        figures["coverage 95"].append(scores.inside(w.hidden, o.lo95, o.hi95))
        figures["MSIS 95"].append(scores.msis(w.hidden, o.lo95, o.hi95, unit, 95))
    return {name: round(float(np.mean(of)), 3) for name, of in figures.items()}


def _day_units(windows: Sequence[datasets.Window]) -> list[float]:
    return [scores.season_error(window.known, 24) for window in windows]


def made_families(test: bool, with_peers: bool) -> Figures:
    """Crossing dates of seeded families over 90 days, in all and by family."""
    seed = TEST_SEED if test else VALIDATION_SEED
    resources = families.made(FAMILY_EACH, seed) + families.more_made(FAMILY_EACH, seed)
    return _crossings(crossings.family_cases(resources), with_peers)


def growth(test: bool, with_peers: bool) -> Figures:
    """Real storage growth, 460 days known: bands over 90 days, crossings over 180."""
    windows = datasets.growth(test)
    ahead = [datasets.Window(w.series, w.known, w.hidden[:90]) for w in windows]
    outlooks = forecast([history(w.known, DAY_MS) for w in ahead], 90 * DAY_MS)
    paces = [float(np.ptp(w.known)) / w.known.size or 1.0 for w in ahead]
    figures = _crossings(crossings.growth_cases(windows), with_peers)
    return {"bands": _bands(ahead, outlooks, paces), **figures}


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


def speed(test: bool, with_peers: bool) -> Figures:
    """CPU seconds for 1,000 hourly series of 90 days: a week ahead, and dates over 90 days."""
    hours = np.arange(90 * 24)
    random = np.random.default_rng(0)
    season = np.sin(hours * 2 * np.pi / 24)
    rows = random.uniform(20, 60, (1000, 1)) + random.uniform(0, 0.02, (1000, 1)) * hours
    rows += random.uniform(0, 8, (1000, 1)) * season + random.normal(0, 1, rows.shape)
    histories = [history(row, HOUR_MS, 90.0) for row in rows]
    figures: Figures = {}
    for name, horizon in (("168 h", 168 * HOUR_MS), ("dates over 90 d", 90 * DAY_MS)):
        began = time.process_time()
        forecast(histories, horizon)
        figures[f"1,000 series, {name}, CPU seconds"] = round(time.process_time() - began, 2)
    return figures


PARTS: Mapping[str, Callable[[bool, bool], Figures]] = {
    "m4": m4,
    "real": real,
    "growth": growth,
    "families": made_families,
    "speed": speed,
}


if __name__ == "__main__":
    main()
