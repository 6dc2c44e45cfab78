# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a Prometheus, or what stands in its place, may answer; a real one is asked in tests/integration/metrics."""

from __future__ import annotations

import base64
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.serving.plugins.module_utils._adapters.prometheus import Prometheus
from ansible_collections.mlops.serving.plugins.module_utils._domain.errors import (
    Forbidden,
    InvalidIntent,
    ServingError,
    Unavailable,
)
from ansible_collections.mlops.serving.plugins.module_utils._domain.evidence import REQUESTS, Series
from ansible_collections.mlops.serving.tests.unit.adapters.web_stub import Asked, Told, WebStub

STABLE, CANDIDATE = "x-predictor-00001", "x-predictor-00002"
SECRET = "pa55-w0rd"


def vector(*series: tuple[dict[str, str], str]) -> dict[str, Any]:
    result = [{"metric": labels, "value": [1.5, value]} for labels, value in series]
    return {"status": "success", "data": {"resultType": "vector", "result": result}}


def failed(code: int, kind: str, words: str) -> Told:
    return Told(code, {"status": "error", "errorType": kind, "error": words})


def count(revision: str, value: str) -> tuple[dict[str, str], str]:
    name = "kn_serving_invocation_duration_seconds_count"
    return {"__name__": name, "revision": revision, "pod": "p", "http_response_status_code": "200"}, value


def connect(stub: WebStub, path: str = "", **options: Any) -> Prometheus:
    return Prometheus(f"{stub.host}{path}", namespace="ns", service="x", **options)


def test_it_is_probed_once_and_then_asked_once_a_reading() -> None:
    with WebStub(lambda asked: Told(200, vector(count(STABLE, "5")))) as stub:
        prometheus = connect(stub, "/prefix/")
        for _look in range(3):
            assert prometheus.read([STABLE, CANDIDATE]) == {Series(STABLE, "p", REQUESTS, "200"): 5}
        assert [asked.path for asked in stub.asked] == ["/prefix/api/v1/query"] * 4
        assert stub.asked[0].query["query"].startswith("count by (")
        assert (prometheus.answered, prometheus.missing) == (["p"], [])


def test_without_revisions_nothing_is_asked() -> None:
    with WebStub(lambda asked: Told(500)) as stub:
        assert connect(stub).read([]) == {}
        assert stub.asked == []


@pytest.mark.parametrize(
    ("options", "authorization"),
    [
        ({"token": SECRET}, f"Bearer {SECRET}"),
        ({"username": "u", "password": SECRET}, "Basic " + base64.b64encode(f"u:{SECRET}".encode()).decode()),
        ({}, None),
    ],
)
def test_credentials_and_headers_are_sent(options: dict[str, str], authorization: str | None) -> None:
    with WebStub(lambda asked: Told(200, vector())) as stub:
        connect(stub, headers={"X-Scope-OrgID": "team"}, **options).value("up")
        assert stub.asked[0].headers.get("Authorization") == authorization
        assert stub.asked[0].headers["X-Scope-OrgID"] == "team"


def test_credentials_in_the_address_are_used_and_not_shown() -> None:
    with WebStub(lambda asked: Told(401)) as stub:
        url = stub.host.replace("http://", f"http://u%40x:{SECRET}@")
        prometheus = Prometheus(url, namespace="ns", service="x")
        with pytest.raises(Forbidden) as raised:
            prometheus.value("up")
        assert SECRET not in str(raised.value)
        assert prometheus.url == stub.host
        assert (
            base64.b64decode(stub.asked[0].headers["Authorization"].removeprefix("Basic ")) == f"u@x:{SECRET}".encode()
        )


@pytest.mark.parametrize(
    ("told", "kind", "words"),
    [
        (Told(401, b"Unauthorized"), Forbidden, "does not accept the credentials"),
        (Told(403, b"no"), Forbidden, "does not let this user ask"),
        (Told(404, b"404 page not found"), Unavailable, "under it must lie /api/v1/query"),
        (Told(200, b"<!DOCTYPE html><HTML><title>Login</title>"), Unavailable, "a web page"),
        (Told(200, b'{"kind": "Status"}'), Unavailable, "something else than Prometheus' JSON"),
        (Told(302, b"", (("Location", "/login"),)), Unavailable, "a redirect"),
        (Told(502, b"<html>Bad Gateway"), Unavailable, "HTTP 502"),
        (failed(400, "bad_data", 'parse error: unexpected "}"'), InvalidIntent, "parse error"),
        (failed(503, "timeout", "query timed out"), Unavailable, "says timeout: query timed out"),
        (failed(422, "execution", "many-to-many matching not allowed"), Unavailable, "many-to-many"),
    ],
)
def test_other_answers_are_told_with_a_cure_and_without_secrets(
    told: Told, kind: type[ServingError], words: str
) -> None:
    with WebStub(lambda asked: told) as stub:
        with pytest.raises(kind) as raised:
            connect(stub, token=SECRET).value("up")
        assert words in str(raised.value)
        assert raised.value.cure
        assert SECRET not in str(raised.value)
        assert len(stub.asked) == 1


def test_nobody_there() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://u:{SECRET}@127.0.0.1:{port}"
    with pytest.raises(Unavailable, match="refuses the connection") as raised:
        Prometheus(url, namespace="ns", service="x").value("up")
    assert SECRET not in str(raised.value)


def test_no_answer_in_time() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        prometheus = Prometheus(f"http://127.0.0.1:{silent.getsockname()[1]}", namespace="ns", service="x", timeout=0.2)
        with pytest.raises(Unavailable, match=r"does not answer within 0\.2 s"):
            prometheus.value("up")


@pytest.mark.parametrize(
    "url", ["prometheus:9090", "ftp://x", f"https://u:{SECRET}@:9090", "http://u:pw@host:99999", ""]
)
def test_what_is_no_address_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(InvalidIntent, match="prometheus_url: is not an address") as raised:
        Prometheus(url, namespace="ns", service="x")
    assert SECRET not in str(raised.value)


def test_a_missing_certificate_authority_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidIntent, match="ca_cert"):
        Prometheus("https://x", namespace="ns", service="x", ca_cert=str(tmp_path / "none.pem"))


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (vector()["data"], None),
        (vector(({}, "4.5"))["data"], 4.5),
        (vector(({}, "NaN"))["data"], None),
        (vector(({}, "+Inf"))["data"], float("inf")),
        ({"resultType": "scalar", "result": [1.5, "3"]}, 3.0),
        ({"resultType": "scalar", "result": [1.5, "NaN"]}, None),
    ],
)
def test_one_number_or_none(data: dict[str, Any], value: float | None) -> None:
    with WebStub(lambda asked: Told(200, {"status": "success", "data": data})) as stub:
        assert connect(stub).value("q") == value


def test_several_series_are_to_be_aggregated() -> None:
    with WebStub(lambda asked: Told(200, vector(({"pod": "a"}, "1"), ({"pod": "b"}, "2")))) as stub:
        with pytest.raises(InvalidIntent, match="gives 2 series") as raised:
            connect(stub).value("gpu_used")
        assert "sum(...)" in str(raised.value)
        assert 'pod="a"' in str(raised.value)
        assert raised.value.field == "query"


def test_a_range_is_not_a_number() -> None:
    data = {"resultType": "matrix", "result": []}
    answering = WebStub(lambda asked: Told(200, {"status": "success", "data": data}))
    with answering as stub, pytest.raises(InvalidIntent, match="gives a matrix"):
        connect(stub).value("up[5m]")


Answer = Callable[[Asked], Told]


@pytest.mark.parametrize(
    ("series", "words"),
    [
        ((), "has no series of x-predictor-00001 and x-predictor-00002 in namespace ns"),
        ((({"__name__": "up", "revision": STABLE}, "1"),), "but not their queue-proxy"),
    ],
)
def test_unknown_revisions_are_looked_for_again(series: Any, words: str) -> None:
    answers: list[Any] = [vector(*series), vector(count(STABLE, "1")), vector(count(STABLE, "1"))]
    with WebStub(lambda asked: Told(200, answers.pop(0))) as stub:
        prometheus = connect(stub)
        with pytest.raises(Unavailable, match=words) as raised:
            prometheus.read([STABLE, CANDIDATE])
        assert "9091" in str(raised.value)
        assert prometheus.read([STABLE, CANDIDATE])
