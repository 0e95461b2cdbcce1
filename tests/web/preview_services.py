"""Services as the pages show them, judged from made-up timelines; words stay in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tidecast.journeys.availability_plan import part_document, planned_parts
from tidecast.journeys.availability_report import (
    Asked,
    asked,
    availability_document,
    summary_document,
)
from tidecast.journeys.explain_forecast import iso
from tidecast.journeys.observe import parse_classification
from tidecast.journeys.service_availability import ServiceAvailability
from tidecast.policy.model import Place, Service
from tidecast.policy.reading import read_policy
from tidecast.records.availability import Classification
from tidecast.server.problems import Problem
from tidecast_analytics.availability import AvailabilityRules, Surroundings, assess
from tidecast_analytics.spans import spans
from tidecast_analytics.timelines import ComponentState, Timeline, timeline

HOUR = 3_600_000
START = 1_790_812_800_000
"""2026-10-01T00:00:00Z."""
DAYS = 31
POLICY = read_policy({"policy.yaml": "services: {shop: {title: Web shop, rests_on: [web, db]}}"})
UP, DEGRADED, DOWN, UNKNOWN = ComponentState


def line(*states: tuple[int, ComponentState]) -> Timeline:
    """The states from these hours of the month on."""
    edges = [*(hour for hour, _ in states), DAYS * 24]
    return timeline(
        [
            (START + edges[i] * HOUR, START + edges[i + 1] * HOUR, state)
            for i, (_, state) in enumerate(states)
        ]
    )


LINES = {
    "web": line((0, UP), (100, DOWN), (102, UP), (300, UNKNOWN), (304, UP)),
    "db": line((0, UP)),
}


@dataclass
class PreviewServices:
    """The `ServiceData` of the preview."""

    words: list[Classification] = field(default_factory=list)

    def asked(self, query: Mapping[str, str]) -> Asked:
        return asked(START, START + DAYS * 24 * HOUR, None, START + DAYS * 24 * HOUR)

    def _found(self, name: str) -> ServiceAvailability:
        around = Surroundings(spans([(START, START + DAYS * 24 * HOUR)]))
        judged = {each: assess(LINES[each], around, AvailabilityRules()) for each in LINES}
        if name in LINES:
            service = Service(name, Place("", 0, 0), title=name)
            return ServiceAvailability(service, LINES[name], judged[name], None, {}, ())
        if name != "shop":
            raise Problem(404, f"there is no service {name!r}")
        service, web = POLICY.services["shop"], judged["web"]
        return ServiceAvailability(service, LINES["web"], web, web.highest, judged, self.words)

    def overview(self, time: Asked) -> tuple[dict[str, Any], dict[str, Any]]:
        listed = {
            "start": iso(time.start_ms),
            "until": iso(time.until_ms),
            "known_on": None,
            "services": [summary_document(POLICY, self._found("shop"))],
        }
        return listed, self.planned("shop", time)

    def one(self, name: str, time: Asked) -> dict[str, Any]:
        return availability_document(POLICY, time, self._found(name))

    def planned(self, service: str, time: Asked) -> dict[str, Any]:
        parts = planned_parts(POLICY, self._found("shop"))
        return {"parts": [part_document(part) for part in parts], "common_causes": []}

    def say(self, word: Mapping[str, object]) -> None:
        self.words.append(parse_classification(word, START + DAYS * 24 * HOUR))

    def withdraw(self, number: int, by: str) -> None:
        if number != 1:
            raise Problem(404, f"there is no classification {number} that still stands")
