"""`tidecast server`: the server alone."""

from __future__ import annotations

import click

from tidecast.cli.server_options import settings_options
from tidecast.config import ServerSettings


@click.command()
@settings_options
def server(settings: ServerSettings) -> None:
    """Run the server: samples, PromQL, forecasts, incidents and pages.

    It listens on loopback unless told otherwise. Off loopback it needs --token-file and either a
    certificate or --insecure-http.

    \b
    Examples:
      tidecast server --data-dir /srv/tidecast --listen 127.0.0.1:9797
      tidecast server --listen 0.0.0.0:9797 --token-file tokens.yaml \\
          --tls-cert-file server.crt --tls-key-file server.key
      tidecast server --config /etc/tidecast/server.yaml
    """
    from tidecast.server.start import serve

    serve(settings)
