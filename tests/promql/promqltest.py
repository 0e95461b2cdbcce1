"""Runs scripts: loads their series, asks their queries, compares the answers."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tidecast_collector.labels import Labels

from .backends import Answer, Backend, InProcess, NotClearable, batch_of
from .script import Clear, Eval, Load, ScriptError, Values, read_script

RELATIVE_TOLERANCE = 1e-6
"""Upstream's: scripts give their expectations with about as many digits."""


@dataclass
class Outcome:
    """What became of a script: passed cases, failures with their reason, what was skipped."""

    name: str
    passed: int = 0
    failures: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)


def run_script(path: Path, backend: Backend | None = None) -> Outcome:
    """The outcome of a script file, by default in an engine in this process."""
    outcome = Outcome(path.name)
    target = backend or InProcess()
    try:
        target.clear()
        _run(path, target, outcome)
    except ScriptError as error:
        outcome.failures.append(str(error))
    except NotClearable as error:
        outcome.skipped.append(f"{path.name}: the rest: {error}")
    return outcome


def _run(path: Path, backend: Backend, outcome: Outcome) -> None:
    left_out: set[str] = set()
    for command in read_script(path.read_text(), path.name):
        match command:
            case Clear():
                left_out = set()
                backend.clear()
            case Load():
                left_out |= command.left_out - {""}
                batch = batch_of(command.series, command.interval_ms)
                if len(batch):
                    backend.load(batch)
            case Eval():
                if command.native or _needs(command.query, left_out):
                    outcome.skipped.append(f"{command.where}: native histograms: {command.query}")
                    continue
                wrong = next(check(command, ask(backend, command)), None)
                if wrong is None:
                    outcome.passed += 1
                else:
                    outcome.failures.append(f"{command.where}: {command.query}: {wrong}")


def _needs(query: str, left_out: set[str]) -> bool:
    """Whether the query may meet a series that was left out."""
    names = "|".join(map(re.escape, left_out))
    word = rf"(?<![\w:])(?:{names})(?![\w:])"
    return bool(left_out) and re.search(rf"{word}|__name__|(?:^|[\s(,]){{", query) is not None


def ask(backend: Backend, case: Eval) -> Answer:
    if case.step_ms:
        return backend.ask(case.query, (case.start_ms, case.end_ms, case.step_ms))
    return backend.ask(case.query, case.start_ms)


def check(case: Eval, answer: Answer) -> Iterator[str]:
    """What is wrong with the answer, if anything."""
    failures = case.of_kind("fail")
    if answer.error or failures:
        if not failures:
            yield f"failed with: {answer.error}"
        elif not answer.error:
            yield f"did not fail but gave {answer.series or answer.scalar}"
        elif not all(each.matches(answer.error) for each in failures):
            yield f"failed with: {answer.error}"
        return
    yield from check_notes(case, "warn", answer.warnings)
    yield from check_notes(case, "info", answer.infos)
    if case.string is not None:
        if answer.string != case.string:
            yield f"is {answer.string!r}, expected {case.string!r}"
    elif case.scalar is not None:
        if answer.kind == "matrix" and case.step_ms:
            yield from check_series(case, answer)
        elif answer.kind != "scalar" or not same(case.scalar, answer.scalar):
            yield f"is {answer.kind} {answer.scalar}, expected scalar {case.scalar}"
    else:
        yield from check_series(case, answer)


def check_notes(case: Eval, kind: str, told: tuple[str, ...]) -> Iterator[str]:
    """Every expectation must match a note and, where there are any, every note an expectation."""
    wanted = case.of_kind(kind)
    if case.of_kind(f"no_{kind}") and told:
        yield f"has {kind}s {told}"
    for each in wanted:
        if not any(each.matches(note) for note in told):
            yield f"{kind}s are {told}, expected {each.text or 'one'}"
    if wanted and not all(any(each.matches(note) for each in wanted) for note in told):
        yield f"has {kind}s that are not expected: {told}"


def check_series(case: Eval, answer: Answer) -> Iterator[str]:
    wanted, got = case.series, answer.series
    if not case.of_kind("ordered"):
        wanted, got = (sorted(each, key=lambda series: series[0]) for each in (wanted, got))
    labels = [series[0] for series in got]
    if labels != [series[0] for series in wanted]:
        yield f"series are {labels}, expected {[series[0] for series in wanted]}"
        return
    for (name, due), (_, points) in zip(wanted, got, strict=True):
        yield from check_points(case, name, due, points)


def check_points(
    case: Eval, name: Labels, due: Values, points: list[tuple[int, float]]
) -> Iterator[str]:
    steps = case.steps_ms
    if steps is None:
        values: Values = [value for _, value in points]
    else:
        held = dict(points)
        values = [held.get(at_ms) for at_ms in steps]
        due = [*due, *[None] * (len(values) - len(due))]
        if strays := set(held) - set(steps):
            yield f"{dict(name)} has points at {sorted(strays)}"
    if len(due) != len(values) or not all(map(same, due, values)):
        yield f"{dict(name)} has {values}, expected {due}"


def same(expected: float | None, got: float | None) -> bool:
    if expected is None or got is None:
        return expected is got
    if math.isnan(expected) or math.isnan(got):
        return math.isnan(expected) and math.isnan(got)
    return math.isclose(expected, got, rel_tol=RELATIVE_TOLERANCE, abs_tol=1e-12)
