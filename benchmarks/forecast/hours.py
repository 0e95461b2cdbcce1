"""How good hourly forecasts are, beside what others do with the same series.

python benchmarks/forecast/hours.py [--test | --sealed | --anywhere] [--peers DOT ...]
    [--seconds 60] [--set m4 ...]

Validation windows are measured unless --test or --sealed is given; write such a look into LOOKS.md.
Sealed is a fifth of the series of each set, by the hash of its name: they are in no other windows.
Anywhere are windows that end at any time before the test parts: bands are chosen on them too.
Each slow peer (all, or those of --peers) has --seconds for a set, on a seeded sample of it. A run
over all sets writes its figures into benchmarks/results/forecast-hours.json.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "analytics")]

from benchmarks.first_run import machine  # noqa: E402
from benchmarks.forecast import datasets, made_hours, peer_cache, peers, scores  # noqa: E402

from tidecast_analytics.forecasting import forecast  # noqa: E402
from tidecast_analytics.outlook import History, Outlook  # noqa: E402
from tidecast_analytics.series import HOUR_MS  # noqa: E402

Float64s = npt.NDArray[np.float64]
Windows = Sequence[datasets.Window]
Figures = dict[str, object]

HORIZONS = (24, 72, 168)
MADE_EACH, MADE_SEEDS = 14, {"validation": 11, "test": 12, "sealed": 13}
QUICK: Mapping[str, peers.Point] = {
    "seasonal naive 24": peers.seasonal_naive(24),
    "seasonal naive 168": peers.seasonal_naive(168),
    "drift": peers.drift,
    "predict_linear 4h": peers.predict_linear(4),
    "predict_linear 1d": peers.predict_linear(24),
    "predict_linear 7d": peers.predict_linear(168),
    "predict_linear 30d": peers.predict_linear(720),
}
# The slow ones forecast so many windows of a set at most.
SLOW = {"DOT": 500, "Holt": 500, "MSTL": 60, "AutoETS": 40, "Prophet": 20, "AutoARIMA": 6}
JUDGES = ("seasonal naive 24", "seasonal naive 168", "DOT")
"""The best of these on a set is what a forecast is measured by."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parts = parser.add_mutually_exclusive_group()
    parts.add_argument("--test", action="store_true", help="open the test parts")
    parts.add_argument("--sealed", action="store_true", help="open the sealed fifths")
    parts.add_argument("--anywhere", action="store_true", help="windows of all training parts")
    parser.add_argument("--peers", nargs="*", choices=SLOW, default=list(SLOW), metavar="NAME")
    parser.add_argument("--seconds", type=float, default=60, help="for a slow peer on a set")
    parser.add_argument("--set", nargs="+", help="measure these only, and write no file")
    given = parser.parse_args()
    chosen = [part for part in ("test", "sealed", "anywhere") if getattr(given, part)]
    windows = chosen[0] if chosen else "validation"
    figures: Figures = {}
    for (name, horizon), found in sets(windows).items():
        if given.set is None or name in given.set:
            measured = measure(name, horizon, found, windows, given)
            figures[f"{name}, {horizon} h"] = measured
            print(f"{name}, {horizon} h: {json.dumps(measured)}", flush=True)
    figures["in all"] = in_all(figures)
    print(json.dumps(figures["in all"], indent=1))
    if given.set is None:
        write(figures, windows)


def write(figures: Figures, windows: str) -> None:
    """Put the figures into the results, beside those of the other windows."""
    file = ROOT / "benchmarks" / "results" / "forecast-hours.json"
    results = json.loads(file.read_text()) if file.exists() else {}
    measured = datetime.now(UTC).isoformat(timespec="seconds")
    results[windows] = {"measured": measured, **machine(), **figures}
    file.write_text(json.dumps(results, indent=1) + "\n")


def sealed(series: str) -> bool:
    """True for a fifth of all series, by their names alone."""
    return hashlib.sha256(series.encode()).digest()[0] % 5 == 0


def sets(windows: str) -> dict[tuple[str, int], list[datasets.Window]]:
    """The windows of each real and each made set, by its name and the hours to forecast."""
    real = {
        key: [w for w in of_set if sealed(w.series) == (windows == "sealed")]
        for key, of_set in _real(windows).items()
    }
    if windows == "anywhere":
        return real
    made = {
        (f"made: {name}", horizon): [
            datasets.Window(series, values[:-horizon], values[-horizon:])
            for series, values in of_set
        ]
        for horizon in HORIZONS[1:]
        for name, of_set in made_hours.made(MADE_EACH, horizon, MADE_SEEDS[windows]).items()
    }
    return {key: of_set for key, of_set in (real | made).items() if of_set}


def _real(windows: str) -> dict[tuple[str, int], list[datasets.Window]]:
    if windows == "anywhere":
        return {(name, h): of for h in HORIZONS for name, of in datasets.anywhere(h).items()}
    test = windows != "validation"
    found = {("m4", datasets.M4_HORIZON): datasets.m4(test)}
    for horizon in HORIZONS:
        for name, of_set in datasets.utilization(test, horizon).items():
            found[name, horizon] = of_set
    return found


def measure(
    name: str, horizon: int, windows: Windows, part: str, given: argparse.Namespace
) -> Figures:
    """Our errors relative to the seasonal naive of a day and to the best of the judges, our bands,
    and the peers' relative errors."""
    began = time.process_time()
    asked = [History(HOUR_MS * np.arange(w.known.size, dtype=np.int64), w.known) for w in windows]
    outlooks = forecast(asked, horizon * HOUR_MS)
    seconds = time.process_time() - began
    ours = [o.mean for o in outlooks]
    naive = [QUICK["seasonal naive 24"](w.known, horizon) for w in windows]
    said = {peer: [of(w.known, horizon) for w in windows] for peer, of in QUICK.items()}
    relative = {peer: owa(windows, made, naive) for peer, made in said.items()}
    figures: Figures = {"windows": len(windows), "tidecast": owa(windows, ours, naive)}
    for peer, most in SLOW.items():
        if peer in given.peers and (peer in JUDGES or not name.startswith("made")):
            relative |= _slow(peer, most, windows, ours, naive, given.seconds, figures)
    best = min(relative[judge] for judge in JUDGES if judge in relative)
    figures["to the best of naive 24, 168 and DOT"] = round(owa(windows, ours, naive) / best, 3)
    figures |= bands(windows, outlooks)
    figures["CPU seconds"] = round(seconds, 2)
    figures["peers"] = relative
    if name == "m4" and part != "anywhere":
        figures["OWA against Naive2"] = _official(windows, ours, test=part in ("test", "sealed"))
    return figures


def _slow(
    peer: str,
    most: int,
    windows: Windows,
    ours: Sequence[Float64s],
    naive: Sequence[Float64s],
    seconds: float,
    figures: Figures,
) -> dict[str, float]:
    """The relative error of a slow peer; on a sample, `ours / theirs` of the same one is noted."""
    order = np.random.default_rng(len(windows)).permutation(len(windows))[:most]
    known = [windows[at].known for at in order]
    made = peer_cache.forecasts(peer, known, ours[0].size, 24, seconds)
    done = [(int(at), one[0]) for at, one in zip(order, made, strict=True) if one is not None]
    if not done:
        return {}
    which = [at for at, _ in done]
    sample, usual = [windows[at] for at in which], [naive[at] for at in which]
    theirs = owa(sample, [one for _, one in done], usual)
    mine = owa(sample, [ours[at] for at in which], usual)
    figures[f"ours / {peer}, {len(done)} windows"] = round(mine / theirs, 3)
    return {peer: theirs} if len(done) == len(windows) else {}


def owa(windows: Windows, made: Sequence[Float64s], usual: Sequence[Float64s]) -> float:
    """The mean of sMAPE and MASE, each relative to those of the `usual` forecasts."""
    ours, theirs = _errors(windows, made), _errors(windows, usual)
    return round(float(np.mean(ours / np.maximum(theirs, 1e-12))), 4)


def _errors(windows: Windows, made: Sequence[Float64s]) -> Float64s:
    errors = [
        (scores.smape(w.hidden, one), scores.mase(w.hidden, one, scores.season_error(w.known, 24)))
        for w, one in zip(windows, made, strict=True)
    ]
    return np.asarray(np.mean(errors, axis=0))


def _official(windows: Windows, ours: Sequence[Float64s], *, test: bool) -> float:
    """M4's own measure: beside the official forecasts of Naive2 for the hold-out."""
    official = datasets.m4_naive2() if test else {}
    naive2 = [official.get(w.series, peers.naive2(w.known, w.hidden.size)) for w in windows]
    return owa(windows, ours, naive2)


def bands(windows: Windows, outlooks: Sequence[Outlook]) -> Figures:
    """Coverage of both bands, and the scaled interval score (mean and median) of the wider one."""
    inside: dict[str, list[float]] = {"coverage 80": [], "coverage 95": []}
    score = []
    for w, o in zip(windows, outlooks, strict=True):
        inside["coverage 80"].append(scores.inside(w.hidden, o.lo80, o.hi80))
        inside["coverage 95"].append(scores.inside(w.hidden, o.lo95, o.hi95))
        unit = scores.season_error(w.known, 24)
        score.append(scores.msis(w.hidden, o.lo95, o.hi95, unit, 95))
    means = {key: round(float(np.mean(of)), 3) for key, of in inside.items()}
    return {
        **means,
        "MSIS 95": round(float(np.mean(score)), 2),
        "MSIS 95, median": round(float(np.median(score)), 2),
    }


def in_all(figures: Mapping[str, object]) -> Figures:
    """Geometric mean of the ratios over real and made sets, and coverage pooled by horizon over
    the sets of less than 100 series."""
    found: Figures = {}
    for kind, of_kind in (("real", lambda name: "made" not in name), ("made", str.__contains__)):
        names = [n for n in figures if (of_kind(n) if kind == "real" else "made" in n)]
        ratios = [figures[n]["to the best of naive 24, 168 and DOT"] for n in names]
        if not ratios:
            continue
        found[f"{kind}: geometric mean of the ratios"] = round(
            float(np.exp(np.mean(np.log(ratios)))), 3
        )
        found[f"{kind}: worst ratio"] = max(ratios)
        for horizon in HORIZONS:
            pooled = [figures[n] for n in names if n.endswith(f" {horizon} h") and "m4" not in n]
            for key in ("coverage 80", "coverage 95"):
                if pooled:
                    weights = [of["windows"] for of in pooled]
                    mean = np.average([of[key] for of in pooled], weights=weights)
                    found[f"{kind}, {horizon} h: {key}"] = round(float(mean), 3)
    return found


if __name__ == "__main__":
    main()
