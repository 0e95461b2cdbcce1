"""The Jinja environment that reports and pages share: always escaping, strict about names."""

from __future__ import annotations

import re

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from tidecast_reports import sentences, units
from tidecast_reports.capacity import ResourceOutlook
from tidecast_reports.parts_chart import parts_chart
from tidecast_reports.past_chart import past_chart
from tidecast_reports.ranking import fullness
from tidecast_reports.svg import fan_chart

_MONTH = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
_TIED = re.compile(
    rf"(?<=\d) (?=%|[KMGTPE]iB|B\b|h\b|k\b|M\b|(?:{_MONTH})\b|(?:minute|hour|day|week|month|year))"
    rf"|(?<=\d (?:{'|'.join(_MONTH.split('|'))})) (?=\d{{4}})"
    r"|(?<=\bin) (?=\d)"
)
_NO_BREAK_SPACE = "\N{NO-BREAK SPACE}"


def make_environment(*packages: str) -> Environment:
    """An environment that looks for templates in these packages first, then in this one's."""
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(name) for name in (*packages, "tidecast_reports")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "tied": tied,
        "subject": sentences.subject,
        "predicate": sentences.predicate,
        "sentence": sentences.sentence,
        "fast_sentence": sentences.fast_sentence,
        "track_sentence": sentences.track_sentence,
        "fleet_track_sentence": sentences.fleet_track_sentence,
        "usage_text": sentences.usage_text,
        "usage_detail": sentences.usage_detail,
        "mark_text": sentences.mark_text,
        "fullness": fullness,
        "mark_place": mark_place,
        "usage_place": usage_place,
        "state_name": lambda state: sentences.STATE_NAMES.get(state, state),
        "quantity": units.quantity,
        "share": units.share,
        "date": units.date,
        "full_date": units.full_date,
        "timestamp": units.timestamp,
        "iso": units.iso,
        "from_now": units.moment_from,
        "duration": units.duration,
    }
    environment.globals["fan_chart"] = fan_chart
    environment.globals["past_chart"] = past_chart
    environment.globals["parts_chart"] = parts_chart
    environment.globals["resource_name"] = sentences.resource_name
    return environment


def tied(text: str) -> Markup:
    """The text with numbers tied to their units and months, so that no line breaks between.

    >>> tied("in 3 weeks, 90 %").encode("ascii", "xmlcharrefreplace")
    b'in&#160;3&#160;weeks, 90&#160;%'
    """
    return Markup(_TIED.sub(_NO_BREAK_SPACE, escape(text)))  # noqa: S704 - escaped here


def usage_place(outlook: ResourceOutlook) -> float | None:
    """How far a usage bar is filled, in percent of its length; None where usage is unknown."""
    full = _bar_length(outlook)
    if outlook.usage is None or full is None:
        return None
    return round(min(max(outlook.usage / full, 0), 1) * 100, 1)


def mark_place(outlook: ResourceOutlook) -> float | None:
    """Where the mark stands on the usage bar, in percent of its length."""
    full = _bar_length(outlook)
    if not outlook.mark or full is None:
        return None
    return round(min(outlook.mark / full, 1) * 100, 1)


def _bar_length(outlook: ResourceOutlook) -> float | None:
    """A bar is as long as the limit, or a quarter more than the mark, or all of a ratio."""
    if outlook.limit:
        return outlook.limit
    if outlook.unit == "ratio":
        return 1.0
    return outlook.mark * 1.25 if outlook.mark else None
