"""The part of our OpenAPI document that is about SLOs and SLAs."""

from __future__ import annotations

from tidecast.server.openapi_parts import (
    COUNT,
    NAME,
    NUMBER,
    TEXT,
    TIME,
    Schema,
    list_of,
    object_of,
    operation,
    query,
    ref,
)

VERDICT: Schema = {"type": ["string", "null"], "enum": ["met", "missed", "open", None]}
FLAG: Schema = {"type": "boolean"}

SLO_SCHEMAS: dict[str, Schema] = {
    "SloFigures": object_of(
        objective=TEXT, target=NUMBER, measured=FLAG, why_not=TEXT, start=TIME, end=TIME,
        until=TIME, numerator=NUMBER, denominator=NUMBER, counted=TEXT, level=NUMBER,
        level_lowest=NUMBER, level_highest=NUMBER, too_few_events=FLAG, doubts=list_of(TEXT),
        budget_consumed=NUMBER,
        budget_remaining=NUMBER, consequences=list_of(TEXT), slice_seconds=COUNT, slices=COUNT,
        unknown_slices=COUNT, excluded_slices=COUNT,
        exclusions=list_of(object_of(start=TIME, end=TIME)), good_query=TEXT, total_query=TEXT,
        burn_rates={"type": "object", "additionalProperties": NUMBER}, met_probability=NUMBER,
        budget_ends=list_of(TIME), burn_down=list_of(object_of(at=TIME, remaining=NUMBER)),
        sentence=TEXT,
    ),
    "Slo": object_of(
        name=TEXT, title=TEXT, service=TEXT, description=TEXT, method=TEXT, period=TEXT,
        rolling=FLAG, time_zone=TEXT, composite=FLAG, labels={"type": "object"},
        annotations={"type": "object"}, place=TEXT,
        budget_policy=list_of(object_of(consumed=NUMBER, consequence=TEXT)),
        objectives=list_of(ref("SloFigures")), composite_level=NUMBER,
    ),
    "PastPeriod": object_of(start=TIME, level=NUMBER, events=NUMBER, known=NUMBER),
    "SloProposal": object_of(
        name=TEXT, objectives=list_of(object_of(
            objective=TEXT, target=NUMBER, target_met=COUNT, proposed=NUMBER, sentence=TEXT,
            basis={"type": "string", "enum": ["months", "weeks", ""]}, provisional=FLAG,
            months=list_of(ref("PastPeriod")), periods=list_of(ref("PastPeriod")),
            candidates=list_of(object_of(
                target=NUMBER, met=COUNT, allowed_events_in_30_days=NUMBER,
                allowed_seconds_in_30_days=NUMBER,
            )),
        )),
    ),
    "Agreement": object_of(
        name=TEXT, customer=TEXT, service=TEXT, period=TEXT, time_zone=TEXT, target=NUMBER,
        longest_outage_seconds=NUMBER, outages=list_of({"type": "object"}),
        credits=list_of(object_of(below=NUMBER, credit=NUMBER)), fee=NUMBER, currency=TEXT,
        serves=TEXT, place=TEXT,
    ),
    "Statement": object_of(
        agreement=ref("Agreement"), start=TIME, end=TIME, complete=FLAG, measured_until=TIME,
        known_on=TIME, agreed_seconds=NUMBER, excluded_seconds=NUMBER, counted_seconds=NUMBER,
        down_seconds=NUMBER, unknown_seconds=NUMBER, availability=NUMBER,
        availability_lowest=NUMBER, availability_highest=NUMBER, target_verdict=VERDICT,
        outage_counts=list_of(object_of(
            longer_than_seconds=COUNT, at_most=COUNT, found=COUNT, verdict=VERDICT,
        )),
        longest_outage_seconds=NUMBER, longest_verdict=VERDICT, verdict=VERDICT, credit=NUMBER,
        credit_amount=NUMBER, breaks=COUNT,
        outages=list_of(object_of(start=TIME, end=TIME, counted_seconds=NUMBER)),
        exclusions=list_of(object_of(start=TIME, end=TIME)),
        words=list_of(ref("Classification")), sentence=TEXT, convention=TEXT, sha256=TEXT,
    ),
}  # fmt: skip

_statements = operation(
    "SLA statements of a period, as known on a day",
    object_of(statements=list_of(ref("Statement"))),
    [
        query("name"),
        query("customer"),
        query("service"),
        query("month"),
        query("known_on"),
        query("format", values=["json", "text", "html", "csv"]),
    ],
)
_statements["responses"]["200"]["content"] |= {
    "text/plain": {"schema": TEXT},
    "text/html": {"schema": TEXT},
    "text/csv": {"schema": TEXT},
}

SLO_PATHS: dict[str, Schema] = {
    "/slos": {"get": operation("SLOs with their budgets", object_of(slos=list_of(ref("Slo"))))},
    "/slos/{name}": {
        "get": operation(
            "One SLO, measured now or at a time", ref("Slo"), [NAME, query("at"), query("known_on")]
        )
    },
    "/slos/{name}/proposal": {
        "get": operation("What 13 months, or weeks, suggest", ref("SloProposal"), [NAME])
    },
    "/slas": {"get": operation("What is agreed", object_of(slas=list_of(ref("Agreement"))))},
    "/slas/statements": {"get": _statements},
}
