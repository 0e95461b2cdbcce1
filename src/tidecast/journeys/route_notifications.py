"""Who is told of an incident: the policy's routes, put into what receivers get as an annotation."""

from __future__ import annotations

import json
from collections.abc import Mapping

from tidecast.policy.model import Policy

NOTIFY, EMAILS = "notify", "notify_emails"


def routed(policy: Policy, body: str) -> str:
    """The webhook's body with the annotations `notify` and `notify_emails`, where a route fits.

    A route fits an alert that has all its labels. The receiver decides what to do with it.
    """
    if not policy.routes:
        return body
    message = json.loads(body)
    everybody: dict[str, None] = {}
    for alert in message["alerts"]:
        people = _people(policy, alert["labels"])
        everybody |= dict.fromkeys(people)
        alert["annotations"] |= _annotations(policy, people)
    message["commonAnnotations"] |= _annotations(policy, list(everybody))
    return json.dumps(message, ensure_ascii=False)


def _people(policy: Policy, labels: Mapping[str, str]) -> list[str]:
    fitting = (
        route.notify
        for route in policy.routes
        if all(labels.get(name) == value for name, value in route.match.items())
    )
    return list(dict.fromkeys(who for notify in fitting for who in notify))


def _annotations(policy: Policy, people: list[str]) -> dict[str, str]:
    if not people:
        return {}
    known = [policy.owners[who].email for who in people if who in policy.owners]
    emails = ",".join(filter(None, known))
    return {NOTIFY: ",".join(people), **({EMAILS: emails} if emails else {})}
