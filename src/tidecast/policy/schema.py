"""The JSON Schema (2020-12) of policy files, for editors; made of the keys that readers know."""

from __future__ import annotations

from collections.abc import Callable, Collection
from enum import StrEnum
from typing import Any

from tidecast.policy import calendars, sections, services
from tidecast.policy.model import (
    ContractKind,
    Involvement,
    Period,
    RequirementKind,
    RequirementState,
    SourceView,
)
from tidecast.policy.reading import SECTIONS
from tidecast.policy.resources import RESOURCE_KEYS, STATISTICS, UNITS
from tidecast_analytics.availability import PRIORITY

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "number", "minimum": 0}
WHOLE: Schema = {"type": "integer", "minimum": 0}
TEXTS: Schema = {"oneOf": [TEXT, {"type": "array", "items": TEXT}]}
RATIO: Schema = {
    "description": "a share: 0.999 or 99.9 %",
    "oneOf": [
        {"type": "number", "minimum": 0, "maximum": 1},
        {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)? ?%?$"},
    ],
}
DURATION: Schema = {
    "description": "a duration such as 90s, 4h, 1d12h",
    "type": "string",
    "pattern": r"^([0-9]+(ms|[smhdwy]))+$",
}
DAY: Schema = {"type": "string", "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"}
LABEL: Schema = {"type": ["string", "number", "boolean"]}


def policy_schema() -> Schema:
    """The schema of one policy file. What else a file may hold (OpenSLO, Sloth, rule groups) has
    schemas of its own and passes."""
    ours = {
        "type": "object",
        "properties": {name: _section(name) for name in sorted(SECTIONS)},
        "additionalProperties": False,
    }
    others = [{"type": "object", "required": [key]} for key in ("apiVersion", "version", "groups")]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Tidecast policy file",
        "anyOf": [ours, *others],
        "$defs": {
            "calendar": _calendar(),
            "calendar_or_name": {"oneOf": [TEXT, {"$ref": "#/$defs/calendar"}]},
            "block": _block(),
        },
    }


def _section(name: str) -> Schema:
    body = _BODIES[name]()
    if name in ("roles", "marks", "lead_times", "costs", "routing"):
        return {"type": "array", "items": body}
    return {"type": "object", "additionalProperties": body}


def _object(keys: Collection[str], required: tuple[str, ...] = (), /, **special: Schema) -> Schema:
    """A mapping with these keys, each a text unless `special` says what it is."""
    strange = special.keys() - set(keys)
    if strange:
        raise ValueError(f"no reader knows {', '.join(sorted(strange))}")
    found: Schema = {
        "type": "object",
        "properties": {str(key): special.get(key, TEXT) for key in sorted(keys)},
        "additionalProperties": False,
    }
    return {**found, "required": [*required]} if required else found


def _words(words: type[StrEnum]) -> Schema:
    return {"enum": [str(word) for word in words]}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


_CALENDAR: Schema = {"$ref": "#/$defs/calendar_or_name"}
_BLOCK: Schema = {"$ref": "#/$defs/block"}


def _calendar() -> Schema:
    event = _object(calendars.EVENT_KEYS, ("start",), excluded=_list(TEXT), duration=DURATION)
    weekly = _object(calendars.WEEKLY_KEYS)
    return _object(
        calendars.KEYS,
        weekly=_list(weekly),
        holidays=_list(DAY),
        events=_list(event),
        without=_list(event),
    )


def _block() -> Schema:
    parts = {"type": "array", "items": _BLOCK, "minItems": 1}
    k_of_n = _object({"k", "of"}, ("k", "of"), k={"type": "integer", "minimum": 1}, of=parts)
    part = _object({"part", "weight"}, ("part", "weight"), part=_BLOCK, weight=NUMBER)
    weighted = _object({"needed", "parts"}, ("needed", "parts"), needed=NUMBER, parts=_list(part))
    kinds = {"series": parts, "parallel": parts, "k_of_n": k_of_n, "weighted": weighted}
    group = {**_object(kinds, (), **kinds), "minProperties": 1, "maxProperties": 1}
    return {"oneOf": [TEXT, parts, group]}


def _service() -> Schema:
    flapping = _object({"changes", "within"}, ("changes", "within"), changes=WHOLE, within=DURATION)
    rules = _object(
        services.RULE_KEYS,
        priority=_list({"enum": [str(category) for category in PRIORITY]}),
        absorb_shorter_than=DURATION,
        flapping=flapping,
        unknown={"enum": ["up", "down", "excluded", "before"]},
        degraded={"enum": ["up", "down"]},
        maintenance={"enum": ["excluded", "real"]},
        parent_down={"enum": ["real", "up", "down", "excluded"]},
        flapping_time={"enum": ["real", "up", "down", "excluded"]},
    )
    return _object(
        services.SERVICE_KEYS,
        rests_on=_BLOCK,
        agreed_service_time=_CALENDAR,
        maintenance=_CALENDAR,
        availability=rules,
        recovery_time=DURATION,
    ) | {"type": ["object", "null"]}


def _requirement() -> Schema:
    return _object(
        sections.REQUIREMENT_KEYS,
        ("title", "kind"),
        kind=_words(RequirementKind),
        state=_words(RequirementState),
        view=_words(SourceView),
        review=DAY,
        review_period=_words(Period),
    )


def _agreement() -> Schema:
    credit = _object({"below", "credit"}, ("below", "credit"), below=RATIO, credit=RATIO)
    limit = _object(
        {"longer_than", "at_most"}, ("longer_than", "at_most"), longer_than=DURATION, at_most=WHOLE
    )
    return _object(
        sections.AGREEMENT_KEYS,
        ("service", "customer"),
        target=RATIO,
        agreed_service_time=_CALENDAR,
        excluded=_CALENDAR,
        outages=_list(limit),
        longest_outage=DURATION,
        credits=_list(credit),
        fee=NUMBER,
        period=_words(Period),
    )


def _contract() -> Schema:
    return _object(
        sections.CONTRACT_KEYS,
        ("kind", "component", "party"),
        kind=_words(ContractKind),
        target=RATIO,
        recovery_time=DURATION,
        agreed_service_time=_CALENDAR,
    )


def _resource() -> Schema:
    return _object(
        RESOURCE_KEYS,
        ("title", "unit", "usage", "limit"),
        unit={"enum": [*UNITS]},
        statistic={"enum": [*STATISTICS]},
        limit={"type": ["number", "string"]},
        mark_ratio={"type": "number", "exclusiveMinimum": 0, "maximum": 1},
        lead_time=DURATION,
        fast_path={"type": "boolean"},
    )


_BODIES: dict[str, Callable[[], Schema]] = {
    "owners": lambda: _object(sections.OWNER_KEYS, members=TEXTS) | {"type": ["object", "null"]},
    "suppliers": lambda: _object(sections.SUPPLIER_KEYS),
    "calendars": _calendar,
    "services": _service,
    "catalogue": lambda: _object(
        sections.CATALOGUE_KEYS, ("description",), offered_to=TEXTS, price=LABEL
    ),
    "requirements": _requirement,
    "slas": _agreement,
    "contracts": _contract,
    "resources": _resource,
    "roles": lambda: _object(sections.ROLE_KEYS, (), **{str(how): TEXTS for how in Involvement}),
    "marks": lambda: _object(sections.MARK_KEYS, ("resource", "mark_ratio"), mark_ratio=RATIO),
    "lead_times": lambda: _object(
        sections.LEAD_TIME_KEYS, ("resource", "lead_time"), lead_time=DURATION
    ),
    "costs": lambda: _object(
        sections.COST_KEYS,
        ("resource", "unit", "currency"),
        quantity=NUMBER,
        once=NUMBER,
        monthly=NUMBER,
    ),
    "routing": lambda: _object(
        sections.ROUTE_KEYS,
        ("notify",),
        notify=TEXTS,
        match={"type": "object", "additionalProperties": LABEL},
    ),
}
