"""The requirements of the applied policy with their newest judgements; each change is audited."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from tidecast.journeys.applied_policy import PolicyInForce
from tidecast.journeys.explain_forecast import Document, iso
from tidecast.journeys.judge_requirements import SAID, Judgement, Sources, judge
from tidecast.journeys.own_series import Point
from tidecast.journeys.sla_statements import Verdict
from tidecast.journeys.usage_records import read_usage
from tidecast.journeys.watched_slos import WatchedSlos
from tidecast.policy.model import RequirementState
from tidecast.policy.resources import Resources
from tidecast.promql.query_engine import QueryEngine
from tidecast.records import Records
from tidecast.records.columns import JsonValue
from tidecast.samples.protocol import Samples

FRESH_MS = 60_000
SETTING = "requirements_judged"
ACTOR = "tidecast"
MAX_SHOWN = 100


class JudgedRequirements:
    """What is known of the policy's requirements; safe to use from several threads."""

    def __init__(
        self,
        records: Records,
        policy: PolicyInForce,
        slos: WatchedSlos,
        samples: Samples,
        resources: Callable[[], Resources],
    ) -> None:
        self._records, self._policy, self._slos = records, policy, slos
        self._samples, self._resources = samples, resources
        self._judging = threading.Lock()
        self._newest: tuple[int | None, int, Sequence[Judgement]] | None = None

    def refresh(self, engine: QueryEngine, now_ms: int) -> Sequence[Judgement]:
        """Judges every requirement, keeps that, and puts into the audit what has changed."""
        with self._judging:
            return self._judged(engine, now_ms)

    def _judged(self, engine: QueryEngine, now_ms: int) -> Sequence[Judgement]:
        policy, version = self._policy.policy, self._policy.version
        if not policy.requirements:
            return ()
        with self._records.reading() as unit:
            sources = Sources(
                unit,
                engine,
                {each.name: each for each in self._slos.slos()},
                lambda slo, at_ms: self._slos.measured(engine, slo, at_ms),
                lambda start_ms, end_ms: read_usage(self._samples, start_ms + 1, end_ms),
                self._resources(),
            )
            found = judge(policy, sources, now_ms)
        self._remember(found, now_ms)
        self._newest = (version.id if version else None, now_ms, found)
        return found

    def newest(self, engine: QueryEngine, now_ms: int) -> Sequence[Judgement]:
        """Judgements of at most a minute ago by this policy; made now where there are none."""
        kept = self._fresh(now_ms)
        if kept is None:
            with self._judging:
                # Whoever judged meanwhile did it for this one too.
                kept = self._fresh(now_ms)
                if kept is None:
                    return self._judged(engine, now_ms)
        return kept

    def _fresh(self, now_ms: int) -> Sequence[Judgement] | None:
        kept, version = self._newest, self._policy.version
        mine = kept is not None and kept[0] == (version.id if version else None)
        return kept[2] if kept and mine and now_ms - kept[1] < FRESH_MS else None

    def points(self) -> Iterator[Point]:
        """`tidecast_requirement_met` of the newest judgements: 1 met, 0 missed, none where open."""
        kept, version = self._newest, self._policy.version
        if kept is None or kept[0] != (version.id if version else None):
            return
        for each in kept[2]:
            if each.state in SAID:
                asked = each.requirement
                labels = {"requirement": asked.name, "kind": str(asked.kind)}
                met = each.state is RequirementState.MET
                yield "tidecast_requirement_met", labels, float(met)

    def _remember(self, found: Iterable[Judgement], now_ms: int) -> None:
        told: dict[str, JsonValue] = {
            each.requirement.name: [str(each.state), str(each.verdict), each.start_ms]
            for each in found
            if each.verdict is not None
        }
        with self._records.reading() as unit:
            before = unit.settings.get(SETTING)
        known: Mapping[str, object] = before if isinstance(before, dict) else {}
        if known == told:
            return
        with self._records.unit() as unit:
            for each in found:
                name = each.requirement.name
                if name in told and known.get(name) != told[name]:
                    unit.audit.add(now_ms, ACTOR, "judge requirement", audit_words(each))
            unit.settings.put(SETTING, told)


def audit_words(judgement: Judgement) -> str:
    """What was judged by which evidence, in one line."""
    told = judgement.evidence[:20]
    words = "; ".join(f"{e.what}: {e.verdict or 'not judged'} ({e.words})" for e in told)
    since = f"{iso(judgement.start_ms)} to {iso(judgement.end_ms)}"
    return (
        f"{judgement.requirement.name} is {judgement.state}, measured {judgement.verdict} from "
        f"{since}: {words}"
    )


def requirement_document(judgement: Judgement) -> Document:
    """One requirement with what was measured of it."""
    asked, verdict = judgement.requirement, judgement.verdict
    decided = asked.state is not judgement.state
    return {
        "name": asked.name,
        "title": asked.title,
        "kind": str(asked.kind),
        "parent": asked.parent,
        "owner": asked.owner,
        "requester": asked.requester,
        "view": str(asked.view) if asked.view else None,
        "measure": asked.measure,
        "review": asked.review.isoformat() if asked.review else None,
        "review_period": str(asked.review_period),
        "state": str(judgement.state),
        "said": str(asked.state),
        "decided_by": "measurement" if decided else "people",
        "measured": str(verdict) if verdict else None,
        "contradicted": judgement.contradicted,
        "start": iso(judgement.start_ms),
        "end": iso(judgement.end_ms),
        "evidence": [
            {
                "what": each.what,
                "place": str(each.place),
                "verdict": str(each.verdict) if each.verdict else None,
                "words": each.words,
            }
            for each in judgement.evidence[:MAX_SHOWN]
        ],
        "sentence": sentence(judgement),
        "place": str(asked.place),
    }


def sentence(judgement: Judgement) -> str:
    """What follows from the measurement, in one sentence."""
    said, verdict = judgement.requirement.state, judgement.verdict
    if verdict is None or verdict is Verdict.OPEN:
        return "it cannot be told from what was measured" if verdict else _why_not(judgement)
    if judgement.contradicted:
        return f"people say {said}, but it was {verdict} by what was measured"
    if said in SAID:
        return f"{said}, as was measured"
    if judgement.state is said:
        return f"{verdict} by what was measured; it counts once the requirement is agreed"
    return f"{verdict} by what was measured"


def _why_not(judgement: Judgement) -> str:
    why = "what serves it measures nothing" if judgement.evidence else "nothing serves it"
    return f"{why}: let an SLO, an SLA, a mark or an alert serve it"
