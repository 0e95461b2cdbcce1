"""An explanation as text: what the page tells of a forecast, for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tidecast.cli.output import printable

Document = Mapping[str, Any]


def explanation_text(told: Document) -> str:
    """The explanation (as the API gives it) in lines; nothing in it steers a terminal."""
    return "\n".join(printable(line) for line in _lines(told))


def _lines(told: Document) -> Iterator[str]:
    name = ":".join(filter(None, (told["host"], told["resource"], told["item"])))
    dates = "  ".join(f"{q.upper()} {(told[q] or 'none')[:10]}" for q in ("p10", "p50", "p90"))
    yield f"{name}  {told['state']}  {dates}"
    yield from (f"  {reason}" for reason in told["reasons"])
    yield from _findings(told)
    yield from _section("Data", _data(told))
    yield from _section("Changes", _changes(told))
    yield from _section("Mark", _mark(told))
    yield from _section("Method", _method(told))
    yield from _section("Parts", _parts(told))
    yield from _section("Strange", _strange(told))
    yield from _section("Past forecasts", _past(told))
    if told["query"]:
        yield from _section("Query", [told["query"]])


def _section(title: str, lines: Any) -> Iterator[str]:
    for place, line in enumerate(lines):
        yield f"{title if place == 0 else '':15} {line}"


def _findings(told: Document) -> Iterator[str]:
    for each in told["findings"]:
        kind = each["kind"].replace("_", " ")
        yield f"  {each['severity']}: {kind}: {each['what']} {each['do']}"


def _data(told: Document) -> Iterator[str]:
    span = told["span"]
    if span:
        every = _every(span["step_seconds"])
        yield f"{span['values']} values ({every}) from {span['first']} to {span['last']}"
    for step in told["steps"]:
        yield f"a lasting step of {step['size']:.4g} at {step['at']}"


def _every(step_seconds: int) -> str:
    named = {3_600: "hourly", 86_400: "daily"}
    return named.get(step_seconds) or f"one in {step_seconds / 86_400:.3g} days"


def _changes(told: Document) -> Iterator[str]:
    for change in told["changes"]:
        who = f", by {change['by']}" if change["by"] else ""
        if change["to_come"]:
            did = f"is to come: {change['expected']}" if change["expected"] else "is to come"
        elif change["size"] is None:
            did = "moved nothing that stands out"
        else:
            did = f"moved the level by {change['size']:+.4g} {told['unit']}".rstrip()
        yield f"{change['title']} ({change['at']}{who}): {did}"


def _mark(told: Document) -> Iterator[str]:
    if told["mark"] is None:
        return
    source = f": {told['mark']['source']}" if told["mark"]["source"] else ""
    yield f"{told['mark']['value']:.6g} {told['unit']}".rstrip() + source
    if told["probability"] is not None:
        yield f"reached within the horizon with a probability of {told['probability']:.0%}"
    if told["within_lead_time"] is not None:
        yield f"reached within the lead time with a probability of {told['within_lead_time']:.0%}"


def _method(told: Document) -> Iterator[str]:
    method = told["method"]
    members = ", ".join(f"{name} {share:.0%}" for name, share in method["members"].items())
    yield members or method["name"]
    if method["mean_error"] is not None:
        naive = method["naive_mean_error"]
        best = "" if naive is None else f", of the best naive method {naive:.4g}"
        yield (
            f"mean error over {method['origins']} origins of its own past: "
            f"{method['mean_error']:.4g}{best}"
        )
    if method["widening"] != 1:
        yield f"bands and dates stated {method['widening']:.2g} times as wide"


def _parts(told: Document) -> Iterator[str]:
    parts = told["parts"]
    if told["parts_lacking"]:
        yield f"not taken apart: that needs {told['parts_lacking']}"
    if parts is None:
        return
    yield f"trend {parts['rise_per_day']:+.4g} a day (strength {parts['trend_strength']:.2f})"
    for name, season in parts["seasons"].items():
        yield f"season of the {name}: strength {season['strength']:.2f}, peak {season['peak']}"


def _strange(told: Document) -> Iterator[str]:
    strange, unit = told["strange"], told["unit"]
    for each in strange["anomalies"]:
        usual = "" if each["usual"] is None else f" where {each['usual']:.4g} is usual"
        yield (
            f"{each['peak']}: {each['value']:.4g} {unit}".rstrip()
            + f"{usual}, {each['why']}; as strange once in {each['once_in_weeks']:.3g} weeks"
        )
    if strange["leak"]:
        leak = strange["leak"]
        yield (
            f"a leak of {leak['rate_per_day']:.4g} {unit}".rstrip()
            + f" a day between restarts ({len(leak['restarts'])} of them)"
        )


def _past(told: Document) -> Iterator[str]:
    track = told["track"]
    if not track or not track["scored"]:
        yield "none has been scored yet"
        return
    yield f"{track['held']} of the last {track['scored']} held"
    if track["coverage80"] is not None:
        yield (
            f"{track['coverage80']:.0%} of what came lay within the 80 % band, "
            f"{track['coverage95']:.0%} within the 95 % band"
        )
    for each in told["last_errors"][:3]:
        yield (
            f"of {each['published'][:10]}, after {each['lead_days']} d: mean error "
            f"{each['mean_error']:.4g}, {each['coverage80']:.0%} within the 80 % band"
        )
