"""/federate: the newest sample of each selected series, for a Prometheus that scrapes them."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator
from itertools import groupby

import numpy as np
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from tidecast.clock import SystemClock
from tidecast.promql.errors import QueryTimeout
from tidecast.promql.query_engine import QueryEngine
from tidecast.samples.batch import SampleBatch, is_stale
from tidecast.samples.matchers import Matchers
from tidecast.samples.protocol import SelectLimits
from tidecast.server.parameters import InvalidParameter, Parameters, parameters_of
from tidecast.server.prometheus_answers import failure
from tidecast.server.selections import given_matchers
from tidecast_collector.errors import TidecastError
from tidecast_collector.exposition import escape_value, format_value
from tidecast_collector.labels import NAME, Labels, label_value

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
ANY_NAMES_TYPE = "text/plain; version=1.0.0; charset=utf-8; escaping=allow-utf-8"
_ANY_NAMES = "escaping=allow-utf-8"
_NO_LABEL, _NO_METRIC = re.compile("[^a-zA-Z0-9_]|^[0-9]"), re.compile("[^a-zA-Z0-9_:]|^[0-9]")
_INSTANCE = "instance"

Newest = tuple[Labels, int, float]
"""Labels, milliseconds UTC, value."""


class Federation:
    """The one route, over the samples of the engine and within its limits."""

    def __init__(self, engine: QueryEngine, clock: SystemClock) -> None:
        self._engine, self._clock = engine, clock

    def routes(self) -> list[Route]:
        """GET /federate?match[]=..."""
        return [Route("/federate", self._answer, methods=["GET"])]

    async def _answer(self, request: Request) -> Response:
        try:
            parameters = await parameters_of(request)
            any_names = _ANY_NAMES in request.headers.get("accept", "")
            text = await run_in_threadpool(self._federate, parameters, any_names)
        except TidecastError as error:
            return failure(error)
        kind = ANY_NAMES_TYPE if any_names else CONTENT_TYPE
        return PlainTextResponse(text, headers={"Content-Type": kind})

    def _federate(self, parameters: Parameters, any_names: bool) -> bytes:
        selections = given_matchers(parameters)
        if not selections:
            raise InvalidParameter("no match[] parameter provided")
        found = self._newest(selections, self._clock.now_ms())
        return exposition(found, any_names=any_names).encode()

    def _newest(self, selections: Iterable[Matchers], now_ms: int) -> list[Newest]:
        """Of each series the sample that an instant query would give, with its own time."""
        limits = self._engine.limits
        deadline = time.monotonic() + limits.timeout_seconds
        left = limits.select.samples
        found: dict[Labels, Newest] = {}
        for matchers in selections:
            if time.monotonic() > deadline:
                raise QueryTimeout(
                    f"federation timed out after {limits.timeout_seconds:g} seconds; "
                    "ask for fewer series"
                )
            start_ms = now_ms - self._engine.lookback_ms + 1
            allowed = SelectLimits(limits.select.series, left)
            batch = self._engine.samples.select(matchers, start_ms, now_ms, allowed)
            left -= len(batch.timestamps)
            found |= {each[0]: each for each in _last_of_each(batch)}
        return list(found.values())


def _last_of_each(batch: SampleBatch) -> Iterator[Newest]:
    last = batch.offsets[1:] - 1
    values = batch.values[last]
    for row in np.flatnonzero(~is_stale(values)).tolist():
        yield batch.labels[row], int(batch.timestamps[last[row]]), float(values[row])


def exposition(samples: Iterable[Newest], *, any_names: bool) -> str:
    """The samples as Prometheus text, untyped and with their times, as Prometheus federates them.

    A series without `instance` has an empty one, so that the scraper does not put its own there.
    Names that only newer versions can read are written in quotes for them (`any_names`), with
    underscores for all others.
    """
    lines: list[str] = []
    by_name = sorted((label_value(each[0], NAME), each) for each in samples)
    for name, members in groupby(by_name, key=lambda each: each[0]):
        plain = not _NO_METRIC.search(name)
        shown = name if plain or any_names else _NO_METRIC.sub("_", name)
        quoted = f'"{escape_value(shown)}"' if any_names and not plain else ""
        lines.append(f"# TYPE {quoted or shown} untyped\n")
        for _, (labels, at_ms, value) in members:
            pairs = [
                f'{_label(key, any_names)}="{escape_value(text)}"'
                for key, text in labels
                if key != NAME
            ]
            if not label_value(labels, _INSTANCE):
                pairs.append(f'{_INSTANCE}=""')
            inside = ",".join([quoted, *pairs] if quoted else pairs)
            head = "" if quoted else shown
            lines.append(f"{head}{{{inside}}} {format_value(value)} {at_ms}\n")
    return "".join(lines)


def _label(name: str, any_names: bool) -> str:
    if not _NO_LABEL.search(name):
        return name
    return f'"{escape_value(name)}"' if any_names else _NO_LABEL.sub("_", name)
