"""Webhooks out: one POST for each notification that is owed.

A webhook's URL is often its secret, so receivers are known by names, and no error tells more of a
URL than its host.
"""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from tidecast_alerts.notifications import DeliveryFailed

TIMEOUT_SECONDS = 10


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A receiver is configured by its address; it may not send our messages elsewhere."""

    def redirect_request(self, *_: object, **__: object) -> None:
        return None


_opener = urllib.request.build_opener(_NoRedirect)


def receivers_by_name(urls: Sequence[str]) -> dict[str, str]:
    """The URLs by the names of their receivers: the host, numbered where it stands there twice.

    >>> list(receivers_by_name(["https://chat.example/a", "https://chat.example/b"]))
    ['chat.example', 'chat.example-2']
    """
    named: dict[str, str] = {}
    for url in urls:
        host = urlsplit(url).hostname or "receiver"
        same = sum(urlsplit(other).hostname == urlsplit(url).hostname for other in named.values())
        named[f"{host}-{same + 1}" if same else host] = url
    return named


class Webhooks:
    """The receivers by name, as `deliver_due` sends to them."""

    def __init__(self, urls: Mapping[str, str]) -> None:
        self._urls = urls

    def send(self, receiver: str, body: str) -> None:
        """Posts the body to the receiver; raises `DeliveryFailed` unless it answers 2xx."""
        url = self._urls.get(receiver)
        if url is None:
            raise DeliveryFailed(f"no receiver is named {receiver!r} any more")
        post_webhook(url, body)


def post_webhook(url: str, body: str) -> None:
    """Posts the body there; raises `DeliveryFailed` unless it answers 2xx."""
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise DeliveryFailed(f"the receiver's URL cannot be used: {error}") from None
    if parts.scheme not in ("http", "https"):
        raise DeliveryFailed("the receiver's URL is neither http nor https")
    request = urllib.request.Request(  # noqa: S310 - the scheme is checked above
        url,
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
