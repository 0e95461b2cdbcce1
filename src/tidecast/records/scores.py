"""What came of published forecasts: scores by forecast and lead, added once and never changed.

All forecasts are scored; the first of each day of a resource stands for that day in records,
since those of one day say nearly the same. The ledger is kept small by letting others go after a
while, then all but the first of each week, and at last these; one score of each stays for ever.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from tidecast.records import tables
from tidecast.records.bands import write_bands
from tidecast.records.columns import digest
from tidecast.records.forecasts import NO_STEPS, PublishedForecast, read_forecast
from tidecast.records.transaction import Transaction, checked_limit, record_of, row_of
from tidecast_analytics.scoring import Alarm

DAY_MS = 86_400_000
WEEK_MS = 7 * DAY_MS

Place = tuple[int, int]
"""How far the ledger was gone through: (published_ms, id) of the last forecast seen."""


@dataclass(frozen=True, slots=True)
class DueForecast:
    """A forecast that may be scored, and whether it is its resource's first of a day or week.

    Days are UTC days; weeks are counted from 1 January 1970.
    """

    id: int
    resource_digest: bytes
    first_of_day: bool
    first_of_week: bool
    forecast: PublishedForecast

    @property
    def place(self) -> Place:
        """Where it stands in the ledger."""
        return self.forecast.published_ms, self.id


@dataclass(frozen=True, slots=True)
class ForecastScore:
    """How one forecast fared in its first `lead_days` days, as `BandScore` and the functions
    beside it define it; errors are in the resource's unit, and `scale` is its mark, its limit or
    its mean, whichever there is, to set errors in proportion.

    `crossed_ms`, `crossing_error_ms` (P50 less crossing) and `dates_pinball_ms` are None where
    there is nothing to say; `held` is None where there was nothing to hold, `alarm` while it is
    open.
    """

    forecast_id: int
    lead_days: int
    resource_digest: bytes
    resource: str
    published_ms: int
    scored_ms: int
    first_of_day: bool
    first_of_week: bool
    values: int
    inside80: int
    inside95: int
    mae: float
    pinball: float
    scale: float
    reach: tuple[int, ...]
    crossed_ms: int | None = None
    crossing_error_ms: int | None = None
    dates_pinball_ms: float | None = None
    held: bool | None = None
    alarm: Alarm | None = None


@dataclass(frozen=True, slots=True)
class Verdicts:
    """So many forecasts of a resource whose alarm came out so; `error_ms` is the sum of how far
    P50 was off where the mark was crossed, `crossings` times."""

    resource_digest: bytes
    resource: str
    alarm: Alarm | None
    forecasts: int
    crossings: int
    error_ms: float


class ForecastScores:
    """Scores, and what is to be scored or pruned."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    def due(self, after: Place, until_ms: int, limit: int, lead_days: int) -> list[DueForecast]:
        """The next forecasts after that place published until then, in the ledger's order, that
        have no score for that lead."""
        table, scores = tables.forecasts, tables.forecast_scores
        scored = sa.exists().where(
            scores.c.forecast_id == table.c.id, scores.c.lead_days == lead_days
        )
        wanted = (
            sa.select(
                table,
                (~_earlier_in(DAY_MS)).label("first_of_day"),
                (~_earlier_in(WEEK_MS)).label("first_of_week"),
            )
            .where(_after(after), table.c.published_ms <= until_ms, ~scored)
            .order_by(table.c.published_ms, table.c.id)
            .limit(checked_limit(limit))
        )
        return [
            DueForecast(
                row["id"],
                row["resource_digest"],
                bool(row["first_of_day"]),
                bool(row["first_of_week"]),
                read_forecast(row),
            )
            for row in self._transaction.rows(wanted)
        ]

    def add(self, scores: Sequence[ForecastScore]) -> None:
        """Adds scores; those already there are never touched."""
        table = tables.forecast_scores
        keys = list(table.primary_key.columns)
        insert = self._transaction.insert(table).on_conflict_do_nothing(index_elements=keys)
        self._transaction.change_each(insert, [row_of(score) for score in scores])

    def of(self, host: str, resource: str, item: str, limit: int) -> list[ForecastScore]:
        """Up to `limit` scores of this resource, those of the newest forecasts first."""
        table = tables.forecast_scores
        wanted = sa.select(table).where(table.c.resource_digest == digest(host, resource, item))
        newest = wanted.order_by(table.c.published_ms.desc(), table.c.lead_days.desc())
        rows = self._transaction.rows(newest.limit(checked_limit(limit)))
        return [record_of(ForecastScore, row) for row in rows]

    def since(
        self, published_ms: int, after: tuple[bytes, int, int, int], limit: int
    ) -> list[ForecastScore]:
        """Scores of first forecasts of a day published since then, by resource and publication.

        They come in parts: those after the (digest, published, forecast, lead) of the last one, up
        to `limit`.
        """
        table = tables.forecast_scores
        key = table.c.resource_digest, table.c.published_ms
        place = (*key, table.c.forecast_id, table.c.lead_days)
        wanted = (
            sa.select(table)
            .where(table.c.first_of_day, table.c.published_ms >= published_ms)
            .where(sa.tuple_(*place) > sa.tuple_(*map(sa.literal, after)))
            .order_by(*place)
            .limit(checked_limit(limit))
        )
        return [record_of(ForecastScore, row) for row in self._transaction.rows(wanted)]

    def verdicts(self, published_ms: int) -> list[Verdicts]:
        """How often each alarm came out how, and how far dates were off, by resource.

        Over the first forecasts of a week published since then, each by its longest lead.
        """
        table, longer = tables.forecast_scores, tables.forecast_scores.alias("longer")
        told = sa.or_(table.c.alarm.is_not(None), table.c.crossing_error_ms.is_not(None))
        last = ~sa.exists().where(
            longer.c.forecast_id == table.c.forecast_id, longer.c.lead_days > table.c.lead_days
        )
        away = sa.func.abs(table.c.crossing_error_ms)
        grouped = (
            sa.select(
                table.c.resource_digest,
                table.c.resource,
                table.c.alarm,
                sa.func.count().label("forecasts"),
                sa.func.count(away).label("crossings"),
                sa.func.sum(sa.cast(away, sa.Double)).label("error_ms"),
            )
            .where(table.c.first_of_week, table.c.published_ms >= published_ms, told, last)
            .group_by(table.c.resource_digest, table.c.resource, table.c.alarm)
        )
        return [
            Verdicts(**{**row, "error_ms": float(row["error_ms"] or 0)})
            for row in self._transaction.rows(grouped)
        ]

    def keep_daily(self, after: Place, until_ms: int, limit: int) -> Place | None:
        """Goes through the next forecasts published until then; None at the end of them.

        Those that are not the first of their day go, with their scores; those that are not the
        first of their week lose their steps, reasons and basis. The newest of a resource stays.
        """
        found = self._next(after, until_ms, limit)
        self._remove([row["id"] for row in found if row["another_that_day"]])
        table = tables.forecasts
        this: sa.BindParameter[int] = sa.bindparam("forecast")
        bare = {"bands": write_bands(NO_STEPS), "reasons": (), "basis": None}
        self._transaction.change_each(
            sa.update(table).where(table.c.id == this).values(bare),
            [
                {"forecast": row["id"]}
                for row in found
                if row["another_that_week"] and not row["another_that_day"]
            ],
        )
        return _last_place(found)

    def keep_weekly(self, after: Place, until_ms: int, limit: int) -> Place | None:
        """The same; those that are not the first of their week go, with their scores."""
        found = self._next(after, until_ms, limit)
        self._remove([row["id"] for row in found if row["another_that_week"]])
        return _last_place(found)

    def forget(self, published_ms: int, limit: int) -> int:
        """Removes up to `limit` forecasts published before then whose horizon has passed by then
        too; of each the score of its longest lead stays. Returns how many were removed."""
        table = tables.forecasts
        old = sa.select(table.c.id).where(
            table.c.published_ms < published_ms, table.c.horizon_ms < published_ms, _not_newest()
        )
        found = self._transaction.rows(old.limit(checked_limit(limit)))
        numbers = [{"forecast": row["id"]} for row in found]
        scores, longer = tables.forecast_scores, tables.forecast_scores.alias("longer")
        this: sa.BindParameter[int] = sa.bindparam("forecast")
        outdone = sa.exists().where(
            longer.c.forecast_id == this, longer.c.lead_days > scores.c.lead_days
        )
        self._transaction.change_each(
            sa.delete(scores).where(scores.c.forecast_id == this, outdone), numbers
        )
        self._transaction.change_each(sa.delete(table).where(table.c.id == this), numbers)
        return len(found)

    def _next(self, after: Place, until_ms: int, limit: int) -> Sequence[sa.RowMapping]:
        table = tables.forecasts
        return self._transaction.rows(
            sa.select(
                table.c.id,
                table.c.published_ms,
                _earlier_in(DAY_MS).label("another_that_day"),
                _earlier_in(WEEK_MS).label("another_that_week"),
            )
            .where(_after(after), table.c.published_ms <= until_ms, _not_newest())
            .order_by(table.c.published_ms, table.c.id)
            .limit(checked_limit(limit))
        )

    def _remove(self, forecasts: Sequence[int]) -> None:
        """Removes these forecasts and all their scores."""
        table, scores = tables.forecasts, tables.forecast_scores
        this: sa.BindParameter[int] = sa.bindparam("forecast")
        numbers = [{"forecast": number} for number in forecasts]
        self._transaction.change_each(
            sa.delete(scores).where(scores.c.forecast_id == this), numbers
        )
        self._transaction.change_each(sa.delete(table).where(table.c.id == this), numbers)


def _last_place(found: Sequence[sa.RowMapping]) -> Place | None:
    return (found[-1]["published_ms"], found[-1]["id"]) if found else None


def _not_newest() -> sa.ColumnElement[bool]:
    return tables.forecasts.c.id.not_in(sa.select(tables.newest_forecasts.c.forecast_id))


def _after(place: Place) -> sa.ColumnElement[bool]:
    table = tables.forecasts
    at_ms, number = place
    later = table.c.published_ms > at_ms
    return sa.or_(later, sa.and_(table.c.published_ms == at_ms, table.c.id > number))


def _earlier_in(span_ms: int) -> sa.ColumnElement[bool]:
    """Whether the resource has an earlier forecast in the same day or week (since 1970)."""
    table, other = tables.forecasts, tables.forecasts.alias("other")
    earlier = sa.or_(
        other.c.published_ms < table.c.published_ms,
        sa.and_(other.c.published_ms == table.c.published_ms, other.c.id < table.c.id),
    )
    return sa.exists().where(
        other.c.resource_digest == table.c.resource_digest,
        other.c.published_ms >= table.c.published_ms - table.c.published_ms % span_ms,
        earlier,
    )
