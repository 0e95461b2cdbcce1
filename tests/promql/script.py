"""Scripts in Prometheus' language for tests of PromQL, read to commands.

    clear
    load 10s
      requests_total{job="api"}  0+10x60 _ 5 stale

    eval instant at 5m rate(requests_total[1m])
      expect no_info
      {job="api"} 1

    eval range from 0 to 2m step 1m sum(requests_total)
      {} 0 60 120

A command's lines end at an empty line or the next command. Series are written `start`,
`start+step`x`times` (one value more than `times`), `_` or `_x3` for no sample, `stale` for a
staleness marker. Native histograms, `{{...}}`, are read over: what needs them is marked.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from tidecast.promql.durations import DURATION_PATTERN, duration_ms
from tidecast.promql.parser import parse
from tidecast.promql.tree import VectorSelector
from tidecast.samples.batch import STALE_NAN
from tidecast_collector.labels import NAME, Labels, label_value, make_labels

_COMMAND = re.compile(r"(?:clear|load(?:_with_nhcb)?\s|eval(?:_\w+)?\s)")
_LOAD = re.compile(r"load(_with_nhcb)?\s+(\S+)")
_INSTANT = re.compile(r"eval(?:_(fail|ordered|warn|info))?\s+instant\s+at\s+(\S+)\s+(.+)", re.S)
_RANGE = re.compile(
    r"eval(?:_(fail|ordered|warn|info))?\s+range\s+from\s+(\S+)\s+to\s+(\S+)\s+step\s+(\S+)\s+(.+)",
    re.S,
)
_EXPECT = re.compile(
    r"expect\s+(ordered|fail|warn|no_warn|info|no_info)(?:\s+(msg|regex):\s*(.+))?"
)
_EXPECT_RANGE = re.compile(r"expect\s+range\s+vector\s+from\s+(\S+)\s+to\s+(\S+)\s+step\s+(\S+)")
_OLD_EXPECT = re.compile(r"expected_fail_(message|regexp)\s+(.+)")
_RUN = re.compile(r"([+-]?[^x+-][^x]*?(?:[eE][+-]?[0-9]+)?)(?:([+-].+))?x([0-9]+)")
_SERIES = re.compile(r"""[^\s{]*(?:\{(?:[^"'}]|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')*\})?""")
_NATIVE = "{{"
_POSITION = re.compile(r" \([0-9]+:[0-9]+\)$")

Values = list[float | None]


class ScriptError(Exception):
    """A line that is not in the language."""


@dataclass(frozen=True)
class Clear:
    """Forget all series."""


@dataclass
class Load:
    """Series with a value for each interval; names of what are native histograms, left out."""

    interval_ms: int
    series: list[tuple[Labels, Values]] = field(default_factory=list)
    left_out: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Expect:
    """One `expect` line: `how` is "" (any), "msg" (the whole text) or "regex"."""

    kind: str
    how: str = ""
    text: str = ""

    def matches(self, told: str) -> bool:
        if self.how == "regex":
            return re.search(self.text, told) is not None
        # Upstream's notes carry no position when a script is run.
        known = (told, _POSITION.sub("", told))
        return not self.text or self.text in known or ast_string(self.text) in known


@dataclass
class Eval:
    """One query with what is expected of it; `step_ms` is 0 for an instant query."""

    where: str
    query: str
    start_ms: int
    end_ms: int = 0
    step_ms: int = 0
    expects: list[Expect] = field(default_factory=list)
    series: list[tuple[Labels, Values]] = field(default_factory=list)
    scalar: float | None = None
    string: str | None = None
    steps_ms: range | None = None
    native: bool = False

    def of_kind(self, kind: str) -> list[Expect]:
        return [each for each in self.expects if each.kind == kind]


Command = Clear | Load | Eval


def read_script(text: str, name: str) -> Iterator[Command]:
    """The commands in order; ScriptError says which line is not understood."""
    command: Command | None = None
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if line.startswith("#") or not line:
            if command is not None and not line:
                yield command
                command = None
            continue
        try:
            if not raw[0].isspace() and _COMMAND.match(line + " "):
                if command is not None:
                    yield command
                command = read_command(line, f"{name}:{number}")
            elif isinstance(command, Load):
                read_loaded(command, line)
            elif isinstance(command, Eval):
                read_expected(command, line)
            else:
                raise ScriptError(f"not a command: {line}")
        except (ValueError, AssertionError, ScriptError) as error:
            raise ScriptError(f"{name}:{number}: {error}") from error
    if command is not None:
        yield command


def read_command(line: str, where: str) -> Command:
    if line == "clear":
        return Clear()
    if found := _LOAD.fullmatch(line):
        load = Load(milliseconds(found[2]))
        if found[1]:
            load.left_out.add("")
        return load
    if found := _INSTANT.fullmatch(line):
        case = Eval(where, found[3], milliseconds(found[2]))
    elif found := _RANGE.fullmatch(line):
        times = [milliseconds(found[index]) for index in (2, 3, 4)]
        case = Eval(where, found[5], times[0], times[1], times[2])
        case.steps_ms = range(times[0], times[1] + 1, times[2])
    else:
        raise ScriptError(f"not a command: {line}")
    if found[1]:
        case.expects.append(Expect(found[1]))
    return case


def milliseconds(text: str) -> int:
    sign = -1 if text.startswith("-") else 1
    bare = text.lstrip("+-")
    if re.fullmatch(DURATION_PATTERN, bare) and not bare.isdigit():
        found = duration_ms(bare)
        assert found is not None, text
        return sign * found
    return sign * round(float(bare) * 1000)


def read_loaded(load: Load, line: str) -> None:
    nhcb = "" in load.left_out
    labels, values, native = split_series(line)
    name = label_value(labels, NAME)
    if native:
        load.left_out.add(name)
        return
    if nhcb:
        load.left_out.add(re.sub("_(bucket|count|sum)$", "", name))
    load.series.append((labels, values))


def read_expected(case: Eval, line: str) -> None:
    if found := _EXPECT_RANGE.fullmatch(line):
        start, end, step = (milliseconds(part) for part in found.groups())
        case.steps_ms = range(start, end + 1, step)
    elif line.startswith("expect string "):
        case.string = ast_string(line.removeprefix("expect string ").strip())
    elif found := _EXPECT.fullmatch(line):
        kind, how, text = found.groups()
        case.expects.append(Expect(kind, how or "", (text or "").strip()))
    elif found := _OLD_EXPECT.fullmatch(line):
        how = "msg" if found[1] == "message" else "regex"
        case.expects.append(Expect("fail", how, found[2].strip()))
    elif (value := scalar_of(line)) is not None:
        case.scalar = value
    else:
        labels, values, native = split_series(line)
        case.native = case.native or native
        case.series.append((labels, values))


def scalar_of(line: str) -> float | None:
    try:
        return number(line)
    except ValueError:
        return None


def ast_string(text: str) -> str:
    """The text of a quoted string; others as they are."""
    if len(text) < 2 or text[0] not in "\"'`" or text[-1] != text[0]:
        return text
    return text[1:-1] if text[0] == "`" else str(ast.literal_eval(text))


def split_series(line: str) -> tuple[Labels, Values, bool]:
    """The labels of a series, its values, and whether any is a native histogram."""
    found = _SERIES.match(line)
    assert found
    text, rest = found.group(), line[found.end() :]
    if _NATIVE in rest:
        return read_labels(text), [], True
    return read_labels(text), [value for word in rest.split() for value in expand(word)], False


def read_labels(text: str) -> Labels:
    if text == "{}":
        return ()
    # A guard that matches anything lets labels alone stand, whatever they are.
    guarded = text[:-1].rstrip().rstrip(",") + ', __guard__=~".+"}' if text.endswith("}") else text
    node = parse(guarded.replace("{,", "{").replace("{ ,", "{"))
    assert isinstance(node, VectorSelector)
    return make_labels(
        (each.name, each.value) for each in node.all_matchers if each.name != "__guard__"
    )


def expand(word: str) -> Values:
    if word == "_" or re.fullmatch("_x[0-9]+", word):
        return [None] * int(word[2:] or 1)
    if word != "stale" and (found := _RUN.fullmatch(word)):
        start, step, times = number(found[1]), number(found[2] or "0"), int(found[3])
        values, value = [start], start
        for _ in range(times):
            value += step
            values.append(value)
        return list(values)
    return [number(word)]


def number(text: str) -> float:
    if text == "stale":
        return float(STALE_NAN)
    if not re.fullmatch(r"[+-]*[0-9.].*|[+-]?(?:inf|nan)", text, re.I) or "_" in text:
        raise ValueError(f"not a number: {text}")
    if text[:2] in ("+-", "-+", "--", "++"):
        return math.copysign(1, -1 if text[0] == "-" else 1) * number(text[1:])
    return float(text)
