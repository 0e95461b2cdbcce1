"""Each page says what it should, without a script, and escapes what hosts are called."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from tests.web.conftest import Client
from tests.web.preview import preview_app
from tests.web.preview_fleet import NOW_MS, PreviewData, first_day, fleet

from tidecast_alerts.model import IncidentState

PAGES = (
    "/",
    "/hosts",
    "/hosts/web-3",
    "/resources?host=web-3&resource=filesystem&item=%2Fvar",
    "/incidents",
    "/incidents/12",
    "/incidents/10",
    "/services",
    "/services/shop",
    "/slos",
    "/requirements",
)
VOID = frozenset({"meta", "link", "img", "input", "br", "rect", "line", "circle"})


class Document(HTMLParser):
    """Tags with their attributes; they must close in order, and ids must be unique."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._open: list[str] = []
        self.feed(text)
        assert not self._open
        ids = [attrs["id"] for _, attrs in self.tags if "id" in attrs]
        assert len(set(ids)) == len(ids)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag


def with_data(**change: object) -> Client:
    return Client(preview_app(PreviewData(**change)))


@pytest.mark.parametrize("path", PAGES)
def test_every_page_is_well_formed_and_obeys_its_own_policy(client: Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status == 200
    assert answer.headers["content-security-policy"].startswith("default-src 'self'")
    document = Document(answer.text)
    for tag, attrs in document.tags:
        assert "style" not in attrs
        assert not [name for name in attrs if name.startswith("on")]
        assert tag != "style"
        if tag == "script":
            assert "src" in attrs or attrs["type"] == "application/json"
        for name in ("src", "href", "action"):
            assert not (attrs.get(name) or "/").startswith(("http:", "https:", "//"))


@pytest.mark.parametrize("path", PAGES)
def test_everything_a_page_loads_is_there(client: Client, path: str) -> None:
    for tag, attrs in Document(client.get(path).text).tags:
        address = attrs.get("src") if tag in ("script", "img") else None
        address = attrs.get("href") if tag == "link" else address
        if address:
            assert client.get(address).status == 200, address


@pytest.mark.parametrize("path", PAGES)
def test_every_link_of_a_page_leads_somewhere(client: Client, path: str) -> None:
    for tag, attrs in Document(client.get(path).text).tags:
        if tag == "a" and not (attrs["href"] or "").startswith("#"):
            assert client.get(attrs["href"] or "").status == 200, attrs["href"]


def test_what_runs_out_first_tells_in_order(client: Client) -> None:
    told = client.get("/").told
    places = [
        told.index(f'<span class="whole">on {host}</span></a> <span class="badge {state}')
        for host, state in (
            ("cache-1", "over_now"),
            ("web-1", "not_enough_data"),
            ("web-3", "in_horizon"),
            ("db-1", "in_horizon"),
            ("db-1", "beyond_horizon"),
            ("web-3", "not_growing"),
        )
    ]
    assert places == sorted(places)
    assert "reaches 90 % between 10 Dec and 8 Jan (P10–P90), most likely 21 Dec" in told
    assert "full in 2:40 h (P10–P90 1:50–4:10)" in told


def test_every_row_has_its_chart_and_its_why(client: Client) -> None:
    text = client.get("/").text
    rows = text.count('<li class="outlook')
    assert rows == len(fleet())
    assert text.count('<svg xmlns="http://www.w3.org/2000/svg" class="fan"') == rows
    assert text.count("How sure, and why") == rows
    assert "tidecast_usage{instance=&#34;web-3&#34;" in text


def test_a_long_list_comes_in_pages() -> None:
    rows = [replace(fleet()[0], host=f"h-{number}") for number in range(120)]
    client = with_data(outlooks=rows)
    assert client.get("/").text.count('<li class="outlook') == 50
    assert client.get("/?page=3").text.count('<li class="outlook') == 20
    assert 'start="101"' in client.get("/?page=3").text
    for number in ("0", "4", "x", "-1", "9" * 30, "²"):
        assert client.get(f"/?page={number}").status == 404


def test_without_history_it_says_what_is_known_and_when_more_will_be() -> None:
    told = with_data(outlooks=first_day(), views=[]).get("/").told
    assert "There is no history yet" in told
    assert "first forecast in 2 days" in told
    assert told.count('<svg class="bar') == len(first_day())
    assert "61 %" in told


def test_with_nothing_at_all_it_says_the_next_step() -> None:
    client = with_data(outlooks=[], views=[])
    assert "tidecast up" in client.get("/").text
    assert "No host has reported yet" in client.get("/hosts").text
    assert "Nothing has gone wrong yet" in client.get("/incidents").text


def test_generated_data_is_labelled_on_every_page() -> None:
    client = with_data(generated=True)
    for path in PAGES:
        assert "Generated data" in client.get(path).text
    assert "Generated data" not in with_data().get("/").text


def test_a_host_page_shows_live_charts_outlooks_and_incidents(client: Client) -> None:
    text = client.get("/hosts/web-1").told
    assert text.count('data-chart="live"') == 6
    assert "node_load1" in text
    assert "/srv/uploads on web-1 is filling fast" in text
    assert ">just now<" in text
    assert ">26 minutes ago<" in client.get("/hosts/cache-1").told


def test_a_resource_page_shows_the_ledger(client: Client) -> None:
    told = client.get(PAGES[3]).told
    assert told.count('<td data-name="Published">') == 6
    assert "its day is to come" in told
    assert '<td data-name="Within 80 %">83 %</td>' in told
    assert "What came, and what was forecast on" in told
    assert "10 of the last 10 forecasts for it held." in told


def test_a_resource_page_shows_what_is_wrong_with_its_history(client: Client) -> None:
    told = client.get("/resources?host=web-3&resource=filesystem&item=%2Fvar").told
    assert '<li class="note"><strong>gap</strong> 0.8% of it is missing' in told
    assert "What is wrong" not in client.get("/resources?host=db-1&resource=memory").told
    fresh = client.get("/resources?host=db-1&resource=memory&item=").told
    assert "The first is yet to be published" in fresh


def test_an_incident_page_shows_timeline_signals_and_evidence(client: Client) -> None:
    told = client.get("/incidents/INC-12").told
    assert told.index("Webhook ops-chat") < told.index("Looks like the nightly import")
    assert "saw no sample" in told
    assert "the incident stays open" in told
    assert "tidecast_full_in_seconds" in told


def test_acknowledging_and_resolving_work_without_a_script(
    client: Client, data: PreviewData
) -> None:
    answer = client.post("/incidents/12/acknowledge", {"by": " anna ", "comment": "on it"})
    assert (answer.status, answer.headers["location"]) == (303, "/incidents/12")
    assert data.views[0].incident.state is IncidentState.ACKNOWLEDGED
    assert data.views[0].incident.acknowledged_by == "anna"
    assert client.post("/incidents/12/resolve", {"by": "anna"}).status == 303
    assert data.views[0].incident.state is IncidentState.RESOLVED
    again = client.post("/incidents/12/resolve", {"by": "anna"})
    assert again.status == 400
    assert "INC-12 is resolved already" in again.told


CHANGE = {"host": "web-3", "resource": "filesystem", "item": "/var", "title": "a disk", "by": "ann"}


def test_a_change_is_recorded_on_the_page_and_marked_in_its_chart(
    client: Client, data: PreviewData
) -> None:
    form = {**CHANGE, "at": "2099-01-01T08:00", "expected": "+20%"}
    answer = client.post("/resources/changes", form)
    address = "/resources?host=web-3&resource=filesystem&item=%2Fvar"
    assert (answer.status, answer.headers["location"]) == (303, f"{address}#changes")
    (marked,) = data.resource("web-3", "filesystem", "/var").outlook.changes
    assert (marked.title, marked.at_ms) == ("a disk", 4_070_937_600_000)
    page = client.get(address).text
    assert "planned for" in page and "+20%" in page


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ({"title": ""}, 400),
        ({"by": ""}, 400),
        ({"title": "x" * 201}, 400),
        ({"at": "soon"}, 400),
        ({"at": "9999-01-01T00:00"}, 400),
        ({"expected": "?"}, 400),
        ({"item": "/nowhere"}, 404),
    ],
)
def test_a_wrong_change_is_not_recorded(
    client: Client, data: PreviewData, wrong: dict[str, str], status: int
) -> None:
    answer = client.post("/resources/changes", {**CHANGE, **wrong})
    assert answer.status == status
    assert "Nothing was recorded" in answer.text
    assert not any(each.changes for each in data.outlooks)


@pytest.mark.parametrize(
    ("form", "kind", "status"),
    [
        ({"comment": "x"}, "", 400),
        ({"by": "x" * 101}, "", 400),
        ({"by": "a", "comment": "x" * 2001}, "", 400),
        (b"by=" + b"x" * 20_000, "", 413),
        (b"by=%ff", "", 400),
        (b"\xff", "", 400),
        (b"&".join(b"a=1" for _ in range(30)), "", 400),
        (b'{"by": "a"}', "application/json", 400),
    ],
)
def test_a_bad_form_changes_nothing(
    client: Client, data: PreviewData, form: dict[str, str] | bytes, kind: str, status: int
) -> None:
    before = list(data.views)
    answer = client.post("/incidents/12/acknowledge", form, kind)
    assert answer.status == status
    assert "Nothing was changed" in answer.text
    assert data.views == before


@pytest.mark.parametrize(
    "path",
    [
        "/nowhere",
        "/hosts/none",
        "/incidents/99",
        "/incidents/x",
        "/incidents/" + "9" * 400,
        "/resources?host=a&resource=b&item=c",
        "/static/none.css",
        "/static/../routes.py",
    ],
)
def test_what_is_not_there_is_said_in_the_look_of_the_pages(client: Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status == 404
    Document(answer.text)
    assert 'href="/static/base.css"' in answer.text


def test_an_address_without_a_resource_is_explained(client: Client) -> None:
    answer = client.get("/resources")
    assert answer.status == 400
    assert "host=" in answer.text


def test_pages_are_only_read(client: Client) -> None:
    assert client.post("/", {}).status == 405
    assert client.get("/incidents/12/resolve").status == 405


def test_hostile_names_stay_text_and_reach_their_pages() -> None:
    name = "<script>\"&'/é %2f"
    row = replace(fleet()[0], host=name, item="</script><b>", reasons=("<i>",), query="<u>")
    client = with_data(outlooks=[row], views=[])
    first = client.get("/")
    Document(first.text)
    assert "<b>" not in first.text
    assert '<script>"' not in first.text
    (host,) = re.findall(r'<h2><a href="(/hosts/[^"]+)"', client.get("/hosts").text)
    assert client.get(host).status == 200
    (resource,) = re.findall(r'<h2><a href="(/resources[^"]+)"', first.text)
    assert client.get(resource.replace("&amp;", "&")).status == 200


def test_the_chart_data_in_a_page_is_the_outlooks(client: Client) -> None:
    text = client.get(PAGES[3]).text
    (block,) = re.findall(r'<script type="application/json">(.*?)</script>', text)
    figure = json.loads(block)
    assert figure["p50"] == NOW_MS / 1000 + 29 * 86_400
    times, usage = figure["history"]
    assert times == sorted(times)
    assert len(times) == len(usage)
    steps = list(zip(*figure["forecast"], strict=True))
    assert steps == sorted(steps)
    assert steps[0][0] > times[-1]
    for _, mean, lo80, hi80, lo95, hi95 in steps:
        assert lo95 <= lo80 <= mean <= hi80 <= hi95


def test_a_forecast_that_is_due_comes_with_the_next_hour() -> None:
    rows = [replace(row, possible_ms=NOW_MS - 1, mark=None) for row in first_day()]
    told = with_data(outlooks=rows, views=[]).get("/").told
    assert "first forecast at the next full hour" in told
    assert "of a mark of" not in told
