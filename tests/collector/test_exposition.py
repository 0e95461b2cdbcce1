from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from tidecast_collector.exposition import TextWriter, format_value
from tidecast_collector.model import COUNTER, GAUGE, Family, Sample, counter, gauge, series_labels

# The parser splits lines as str.splitlines does, at more characters than the format's line feed.
VALUES = st.text(
    st.characters(codec="utf-8", exclude_characters="\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"),
    max_size=20,
) | st.sampled_from(['a"b', "a\\b", "a\nb", "\\n", '\\"', "é", "}", "{", ","])
TAGS = st.dictionaries(st.from_regex(r"[a-zA-Z][a-zA-Z0-9_]{0,8}", fullmatch=True), VALUES).map(
    lambda tags: tuple(sorted(tags.items()))
)
SAMPLES = st.dictionaries(TAGS, st.floats(), min_size=1, max_size=4)


@given(SAMPLES, VALUES)
def test_round_trip(samples: dict[tuple[tuple[str, str], ...], float], help_text: str) -> None:
    family = Family("node_thing", GAUGE, help_text, list(samples.items()))
    writer = TextWriter()
    for _ in range(2):  # the second time from what was kept
        (parsed,) = text_string_to_metric_families(writer.write([family]).decode())
        assert (parsed.name, parsed.type) == ("node_thing", "gauge")
        assert [tuple(sorted(sample.labels.items())) for sample in parsed.samples] == list(samples)
        for sample, value in zip(parsed.samples, samples.values(), strict=True):
            assert sample.value == value or (math.isnan(sample.value) and math.isnan(value))


def test_the_text_of_two_families() -> None:
    samples: list[Sample] = [((("cpu", "0"), ("mode", "idle")), 12.5), ((("cpu", "1"),), 3.0)]
    families = [
        Family("node_cpu_seconds_total", COUNTER, "Time\nper \\ mode.", samples),
        gauge("node_load1", "Load.", 0.25),
        Family("node_nothing", GAUGE, "No samples, no lines.", []),
        counter("node_forks_total", "Forks.", math.inf),
    ]
    assert TextWriter().write(families).decode() == (
        "# HELP node_cpu_seconds_total Time\\nper \\\\ mode.\n"
        "# TYPE node_cpu_seconds_total counter\n"
        'node_cpu_seconds_total{cpu="0",mode="idle"} 12.5\n'
        'node_cpu_seconds_total{cpu="1"} 3\n'
        "# HELP node_load1 Load.\n"
        "# TYPE node_load1 gauge\n"
        "node_load1 0.25\n"
        "# HELP node_forks_total Forks.\n"
        "# TYPE node_forks_total counter\n"
        "node_forks_total +Inf\n"
    )


@given(st.floats(allow_nan=False))
def test_values_are_read_back_exactly(value: float) -> None:
    assert float(format_value(value)) == value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (math.nan, "NaN"),
        (-math.inf, "-Inf"),
        (1e300, "1e+300"),
        (-0.0, "-0"),
        (2.0**53, "9007199254740992"),
    ],
)
def test_values_as_text(value: float, text: str) -> None:
    assert format_value(value) == text


def test_a_samples_own_label_wins_over_the_external_one() -> None:
    external = (("instance", "web-3"), ("job", "node"))
    assert series_labels("x", (("job", "own"), ("empty", "")), external) == (
        ("__name__", "x"),
        ("instance", "web-3"),
        ("job", "own"),
    )
