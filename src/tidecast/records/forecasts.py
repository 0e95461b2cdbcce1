"""The forecast ledger: what was published, never changed afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import sqlalchemy as sa

from tidecast.records import tables
from tidecast.records.bands import BAND_NAMES, Bands, Float64s, Int64s, read_bands, write_bands
from tidecast.records.basis import Basis, basis_json
from tidecast.records.columns import digest
from tidecast.records.transaction import Transaction, checked_limit, row_of


@dataclass(frozen=True, slots=True, eq=False)
class PublishedForecast:
    """What was said about one resource at `published_ms`, in the resource's base `unit`.

    `state` is the typed answer; the pXX are the first milliseconds UTC by which P(crossed) >= XX %,
    None beyond the horizon, which ends at `horizon_ms`. `mark`, `usage` and `limit` are as known
    then, None where undefined. The six arrays have one entry per step; those of an old forecast
    that was scored may be gone, and with them its reasons. `basis` is what it rests on, None for
    forecasts of early versions.
    """

    host: str
    resource: str
    item: str
    unit: str
    statistic: str
    source: str
    published_ms: int
    horizon_ms: int
    state: str
    p10_ms: int | None
    p50_ms: int | None
    p90_ms: int | None
    mark: float | None
    usage: float | None
    limit: float | None
    method: str
    reasons: tuple[str, ...]
    query: str
    times_ms: Int64s
    mean: Float64s
    lo80: Float64s
    hi80: Float64s
    lo95: Float64s
    hi95: Float64s
    basis: Basis | None = None


@dataclass(frozen=True, slots=True)
class Soonest:
    """How soon the forecasts of some time expected a resource to reach its mark.

    `left_ms` is the least time that was left, 0 where it was over the mark already; None where no
    forecast saw it within its horizon.
    """

    host: str
    item: str
    left_ms: int | None


_PLAIN = tuple(f.name for f in fields(PublishedForecast) if f.name not in BAND_NAMES)
NO_STEPS = Bands(np.empty(0, dtype=np.int64), *(np.empty(0) for _ in BAND_NAMES[1:]))


class ForecastLedger:
    """Published forecasts by resource key (host, resource, item)."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    def publish(self, forecasts: Sequence[PublishedForecast]) -> None:
        """Adds forecasts to the ledger; those already there are never touched."""
        newest = self._transaction.insert(tables.newest_forecasts)
        later = newest.on_conflict_do_update(
            index_elements=[tables.newest_forecasts.c.resource_digest],
            set_={
                "forecast_id": newest.excluded.forecast_id,
                "published_ms": newest.excluded.published_ms,
            },
            where=newest.excluded.published_ms >= tables.newest_forecasts.c.published_ms,
        )
        rows = [forecast_row(forecast) for forecast in forecasts]
        numbers = self._transaction.add_each(tables.forecasts, rows)
        heads = [
            {
                "resource_digest": row["resource_digest"],
                "forecast_id": number,
                "published_ms": row["published_ms"],
            }
            for row, number in zip(rows, numbers, strict=True)
        ]
        self._transaction.change_each(later, heads)

    def latest(self, *, bands: bool = True) -> list[PublishedForecast]:
        """The newest forecast of each resource, by resource key.

        Without `bands` their six arrays stay empty: lists and metrics do not need them.
        """
        table = tables.forecasts
        columns = [table.c[name] for name in _PLAIN] + ([table.c.bands] if bands else [])
        newest = tables.newest_forecasts.c.forecast_id == table.c.id
        ranked = sa.select(*columns).join(tables.newest_forecasts, newest)
        by_key = ranked.order_by(table.c.host, table.c.resource, table.c.item)
        return [read_forecast(row) for row in self._transaction.rows(by_key)]

    def soonest(self, resource: str, start_ms: int, end_ms: int) -> list[Soonest]:
        """For each resource of this name that was forecast in [start, end) what came soonest.

        Forecasts that had too little to go by say nothing.
        """
        table = tables.forecasts.c
        left = sa.case(
            (table.state == "over_now", 0),
            (table.p50_ms < table.published_ms, 0),
            else_=table.p50_ms - table.published_ms,
        )
        found = (
            sa.select(table.host, table.item, sa.func.min(left).label("left_ms"))
            .where(
                table.published_ms >= start_ms,
                table.published_ms < end_ms,
                table.resource == resource,
                table.state.not_in(["not_enough_data", "no_mark"]),
            )
            .group_by(table.host, table.item)
            .order_by(table.host, table.item)
        )
        return [Soonest(**row) for row in self._transaction.rows(found)]

    def of(self, host: str, resource: str, item: str, limit: int) -> list[PublishedForecast]:
        """Up to `limit` forecasts of this resource, the newest first."""
        table = tables.forecasts
        wanted = table.c.resource_digest == digest(host, resource, item)
        newest = sa.select(table).where(wanted)
        newest = newest.order_by(table.c.published_ms.desc(), table.c.id.desc())
        return [
            read_forecast(row) for row in self._transaction.rows(newest.limit(checked_limit(limit)))
        ]


def forecast_row(forecast: PublishedForecast) -> dict[str, object]:
    row = row_of(forecast)
    row["basis"] = None if forecast.basis is None else basis_json(forecast.basis)
    blob = write_bands(Bands(**{name: row.pop(name) for name in BAND_NAMES}))
    key = digest(forecast.host, forecast.resource, forecast.item)
    return {**row, "resource_digest": key, "bands": blob}


def read_forecast(row: sa.RowMapping) -> PublishedForecast:
    bands = read_bands(row["bands"]) if "bands" in row else NO_STEPS
    return PublishedForecast(**{name: row[name] for name in _PLAIN}, **row_of(bands))
