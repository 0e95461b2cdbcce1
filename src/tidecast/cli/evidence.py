"""What a command asks a server with PromQL of its user's choice: `--prometheus URL`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import click

from tidecast.http_client import HttpClient, read_token

if TYPE_CHECKING:
    from tidecast_alerts.slo.model import Doubt, ServiceLevelObjective

P = ParamSpec("P")
R = TypeVar("R")
TIMEOUT_SECONDS = 30.0
NOT_ASKED = "whether there are samples of the metrics was not asked: see --prometheus"


def prometheus_options(command: Callable[P, R]) -> Callable[P, R]:
    """Adds --prometheus and --prometheus-token-file."""
    url = click.option(
        "--prometheus",
        "prometheus_url",
        metavar="URL",
        help="Also ask this server (a Prometheus, or Tidecast's own) whether what the SLOs measure "
        "by is there, and whether there are enough events.",
    )
    token = click.option(
        "--prometheus-token-file",
        type=click.Path(path_type=Path, dir_okay=False),
        help="A file with its bearer token (or the token in TIDECAST_PROMETHEUS_TOKEN).",
    )
    return url(token(command))


def asked_doubts(
    url: str, token_file: Path | None, slos: Sequence[ServiceLevelObjective], chosen: str = ""
) -> Sequence[Doubt]:
    """What the server there says against the SLOs; raises `HttpError` where nobody answers."""
    from tidecast.journeys.slo_evidence import evidence_doubts
    from tidecast.samples.prometheus_answers import answer_data, single_value

    with HttpClient(
        url, read_token(token_file, "TIDECAST_PROMETHEUS_TOKEN"), TIMEOUT_SECONDS
    ) as at:

        def ask(query: str) -> float | None:
            return single_value(answer_data(at.post_form("/api/v1/query", [("query", query)])))

        ask("vector(1)")
        return evidence_doubts(slos, ask, chosen)
