"""Webhooks out: one POST for each notification that is owed."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from urllib.parse import urlsplit

from tidecast_collector.errors import TidecastError

TIMEOUT_SECONDS = 10


class DeliveryFailed(TidecastError):
    """The receiver did not take the notification; the message never holds its path or query."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A receiver is configured by its address; it may not send our messages elsewhere."""

    def redirect_request(self, *_: object, **__: object) -> None:
        return None


_opener = urllib.request.build_opener(_NoRedirect)


def webhook_sender(receiver: str, body: str) -> None:
    """Posts the body to the receiver's URL; raises `DeliveryFailed` unless it answers 2xx."""
    try:
        parts = urlsplit(receiver)
    except ValueError as error:
        raise DeliveryFailed(f"the receiver's URL cannot be used: {error}") from None
    if parts.scheme not in ("http", "https"):
        raise DeliveryFailed("the receiver's URL is neither http nor https")
    request = urllib.request.Request(  # noqa: S310 - the scheme is checked above
        receiver,
        body.encode(),
        {"Content-Type": "application/json", "User-Agent": "tidecast"},
        method="POST",
    )
    try:
        with _opener.open(request, timeout=TIMEOUT_SECONDS):
            pass
    except urllib.error.HTTPError as error:
        with error:
            raise DeliveryFailed(f"{parts.hostname} answered {error.code}") from None
    except http.client.InvalidURL:
        raise DeliveryFailed("the receiver's URL cannot be used") from None  # its text repeats it
    except http.client.HTTPException as error:
        raise DeliveryFailed(f"{parts.hostname} does not speak HTTP: {error!r}") from None
    except OSError as error:
        raise DeliveryFailed(f"{parts.hostname} cannot be reached: {error}") from None
