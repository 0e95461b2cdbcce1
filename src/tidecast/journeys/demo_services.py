"""What the demo's shop delivers: its policy, the outages of its parts, and the requests to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import resources

import numpy as np
import numpy.typing as npt

from tidecast.journeys.demo_curves import DAY_MS, HOUR_MS, MINUTE_MS, Curve, noise
from tidecast.journeys.demo_shop import HISTORY_DAYS
from tidecast.samples.batch import Float64s, Int64s, SampleBatch
from tidecast_collector.labels import Labels, make_labels


@dataclass(frozen=True, slots=True)
class Outage:
    """A part was down for some minutes from an hour (UTC) on, so many days before the demo."""

    component: str
    days_ago: int
    hour: int
    minutes: int

    def span_ms(self, now_ms: int) -> tuple[int, int]:
        """When it began and ended."""
        start_ms = (now_ms // DAY_MS - self.days_ago) * DAY_MS + self.hour * HOUR_MS
        return start_ms, start_ms + self.minutes * MINUTE_MS


OUTAGES = (
    Outage("payment", 371, 13, 35),
    Outage("db-1", 340, 9, 50),
    Outage("web-2", 322, 16, 90),
    Outage("payment", 287, 18, 22),
    Outage("queue-1", 260, 10, 65),
    Outage("batch-1", 233, 1, 140),
    Outage("payment", 201, 8, 190),
    Outage("app-1", 171, 12, 30),
    Outage("db-2", 140, 20, 40),
    Outage("db-1", 140, 20, 25),
    Outage("payment", 103, 15, 45),
    Outage("web-1", 88, 11, 60),
    Outage("web-3", 88, 11, 35),
    Outage("queue-1", 61, 14, 30),
    Outage("payment", 34, 17, 55),
    Outage("batch-1", 19, 2, 45),
    Outage("payment", 12, 13, 26),
    Outage("db-2", 5, 7, 20),
)
COMPONENTS = tuple(sorted({outage.component for outage in OUTAGES} | {"app-2"}))


def policy_files() -> dict[str, str]:
    """The text of each file of the demo's policy, by its name."""
    directory = resources.files("tidecast.journeys") / "demo_policy"
    return {
        file.name: file.read_text("utf-8")
        for file in directory.iterdir()
        if file.name.endswith(".yaml")
    }


def observations(now_ms: int) -> list[dict[str, object]]:
    """What was observed of the shop's parts, as the observations' door takes it."""
    since_ms = now_ms - round(HISTORY_DAYS * DAY_MS)
    found = [_observation(component, "up", since_ms) for component in COMPONENTS]
    for outage in OUTAGES:
        start_ms, end_ms = outage.span_ms(now_ms)
        found.append(_observation(outage.component, "down", start_ms))
        found.append(_observation(outage.component, "up", end_ms))
    return found


def _observation(component: str, state: str, at_ms: int) -> dict[str, object]:
    at = str(np.datetime64(at_ms, "ms")) + "Z"
    return {"component": component, "state": state, "from": at, "known_at": at, "source": "demo"}


_BUSY = Curve(1.0, 0.0004, daily=0.9, weekend=0.6)
_REQUESTS_PER_SECOND, _UNEVEN = 40.0, 0.06
_FAILED, _FAILED_WITHOUT_PAYMENT = 0.0004, 0.25
_SLOW, _SLOW_WHEN_BUSY = 0.012, 0.018
_COUNTERS = {
    "answered": ("shop_requests_total", {"code": "200"}),
    "failed": ("shop_requests_total", {"code": "503"}),
    "fast": ("shop_request_duration_seconds_bucket", {"le": "0.3"}),
    "all": ("shop_request_duration_seconds_bucket", {"le": "+Inf"}),
    "counted": ("shop_request_duration_seconds_count", {}),
}


@dataclass(slots=True)
class DemoTraffic:
    """The requests to the shop from one time on: counters that continue from call to call.

    `now_ms` is when the demo begins; the same seed gives the same requests.
    """

    now_ms: int
    seed: int
    last_ms: int
    _counts: dict[str, float] = field(default_factory=dict)

    def advance(self, times_ms: Int64s) -> SampleBatch:
        """The counters at these ascending times, all after those of the last call."""
        seconds = np.diff(times_ms, prepend=self.last_ms) / 1000
        self.last_ms = int(times_ms[-1])
        made = self._requests(times_ms, seconds)
        return SampleBatch.of(
            (_labels(kind), times_ms, self._counted(kind, made[kind])) for kind in _COUNTERS
        )

    def _requests(self, times_ms: Int64s, seconds: Float64s) -> dict[str, Float64s]:
        busy = _BUSY.smooth(times_ms, self.now_ms)
        uneven = 1 + _UNEVEN * noise(self.seed, times_ms // MINUTE_MS)
        total = _REQUESTS_PER_SECOND * np.maximum(busy, 0.1) * uneven * seconds
        failed = np.where(self._without_payment(times_ms), _FAILED_WITHOUT_PAYMENT, _FAILED)
        slow = _SLOW + _SLOW_WHEN_BUSY * np.maximum(busy, 0.0)
        return {
            "answered": total * (1 - failed),
            "failed": total * failed,
            "fast": total * (1 - slow),
            "all": total,
            "counted": total,
        }

    def _without_payment(self, times_ms: Int64s) -> npt.NDArray[np.bool_]:
        spans = [each.span_ms(self.now_ms) for each in OUTAGES if each.component == "payment"]
        inside = [(times_ms > start_ms) & (times_ms <= end_ms) for start_ms, end_ms in spans]
        return np.asarray(np.logical_or.reduce(inside))

    def _counted(self, kind: str, increases: Float64s) -> Float64s:
        counts = self._counts.get(kind, 0.0) + np.cumsum(increases)
        self._counts[kind] = float(counts[-1])
        return np.floor(counts)


def _labels(kind: str) -> Labels:
    name, own = _COUNTERS[kind]
    # Counted where the requests are spread over the web servers, which is no host of the fleet.
    return make_labels({"__name__": name, **own, "job": "balancer"})
