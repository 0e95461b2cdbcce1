"""Chromium opens the pages: charts come alive, nothing scrolls sideways, nothing is refused."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest
import uvicorn
from tests.web.preview import preview_app
from tests.web.preview_fleet import PreviewData, first_day
from tests.web.screenshot import Browser

pytestmark = pytest.mark.servers

PATHS = (
    "/",
    "/hosts",
    "/hosts/web-3",
    "/resources?host=web-3&resource=filesystem&item=%2Fvar",
    "/incidents",
    "/incidents/12",
    "/services",
    "/services/shop",
)
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser() as opened:
        yield opened


def serving(data: PreviewData) -> Iterator[str]:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(preview_app(data), log_level="warning"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def fleet_site() -> Iterator[str]:
    yield from serving(PreviewData(generated=True))


@pytest.fixture(scope="module")
def first_day_site() -> Iterator[str]:
    yield from serving(PreviewData(outlooks=first_day(), views=[]))


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("path", PATHS)
def test_pages_fit_their_window_and_log_no_error(
    browser: Browser, fleet_site: str, path: str, width: int, dark: bool
) -> None:
    browser.open(fleet_site + path, width=width, dark=dark)
    browser.wait_for("document.readyState === 'complete'")
    assert browser.ask("document.documentElement.scrollWidth") == width
    assert browser.problems() == []


def test_the_page_of_the_first_day_fits_a_phone(browser: Browser, first_day_site: str) -> None:
    browser.open(first_day_site, width=390)
    assert browser.ask("document.documentElement.scrollWidth") == 390


def test_fan_charts_can_be_pointed_at(browser: Browser, fleet_site: str) -> None:
    browser.open(fleet_site + PATHS[3], width=1280)
    browser.wait_for("document.querySelector('.uplot canvas') !== null")
    assert browser.ask("getComputedStyle(document.querySelector('svg.fan')).display") == "none"
    browser.ask(
        "(() => { const over = document.querySelector('.u-over');"
        " const box = over.getBoundingClientRect();"
        " over.dispatchEvent(new MouseEvent('mousemove', {bubbles: true,"
        " clientX: box.x + box.width * 0.75, clientY: box.y + 50})); })()"
    )
    browser.wait_for("document.querySelector('.u-legend').textContent.includes(' to ')")


def test_live_charts_draw_what_the_query_api_answers(browser: Browser, fleet_site: str) -> None:
    browser.open(fleet_site + "/hosts/web-3", width=1280)
    browser.wait_for("document.querySelectorAll('.live .uplot').length === 6")
    legends = browser.ask("document.querySelector('.live').textContent")
    assert "iowait" in legends
    assert "eth0 received" in legends
    browser.ask("document.querySelector('[data-span=\"21600\"]').click()")
    browser.wait_for("document.querySelector('[data-span=\"21600\"]').ariaPressed === 'true'")
    assert browser.problems() == []


def test_a_screenshot_is_a_png_of_the_whole_page(browser: Browser, fleet_site: str) -> None:
    browser.open(fleet_site, width=390)
    picture = browser.picture(full=True)
    assert picture.startswith(PNG)
    width, height = (int.from_bytes(picture[at : at + 4], "big") for at in (16, 20))
    assert width == 780  # a phone's screen has two pixels for each of CSS
    assert height > 2 * 900
