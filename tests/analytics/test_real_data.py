"""Real data gives sensible typed answers. Reads ../shared/data (or TIDECAST_DATA)."""

import csv
from datetime import UTC, datetime

import numpy as np
import pytest
from click.testing import CliRunner

from tidecast.cli.forecast import forecast as command
from tidecast_analytics.forecasting import forecast
from tidecast_analytics.outlook import History, OutlookState
from tidecast_analytics.series import DAY_MS, HOUR_MS


def time_ms(text):
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def read(path, time="timestamp", value="value"):
    with path.open(newline="") as file:
        samples = [(time_ms(row[time]), float(row[value])) for row in csv.DictReader(file)]
    return np.array([t for t, _ in samples]), np.array([v for _, v in samples])


@pytest.fixture(scope="module")
def growth(shared_data):
    series = {}
    with (shared_data / "growth" / "growth.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            series.setdefault(row["series"], []).append(float(row["value"]))
    return {name: np.array(values) for name, values in series.items()}


def test_growth_goes_through_the_command(shared_data, tmp_path):
    output = tmp_path / "out.csv"
    source = shared_data / "growth" / "growth.csv"
    arguments = ["--input", str(source), "--horizon", "30d", "--output", str(output)]
    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == 0, result.output
    with output.open(newline="") as file:
        bands = list(csv.DictReader(file))
    assert len(bands) == 36 * 30
    assert all(float(row["lo95"]) >= 0 for row in bands)


def test_bands_on_growth_cover_what_followed(growth):
    histories, later = [], []
    for values in growth.values():
        for end in range(460, values.size - 30, 400):
            times = DAY_MS * np.arange(460, dtype=np.int64)
            histories.append(History(times, values[end - 460 : end]))
            later.append(values[end : end + 30])
    outlooks = forecast(histories, 30 * DAY_MS)
    pairs = list(zip(later, outlooks, strict=True))
    inside80 = np.mean([(y >= o.lo80) & (y <= o.hi80) for y, o in pairs])
    inside95 = np.mean([(y >= o.lo95) & (y <= o.hi95) for y, o in pairs])
    assert len(pairs) > 100
    assert 0.72 <= inside80 <= 0.93
    assert inside95 >= 0.87


def test_m4_hourly_beats_naive2_and_covers(shared_data):
    def rows(name, step):
        with (shared_data / "m4" / name).open(newline="") as file:
            lines = list(csv.reader(file))[1::step]
        return {line[0]: np.array([float(cell) for cell in line[1:] if cell]) for line in lines}

    train, test = rows("Hourly-train.csv", 12), rows("Hourly-test.csv", 12)
    naive = rows("hourly-submission-Naive2.csv", 12)
    histories = [History(HOUR_MS * np.arange(v.size, dtype=np.int64), v) for v in train.values()]
    outlooks = forecast(histories, 48 * HOUR_MS)

    def smape(actual, forecast_):
        return np.mean(200 * np.abs(actual - forecast_) / (np.abs(actual) + np.abs(forecast_)))

    ours = np.mean([smape(test[n], o.mean) for n, o in zip(train, outlooks, strict=True)])
    theirs = np.mean([smape(test[n], naive[n]) for n in train])
    inside = np.mean(
        [(test[n] >= o.lo80) & (test[n] <= o.hi80) for n, o in zip(train, outlooks, strict=True)]
    )
    assert ours < 0.8 * theirs
    assert 0.70 <= inside <= 0.88


def test_cloudwatch_cpu_is_not_growing_towards_its_mark(shared_data):
    for name in ("24ae8d", "53ea38", "5f5533", "c6585a"):
        path = shared_data / "nab" / "realAWSCloudwatch" / f"ec2_cpu_utilization_{name}.csv"
        times, values = read(path)
        (outlook,) = forecast([History(times, values, mark=90.0, limit=100.0)], 30 * DAY_MS)
        assert outlook.state is OutlookState.NOT_GROWING, (name, outlook.reasons)
        assert outlook.step_ms == HOUR_MS
        assert outlook.hi95.max() <= 100


def test_a_fleet_and_a_service_have_a_daily_season(shared_data):
    times, values = read(shared_data / "fleet" / "azure_agg_cpu.csv", value="avg cpu")
    folder = shared_data / "service-metrics" / "consumer-purchase-rate"
    purchases = read(folder / "purchase-03.csv", time="TimeStamp", value="Value")
    fleet, service = forecast(
        [History(times, values, values.max() * 1.5), History(*purchases)], 7 * DAY_MS
    )
    assert fleet.state is not OutlookState.IN_HORIZON
    for outlook in (fleet, service):
        assert any("season" in name for name in outlook.backtest.weights)
        by_day = outlook.mean.reshape(7, 24)
        assert np.ptp(by_day.mean(axis=0)) > 0.05 * abs(outlook.mean.mean())
