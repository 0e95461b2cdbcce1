"""The same data asked of raw samples and of tiers: where the raw samples are gone, and before."""

import numpy as np
import pytest

from tidecast.promql.engine import Engine
from tidecast.promql.result import Matrix
from tidecast.samples.batch import STALE_NAN, SampleBatch
from tidecast.samples.embedded import EmbeddedSamples
from tidecast.samples.kept import Tier
from tidecast_collector.labels import make_labels

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
TIERS = (Tier("5m", 5 * MINUTE, 400 * DAY), Tier("1h", HOUR, 4000 * DAY))
SCRAPE_MS = 15_000
NOW = 20_000 * DAY
START = NOW - 4 * DAY
FOR_EVER = 10_000 * DAY
KEPT_MS = 2 * DAY
"""So long raw samples are kept; what is older is asked of tiers."""


def labels(name, **pairs):
    return make_labels({"__name__": name, **pairs})


def fleet():
    """Three days of counters with resets and of gauges, one with gaps, one that ends."""
    rng = np.random.default_rng(5)
    times = START + 7_000 + np.arange(0, 3 * DAY, SCRAPE_MS)
    for host in ("a", "b"):
        steps = rng.poisson(40, len(times)).astype(float)
        counter = np.cumsum(steps)
        for at in np.sort(rng.integers(0, len(times), 25)):
            counter[at:] -= counter[at]
        jitter = rng.integers(-20, 20, len(times))
        yield labels("hits_total", host=host), times + jitter, counter
        yield labels("load", host=host), times, np.round(rng.normal(4, 1, len(times)), 2)
    holes = rng.random(len(times)) < 0.3
    yield labels("holes", host="a"), times[holes], np.arange(len(times))[holes].astype(float)
    ended = times[: len(times) // 3]
    values = np.round(rng.normal(4, 1, len(ended)), 2)
    values[-1] = STALE_NAN
    yield labels("ended", host="a"), ended, values


@pytest.fixture(scope="module")
def engines(tmp_path_factory):
    """An engine over raw samples, one over tiers built of them, one over both halves."""
    stores = []
    for name, tiers, keep_ms in (
        ("raw", (), FOR_EVER),
        ("tiers", TIERS, 0),
        ("half", TIERS, KEPT_MS),
    ):
        store = EmbeddedSamples(
            tmp_path_factory.mktemp(name), tiers=tiers, upkeep_seconds=None, clock=lambda: NOW
        )
        store.append(SampleBatch.of(fleet()))
        store.flush()
        store.keep(NOW, keep_ms)
        stores.append(store)
    yield [Engine(store) for store in stores]
    for store in stores:
        store.close()


def table(result):
    value = result.value
    assert isinstance(value, Matrix)
    return {
        name: dict(zip(times.tolist(), values.tolist(), strict=True))
        for name, times, values in (
            (each, value.timestamps[low:high], value.values[low:high])
            for each, low, high in zip(
                value.labels, value.offsets[:-1], value.offsets[1:], strict=True
            )
        )
    }


def assert_same(expected, found, tolerance):
    assert found.keys() == expected.keys() != set()
    for name, values in expected.items():
        assert found[name].keys() == values.keys(), name
        ours = np.array([found[name][at] for at in values])
        np.testing.assert_allclose(ours, list(values.values()), rtol=tolerance, atol=0)


ALIGNED = [
    "hits_total",
    "load",
    "ended",
    "holes",
    "rate(hits_total[{w}])",
    "increase(hits_total[{w}])",
    "delta(load[{w}])",
    "resets(hits_total[{w}])",
    "min_over_time(load[{w}])",
    "max_over_time(load[{w}])",
    "sum_over_time(load[{w}])",
    "avg_over_time(load[{w}])",
    "count_over_time(holes[{w}])",
    "last_over_time(ended[{w}])",
    "first_over_time(load[{w}])",
    "present_over_time(ended[{w}])",
    "absent_over_time(ended[{w}])",
    "timestamp(load)",
    "rate(holes[{w}])",
    "increase(ended[{w}])",
    "sum by (host) (rate(hits_total[{w}])) / avg_over_time(load[{w}])",
    "max_over_time(rate(hits_total[{w}])[2h:1h])",
]


@pytest.mark.parametrize("window", ["1h", "3h", "1d"])
@pytest.mark.parametrize("query", ALIGNED)
def test_on_whole_buckets_tiers_answer_as_raw_samples_do(engines, query, window):
    raw, *others = engines
    span = START, START + 3 * DAY, HOUR
    expected = raw.range(query.format(w=window), *span)
    for other in others:
        found = other.range(query.format(w=window), *span)
        assert found.infos == expected.infos
        # Sums are rounded once for each bucket.
        assert_same(table(expected), table(found), 1e-12)


@pytest.mark.parametrize("query", ["rate(hits_total[{w}])", "increase(hits_total[{w}])"])
@pytest.mark.parametrize("window", ["5m", "25m", "2h"])
def test_the_finer_tier_answers_finer_steps(engines, query, window):
    raw, *others = engines
    span = START, START + 3 * DAY, 5 * MINUTE
    expected = table(raw.range(query.format(w=window), *span))
    for other in others:
        assert_same(expected, table(other.range(query.format(w=window), *span)), 1e-12)


@pytest.mark.parametrize("function", ["min", "max", "count", "last", "first", "present"])
def test_where_raw_samples_are_kept_tiers_answer_only_bit_for_bit(engines, function):
    raw, _, half = engines
    query = f"{function}_over_time(load[6h])"
    expected = table(raw.range(query, START, START + 3 * DAY, HOUR))
    found = half.range(query, NOW - KEPT_MS + 6 * HOUR, START + 3 * DAY, HOUR)
    for name, values in table(found).items():
        assert values == {at: expected[name][at] for at in values}


def test_off_the_buckets_a_step_shows_what_was_before_it(engines):
    raw, tiers, _ = engines
    at_ms = START + DAY + 7 * MINUTE
    found = tiers.instant("load", at_ms)
    expected = raw.instant("load", START + DAY + 5 * MINUTE)
    assert found.value.values.tolist() == expected.value.values.tolist()
    assert "buckets of 5m: " in found.infos[0]


def test_ranges_narrower_than_a_bucket_are_widened_and_told(engines):
    raw, tiers, _ = engines
    at_ms = START + DAY
    found = tiers.instant("increase(hits_total[1m])", at_ms)
    five = raw.instant("increase(hits_total[5m])", at_ms)
    np.testing.assert_allclose(found.value.values, five.value.values / 5)
    rates = tiers.instant("rate(hits_total[1m])", at_ms)
    np.testing.assert_allclose(rates.value.values, five.value.values / 300)
    assert any("ranges begin and end" in info for info in found.infos)


@pytest.mark.parametrize(
    ("query", "what"),
    [
        ("quantile_over_time(0.5, load[6h])", "the mean"),
        ("stddev_over_time(load[6h])", "the mean"),
        ("changes(load[6h])", "the last sample"),
        ("deriv(hits_total[6h])", "the last sample"),
    ],
)
def test_what_buckets_cannot_tell_is_told(engines, query, what):
    _, tiers, half = engines
    found = tiers.instant(query, START + DAY)
    assert len(found.value.values) == 2
    assert any(f"{what} stands for all of each" in info for info in found.infos)
    assert half.instant(query, START + 3 * DAY).infos == ()


def test_rates_off_the_buckets_stay_within_a_bucket_of_the_truth(engines):
    raw, tiers, _ = engines
    span = START + 3 * HOUR + 123_000, START + 2 * DAY, 17 * MINUTE
    expected = table(raw.range("rate(hits_total[2h])", *span))
    found = table(tiers.range("rate(hits_total[2h])", *span))
    for name, values in expected.items():
        ours = np.array([found[name][at] for at in values])
        # At most a bucket of 120 minutes is another one.
        np.testing.assert_allclose(ours, list(values.values()), rtol=2 * 5 / 120)


def test_irate_counts_what_fell_within_a_bucket(tmp_path):
    # 100 -> 20 within the second bucket: 10 more from 90 to 100, then 20, then 5 more.
    times = np.array(
        [START + 4 * MINUTE, START + 6 * MINUTE, START + 7 * MINUTE, START + 9 * MINUTE]
    )
    counter = np.array([90.0, 100.0, 20.0, 25.0])
    with EmbeddedSamples(tmp_path, tiers=TIERS, upkeep_seconds=None, clock=lambda: NOW) as store:
        store.append(SampleBatch.of([(labels("hits_total"), times, counter)]))
        store.flush()
        store.keep(NOW, 0)
        found = Engine(store).instant("irate(hits_total[10m])", START + 10 * MINUTE)
        assert found.value.values.tolist() == [(10 + 20 + 5) / 300]
        whole = Engine(store).instant("resets(hits_total[10m])", START + 10 * MINUTE)
        assert whole.value.values.tolist() == [1]
