"""The alert rules in force: the default pack and the files the operator adds."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from tidecast.journeys.observe_rules import COMPONENT_STATE, STATES
from tidecast_alerts.ports import PromQL
from tidecast_alerts.rules import InvalidRule, RuleFile, RuleGroup, load_rules

MAX_FILE_BYTES = 4 << 20


def read_rules(path: Path, promql: PromQL) -> RuleFile:
    """The rules in this file; raises `InvalidRule` with every fault, located."""
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise InvalidRule(f"{path}: larger than {MAX_FILE_BYTES} bytes")
        text = path.read_text("utf-8")
    except OSError as error:
        raise InvalidRule(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InvalidRule(f"{path}: not UTF-8: {error}") from error
    return checked_rules(text, str(path), promql)


def checked_rules(text: str, filename: str, promql: PromQL) -> RuleFile:
    """The rules in this text, which tell of states of components that there are.

    Raises `InvalidRule` with every fault, located.
    """
    return load_rules(text, filename, promql, {COMPONENT_STATE: STATES})


def read_all_rules(paths: Sequence[Path], promql: PromQL) -> list[RuleGroup]:
    """The groups of the default pack and of these files."""
    default = files("tidecast.policy") / "defaults" / "rules.yml"
    loaded = [load_rules(default.read_text("utf-8"), "rules.yml", promql)]
    loaded += [read_rules(path, promql) for path in paths]
    return [group for rules in loaded for group in rules.groups]
