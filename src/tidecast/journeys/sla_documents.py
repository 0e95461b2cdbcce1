"""SLA statements as documents: everything a figure is made of beside it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tidecast.journeys.explain_forecast import Document, iso
from tidecast.journeys.observe import classification_document
from tidecast.journeys.own_series import Point
from tidecast.journeys.sla_statements import Statement
from tidecast.policy.model import Agreement
from tidecast_reports.availability import downtime, percent

MAX_SHOWN = 1_000


def agreement_document(agreement: Agreement) -> Document:
    """What an SLA promises."""
    return {
        "name": agreement.name,
        "customer": agreement.customer,
        "service": agreement.service,
        "period": agreement.period.value,
        "time_zone": agreement.time_zone,
        "target": agreement.target_ratio,
        "longest_outage_seconds": agreement.longest_outage_seconds,
        "outages": [
            {"longer_than_seconds": each.longer_than_seconds, "at_most": each.at_most}
            for each in agreement.outages
        ],
        "credits": [
            {"below": tier.below_ratio, "credit": tier.credit_ratio} for tier in agreement.credits
        ],
        "fee": agreement.fee,
        "currency": agreement.currency,
        "serves": agreement.serves,
        "place": str(agreement.place),
    }


def statement_document(statement: Statement) -> Document:
    """The statement in JSON's terms; lists show the first 1,000 elements and say how many."""
    chosen, assessment = statement.assessment.chosen, statement.assessment
    return {
        "agreement": agreement_document(statement.agreement),
        "start": iso(statement.start_ms),
        "end": iso(statement.end_ms),
        "complete": statement.measured_end_ms == statement.end_ms,
        "measured_until": iso(statement.measured_end_ms),
        "known_on": iso(statement.known_on_ms),
        "agreed_seconds": statement.agreed_ms / 1000,
        "excluded_seconds": statement.excluded.total_ms() / 1000,
        "counted_seconds": chosen.agreed_ms / 1000,
        "down_seconds": chosen.down_ms / 1000,
        "unknown_seconds": chosen.unknown_ms / 1000,
        "availability": statement.ratio,
        "availability_lowest": assessment.lowest,
        "availability_highest": assessment.highest,
        "target_verdict": statement.target_verdict,
        "outage_counts": [
            {
                "longer_than_seconds": each.longer_than_seconds,
                "at_most": each.at_most,
                "found": each.found,
                "verdict": each.verdict,
            }
            for each in statement.counts
        ],
        "longest_outage_seconds": chosen.longest_outage_ms / 1000,
        "longest_verdict": statement.longest_verdict,
        "verdict": statement.verdict,
        "credit": statement.credit_ratio,
        "credit_amount": statement.credit,
        "breaks": chosen.breaks,
        "outages": [
            {
                "start": iso(each.start_ms),
                "end": iso(each.end_ms),
                "counted_seconds": each.counted_ms / 1000,
            }
            for each in statement.outages[:MAX_SHOWN]
        ],
        "exclusions": [{"start": iso(start), "end": iso(end)} for start, end in statement.excluded][
            :MAX_SHOWN
        ],
        "words": [classification_document(word) for word in statement.words[:MAX_SHOWN]],
        "sentence": sentence(statement),
        "convention": "availability = (counted - down) / counted, with counted the agreed hours "
        "less exclusions; the interval takes unknown time as down at worst and as up at best",
        "sha256": statement.digest,
    }


def statement_points(made: Iterable[Statement]) -> Iterator[Point]:
    """The series `tidecast_sla_*` of these statements; what is undefined is absent."""
    for each in made:
        agreement, assessment = each.agreement, each.assessment
        labels = {
            "sla": agreement.name,
            "customer": agreement.customer,
            "service": agreement.service,
        }
        for name, value in (
            ("target_ratio", agreement.target_ratio),
            ("availability_ratio", each.ratio),
            ("availability_lowest_ratio", assessment.lowest),
            ("availability_highest_ratio", assessment.highest),
            ("outages", float(assessment.chosen.breaks)),
            ("longest_outage_seconds", assessment.chosen.longest_outage_ms / 1000),
            ("credit_ratio", each.credit_ratio),
        ):
            if value is not None:
                yield f"tidecast_sla_{name}", labels, value


def sentence(statement: Statement) -> str:
    """The statement in one sentence."""
    agreement, low = statement.agreement, statement.assessment
    found = f"{agreement.service} was available {percent(statement.ratio)} of the agreed hours"
    if low.lowest != low.highest:
        found += f" (between {percent(low.lowest)} and {percent(low.highest)})"
    if agreement.target_ratio is not None:
        found += f", agreed are {percent(agreement.target_ratio)}"
    down = downtime(statement.assessment.chosen.down_ms / 1000)
    found += f"; it was down {down} in {statement.assessment.chosen.breaks} outages"
    given = f", and {percent(statement.credit_ratio)} of the fee are given back"
    return f"{found}: {statement.verdict.value}{given if statement.credit_ratio else ''}"
