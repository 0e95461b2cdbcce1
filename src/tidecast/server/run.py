"""All that a server answers, and what keeps it going."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tidecast.config import ServerSettings
from tidecast.policy.tokens import TokenFile
from tidecast.promql.settings import QueryOptions
from tidecast.server.access import AccessPolicy
from tidecast.server.anomaly_api import AnomalyApi
from tidecast.server.application import Application
from tidecast.server.assess_api import AssessApi
from tidecast.server.availability_api import AvailabilityApi
from tidecast.server.availability_views import AvailabilityViews
from tidecast.server.backup_api import BackupApi
from tidecast.server.change_api import ChangeApi
from tidecast.server.configuration_api import ConfigurationApi
from tidecast.server.doors import health_routes, middleware
from tidecast.server.federation import Federation
from tidecast.server.forecast_api import ForecastApi
from tidecast.server.heavy_queries import HeavyQueries, OffloadingEngine
from tidecast.server.policy_api import PolicyApi
from tidecast.server.problems import problem_response
from tidecast.server.prometheus_api import PrometheusApi
from tidecast.server.queries import Queries
from tidecast.server.read_api import ReadApi
from tidecast.server.scraping_api import scraping_routes
from tidecast.server.sla_api import SlaApi
from tidecast.server.slo_api import SloApi
from tidecast.server.stores import Stores
from tidecast.server.tidecast_api import TidecastApi
from tidecast.server.tsdb_api import TsdbApi
from tidecast.server.upkeep import Upkeep
from tidecast.server.views import Views
from tidecast.server.write_api import WriteApi
from tidecast.web.expression_page import Ask, expression_page_routes
from tidecast.web.rendering import error_page, wants_page
from tidecast.web.requirement_pages import requirement_page_routes
from tidecast.web.routes import page_routes
from tidecast.web.services import ServicePages
from tidecast.web.slo_pages import slo_page_routes

_PATIENCE_SECONDS = 20.0


@contextmanager
def opened(
    settings: ServerSettings, tokens: TokenFile | None, stores: Stores, policy: AccessPolicy
) -> Iterator[Starlette]:
    """The whole application over these stores, kept going until it is left."""
    application = Application(settings, tokens, stores)
    upkeep = Upkeep(application)
    try:
        upkeep.start()
        yield make_app(application, upkeep, policy)
    finally:
        upkeep.stop()
        application.close()


def make_app(application: Application, upkeep: Upkeep, policy: AccessPolicy) -> Starlette:
    """The whole HTTP surface."""
    forecasts = ForecastApi(application, upkeep)
    changes = ChangeApi(application, upkeep)
    views = Views(application, forecasts.explained, forecasts.expect_explanation, changes.keep)
    slos, policies = SloApi(application), PolicyApi(application)
    availability = AvailabilityViews(application)
    return Starlette(
        routes=[
            *health_routes(),
            Route("/metrics", _metrics(application)),
            *_write_api(application).routes(),
            *_prometheus_api(application).routes(),
            *scraping_routes(),
            *ReadApi(application.engine).routes(),
            *Federation(application.engine, application.clock).routes(),
            *TsdbApi(application.samples, application.embedded).routes(),
            *BackupApi(application).routes(),
            *TidecastApi(application, upkeep, views).routes(),
            *forecasts.routes(),
            *slos.routes(),
            *SlaApi(application).routes(),
            *policies.routes(),
            *requirement_page_routes(views, policies.judged),
            *AssessApi(application, views).routes(),
            *ConfigurationApi(application).routes(),
            *AvailabilityApi(application, availability).routes(),
            *AnomalyApi(application).routes(),
            *changes.routes(),
            *slo_page_routes(views, slos.all),
            *page_routes(views),
            *expression_page_routes(views, _asked_by_people(application)),
            *ServicePages(views, availability).routes(),
        ],
        middleware=middleware(policy),
        exception_handlers={404: _error, 405: _error, 500: _error},
    )


def _write_api(application: Application) -> WriteApi:
    return WriteApi(
        application.ingest,
        application.samples,
        application.metrics,
        application.clock,
        away="raw" not in application.embedded,
    )


def _prometheus_api(application: Application) -> PrometheusApi:
    heavy = HeavyQueries(application.worker.queries, application.engine)
    queries = Queries(
        application.engine,
        heavy,
        application.settings.query_max_concurrency,
        application.metrics.count_query,
    )
    return PrometheusApi(
        application.engine,
        application.samples,
        application.alerts,
        application.clock,
        queries,
    )


async def _error(request: Request, error: Exception) -> Response:
    status = getattr(error, "status_code", 500)
    if wants_page(request):
        return error_page(request, status)
    return problem_response(status, getattr(error, "detail", "") or "see the server's log")


def _asked_by_people(application: Application) -> Ask:
    """What an expression says, found where it delays nothing else; people do not wait long."""
    heavy = HeavyQueries(application.worker.queries, application.engine)
    engine = OffloadingEngine(application.engine, heavy)
    options = QueryOptions(timeout_seconds=_PATIENCE_SECONDS)
    return lambda text, at_ms: engine.instant(text, at_ms, options)


def _metrics(application: Application) -> Callable[[Request], Awaitable[Response]]:
    async def metrics(request: Request) -> Response:
        text = await run_in_threadpool(generate_latest, application.metrics.registry)
        return Response(text, headers={"content-type": CONTENT_TYPE_PLAIN_0_0_4})

    return metrics
