"""Hypothesis strategies for PromQL texts."""

from __future__ import annotations

from hypothesis import strategies as st

NAMES = st.sampled_from(["up", "cpu_total", "a:b:c", "sum", "by", "offset", "start", "rate", "and"])
LABELS = st.sampled_from(["job", "instance", "le", "on", "sum", '"a.b"', '"é"'])
PLAIN_LABELS = st.sampled_from(["job", "instance", "le", "on", "sum"])
STRINGS = st.sampled_from(['"x"', "'y'", "`raw`", '"\\n\\u00e9"', '""', '"a\\"b"'])
PATTERNS = st.sampled_from(['"x.*"', "'.+'", '"a|b"', "`[0-9]+`"])
NUMBERS = st.sampled_from(["1", "0x1F", "1e3", ".5", "5.", "Inf", "NaN", "017", "5m", "1h30m"])
DURATIONS = st.sampled_from(["5m", "1h30m", "30", "100ms", "1y2w3d", "7.5"])
SPACE = st.sampled_from(["", " ", "\n", " # note\n"])


@st.composite
def selectors(draw: st.DrawFn) -> str:
    equal = draw(st.lists(st.tuples(LABELS, st.sampled_from(["=", "!="]), STRINGS), max_size=2))
    regex = draw(st.lists(st.tuples(LABELS, st.sampled_from(["=~", "!~"]), PATTERNS), max_size=2))
    inside = ",".join(draw(SPACE) + label + op + value for label, op, value in [*equal, *regex])
    return draw(NAMES) + (f"{{{inside}}}" if inside else "")


@st.composite
def modifiers(draw: st.DrawFn) -> str:
    offset = draw(st.sampled_from(["", " offset 5m", " offset -1h", " OFFSET 30"]))
    at = draw(st.sampled_from(["", " @ 1700000000", " @ 12.345", " @ start()", " @ end()"]))
    return offset + at if draw(st.booleans()) else at + offset


@st.composite
def vectors(draw: st.DrawFn, inner: st.SearchStrategy[str]) -> str:
    shape = draw(st.integers(0, 7))
    a, b = draw(inner), draw(inner)
    duration = draw(DURATIONS)
    if shape == 0:
        return f"({draw(SPACE)}{a}{draw(SPACE)})"
    if shape == 1:
        return f"-{a}"
    if shape == 2:
        return f"{draw(st.sampled_from(['abs', 'ceil', 'sort']))}({a})"
    if shape == 3:
        step = draw(st.sampled_from(["", "1m", "30"]))
        return f"max_over_time(({a})[{duration}:{step}]{draw(modifiers())})"
    if shape == 4:
        return draw(aggregations(a))
    if shape == 5:
        return f"rate({draw(selectors())}[{duration}]{draw(modifiers())})"
    if shape == 6:
        op = draw(st.sampled_from(["+", "-", "*", "/", "%", "^", "atan2", ">", "== bool"]))
        return f"{a} {op} {draw(NUMBERS)}"
    return draw(binaries(a, b))


@st.composite
def aggregations(draw: st.DrawFn, expression: str) -> str:
    op = draw(st.sampled_from(["sum", "AVG", "count", "topk", "quantile", "count_values"]))
    parameter = {"topk": "3, ", "quantile": "0.9, ", "count_values": '"v", '}.get(op, "")
    labels = ", ".join(draw(st.lists(PLAIN_LABELS, max_size=2, unique=True)))
    grouping = draw(st.sampled_from(["", f"by ({labels})", f"without ({labels})"]))
    if draw(st.booleans()):
        return f"{op} {grouping} ({parameter}{expression})"
    return f"{op}({parameter}{expression}) {grouping}"


@st.composite
def binaries(draw: st.DrawFn, left: str, right: str) -> str:
    op = draw(st.sampled_from(["+", "/", "^", "atan2", "<", "!=", "and", "or", "unless"]))
    how = draw(st.sampled_from(["", "on (job)", "ignoring (le, job)", "on ()"]))
    if how and op not in ("and", "or", "unless"):
        how += draw(st.sampled_from(["", " group_left", " group_right (instance)"]))
    return f"{left} {op} {how} {right}"


EXPRESSIONS: st.SearchStrategy[str] = st.recursive(
    st.builds("{}{}".format, selectors(), modifiers()), vectors, max_leaves=8
)
