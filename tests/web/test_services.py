"""The pages of services: what they tell, and the words that they take."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette
from tests.web.conftest import Client
from tests.web.preview_fleet import PreviewData
from tests.web.preview_services import PreviewServices

from tidecast.web.services import ServicePages, word_of

FORM = {
    "page": "shop",
    "month": "2026-10",
    "component": "web",
    "kind": "maintenance",
    "start": "2026-10-05T04:00",
    "end": "2026-10-05T06:00",
    "reason": "new disks",
    "by": "ann",
}


@pytest.fixture
def services() -> PreviewServices:
    return PreviewServices()


@pytest.fixture
def pages(services: PreviewServices) -> Client:
    return Client(Starlette(routes=ServicePages(PreviewData(), services).routes()))


def test_the_list_and_the_service_tell_the_figures(pages: Client) -> None:
    listed, told = pages.get("/services").told, pages.get("/services/shop").told
    # Down 2 of 744 h less 4 h unknown; at worst 6 of 744 h, at best 2.
    for text in ("99.729 %", "99.193 % to 99.731 %"):
        assert text in listed
        assert text in told
    assert "down once, 2 h together; monitoring was blind 4 h" in told
    assert 'class="down"' in told
    assert "down from 2026-10-05T04:00:00Z, 2 h" in told
    assert "no upper end" not in told
    assert told.count('href="/services/web"') >= 2


def test_what_is_no_service_has_a_page_and_what_is_unknown_has_none(pages: Client) -> None:
    assert "99.729 %" in pages.get("/services/web").told
    missing = pages.get("/services/nothing")
    assert missing.status == 404
    assert "there is no service 'nothing'" in missing.told


def test_a_word_is_kept_and_leads_back(pages: Client, services: PreviewServices) -> None:
    answer = pages.post("/words", FORM)
    assert answer.status == 303
    assert answer.headers["location"] == "/services/shop?month=2026-10"
    (word,) = services.words
    assert (word.component, word.kind, word.end_ms - word.start_ms) == (
        "web",
        "maintenance",
        7_200_000,
    )
    assert "new disks" in pages.get("/services/shop").told


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"start": ""}, "start: '' is no time"),
        ({"end": "2026-10-05T04:00"}, "end: it must lie after 'start'"),
        ({"reason": ""}, "reason: "),
        ({"kind": "party"}, "kind: 'party' is not one of"),
    ],
)
def test_a_wrong_word_changes_nothing(
    pages: Client, services: PreviewServices, change: dict[str, str], why: str
) -> None:
    answer = pages.post("/words", {**FORM, **change})
    assert answer.status == 400
    assert why in answer.told
    assert not services.words


def test_a_word_can_be_taken_back_by_somebody(pages: Client) -> None:
    assert pages.post("/words/1/withdraw", {"page": "shop", "by": "bob"}).status == 303
    assert pages.post("/words/2/withdraw", {"page": "shop", "by": "bob"}).status == 404
    assert "say who you are" in pages.post("/words/1/withdraw", {"page": "shop"}).told


def test_a_state_of_the_form_is_a_reclassification() -> None:
    word = word_of({**FORM, "kind": "up", "start": "2026-10-05T04:00+02:00"})
    assert (word["kind"], word["state"]) == ("reclassification", "up")
    assert (word["start"], word["end"]) == ("2026-10-05T04:00+02:00", "2026-10-05T06:00Z")
