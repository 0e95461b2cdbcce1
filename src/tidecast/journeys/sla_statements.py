"""SLA statements: what was agreed for a period, what was delivered, and what is given back.

Made from raw observations, the words said of them and the policy, all as known on one day: the
same question gets the same statement, with the same digest of what went into it.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from tidecast.journeys.service_availability import Availabilities, Question
from tidecast.policy.model import Agreement, Period, Policy
from tidecast.records.availability import Classification
from tidecast.records.database import Unit
from tidecast_analytics.availability import Assessment, CountedAs, Outage, Surroundings
from tidecast_analytics.calendars import local_time, time_zone, utc_ms
from tidecast_analytics.recurrences import TooManyOccurrences
from tidecast_analytics.spans import NEVER, Spans
from tidecast_analytics.timelines import Timeline
from tidecast_collector.errors import InvalidInput

log = logging.getLogger(__name__)

_MONTH = re.compile(r"(\d{4})-(\d{2})", re.ASCII)
_MONTHS = {Period.MONTH: 1, Period.QUARTER: 3, Period.YEAR: 12}


class Verdict(StrEnum):
    """Whether a promise was kept. It is open where the time of which nothing is known decides."""

    MET = "met"
    MISSED = "missed"
    OPEN = "open"


def between(least: float, most: float, limit: float) -> Verdict:
    """Whether what lies between the two is at most the limit."""
    if most <= limit:
        return Verdict.MET
    return Verdict.MISSED if least > limit else Verdict.OPEN


@dataclass(frozen=True, slots=True)
class OutageCount:
    """How many outages were longer than that, of how many that may be.

    `fewest` and `most` are how many there may have been by what is not known.
    """

    longer_than_seconds: int
    at_most: int
    found: int
    fewest: int
    most: float

    @property
    def verdict(self) -> Verdict:
        """Whether there were no more than agreed."""
        return between(self.fewest, self.most, self.at_most)


@dataclass(frozen=True, slots=True)
class Statement:
    """One agreement over one period [start, end), as known on a day.

    `measured_end_ms` is before the end where the period was not over. `exclusions` are spans within
    the agreed hours that were taken out. `credit_ratio` of the fee is given back.
    """

    agreement: Agreement
    start_ms: int
    end_ms: int
    measured_end_ms: int
    known_on_ms: int
    agreed_ms: int
    excluded: Spans
    assessment: Assessment
    counts: Sequence[OutageCount]
    words: Sequence[Classification]
    digest: str

    @property
    def ratio(self) -> float | None:
        """Availability by the service's treatment of unknown time; None without service time."""
        return self.assessment.chosen.ratio

    @property
    def outages(self) -> Sequence[Outage]:
        """Every break within the agreed hours."""
        return self.assessment.chosen.outages

    @property
    def target_verdict(self) -> Verdict | None:
        """Whether the target was reached; None where none was agreed, or there was no time."""
        target, low, high = (
            self.agreement.target_ratio,
            self.assessment.lowest,
            self.assessment.highest,
        )
        if target is None or low is None or high is None:
            return None
        if low >= target:
            return Verdict.MET
        return Verdict.MISSED if high < target else Verdict.OPEN

    @property
    def longest_verdict(self) -> Verdict | None:
        """Whether no outage lasted longer than agreed; None where nothing was."""
        limit = self.agreement.longest_outage_seconds
        if limit is None:
            return None
        best, worst = self.assessment.best, self.assessment.worst
        return between(best.longest_outage_ms, worst.longest_outage_ms, limit * 1000)

    @property
    def verdict(self) -> Verdict:
        """Whether everything that was promised was kept."""
        each = [self.target_verdict, self.longest_verdict, *(one.verdict for one in self.counts)]
        if Verdict.MISSED in each:
            return Verdict.MISSED
        return Verdict.OPEN if Verdict.OPEN in each else Verdict.MET

    @property
    def credit_ratio(self) -> float:
        """The share of the fee that is given back: of the lowest tier that the figure is below."""
        if self.ratio is None:
            return 0.0
        below = [tier for tier in self.agreement.credits if self.ratio < tier.below_ratio]
        return max((tier.credit_ratio for tier in below), default=0.0)

    @property
    def credit(self) -> float:
        """What is given back, in the agreement's currency."""
        return round(self.agreement.fee * self.credit_ratio, 2)


def period_of(agreement: Agreement, month: str) -> tuple[int, int]:
    """The [start, end) in ms of the agreement's period that has this month (2026-10) in it.

    In the agreement's time zone. Raises `InvalidInput` for what is no month.
    """
    match = _MONTH.fullmatch(month)
    year, number = (int(match[1]), int(match[2])) if match else (0, 0)
    if not (1970 <= year <= 2200 and 1 <= number <= 12):
        raise InvalidInput(f"{month[:40]!r} is no month; write it as in 2026-10")
    size = _MONTHS[agreement.period]
    first = (number - 1) // size * size
    after_year, after = divmod(year * 12 + first + size, 12)
    zone = time_zone(agreement.time_zone)
    start = datetime(year, first + 1, 1)  # noqa: DTZ001 - the zone's clock
    end = datetime(after_year, after + 1, 1)  # noqa: DTZ001
    return utc_ms(start, zone), utc_ms(end, zone)


def months_in(agreement: Agreement, months: Sequence[str]) -> list[str]:
    """Those of these months (2026-10) with which a period of the agreement ends."""
    return [each for each in months if int(each[-2:]) % _MONTHS[agreement.period] == 0]


def running(policy: Policy, unit: Unit, now_ms: int) -> Iterator[Statement]:
    """Every agreement's statement of the period that goes on, as far as it has come.

    Where one cannot be made, none of its time zone's is, and the log says why.
    """
    by_month: dict[str, list[str]] = {}
    for each in policy.agreements.values():
        now = local_time(now_ms, time_zone(each.time_zone))
        by_month.setdefault(f"{now.year:04}-{now.month:02}", []).append(each.name)
    for month, names in by_month.items():
        try:
            yield from list(statements(policy, unit, names, month, now_ms + 1))
        except InvalidInput as error:
            log.warning("SLAs have no series now: %s", error)


def month_before(at_ms: int, agreement: Agreement) -> str:
    """The month before that time in the agreement's zone, as in 2026-10."""
    now = local_time(at_ms, time_zone(agreement.time_zone))
    year, month = divmod(now.year * 12 + now.month - 2, 12)
    return f"{year:04}-{month + 1:02}"


def statements(
    policy: Policy, unit: Unit, names: Iterable[str], month: str, known_on_ms: int
) -> Iterator[Statement]:
    """The statements of these agreements, from one reading of the ledger for each period.

    Raises `InvalidInput` for an agreement that is not there and for a period that had not begun.
    """
    periods: dict[tuple[int, int], list[Agreement]] = {}
    for name in names:
        if name not in policy.agreements:
            raise InvalidInput(f"there is no SLA {name[:200]!r} in the applied policy")
        agreement = policy.agreements[name]
        periods.setdefault(period_of(agreement, month), []).append(agreement)
    for (start_ms, end_ms), agreements in periods.items():
        if known_on_ms <= start_ms:
            raise InvalidInput(f"the period of {month} had not begun on the day it is known on")
        measured_end_ms = min(end_ms, known_on_ms)
        question = Question(start_ms, measured_end_ms, known_on_ms)
        services = dict.fromkeys(each.service for each in agreements)
        found = Availabilities(policy, unit, question, services)
        for agreement in agreements:
            try:
                yield _statement(policy, found, agreement, (start_ms, end_ms), question)
            except TooManyOccurrences as error:
                raise InvalidInput(f"{agreement.name} has no statement: {error}") from error


def _statement(
    policy: Policy,
    found: Availabilities,
    agreement: Agreement,
    period: tuple[int, int],
    question: Question,
) -> Statement:
    assert question.known_on_ms is not None
    line, around, assessment = found.within(agreement.service, agreement.agreed, agreement.excluded)
    words = found.words(agreement.service)
    outages = assessment.chosen.outages
    agreed = around.agreed.within(question.start_ms, question.end_ms)
    rules = policy.services[agreement.service].rules
    maintenance = around.maintenance if rules.maintenance is CountedAs.EXCLUDED else NEVER
    return Statement(
        agreement,
        *period,
        measured_end_ms=question.end_ms,
        known_on_ms=question.known_on_ms,
        agreed_ms=agreed.total_ms(),
        excluded=(around.exclusions | maintenance) & agreed,
        assessment=assessment,
        counts=[
            OutageCount(
                limit.longer_than_seconds,
                limit.at_most,
                sum(each.counted_ms > limit.longer_than_seconds * 1000 for each in outages),
                *assessment.outages_longer(limit.longer_than_seconds * 1000),
            )
            for limit in agreement.outages
        ],
        words=words,
        digest=_digest(agreement, period, line, around, assessment),
    )


def _digest(
    agreement: Agreement,
    period: tuple[int, int],
    line: Timeline,
    around: Surroundings,
    assessment: Assessment,
) -> str:
    """SHA-256 of everything that went into a statement."""
    promise = (
        agreement.name,
        agreement.service,
        agreement.customer,
        agreement.target_ratio,
        [(each.longer_than_seconds, each.at_most) for each in agreement.outages],
        agreement.longest_outage_seconds,
        [(each.below_ratio, each.credit_ratio) for each in agreement.credits],
        agreement.fee,
        agreement.currency,
        agreement.period.value,
        agreement.time_zone,
    )
    sets = (
        around.agreed,
        around.maintenance,
        around.exclusions,
        around.parent_down,
        assessment.chosen.counted,
        assessment.chosen.down,
    )
    parts = [repr(promise), repr(period)]
    parts += [repr((start, end, state.value)) for start, end, state in line.phases()]
    parts += [repr(list(each)) for each in sets]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
