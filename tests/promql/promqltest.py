"""A runner of text scenarios, in the manner of Prometheus' promqltest.

    clear
    load 10s
      requests_total{job="api"}  0+10x60 _ 5 stale

    eval instant at 5m rate(requests_total[1m])
      {job="api"} 1

    eval range from 0 to 2m step 1m sum(requests_total)
      {} 0 60 120

    eval instant at 0 sum(
      expect fail msg: 1:5: parse error: unclosed left parenthesis

Series are written `start`, `start+step`x`times` (one value more than `times`), `_` for no sample,
`stale` for a staleness marker. `expect` takes fail, ordered, warn, info, no_warn, no_info, string.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tidecast.promql.durations import duration_ms
from tidecast.promql.engine import Engine
from tidecast.promql.parser import parse
from tidecast.promql.result import Matrix, QueryResult, Scalar, String, Vector
from tidecast.promql.tree import VectorSelector
from tidecast.samples.batch import STALE_NAN, SampleBatch
from tidecast.samples.memory import MemorySamples
from tidecast_collector.errors import TidecastError
from tidecast_collector.labels import Labels, make_labels

_INSTANT = re.compile(r"eval(?:_(fail|ordered|warn|info))? instant at (\S+) (.*)")
_RANGE = re.compile(r"eval(?:_(fail|warn|info))? range from (\S+) to (\S+) step (\S+) (.*)")
_RUN = re.compile(r"([^x]+?)(?:([+-][^x+-][^x]*))?x([0-9]+)")


@dataclass
class Case:
    """One `eval` with what is expected of it."""

    where: str
    query: str
    start_ms: int
    end_ms: int = 0
    step_ms: int = 0
    expects: list[tuple[str, str]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def expected(self, word: str) -> str | None:
        return next((text for kind, text in self.expects if kind == word), None)


def run_file(path: Path) -> int:
    """Runs a scenario file; returns how many expectations it held; AssertionError says where."""
    samples = MemorySamples()
    loading_ms = 0
    case: Case | None = None
    count = 0
    for number, raw in enumerate([*path.read_text().splitlines(), "clear"], 1):
        line = raw.split("#")[0] if raw.lstrip().startswith("#") else raw
        if not line.strip():
            continue
        if line[0].isspace():
            if case is None:
                load_series(samples, line.strip(), loading_ms)
            elif line.strip().startswith("expect "):
                word, _, text = line.strip().removeprefix("expect ").partition(" ")
                case.expects.append((word, text.removeprefix("msg:").strip()))
            else:
                case.lines.append(line.strip())
            continue
        if case is not None:
            check(samples, case)
            count += 1
        case = None
        if line == "clear":
            samples = MemorySamples()
        elif line.startswith("load "):
            loading_ms = milliseconds(line.removeprefix("load "))
        else:
            case = read_case(f"{path.name}:{number}", line)
    return count


def read_case(where: str, line: str) -> Case:
    if found := _INSTANT.fullmatch(line):
        case = Case(where, found[3], milliseconds(found[2]))
    else:
        found = _RANGE.fullmatch(line)
        assert found, f"{where}: not a command: {line}"
        case = Case(
            where, found[5], milliseconds(found[2]), milliseconds(found[3]), milliseconds(found[4])
        )
    if found[1]:
        case.expects.append((found[1], ""))
    return case


def milliseconds(text: str) -> int:
    if re.fullmatch(r"-?[0-9.]+", text):
        return round(float(text) * 1000)
    found = duration_ms(text)
    assert found is not None, text
    return found


def load_series(samples: MemorySamples, line: str, step_ms: int) -> None:
    labels, values = split_series(line)
    times = [index * step_ms for index, value in enumerate(values) if value is not None]
    kept = [value for value in values if value is not None]
    samples.append(SampleBatch.of([(labels, np.array(times, np.int64), np.array(kept, float))]))


def split_series(line: str) -> tuple[Labels, list[float | None]]:
    """The labels of a series and its values."""
    found = re.match(r"""[^\s{]*(\{(?:[^"}]|"(?:[^"\\]|\\.)*")*\})?""", line)
    assert found
    text, rest = found.group(), line[found.end() :]
    return read_labels(text), [value for word in rest.split() for value in expand(word)]


def read_labels(text: str) -> Labels:
    if text == "{}":
        return ()
    node = parse(text)
    assert isinstance(node, VectorSelector)
    return make_labels((matcher.name, matcher.value) for matcher in node.all_matchers)


def expand(word: str) -> list[float | None]:
    if word.startswith("_"):
        return [None] * int(word[2:] or 1)
    if found := _RUN.fullmatch(word):
        start, step = number(found[1]), number(found[2] or "0")
        return [start + step * index for index in range(int(found[3]) + 1)]
    return [number(word)]


def number(text: str) -> float:
    return float(STALE_NAN) if text == "stale" else float(text)


def check(samples: MemorySamples, case: Case) -> None:
    engine = Engine(samples)
    try:
        if case.step_ms:
            result = engine.range(case.query, case.start_ms, case.end_ms, case.step_ms)
        else:
            result = engine.instant(case.query, case.start_ms)
    except TidecastError as error:
        wanted = case.expected("fail")
        assert wanted is not None, f"{case.where}: {error}"
        assert wanted in str(error), f"{case.where}: failed with: {error}"
        return
    assert case.expected("fail") is None, f"{case.where}: did not fail but gave {result}"
    check_notes(case, result)
    check_value(case, result)


def check_notes(case: Case, result: QueryResult) -> None:
    for word, notes in (("warn", result.warnings), ("info", result.infos)):
        wanted = case.expected(word)
        if wanted is not None:
            assert any(wanted in note for note in notes), f"{case.where}: {word}s are {notes}"
        if case.expected(f"no_{word}") is not None:
            assert not notes, f"{case.where}: {notes}"


def check_value(case: Case, result: QueryResult) -> None:
    match result.value:
        case Scalar() as scalar:
            assert same(float(case.lines[0]), scalar.value), f"{case.where}: {scalar.value}"
        case String() as string:
            assert case.expected("string") == f'"{string.value}"', f"{case.where}: {string.value}"
        case Vector() as vector:
            got = [(labels, [value]) for labels, value in vector]
            compare(case, got)
        case Matrix() as matrix:
            compare(case, [(labels, on_steps(case, t, v)) for labels, t, v in matrix])


def on_steps(case: Case, timestamps: np.ndarray, values: np.ndarray) -> list[float | None]:
    if not case.step_ms:
        return values.tolist()
    held = dict(zip(timestamps.tolist(), values.tolist(), strict=True))
    steps = range(case.start_ms, case.end_ms + 1, case.step_ms)
    return [held.get(at_ms) for at_ms in steps]


def compare(case: Case, got: list[tuple[Labels, list[float | None]]]) -> None:
    wanted = [split_series(line) for line in case.lines]
    if case.expected("ordered") is None:
        wanted.sort(key=lambda series: series[0])
        got = sorted(got, key=lambda series: series[0])
    labels = [series[0] for series in got]
    assert labels == [series[0] for series in wanted], f"{case.where}: series are {labels}"
    for (name, expected), (_, values) in zip(wanted, got, strict=True):
        padding = [None] * (len(values) - len(expected)) if case.step_ms else []
        due = [*expected, *padding]
        agrees = len(due) == len(values) and all(map(same, due, values))
        assert agrees, f"{case.where}: {dict(name)} has {values}, expected {due}"


def same(expected: float | None, got: float | None) -> bool:
    if expected is None or got is None:
        return expected is got
    both_nan = math.isnan(expected) and math.isnan(got)
    return both_nan or math.isclose(expected, got, rel_tol=1e-9, abs_tol=1e-12)
