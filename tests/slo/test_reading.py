"""OpenSLO and Sloth documents: what they say, and every rule of theirs with its place."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from tests.slo.documents import EVERY_KIND, OTHER_FIELDS, SLOTH

from tidecast_alerts.slo.burn_rules import burn_alerts
from tidecast_alerts.slo.model import InvalidSLO, RatioIndicator, RawIndicator, ServiceLevels
from tidecast_alerts.slo.queries import error_ratio
from tidecast_alerts.slo.reading import read_service_levels


def read(*texts: str) -> ServiceLevels:
    """The SLOs of these texts."""
    return read_service_levels((f"{i}.yaml", text) for i, text in enumerate(texts))


def ms(text: str) -> int:
    """Milliseconds of an ISO time in UTC."""
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def test_every_kind_is_read_and_joined() -> None:
    levels = read(EVERY_KIND)
    assert levels.doubts == ()
    assert levels.kinds == {
        "DataSource": 1,
        "Service": 1,
        "SLI": 1,
        "SLO": 3,
        "AlertPolicy": 1,
        "AlertCondition": 1,
        "AlertNotificationTarget": 1,
    }
    answers, fast, whole = (levels.slos[name] for name in ("answers", "fast", "whole"))
    assert [o.target_ratio for o in answers.objectives] == [0.999, 0.999]
    assert answers.objectives[0].indicator == RatioIndicator(
        "requests_total", bad='requests_total{code=~"5.."}', counter=True
    )
    assert answers.where == "0.yaml:18:1"
    assert (fast.objectives[0].slice_seconds, fast.objectives[0].slice_target) == (300, 0.9)
    (condition,) = fast.alerting.conditions
    assert (condition.threshold, condition.for_seconds) == (2.0, 300)
    assert list(condition.targets) == ["on-call", "mail"]
    assert whole.composite and [o.weight for o in whole.objectives] == [3.0, 1.0]


def test_calendar_periods_are_those_of_the_zone() -> None:
    window = read(EVERY_KIND).slos["fast"].window
    # March in Berlin: from UTC+1 to UTC+2.
    march = (ms("2026-02-28T23:00"), ms("2026-03-31T22:00"))
    assert window.period(march[0]) == march == window.period(march[1] - 1)
    assert window.period(march[0] - 1)[1] == march[0]
    # Long before and after the time from which periods are counted.
    assert window.period(ms("1999-07-10T00:00")) == (ms("1999-06-30T22:00"), ms("1999-07-31T22:00"))
    assert window.period(ms("2061-01-31T22:59")) == (ms("2060-12-31T23:00"), ms("2061-01-31T23:00"))


def test_sloth_is_read() -> None:
    slos = read(SLOTH).slos
    errors = slos["api-errors"]
    assert errors.objectives[0].target_ratio == 0.999
    assert errors.alerting.disabled == {"ticket"}
    indicator = slos["api-raw"].objectives[0].indicator
    assert indicator is not None
    assert error_ratio(errors.objectives[0], indicator, 3600) == 'avg(avg(ratio{w="1h"}))'
    other = read(SLOTH.replace("error_ratio_query", "errorRatioQuery")).slos["api-raw"]
    assert other.objectives[0].indicator == indicator


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("target: 0.999}", "target: 1}", "38:37: target: 1 is not in [0, 1)"),
        ("target: 0.999}", "targt: 0.999}", "38:29: unknown key 'targt'"),
        ("target: 0.999}", "target: 0.9, targetPercent: 90}", "only one of target, targetPercent"),
        ("budgetingMethod: Occurrences", "budgetingMethod: Events", "'Events' is not one of"),
        ("  budgetingMethod: Occurrences\n", "", "spec lacks budgetingMethod"),
        (", isRolling: true}]\n  budgetingMethod: Occ", "}]\n  budgetingMethod: Occ", "isRolling"),
        ("{duration: 30d, isRolling", "{duration: 30x, isRolling", "'30x' is no duration"),
        ("Europe/Berlin", "Europe/Berln", "no IANA time zone"),
        ("2026-01-01 00:00:00", "2026-01-01", "no time"),
        ("      isRolling: false", "      isRolling: true", "'calendar' cannot be given"),
        (", timeSliceTarget: 0.9", "", "lacks timeSliceTarget"),
        ("timeSliceTarget: 0.9", "timeSliceTarget: 1.1", "is not in (0, 1]"),
        ("compositeWeight: 3", "compositeWeight: 0", "is not above 0"),
        ("op: lt\n", "op: eq\n", "'eq' is not one of lte"),
        ("rawType: failure", "rawType: maybe", "rawType must be success or failure"),
        ("        counter: true", "        good: {}", "only one of good, bad"),
        ("  indicatorRef: latency", "  indicatorRef: No such", "is no name"),
        ("metadata: {name: fast}", "metadata: {name: answers}", "stands in 0.yaml:18:1 already"),
        ("kind: burnrate", "kind: smoke", "the only kind of condition is burnrate"),
        ("conditions: [{conditionRef: twice}]", "conditions: []", "exactly one condition"),
        ("kind: Service", "kind: Servant", "kind must be one of SLO"),
        ("openslo/v1\nkind: Service", "openslo/v2\nkind: Service", "apiVersion must be openslo/v1"),
        ("spec: {description: Where people pay}", f"spec: {{description: {'x' * 1051}}}", "1050"),
        ("target: slack", "goal: slack", "lacks target"),
        ("target: slack", "target: ''", "target must not be empty"),
        ("severity: page", "severity: ''", "severity must not be empty"),
        ("  service: checkout", "  service: ''", "service must not be empty"),
        ("alertAfter: 5m", "alertAfter: 5", "'5' is no duration"),
    ],
)
def test_each_rule_is_told_in_its_place(old: str, new: str, told: str) -> None:
    assert EVERY_KIND.count(old) >= 1, old
    with pytest.raises(InvalidSLO) as refused:
        read(EVERY_KIND.replace(old, new, 1))
    assert told in str(refused.value)
    assert str(refused.value).startswith("0.yaml:")


def test_every_other_field_is_read() -> None:
    levels = read(OTHER_FIELDS)
    assert levels.doubts == ()
    finds, ready = levels.slos["finds"], levels.slos["ready"]
    assert finds.objectives[0].indicator == RatioIndicator("all_events", good="found_events")
    assert (finds.objectives[0].target_ratio, finds.description) == (0.975, "Something is found")
    # A quarter that begins at 6:30 in Tokyo, nine hours before UTC.
    assert finds.window.period(ms("2026-05-01T00:00")) == (
        ms("2026-03-31T21:30"),
        ms("2026-06-30T21:30"),
    )
    (condition,) = finds.alerting.conditions
    assert (condition.severity, condition.threshold, condition.operator) == ("ticket", 1.5, "gt")
    assert (condition.window_seconds, condition.for_seconds) == (3 * 86_400, 3_600)
    assert list(condition.targets) == ["desk"]
    assert ready.window.duration.seconds == 365 * 86_400 and ready.window.rolling
    assert (ready.objectives[0].target_ratio, ready.objectives[0].slice_seconds) == (0, 7_200)
    assert ready.objectives[0].indicator == RawIndicator("ready_ratio", failures=False)


def test_documents_may_stand_in_a_list() -> None:
    listed = "".join(
        "- " + document.strip().replace("\n", "\n  ") + "\n"
        for document in EVERY_KIND.split("---\n")
    )
    as_list, as_documents = read(listed), read(EVERY_KIND)
    assert as_list.kinds == as_documents.kinds and as_list.doubts == ()
    assert list(as_list.slos) == list(as_documents.slos)
    # The list's own places: the first target of `answers`.
    with pytest.raises(InvalidSLO, match=r"^0\.yaml:35:39: target: 1 is not in"):
        read(listed.replace("target: 0.999}", "target: 1}", 1))
    with pytest.raises(InvalidSLO, match=r"^0\.yaml:1:3: expected an OpenSLO or Sloth document"):
        read("- - a")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("[{alertPolicyRef: page-us}]", "[page-us]", ""),
        ("[{alertPolicyRef: page-us}]", "[page-them]", "there is no AlertPolicy 'page-them'"),
        ("[{conditionRef: twice}]", "[{operator: and, conditionRef: twice}]", "joins nothing"),
        ("metadata: {name: fast}", "metadata: {name: shop/fast.v2|a}", "take only names of lower"),
        ("metadata: {name: fast}", f"metadata: {{name: {'x' * 255}}}", "at most 63 of them"),
        ("alertWhenResolved: false", "alertWhenResolved: true", "the end of an alert is told by"),
        (
            "    - {op: lte, value: 0.5,",
            "    - {target: 0.9, timeSliceTarget: 0.9, timeSliceWindow: "
            "5, op: lt, value: 9}\n    - {op: lte, value: 0.5,",
            "one objective only",
        ),
    ],
)
def test_what_the_specifications_examples_have_is_taken(old: str, new: str, told: str) -> None:
    assert EVERY_KIND.count(old) == 1, old
    doubts = read(EVERY_KIND.replace(old, new)).doubts
    assert [told in str(each) for each in doubts] == ([True] if told else [])


def test_a_threshold_needs_something_to_be_compared_with() -> None:
    inline = EVERY_KIND.replace(
        "indicatorRef: latency\n  time",
        "indicator: {metadata: {name: x}, spec: "
        "{thresholdMetric: {metricSource: {spec: {query: x}}}}}\n  time",
    )
    assert read(inline).slos["fast"].objectives[0].value == 0.5
    with pytest.raises(InvalidSLO, match="a thresholdMetric needs op and value here"):
        read(inline.replace("{op: lte, value: 0.5, ", "{"))
    after = read(EVERY_KIND.replace("alertAfter: 5m", "alertAfter: 0h")).slos["fast"]
    assert after.alerting.conditions[0].for_seconds == 0


def test_sloths_kubernetes_resources_are_read() -> None:
    spelled = {"error_query": "errorQuery", "total_query": "totalQuery"}
    spelled |= {"error_ratio_query": "errorRatioQuery", "page_alert": "pageAlert"}
    spelled["ticket_alert"] = "ticketAlert"
    body = SLOTH.partition("\n")[2]
    for old, new in spelled.items():
        body = body.replace(old, new)
    head = "apiVersion: sloth.slok.dev/v1\nkind: PrometheusServiceLevel\n"
    metadata = "metadata: {name: api, namespace: monitoring}\n"
    resource = head + metadata + "spec:\n  " + body.replace("\n", "\n  ")
    resources, files = read(resource).slos, read(SLOTH).slos
    assert {name: slo.objectives for name, slo in resources.items()} == {
        name: slo.objectives for name, slo in files.items()
    }
    assert resources["api-errors"].alerting == files["api-errors"].alerting
    for old, new, told in (
        ("kind: PrometheusServiceLevel", "kind: AlertWindows", "2:7: of Sloth's kinds only"),
        ("slok.dev/v1", "slok.dev/v2", "1:13: only apiVersion sloth.slok.dev/v1"),
        ("errorQuery", "error_query", "unknown key 'error_query'"),
    ):
        with pytest.raises(InvalidSLO) as refused:
            read(resource.replace(old, new, 1))
        assert told in str(refused.value)


def test_of_sloths_plugins_those_are_taken_that_ask_for_nothing_else() -> None:
    chain = "slo_plugins: {chain: [{id: sloth.dev/core/debug/v1, config: {msg: x}}]}\nslos:"
    waiting = SLOTH.replace("slos:", chain, 1).replace("page_alert: {", "page_alert: {for: 5m, ", 1)
    slo = read(waiting).slos["api-errors"]
    alerts = burn_alerts(slo, slo.objectives[0])
    assert {alert.for_seconds for alert in alerts} == {300}
    paced = SLOTH.replace("    objective: 99\n", "    objective: 99\n    interval: {all: 5m}\n")
    assert "rules keep the server's" in str(read(paced).doubts[0])
    with pytest.raises(InvalidSLO, match=r"^0\.yaml:4:28: Sloth's plugin example/mine/v1 is not"):
        read(waiting.replace("sloth.dev/core/debug/v1", "example/mine/v1"))


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("objective: 99.9", "objective: 0", "not in (0, 100]"),
        ("[{{.window}}]))\n        total", "[5m]))\n        total", "must use {{.window}}"),
        ("prometheus/v1", "prometheus/v2", "only version prometheus/v1"),
        ("      name: ApiErrors\n", "", "alerting needs a name"),
        ("sli: {raw:", "sli: {plugin: {}, raw:", "plugins are not run here"),
    ],
)
def test_sloths_rules(old: str, new: str, told: str) -> None:
    with pytest.raises(InvalidSLO, match=r"^0\.yaml:") as refused:
        read(SLOTH.replace(old, new, 1))
    assert told in str(refused.value)


def test_what_is_valid_but_of_no_use_is_doubted() -> None:
    lone = read(EVERY_KIND.split("---\n")[4])
    assert ["SLI" in str(lone.doubts), "AlertPolicy" in str(lone.doubts)] == [True, True]
    assert lone.slos["fast"].objectives[0].why_not.startswith("not measured")
    other = read(EVERY_KIND.replace("{type: Prometheus, connection", "{type: Datadog, connection"))
    assert "its source is Datadog" in str(other.doubts[0])
    # Names as the specification's own examples have them.
    upper = read(EVERY_KIND.split("---\n")[-1].replace("on-call", "OnCallDevops"))
    assert "lower-case" in str(upper.doubts[0])
