"""The documents in a policy that rooms follow: checked before it is applied, read when it is."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypeVar

from tidecast.journeys.alert_rules import checked_rules
from tidecast.journeys.applied_policy import CheckPolicy
from tidecast.journeys.slo_documents import burn_rate_groups, check_slos
from tidecast.policy.model import Document, InvalidPolicy, Policy
from tidecast.policy.resources import ResourceDefinition, Resources, parse_resources
from tidecast_alerts.engine import check_group_names
from tidecast_alerts.ports import PromQL
from tidecast_alerts.rules import InvalidRule, RuleGroup, load_rules
from tidecast_collector.errors import InvalidInput

log = logging.getLogger(__name__)

T = TypeVar("T")


def checks_of(promql: PromQL, others: Sequence[RuleGroup] = ()) -> Sequence[CheckPolicy]:
    """What a policy has to stand: its rules and resource definitions must be what they should.

    `others` are the rule groups that are evaluated beside those of the policy.
    """
    return (
        partial(_check_documents, promql),
        partial(check_slos, promql),
        partial(_check_groups, promql, others),
    )


class Follower:
    """What holds with a policy: its resources and rules beside those the server began with."""

    def __init__(
        self,
        promql: PromQL,
        definitions: Mapping[str, ResourceDefinition],
        rules: Sequence[RuleGroup],
    ) -> None:
        self._promql, self._definitions, self._rules = promql, definitions, rules
        self.checks = checks_of(promql, rules)

    def resources(self, policy: Policy) -> Resources:
        """The resources, each measured and judged as the policy has it."""
        defined = {**self._definitions, **self._read(resource_definitions, policy, {})}
        return Resources(defined, policy.marks, policy.lead_times)

    def rules(self, policy: Policy) -> list[RuleGroup]:
        """All rule groups to evaluate."""
        read: list[RuleGroup] = self._read(rule_groups, policy, [])
        groups = [*self._rules, *read]
        try:
            check_group_names(groups)
        except InvalidRule as error:
            # Applied when other rule files stood beside it: the server must start all the same.
            log.error("the rules of the applied policy are left out: %s", error)
            return list(self._rules)
        return groups

    def _read(self, reader: Callable[[Policy, PromQL], T], policy: Policy, otherwise: T) -> T:
        try:
            return reader(policy, self._promql)
        except InvalidInput as error:
            # Applied by another version of Tidecast: the server must start all the same.
            log.error("documents of the applied policy are left out: %s", error)
            return otherwise


def rule_groups(policy: Policy, promql: PromQL) -> list[RuleGroup]:
    """The rule groups in the policy's documents, and those of its SLOs.

    Raises `InvalidRule` or `InvalidSLO`, located.
    """
    written = [
        group
        for document in policy.documents
        if document.format == "rules"
        for group in load_rules(document.text, document.place.filename, promql).groups
    ]
    return [*written, *burn_rate_groups(policy, promql)]


def resource_definitions(policy: Policy, promql: PromQL) -> dict[str, ResourceDefinition]:
    """The resources that the policy's documents define, by name; of two alike the later one.

    Raises `InvalidPolicy`, located.
    """
    found: dict[str, ResourceDefinition] = {}
    for document in policy.documents:
        if document.format == "resources":
            found |= parse_resources(document.text, document.place.filename, promql.check)
    return found


def _check_documents(promql: PromQL, policy: Policy) -> None:
    readers: dict[str, Callable[[Document], object]] = {
        "rules": lambda d: checked_rules(d.text, d.place.filename, promql),
        "resources": lambda d: parse_resources(d.text, d.place.filename, promql.check),
    }
    faults = []
    for document in policy.documents:
        try:
            if document.format in readers:
                readers[document.format](document)
        except InvalidInput as error:
            faults.append(str(error))
    if faults:
        raise InvalidPolicy("\n".join(faults))


def _check_groups(promql: PromQL, others: Sequence[RuleGroup], policy: Policy) -> None:
    try:
        check_group_names([*others, *rule_groups(policy, promql)])
    except InvalidRule as error:
        raise InvalidPolicy(str(error)) from error
