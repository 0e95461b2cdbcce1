"""Seeded expressions over the fleet, of which Prometheus 2.42 and 3.x mean the same.

Left out: what 2.42 does wrong with @ (predict_linear, timestamp with an offset), atan2 with a
vector (2.42 keeps the name), deviations of what may be infinite (2.42: 0 where there is one),
selections over several names (2.42 drops names at once), the calendar of what is no time, what
depends on the order of equal values, and subqueries that end on a whole second, such as those
within a subquery.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from random import Random

OVER_TIME = (
    *(f"{name}_over_time" for name in ("avg", "min", "max", "sum", "count", "stddev", "stdvar")),
    *("last_over_time", "present_over_time", "changes", "resets", "delta", "idelta", "deriv"),
)
COUNTERS = ("rate", "irate", "increase")
MATHEMATICS = (
    *("abs", "ceil", "floor", "ln", "log2", "log10", "sqrt", "sgn", "atan", "tanh", "asinh"),
    *("deg", "rad", "round"),
)
STEEP = ("exp", "sin", "cos", "tan", "asin", "acos", "sinh", "cosh", "acosh", "atanh")
"""What makes a great difference of a difference in the last digit: asked of samples only."""
CALENDAR = (
    *("day_of_month", "day_of_week", "day_of_year", "days_in_month", "hour", "minute", "month"),
    "year",
)
AGGREGATIONS = ("sum", "avg", "min", "max", "count", "group")
ARITHMETIC = ("+", "-", "*", "/", "%", "^")
COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")
GAUGES = ("temperature", "free_bytes", "size")
COUNTER_NAMES = ("cpu_seconds_total", "latency_seconds_count", "latency_seconds_bucket")
MATCHERS = (
    *("", "", "", "{zone='a'}", "{instance=~'web-[0-3].*'}", "{instance!='web-1:9100'}"),
    *("{zone!~'b|c'}", "{instance=~'.*4.*|.*5.*', zone='a'}", "{nothing=''}", "{job='none'}"),
)
NUMBERS = ("0", "1", "2.5", "-3", "0.1", "1e6", "Inf", "NaN", "2 ^ 10", "time() % 7")
RANGES = ("20s", "47s", "1m", "2m", "5m", "13m", "30m", "1h")
FRACTIONS = ("0", "0.1", "0.5", "0.9", "1", "-0.5", "1.5", "0.25 + 0.5")
# The fleet's times are 1_700_000_000_003 ms and later, all of them ending in 3.
FIXED = ("1700003600.007", "start()", "end()", "1700001111.117")
_SUBQUERY = re.compile(r"\[[^\]]*:")


def expressions(seed: int, count: int) -> list[str]:
    """So many different expressions."""
    random = Random(seed)
    found: dict[str, None] = {}
    while len(found) < count:
        query = vector(random, random.randint(1, 4))
        if len(_SUBQUERY.findall(query)) <= 1:
            found[query] = None
    return list(found)


def modifiers(random: Random) -> str:
    offset = random.choice(["", "", "", " offset 1m", " offset 17m", " offset -3m"])
    at = f" @ {random.choice(FIXED)}" if random.random() < 0.1 else ""
    return at + offset


def selector(random: Random, names: Sequence[str] = (*GAUGES, *COUNTER_NAMES)) -> str:
    return random.choice(names) + random.choice(MATCHERS) + modifiers(random)


def ranged(random: Random, depth: int, names: Sequence[str] = (*GAUGES, *COUNTER_NAMES)) -> str:
    """A range vector: mostly of samples, at times a subquery."""
    length = random.choice(RANGES)
    if depth > 1 and random.random() < 0.3:
        step = random.choice(["30s", "1m", "17s", "2m", ""])
        return f"({vector(random, depth - 1)})[{length}:{step}]{modifiers(random)}"
    bare = random.choice(names) + random.choice(MATCHERS)
    return f"{bare}[{length}]{modifiers(random)}"


def scalar(random: Random, depth: int) -> str:
    if depth > 1 and random.random() < 0.2:
        return f"scalar({aggregation(random, depth - 1, grouped=False)})"
    return random.choice(NUMBERS)


def vector(random: Random, depth: int) -> str:
    """An instant vector of so many levels."""
    if depth <= 0:
        return selector(random)
    shape = random.choice(_SHAPES)
    return shape(random, depth)


def over_time(random: Random, depth: int) -> str:
    if random.random() < 0.3:
        names = COUNTER_NAMES
        return f"{random.choice(COUNTERS)}({ranged(random, 0, names)})"
    return f"{random.choice(OVER_TIME)}({ranged(random, depth)})"


def parametrized(random: Random, depth: int) -> str:
    windows = ranged(random, depth)
    return random.choice(
        [
            f"quantile_over_time({random.choice(FRACTIONS)}, {windows})",
            f"predict_linear({windows.split(' @ ')[0]}, {random.choice(['60', '-300', '3600'])})",
            f"holt_winters({windows}, 0.3, 0.6)",
            f"absent_over_time({windows})",
        ]
    )


def mathematical(random: Random, depth: int) -> str:
    inner = vector(random, depth - 1)
    return random.choice(
        [
            f"{random.choice(MATHEMATICS)}({inner})",
            f"{random.choice(STEEP)}({selector(random)})",
            f"round({inner}, {random.choice(['5', '0.25', '10'])})",
            f"clamp({inner}, {scalar(random, depth)}, {scalar(random, depth)})",
            f"clamp_min({inner}, {scalar(random, depth)})",
            f"clamp_max({inner}, {scalar(random, depth)})",
            f"-({inner})",
            f"absent({inner})",
            f"vector({scalar(random, depth)})",
            f"timestamp({selector(random).split(' @ ')[0]})",
            f"{random.choice(CALENDAR)}({selector(random)})",
            f"label_replace({inner}, 'host', '$1', 'instance', '(.*):.*')",
            f"label_join({inner}, 'all', '-', 'zone', 'instance', 'none')",
        ]
    )


def grouping(random: Random) -> str:
    labels = ["zone", "instance", "zone, cpu", "le, zone", "instance, job", "", "nothing"]
    how = random.choice(["", "by", "without"])
    return f" {how} ({random.choice(labels)})" if how else ""


def aggregation(random: Random, depth: int, *, grouped: bool = True) -> str:
    by = grouping(random) if grouped else ""
    inner = vector(random, depth - 1)
    if random.random() < 0.15:
        return f"quantile{by} ({random.choice(FRACTIONS)}, {inner})"
    if grouped and random.random() < 0.15:
        distinct = random.choice(["temperature", "free_bytes"]) + modifiers(random)
        return f"{random.choice(['topk', 'bottomk'])}{by} ({random.randint(0, 4)}, {distinct})"
    if grouped and random.random() < 0.1:
        return f"count_values{by} ('value', round({inner}, 50))"
    if random.random() < 0.15:
        return f"{random.choice(['stddev', 'stdvar'])}{by} ({selector(random)})"
    return f"{random.choice(AGGREGATIONS)}{by} ({inner})"


def with_scalar(random: Random, depth: int) -> str:
    sides = [f"({vector(random, depth - 1)})", f"({scalar(random, depth)})"]
    random.shuffle(sides)
    op = random.choice(ARITHMETIC + COMPARISONS)
    return_bool = " bool" if op in COMPARISONS and random.random() < 0.4 else ""
    return f"{sides[0]} {op}{return_bool} {sides[1]}"


def matched(random: Random, depth: int) -> str:
    op = random.choice(ARITHMETIC + COMPARISONS)
    return_bool = " bool" if op in COMPARISONS and random.random() < 0.4 else ""
    left, right = vector(random, depth - 1), vector(random, depth - 1)
    one = f"sum by (instance, zone) ({vector(random, depth - 1)})"
    return random.choice(
        [
            f"({left}) {op}{return_bool} ({right})",
            f"({left}) {op}{return_bool} ignoring (cpu) ({right})",
            f"({left}) {op}{return_bool} on (instance) group_left ({one})",
            f"({left}) {op}{return_bool} ignoring (cpu, le, job) group_left ({one})",
            f"({one}) {op}{return_bool} on (instance) group_right (zone) ({right})",
            f"({left}) {op}{return_bool} on (zone) group_left (owner) (share)",
        ]
    )


def of_sets(random: Random, depth: int) -> str:
    op = random.choice(["and", "or", "unless"])
    how = random.choice(["", " on (instance)", " ignoring (cpu)", " on ()"])
    right = vector(random, depth - 1)
    if op == "or":
        right = f"sum by (zone) ({right})"  # no series that is the left one but for its name
    return f"({vector(random, depth - 1)}) {op}{how} ({right})"


def histogram(random: Random, depth: int) -> str:
    buckets = f"rate(latency_seconds_bucket{random.choice(MATCHERS)}[{random.choice(RANGES[2:])}])"
    inner = random.choice([buckets, f"sum by (le, zone) ({buckets})", f"sum by (le) ({buckets})"])
    return f"histogram_quantile({random.choice(FRACTIONS)}, {inner})"


_SHAPES = (
    *(over_time, over_time, parametrized, mathematical, aggregation, aggregation),
    *(with_scalar, matched, of_sets, histogram),
)
