"""Services from policy files: the tree, what each rests on, and how its availability is judged."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from tidecast.policy.calendars import KEYS, ReadFile, read_calendar
from tidecast.policy.forms import Form, one_of, whole
from tidecast.policy.model import Hours, Service
from tidecast_alerts.yaml_nodes import Field
from tidecast_analytics.availability import PRIORITY, AvailabilityRules, Category, CountedAs
from tidecast_analytics.calendars import ALWAYS, Calendar
from tidecast_analytics.structure import Block, Component, k_of_n, parallel, series, weighted

SERVICE_KEYS = {
    "title",
    "parent",
    "owner",
    "supplier",
    "rests_on",
    "agreed_service_time",
    "maintenance",
    "availability",
    "recovery_time",
    "serves",
}
RULE_KEYS = {
    "priority",
    "absorb_shorter_than",
    "flapping",
    "unknown",
    "degraded",
    "maintenance",
    "parent_down",
    "flapping_time",
}


class CalendarShelf:
    """Calendars by name, and those that stand where they are used."""

    def __init__(self, named: Mapping[str, Hours], read_file: ReadFile) -> None:
        self._named, self._read_file = named, read_file

    def calendar(self, field: Field | None, otherwise: Calendar | None) -> Calendar | None:
        """The calendar that the field names, `always`, or that it holds itself."""
        if field is None:
            return otherwise
        if field.is_mapping:
            return read_calendar(field, self._read_file)
        return field.read(self._by_name, otherwise)

    def _by_name(self, name: str) -> Calendar | None:
        if name == "always":
            return ALWAYS
        if name not in self._named:
            raise ValueError(f"there is no calendar {name!r}; known: {', '.join(self._named)}")
        return self._named[name].calendar


def read_hours(name: str, body: Field, read_file: ReadFile) -> Hours:
    """A named calendar."""
    form = Form(body, KEYS)
    return Hours(name, form.place, read_calendar(body, read_file), form.text("serves"))


def read_service(name: str, body: Field, shelf: CalendarShelf) -> Service:
    """A service; what it names is checked once all files are read."""
    form = Form(body, SERVICE_KEYS)
    rests_on, rules = form.field("rests_on"), form.field("availability")
    return Service(
        name,
        form.place,
        title=form.text("title", name),
        parent=form.text("parent"),
        owner=form.text("owner"),
        supplier=form.text("supplier"),
        rests_on=read_block(rests_on) if rests_on else None,
        agreed=shelf.calendar(form.field("agreed_service_time"), ALWAYS) or ALWAYS,
        maintenance=shelf.calendar(form.field("maintenance"), None),
        rules=_rules(rules) if rules else AvailabilityRules(),
        recovery_time_seconds=form.seconds("recovery_time"),
        serves=form.text("serves"),
    )


def read_block(field: Field) -> Block:
    """What a service rests on: a name, or `series`, `parallel`, `k_of_n` or `weighted` of more.

    A plain list is a series.
    """
    if field.is_list:
        return series(*_parts(field))
    if not field.is_mapping:
        return Component(field.text())
    kinds: Mapping[str, Callable[[Field], Block]] = {
        "series": lambda body: series(*_parts(body)),
        "parallel": lambda body: parallel(*_parts(body)),
        "k_of_n": _k_of_n,
        "weighted": _weighted,
    }
    fields = field.mapping(set(kinds))
    if len(fields) != 1:
        field.wrong(f"exactly one of {', '.join(kinds)} is expected here")
        return Component("")
    ((kind, body),) = fields.items()
    return kinds[kind](body)


def _parts(body: Field) -> list[Block]:
    parts = [read_block(item) for item in body.items()]
    if not parts:
        body.wrong("a group needs at least one part")
    return parts


def _k_of_n(body: Field) -> Block:
    form = Form(body, {"k", "of"}, required=("k", "of"))
    of = form.field("of")
    parts = _parts(of) if of else []
    k = form.read("k", whole, 1)
    if not 1 <= k <= max(len(parts), 1):
        body.wrong(f"k must be from 1 to {len(parts)}, the number of parts; it is {k}")
    return k_of_n(k, *parts)


def _weighted(body: Field) -> Block:
    form = Form(body, {"needed", "parts"}, required=("needed", "parts"))
    parts = []
    for item in form.items("parts"):
        part = Form(item, {"part", "weight"}, required=("part", "weight"))
        block = part.field("part")
        parts.append((read_block(block) if block else Component(""), part.number("weight", 1)))
    needed = form.number("needed", 1)
    if not 0 < needed <= sum(weight for _, weight in parts):
        body.wrong(f"the parts weigh {sum(w for _, w in parts):g} together; {needed:g} are needed")
    return weighted(needed, parts)


def _rules(body: Field) -> AvailabilityRules:
    form = Form(body, RULE_KEYS)
    rules = AvailabilityRules(
        absorb_below_ms=1000 * (form.seconds("absorb_shorter_than") or 0),
        unknown=_counted(form, "unknown", CountedAs.EXCLUDED, "up down excluded before"),
        degraded=_counted(form, "degraded", CountedAs.UP, "up down"),
        maintenance=_counted(form, "maintenance", CountedAs.EXCLUDED, "excluded real"),
        parent_down=_counted(form, "parent_down", CountedAs.REAL, "real up down excluded"),
        flapping=_counted(form, "flapping_time", CountedAs.REAL, "real up down excluded"),
    )
    if "priority" in form:
        given = [item.read(one_of(Category), Category.UP) for item in form.items("priority")]
        if set(given) != set(PRIORITY) or len(given) != len(PRIORITY):
            body.wrong(f"priority must name each of {', '.join(PRIORITY)} once")
        rules = replace(rules, priority=tuple(given))
    flaps = form.field("flapping")
    if flaps:
        flap = Form(flaps, {"changes", "within"}, required=("changes", "within"))
        changes, within = flap.read("changes", whole, 0), flap.seconds("within") or 0
        rules = replace(rules, flapping_changes=changes, flapping_window_ms=1000 * within)
    return rules


def _counted(form: Form, key: str, otherwise: CountedAs, allowed: str) -> CountedAs:
    def read(text: str) -> CountedAs:
        if text not in allowed.split():
            raise ValueError(f"{text!r} is not one of {', '.join(allowed.split())}")
        return CountedAs(text)

    return form.read(key, read, otherwise)
