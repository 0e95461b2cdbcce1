"""Remote-write: what is kept, what is refused and named, and what never breaks the server."""

from __future__ import annotations

import random

import pytest
from tests.scenario.driver import Server, now_ms, series

from tidecast_collector import snappy
from tidecast_collector.labels import Labels, make_labels
from tidecast_collector.remote_write import encode_labels, encode_request, encode_samples

HEADERS = {"Content-Type": "application/x-protobuf", "Content-Encoding": "snappy"}


def message(*parts: tuple[Labels, list[tuple[int, float]]]) -> bytes:
    return encode_request((encode_labels(labels), encode_samples(s)) for labels, s in parts)


def post(server: Server, body: bytes, **headers: str) -> tuple[int, str]:
    given = {**HEADERS, **{name.replace("_", "-"): value for name, value in headers.items()}}
    status, answer = server.request("POST", "/api/v1/write", body, given)
    return status, answer.decode()


GOOD = message((series("wapi_good"), [(now_ms(), 1.0)]))


def test_a_good_write_is_answered_with_204_and_nothing(shared: Server) -> None:
    at = now_ms()
    body = snappy.compress(message((series("wapi_kept"), [(at, 4.5)])))
    assert post(shared, body) == (204, "")
    assert post(shared, body) == (204, ""), "sent twice it is harmless"
    (found,) = shared.query("wapi_kept")
    assert found["value"][1] == "4.5"


def test_an_empty_write_is_good(shared: Server) -> None:
    assert post(shared, snappy.compress(b"")) == (204, "")


def test_of_a_partly_bad_write_the_good_series_are_kept_and_the_bad_ones_named(
    shared: Server,
) -> None:
    at = now_ms()
    bad = make_labels({"__name__": "wapi_bad", "instance": "x" * 5000})
    nameless = make_labels({"instance": "web-8"})
    status, why = post(
        shared,
        snappy.compress(
            message((series("wapi_partly"), [(at, 1.0)]), (bad, [(at, 1.0)]), (nameless, [(at, 1)]))
        ),
    )
    assert status == 400
    assert why.startswith("2 series refused, the rest kept: ")
    assert "wapi_bad{" in why
    assert "{instance='web-8'}: it has no metric name" in why
    assert len(why) < 5000, "a name of any length is cut short"
    assert len(shared.query("wapi_partly")) == 1


def test_our_own_series_come_back_to_nothing(shared: Server) -> None:
    echo = series("tidecast_usage", resource="x", stat="max", instance="wapi-echo")
    assert post(shared, snappy.compress(message((echo, [(now_ms(), 9.0)]))))[0] == 204
    assert shared.query('tidecast_usage{instance="wapi-echo"}') == []
    lines = shared.get("/metrics").decode().splitlines()
    (dropped,) = (li for li in lines if li.startswith("tidecast_ingest_own_series_dropped_total "))
    assert float(dropped.split()[1]) >= 1


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        ({"Content_Type": "application/json"}, "Content-Type must be application/x-protobuf"),
        ({"Content_Type": ""}, "Content-Type must be"),
        (
            {"Content_Type": "application/x-protobuf;proto=io.prometheus.write.v3.Request"},
            "'io.prometheus.write.v3.Request' is not supported here; send prometheus.WriteRequest",
        ),
        ({"Content_Encoding": "gzip"}, "Content-Encoding must be snappy"),
    ],
)
def test_what_we_do_not_speak_is_415(shared: Server, headers: dict[str, str], why: str) -> None:
    status, told = post(shared, snappy.compress(GOOD), **headers)
    assert status == 415
    assert why in told


@pytest.mark.parametrize(
    "proto", ["", ";proto=prometheus.WriteRequest", '; proto="prometheus.WriteRequest"']
)
def test_the_first_message_may_be_named(shared: Server, proto: str) -> None:
    content = f"application/x-protobuf{proto}"
    assert post(shared, snappy.compress(GOOD), Content_Type=content)[0] == 204


def test_a_body_beyond_the_limit_is_413(shared: Server) -> None:
    status, why = post(shared, b"\0" * ((32 << 20) + 1))
    assert status == 413
    assert "larger than" in why


def test_a_body_that_would_unpack_to_too_much_is_refused(shared: Server) -> None:
    # Snappy's preamble promises 4 GB.
    status, why = post(shared, b"\xff\xff\xff\xff\x0f" + b"\0" * 10)
    assert status in (400, 413)
    assert why


def test_hostile_bodies_are_refused_and_never_500(shared: Server) -> None:
    dice = random.Random(4)
    packed = snappy.compress(GOOD)
    bodies = [b"", b"\0", b"not snappy at all", packed[:-1], packed + b"x", GOOD]
    for _ in range(150):
        broken = bytearray(dice.choice((GOOD, packed)))
        for _ in range(dice.randint(1, 4)):
            broken[dice.randrange(len(broken))] = dice.randrange(256)
        bodies.append(bytes(broken) if dice.random() < 0.5 else snappy.compress(bytes(broken)))
    bodies += [snappy.compress(dice.randbytes(dice.randint(1, 200))) for _ in range(50)]
    statuses = {post(shared, body)[0] for body in bodies}
    assert statuses <= {204, 400}
    assert 400 in statuses
    assert shared.get("/-/ready")
