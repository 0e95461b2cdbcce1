"""SLOs where they come from: files, a policy directory, or the applied policy."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from tidecast.policy.model import InvalidPolicy, Policy
from tidecast.policy.reading import read_directory, read_policy
from tidecast_alerts.ports import PromQL
from tidecast_alerts.rules import RuleGroup, load_rules
from tidecast_alerts.slo.budget_policies import budget_policy, budget_policy_group
from tidecast_alerts.slo.burn_rules import rule_doubts, rule_group
from tidecast_alerts.slo.model import Doubt, InvalidSLO, ServiceLevels
from tidecast_alerts.slo.reading import read_service_levels
from tidecast_collector.errors import InvalidInput

MAX_FILE_BYTES = 4 << 20
FORMATS = {"openslo", "sloth"}


def levels_of(policy: Policy) -> ServiceLevels:
    """The SLOs of a policy; raises `InvalidSLO` with every fault, located."""
    return read_service_levels(
        (document.place.filename, document.text)
        for document in policy.documents
        if document.format in FORMATS
    )


def levels_in(paths: Iterable[Path]) -> ServiceLevels:
    """The SLOs of these files and policy directories; raises `InvalidSLO` or `InvalidPolicy`."""
    texts: list[tuple[str, str]] = []
    for path in paths:
        if path.is_dir():
            files = {str(path / name): text for name, text in read_directory(path).items()}
            texts += [
                (document.place.filename, document.text)
                for document in read_policy(files).documents
                if document.format in FORMATS
            ]
        else:
            texts.append((str(path), _text(path)))
    return read_service_levels(texts)


def check_queries(levels: ServiceLevels, promql: PromQL, chosen: str = "") -> Sequence[Doubt]:
    """Doubts about the SLOs and their rules.

    Raises `InvalidSLO` where a query is not PromQL, at the SLO that has it.
    """
    faults = []
    for slo in levels.slos.values():
        budget_policy(slo)
        rules = rule_group(slo, chosen)["rules"]
        assert isinstance(rules, list)
        for query in dict.fromkeys(rule["expr"] for rule in rules):
            try:
                promql.check(query)
            except InvalidInput as error:
                faults.append(f"{slo.where}: {slo.name}: {query}: {error}")
                break
    if faults:
        raise InvalidSLO("\n".join(faults))
    return [*levels.doubts, *rule_doubts(levels.slos.values(), chosen)]


def burn_rate_groups(policy: Policy, promql: PromQL) -> Sequence[RuleGroup]:
    """The rule groups of the policy's SLOs and of their error-budget policies."""
    slos = levels_of(policy).slos.values()
    groups = [*(rule_group(slo) for slo in slos), budget_policy_group(slos)]
    # JSON is YAML, and quick to write.
    text = json.dumps({"groups": [group for group in groups if group["rules"]]})
    return load_rules(text, "policy", promql).groups


def check_slos(promql: PromQL, policy: Policy) -> None:
    """Raises `InvalidPolicy` where its SLOs cannot be followed."""
    try:
        check_queries(levels_of(policy), promql)
        burn_rate_groups(policy, promql)
    except InvalidInput as error:
        raise InvalidPolicy(str(error)) from error


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise InvalidSLO(f"{path}: larger than {MAX_FILE_BYTES} bytes; split it")
        return path.read_text("utf-8")
    except OSError as error:
        raise InvalidSLO(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InvalidSLO(f"{path}: not UTF-8: {error}") from error
