"""From settings to a server that answers: one socket, one application, one event loop."""

from __future__ import annotations

import logging
import signal
import socket
import ssl
from collections.abc import Awaitable, Callable

import uvicorn
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tidecast.config import InvalidSettings, ServerSettings
from tidecast.policy.tokens import TokenFile
from tidecast.server.access import AccessMiddleware, AccessPolicy, is_loopback
from tidecast.server.anomaly_api import AnomalyApi
from tidecast.server.application import Application
from tidecast.server.assess_api import AssessApi
from tidecast.server.availability_api import AvailabilityApi
from tidecast.server.availability_views import AvailabilityViews
from tidecast.server.backup_api import BackupApi
from tidecast.server.change_api import ChangeApi
from tidecast.server.configuration_api import ConfigurationApi
from tidecast.server.forecast_api import ForecastApi
from tidecast.server.heavy_queries import HeavyQueries
from tidecast.server.policy_api import PolicyApi
from tidecast.server.problems import problem_response
from tidecast.server.prometheus_api import PrometheusApi
from tidecast.server.queries import Queries
from tidecast.server.sla_api import SlaApi
from tidecast.server.slo_api import SloApi
from tidecast.server.tidecast_api import TidecastApi
from tidecast.server.tsdb_api import TsdbApi
from tidecast.server.upkeep import Upkeep
from tidecast.server.views import Views
from tidecast.server.write_api import WriteApi
from tidecast.web.rendering import error_page, wants_page
from tidecast.web.routes import page_routes
from tidecast.web.services import ServicePages
from tidecast.web.slo_pages import slo_page_routes
from tidecast_collector.errors import TidecastError

log = logging.getLogger(__name__)

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
SECURITY_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
]


class CannotListen(TidecastError):
    """The address to listen on is taken or not ours."""


def serve(settings: ServerSettings) -> None:
    """Runs the server until it is told to stop."""
    logging.basicConfig(level=logging.INFO, format=LOG_FORMAT)
    loopback = is_loopback(settings.listen.host)
    settings.check_access(loopback)
    settings.check_samples()
    settings.check_ledger()
    tokens = TokenFile.load(settings.token_file) if settings.token_file else None
    asks = tokens is not None and (settings.require_auth or not loopback)
    policy = AccessPolicy(tokens.verify if tokens and asks else None, check_host=loopback)
    _check_certificate(settings)
    listening = _listen(settings)
    for number in (signal.SIGTERM, signal.SIGINT):
        # uvicorn stops on them and then raises them again, which must not end us before we close.
        signal.signal(number, lambda *_: None)
    with listening:
        application = Application(settings, tokens)
        upkeep = Upkeep(application)
        try:
            upkeep.start()
            config = uvicorn.Config(
                make_app(application, upkeep, policy),
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                lifespan="off",
                ssl_certfile=settings.tls_cert_file,
                ssl_keyfile=settings.tls_key_file,
                timeout_graceful_shutdown=10,
            )
            log.info("listening on %s://%s", settings.scheme, settings.listen)
            uvicorn.Server(config).run(sockets=[listening])
        finally:
            upkeep.stop()
            application.close()


def _check_certificate(settings: ServerSettings) -> None:
    if settings.tls_cert_file is None:
        return
    try:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(settings.tls_cert_file, settings.tls_key_file, password="")
    except OSError as error:
        raise InvalidSettings(
            f"the certificate {settings.tls_cert_file} with the key {settings.tls_key_file} "
            f"cannot be used: {error.strerror or error}"
        ) from error


def _listen(settings: ServerSettings) -> socket.socket:
    host, port = settings.listen.host, settings.listen.port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=1024)
    except OSError as error:
        raise CannotListen(f"cannot listen on {settings.listen}: {error.strerror}") from error


def make_app(application: Application, upkeep: Upkeep, policy: AccessPolicy) -> Starlette:
    """The whole HTTP surface."""
    forecasts = ForecastApi(application, upkeep)
    views = Views(application, forecasts.explained, forecasts.expect_explanation)
    slos = SloApi(application)
    availability = AvailabilityViews(application)
    heavy = HeavyQueries(application.worker.queries, application.engine)
    prometheus = PrometheusApi(
        application.engine,
        application.samples,
        application.alerts,
        application.clock,
        Queries(
            application.engine,
            heavy,
            application.settings.query_max_concurrency,
            application.metrics.count_query,
        ),
    )
    write = WriteApi(
        application.ingest, application.samples, application.metrics, application.clock
    )
    return Starlette(
        routes=[
            Route("/-/healthy", _healthy),
            Route("/-/ready", _healthy),
            Route("/metrics", _metrics(application)),
            *write.routes(),
            *prometheus.routes(),
            *TsdbApi(application.samples, application.embedded).routes(),
            *BackupApi(application).routes(),
            *TidecastApi(application, upkeep, views).routes(),
            *forecasts.routes(),
            *slos.routes(),
            *SlaApi(application).routes(),
            *PolicyApi(application).routes(),
            *AssessApi(application, views).routes(),
            *ConfigurationApi(application).routes(),
            *AvailabilityApi(application, availability).routes(),
            *AnomalyApi(application).routes(),
            *ChangeApi(application, upkeep).routes(),
            *slo_page_routes(views, slos.all),
            *page_routes(views),
            *ServicePages(views, availability).routes(),
        ],
        middleware=[
            Middleware(SecurityHeaders),
            Middleware(AccessMiddleware, policy=policy),
            Middleware(GZipMiddleware, minimum_size=1000, compresslevel=5),
        ],
        exception_handlers={404: _error, 405: _error, 500: _error},
    )


async def _error(request: Request, error: Exception) -> Response:
    status = getattr(error, "status_code", 500)
    if wants_page(request):
        return error_page(request, status)
    return problem_response(status, getattr(error, "detail", "") or "see the server's log")


async def _healthy(request: Request) -> Response:
    """The socket answers only once everything is open, so being here is being ready."""
    return PlainTextResponse("Tidecast is ready.\n")


def _metrics(application: Application) -> Callable[[Request], Awaitable[Response]]:
    async def metrics(request: Request) -> Response:
        text = await run_in_threadpool(generate_latest, application.metrics.registry)
        return Response(text, headers={"content-type": CONTENT_TYPE_PLAIN_0_0_4})

    return metrics


class SecurityHeaders:
    """Adds to every response what browsers should hold us to."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *SECURITY_HEADERS]
            await send(message)

        await self._app(scope, receive, with_headers)
