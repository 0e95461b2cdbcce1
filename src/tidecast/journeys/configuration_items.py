"""Facts and relations as others send them: read from JSON or from a YAML file, and written out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import orjson
import yaml

from tidecast.journeys.explain_forecast import iso
from tidecast.records.configuration import Fact, Relation
from tidecast.records.database import Unit
from tidecast_alerts.yaml_nodes import Field, Problems, read_yaml
from tidecast_collector.errors import InvalidInput

MAX_FACTS = 10_000
MAX_TEXT_CHARACTERS = 500
MAX_VALUE_BYTES = 16 << 10

ReadTime = Callable[[str, str], int]
"""Milliseconds of a time as people write it, and what it is the time of; raises `InvalidInput`."""


class InvalidFacts(InvalidInput):
    """Facts or relations that are refused; the message says which."""


@dataclass(frozen=True, slots=True)
class FactsReport:
    """What one source says. `relations` is all that it knows of them (None: it says nothing)."""

    source: str
    facts: Sequence[Fact]
    relations: Sequence[Relation] | None


def parse_facts(body: Mapping[str, object], now_ms: int, read_time: ReadTime) -> FactsReport:
    """The report in the body of a request; raises `InvalidFacts`."""
    source = _text(body, "source", "the report")
    facts = [
        _fact(each, f"facts[{i}]", source, now_ms, read_time)
        for i, each in enumerate(_mappings(body, "facts"))
    ]
    relations = None
    if "relations" in body:
        relations = [
            _relation(each, f"relations[{i}]", source, now_ms)
            for i, each in enumerate(_mappings(body, "relations"))
        ]
    return FactsReport(source, facts, relations)


def keep_facts(unit: Unit, report: FactsReport, by: str, now_ms: int) -> dict[str, int]:
    """Keeps them; returns how many facts are new, and how many relations are new or have ended."""
    facts = unit.configuration.put_facts(report.facts)
    relations = 0
    if report.relations is not None:
        relations = unit.configuration.put_relations(report.source, report.relations, now_ms)
    if facts or relations:
        told = f"{report.source}: {facts} facts, {relations} relations"
        unit.audit.add(now_ms, by, "change configuration", told)
    return {"facts": facts, "relations": relations}


def read_facts_file(text: str, filename: str) -> dict[str, object]:
    """The request that a YAML file makes; raises `InvalidFacts` with every fault, located.

    `facts` maps CIs to their attributes; `relations` is a list of subject, kind and object.
    """
    problems = Problems(filename)
    root = read_yaml(text, problems)
    fields = root.mapping({"source", "facts", "relations"}) if root else {}
    if root and "source" not in fields:
        root.wrong("source is missing: say who says this")
    body: dict[str, object] = {"source": fields["source"].text() if "source" in fields else ""}
    bodies = fields["facts"].mapping(None) if "facts" in fields else {}
    body["facts"] = [
        {"ci": ci, "attribute": attribute, "value": _scalar(value)}
        for ci, attributes in bodies.items()
        for attribute, value in attributes.mapping(None).items()
    ]
    if "relations" in fields:
        keys = {"subject", "kind", "object", "confidence"}
        relations = [item.mapping(keys) for item in fields["relations"].items()]
        body["relations"] = [{k: _scalar(v) for k, v in each.items()} for each in relations]
    if problems.found:
        raise InvalidFacts(problems.report())
    return body


def fact_row(fact: Fact) -> dict[str, object]:
    """A fact as others read it."""
    return {
        "ci": fact.ci,
        "attribute": fact.attribute,
        "value": fact.value,
        "source": fact.source,
        "confidence": fact.confidence_ratio,
        "from": iso(fact.from_ms),
        "until": iso(fact.until_ms),
    }


def relation_row(relation: Relation) -> dict[str, object]:
    """A relation as others read it."""
    return {
        "subject": relation.subject,
        "kind": relation.kind,
        "object": relation.object,
        "source": relation.source,
        "confidence": relation.confidence_ratio,
        "from": iso(relation.from_ms),
        "until": iso(relation.until_ms),
    }


def _scalar(field: Field) -> object:
    """A number, flag or text, as YAML understands it; dates stay texts."""
    kind = str(field.node.tag).rpartition(":")[2]
    text = field.text()
    return yaml.safe_load(text) if kind in ("int", "float", "bool") else text


def _fact(
    body: Mapping[str, object], where: str, source: str, now_ms: int, read_time: ReadTime
) -> Fact:
    value = body.get("value")
    if value is None or len(orjson.dumps(value)) > MAX_VALUE_BYTES:
        raise InvalidFacts(f"{where}.value must be there, with at most {MAX_VALUE_BYTES} bytes")
    from_ms, until_ms = (
        read_time(str(body[name]), f"{where}.{name}") if body.get(name) is not None else None
        for name in ("from", "until")
    )
    begins = now_ms if from_ms is None else from_ms
    if until_ms is not None and until_ms <= begins:
        raise InvalidFacts(f"{where}: it ends before it begins")
    ci, attribute = (_text(body, name, where) for name in ("ci", "attribute"))
    known: object = value
    return Fact(ci, attribute, known, source, begins, _confidence(body, where), until_ms)  # type: ignore[arg-type]


def _relation(body: Mapping[str, object], where: str, source: str, now_ms: int) -> Relation:
    subject, kind, target = (_text(body, name, where) for name in ("subject", "kind", "object"))
    return Relation(subject, kind, target, source, now_ms, _confidence(body, where))


def _mappings(body: Mapping[str, object], name: str) -> Sequence[Mapping[str, object]]:
    value = body.get(name, [])
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise InvalidFacts(f"{name} must be a list of objects")
    if len(value) > MAX_FACTS:
        raise InvalidFacts(f"{len(value)} {name}; at most {MAX_FACTS} in one request")
    return value


def _text(body: Mapping[str, object], name: str, where: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= MAX_TEXT_CHARACTERS or "\0" in value:
        raise InvalidFacts(
            f"{where}: {name} must be a text of 1 to {MAX_TEXT_CHARACTERS} characters"
        )
    return value


def _confidence(body: Mapping[str, object], where: str) -> float:
    value = body.get("confidence", 1.0)
    if type(value) not in (int, float) or not 0 <= value <= 1:  # type: ignore[operator]
        raise InvalidFacts(f"{where}: confidence must be a number from 0 to 1")
    return float(value)  # type: ignore[arg-type]
