# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the API server's answers become: retries as told, warnings, and errors that say what to do."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from ansible_collections.mlops.serving.plugins.module_utils._adapters.kubernetes_client import KubernetesClient
from ansible_collections.mlops.serving.plugins.module_utils._adapters.kubernetes_connection import resolve
from ansible_collections.mlops.serving.plugins.module_utils._domain.errors import (
    Drift,
    Forbidden,
    Refused,
    ServingError,
    StaleWrite,
    Unavailable,
)
from ansible_collections.mlops.serving.tests.unit.adapters.api_server_stub import Reply, StubApiServer, status

PATH = "/apis/serving.kserve.io/v1beta1/namespaces/ns/inferenceservices/demo"
ACTION = "apply InferenceService ns/demo"
TOKEN = "s3cr3t-token"


@pytest.fixture
def server() -> Iterator[StubApiServer]:
    stub = StubApiServer()
    yield stub
    stub.close()


@pytest.fixture
def slept() -> list[float]:
    return []


@pytest.fixture
def client(server: StubApiServer, slept: list[float]) -> Iterator[KubernetesClient]:
    connected = KubernetesClient.connect({"host": server.host, "api_key": TOKEN}, sleep=slept.append)
    yield connected
    connected.close()


def patch(client: KubernetesClient) -> object:
    return client.request("PATCH", PATH, action=ACTION, body={"a": 1}, content_type="application/apply-patch+yaml")


def test_json_goes_in_and_out_with_the_token(server: StubApiServer, client: KubernetesClient) -> None:
    server.on("PATCH", PATH, {"kind": "InferenceService", "unknown": {"to": "any model"}})
    found = client.request(
        "PATCH", PATH, action=ACTION, body={"a": 1}, query={"force": True, "dryRun": None, "limit": 5}
    )
    assert found == {"kind": "InferenceService", "unknown": {"to": "any model"}}
    asked = server.asked[0]
    assert asked.headers["Authorization"] == f"Bearer {TOKEN}"
    assert asked.query == {"force": "true", "limit": "5"}
    assert asked.body == {"a": 1}


def test_429_is_waited_for_as_told(server: StubApiServer, client: KubernetesClient, slept: list[float]) -> None:
    busy = status(429, "TooManyRequests", "too many requests")
    busy.headers.append(("Retry-After", "3"))
    server.on("PATCH", PATH, busy, Reply(200, {"ok": True}))
    assert patch(client) == {"ok": True}
    assert len(slept) == 1
    assert 3.0 <= slept[0] <= 4.0


def test_500_is_retried_with_growing_pauses_and_then_given_up(
    server: StubApiServer, client: KubernetesClient, slept: list[float]
) -> None:
    message = 'Internal error occurred: failed calling webhook "x.kserve": connection refused'
    server.on("PATCH", PATH, status(500, "InternalError", message))
    with pytest.raises(
        Unavailable, match=r"failed calling webhook .* Look at the pods that serve the webhook x\.kserve"
    ):
        patch(client)
    assert len(server.asked) == 6
    assert len(slept) == 5
    assert slept[-1] > slept[0]


def test_retry_after_is_passed_on_when_giving_up(server: StubApiServer, client: KubernetesClient) -> None:
    busy = status(429, "TooManyRequests", "slow down")
    busy.headers.append(("Retry-After", "20"))
    server.on("PATCH", PATH, busy)
    ticks = iter(range(0, 1000, 20))
    patient = KubernetesClient(
        resolve({"host": server.host}), sleep=lambda seconds: None, clock=lambda: float(next(ticks))
    )
    with pytest.raises(Unavailable) as caught:
        patch(patient)
    assert caught.value.retry_after == 20.0
    assert len(server.asked) < 6


def test_a_kept_connection_that_was_closed_gets_one_more_try(
    server: StubApiServer, client: KubernetesClient, slept: list[float]
) -> None:
    server.on("PATCH", PATH, Reply(drop=True), Reply(200, {"ok": True}))
    assert patch(client) == {"ok": True}
    server.on("PATCH", PATH, Reply(drop=True))
    with pytest.raises(Unavailable, match="broke"):
        patch(client)
    assert len(server.asked) == 4


@pytest.mark.parametrize(
    ("reply", "error", "words"),
    [
        (status(409, "AlreadyExists", "already exists", name="demo"), StaleWrite, "already exists"),
        (status(409, "Conflict", "the object has been modified", name="demo"), StaleWrite, "has been modified"),
        (
            status(
                409,
                "Conflict",
                "Apply failed with 1 conflict",
                causes=[
                    {
                        "reason": "FieldManagerConflict",
                        "message": 'conflict with "argocd"',
                        "field": ".spec.predictor.timeout",
                    }
                ],
            ),
            Drift,
            r"argocd.*let one tool own",
        ),
        (
            status(
                403, "Forbidden", 'admission webhook "isvc.kserve" denied the request: minReplicas cannot be greater'
            ),
            Refused,
            "isvc.kserve.*minReplicas cannot be greater",
        ),
        (
            status(400, "", 'admission webhook "vpol.kyverno" denied the request: Policy p: canary must be 0..100'),
            Refused,
            "canary must be 0..100",
        ),
        (
            status(422, "Invalid", "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no"),
            Refused,
            "denied request: no",
        ),
        (
            status(422, "Invalid", "spec.x is wrong", causes=[{"field": "spec.y", "message": "must be set"}]),
            Refused,
            r"^spec\.y: cannot apply",
        ),
        (
            status(500, "", "failed to create typed patch object (ns/demo): .spec.foo: field not declared in schema"),
            Refused,
            r"\.spec\.foo: field not declared in schema",
        ),
        (status(400, "BadRequest", 'strict decoding error: unknown field "spec.foo"'), Refused, "spec.foo"),
        (status(401, "Unauthorized", "Unauthorized"), Forbidden, "does not accept the credentials.*renew the token"),
        (
            status(403, "Forbidden", 'is forbidden: User "jane" cannot patch resource "inferenceservices"'),
            Forbidden,
            r'User "jane" cannot patch.*127\.0\.0\.1',
        ),
        (Reply(404, b"404 page not found\n"), Unavailable, "does not know InferenceServices.*install KServe"),
        (
            status(404, "NotFound", 'namespaces "ns" not found', name="ns", kind="namespaces"),
            Refused,
            "kubectl create namespace ns",
        ),
        (status(404, "NotFound", "gone", name="demo", kind="inferenceservices"), StaleWrite, "gone"),
        (Reply(302, b"", [("Location", "/login")]), Unavailable, "redirect"),
        (Reply(200, b"<html>login</html>"), Unavailable, "does not answer in JSON"),
    ],
)
def test_an_answer_becomes_an_error_with_a_cure(
    server: StubApiServer, client: KubernetesClient, reply: Reply, error: type[ServingError], words: str
) -> None:
    server.on("PATCH", PATH, reply)
    with pytest.raises(error, match=f"(?is){words}") as caught:
        patch(client)
    assert "apply InferenceService ns/demo" in str(caught.value)
    assert TOKEN not in str(caught.value)
    assert len(server.asked) == 1


def test_a_missing_object_is_none_but_a_missing_kind_is_an_error(
    server: StubApiServer, client: KubernetesClient
) -> None:
    server.on("GET", PATH, status(404, "NotFound", "not found", name="demo", kind="inferenceservices"))
    assert client.get(PATH, action="read InferenceService ns/demo") is None
    server.on("GET", PATH, status(404, "NotFound", "the server could not find the requested resource"))
    with pytest.raises(Unavailable, match="Install KServe"):
        client.get(PATH, action="read InferenceService ns/demo")


def test_warnings_are_collected_once(server: StubApiServer, client: KubernetesClient) -> None:
    headers = [("Warning", '299 - "a \\"quoted\\" word"'), ("Warning", '299 - "second", 299 - "third"')]
    server.on("PATCH", PATH, Reply(200, {}, headers))
    patch(client)
    patch(client)
    assert client.warnings == ['a "quoted" word', "second", "third"]


def test_a_refused_connection_names_host_and_source() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    client = KubernetesClient.connect({"host": f"http://127.0.0.1:{port}"})
    with pytest.raises(Unavailable, match=rf"127\.0\.0\.1:{port} \(from the argument host\) refuses the connection"):
        client.get(PATH, action="read InferenceService ns/demo")


def test_plain_http_answered_to_tls_is_explained(server: StubApiServer) -> None:
    client = KubernetesClient.connect({"host": server.host.replace("http", "https"), "api_key": TOKEN})
    with pytest.raises(Unavailable, match=r"no trusted TLS connection.*ca_cert") as caught:
        client.get(PATH, action="read InferenceService ns/demo")
    assert TOKEN not in str(caught.value)


def test_basic_authentication_and_impersonation_are_sent(server: StubApiServer) -> None:
    options = {
        "host": server.host,
        "username": "u",
        "password": "p",
        "impersonate_user": "jane",
        "impersonate_groups": ["a"],
    }
    client = KubernetesClient.connect(options)
    server.on("GET", "/version", {"gitVersion": "v1.34.3"})
    client.get("/version", action="read the version")
    headers = server.asked[0].headers
    assert headers["Authorization"] == "Basic dTpw"
    assert (headers["Impersonate-User"], headers["Impersonate-Group"]) == ("jane", "a")
