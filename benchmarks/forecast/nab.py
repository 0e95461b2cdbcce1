"""The Numenta Anomaly Benchmark: its AWS and artificial series, one configuration for all.

python benchmarks/forecast/nab.py [--test]

Things are chosen on the half of the series whose names hash even; `--test` opens the other half
and all together, and belongs into LOOKS.md. An alarm is a score that is higher than any of the
period before it. The figures go into benchmarks/results/nab.json.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "analytics")]

from benchmarks.first_run import machine  # noqa: E402
from benchmarks.forecast import datasets  # noqa: E402
from benchmarks.forecast.nab_scoring import (  # noqa: E402
    LabelledSeries,
    average_precision,
    corpus_score,
    detections,
    read_corpus,
)

from tidecast_analytics.anomalies import (  # noqa: E402
    WEEK_MS,
    anomaly_scores,
    least_score,
    period_steps,
)

Float64s = npt.NDArray[np.float64]
STEP_MS = 300_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--test", action="store_true", help="open the other half too")
    given = parser.parse_args()
    corpus = read_corpus(datasets.folder() / "nab")
    parts = {"validation half": [each for each in corpus if _even(each.name)]}
    if given.test:
        parts["other half"] = [each for each in corpus if not _even(each.name)]
        parts["all"] = corpus
        for name in ("realAWSCloudwatch", "artificial"):
            parts[name] = [each for each in corpus if each.name.startswith(name)]
    file = ROOT / "benchmarks" / "results" / "nab.json"
    results = json.loads(file.read_text()) if file.exists() else {}
    when = datetime.now(UTC).isoformat(timespec="seconds")
    results |= {"measured": when, **machine()}
    results |= {name: measured(part) for name, part in parts.items()}
    file.write_text(json.dumps(results, indent=1) + "\n")
    print(json.dumps({name: results[name] for name in parts}, indent=1))


def _even(name: str) -> bool:
    return hashlib.sha256(name.encode()).digest()[-1] % 2 == 0


def measured(corpus: Sequence[LabelledSeries]) -> dict[str, float | int]:
    """The figures of one part of the corpus."""
    longest = max(each.values.size for each in corpus)
    rows = np.full((len(corpus), longest), np.nan)
    for row, each in zip(rows, corpus, strict=True):
        row[: each.values.size] = each.values
    began = time.process_time()
    scored = anomaly_scores(rows, STEP_MS).scores
    seconds = time.process_time() - began
    scores = [row[: each.values.size] for row, each in zip(scored, corpus, strict=True)]
    alarms = [raised(each) for each in scores]
    best = corpus_score(corpus, alarms)
    weekly = detections(corpus, alarms, least_score(1.0))
    told = detections(corpus, alarms, best.threshold)
    weeks = sum(each.values.size - each.probation for each in corpus) * STEP_MS / WEEK_MS
    return {
        "series": len(corpus),
        "windows": best.found + best.missed,
        "score, standard profile": round(best.score, 1),
        "threshold, expected a week": round(10**-best.threshold, 2),
        "windows found": best.found,
        "precision of alarms": round(told.precision, 3),
        "recall of windows": round(told.recall, 3),
        "precision of alarms at 1 a week": round(weekly.precision, 3),
        "recall of windows at 1 a week": round(weekly.recall, 3),
        "alarms outside of windows a week at 1 a week": round(weekly.false / weeks, 2),
        "average precision of values": round(average_precision(corpus, scores), 3),
        "share of labelled values": round(_labelled_share(corpus), 3),
        "points a CPU second": round(rows.size / seconds),
    }


def raised(scores: Float64s) -> Float64s:
    """The scores that are higher than any of the period before them; -inf at the other steps."""
    known = np.where(np.isnan(scores), -np.inf, scores)
    length = period_steps(STEP_MS)
    padded = np.concatenate((np.full(length, -np.inf), known))
    before = np.lib.stride_tricks.sliding_window_view(padded, length)[: known.size].max(axis=1)
    return np.where(known > before, known, -np.inf)


def _labelled_share(corpus: Sequence[LabelledSeries]) -> float:
    """The average precision of a score that knows nothing."""
    return float(np.concatenate([each.labelled[each.probation :] for each in corpus]).mean())


if __name__ == "__main__":
    main()
