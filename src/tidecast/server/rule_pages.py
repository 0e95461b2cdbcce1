"""Which rules `/api/v1/rules` was asked for, and how many groups of them at once."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from tidecast.samples.matchers import Matchers, matches_all
from tidecast.server.parameters import InvalidParameter, Parameters, whole_number

_TRUE = ("1", "t", "T", "TRUE", "true", "True")
_FALSE = ("", "0", "f", "F", "FALSE", "false", "False")
_MOST_GROUPS = 2**31 - 1
Groups = list[dict[str, Any]]


def flag(parameters: Parameters, name: str) -> bool:
    """Whether a parameter that says yes or no says yes."""
    text = parameters.get(name, "")
    if text not in _TRUE + _FALSE:
        raise InvalidParameter(
            f'invalid parameter "{name}": "{text[:100]}" is neither true nor false'
        )
    return text in _TRUE


def with_labels(groups: Groups, selections: Sequence[Matchers]) -> Groups:
    """The groups with those of their rules whose labels, as written, pass any of the selections."""
    if not selections:
        return groups
    narrowed = [
        {**group, "rules": [r for r in group["rules"] if _passes(r, selections)]}
        for group in groups
    ]
    return [group for group in narrowed if group["rules"]]


def _passes(rule: dict[str, Any], selections: Sequence[Matchers]) -> bool:
    labels = rule.get("labels", {})
    return any(matches_all(each, tuple(labels.items())) for each in selections)


def page(groups: Groups, parameters: Parameters) -> dict[str, Any]:
    """As many groups as `group_limit` wants, and the token that the next page is asked for by."""
    limit, token = parameters.get("group_limit"), parameters.get("group_next_token")
    if not limit:
        if token:
            raise InvalidParameter(
                'invalid parameter "group_next_token": group_limit needs to be present in order '
                "to paginate over the groups"
            )
        return {"groups": groups}
    most = whole_number(parameters, "group_limit")
    if not most or most > _MOST_GROUPS:
        raise InvalidParameter(
            'invalid parameter "group_limit": group_limit needs to be greater than 0'
        )
    tokens = [_token(group) for group in groups]
    if token and token not in tokens:
        raise InvalidParameter(
            f'invalid parameter "group_next_token": invalid group_next_token {token[:100]!r}. '
            "were rule groups changed?"
        )
    start = tokens.index(token) if token else 0
    found: dict[str, Any] = {"groups": groups[start : start + most]}
    if start + most < len(groups):
        found["groupNextToken"] = tokens[start + most]
    return found


def _token(group: dict[str, Any]) -> str:
    """Names a group as Prometheus does."""
    name = f"{group['file']};{group['name']}".encode()
    return hashlib.sha1(name, usedforsecurity=False).hexdigest()
