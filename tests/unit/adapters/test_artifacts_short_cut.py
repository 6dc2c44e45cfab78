"""Which requests of boto3 the short cut may be taken after, and what it sends then."""

from __future__ import annotations

import hashlib
from typing import Any

import boto3
import pytest
from ansible_collections.mlops.serving.plugins.module_utils._adapters import s3_put
from botocore.awsrequest import AWSResponse
from botocore.credentials import Credentials

BODY = b"content"
DIGEST = hashlib.sha256(BODY).hexdigest()


class Session:
    """In place of botocore's HTTP session: keeps the requests, answers each with `status`."""

    status = 200

    def __init__(self, **_settings: Any) -> None:
        self.requests: list[Any] = []

    def send(self, request: Any) -> AWSResponse:
        self.requests.append(request)
        return AWSResponse(request.url, self.status, {"ETag": '"tag"'}, None)


@pytest.fixture
def short_cut(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(s3_put, "URLLib3Session", Session)
    client = boto3.client("s3", region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="b")
    return s3_put.ShortCut(client, Credentials("a", "b", "token"))


def looked_at(short_cut: Any, url: str, service: str = "s3", algorithm: str = "AWS4-HMAC-SHA256") -> Any:
    class Request:
        headers = {
            "Authorization": f"{algorithm} Credential=a/20260101/eu-west-1/{service}/aws4_request, SignedHeaders=x".encode()
        }

    Request.url = url  # type: ignore[attr-defined]
    short_cut._look(Request())
    return short_cut


def test_nothing_is_sent_before_boto3_has_shown_how(short_cut: Any) -> None:
    assert short_cut.put("key", BODY, DIGEST) is None


def test_what_is_sent(short_cut: Any) -> None:
    looked_at(short_cut, "https://models.s3.eu-west-1.amazonaws.com/first%20key").learn("first key")
    assert (
        short_cut.put("a b/c", BODY, DIGEST, {"x-amz-meta-sha256": DIGEST}, {"partNumber": 1, "uploadId": "u/+"})
        == '"tag"'
    )
    (request,) = short_cut._http.requests
    assert (request.method, request.body) == ("PUT", BODY)
    assert request.url == "https://models.s3.eu-west-1.amazonaws.com/a%20b/c?partNumber=1&uploadId=u%2F%2B"
    assert request.headers["X-Amz-Content-SHA256"] == DIGEST
    assert request.headers["X-Amz-Security-Token"] == "token"
    authorization = request.headers["Authorization"]
    assert "/eu-west-1/s3/aws4_request" in authorization
    assert (
        "x-amz-checksum-sha256;x-amz-content-sha256;x-amz-date;x-amz-meta-sha256;x-amz-security-token" in authorization
    )


@pytest.mark.parametrize(
    ("url", "service", "algorithm"),
    [
        ("https://models--x-s3.s3express.amazonaws.com/key", "s3express", "AWS4-HMAC-SHA256"),
        ("https://point.accesspoint.s3-global.amazonaws.com/key", "s3", "AWS4-ECDSA-P256-SHA256"),
        ("https://models.s3.amazonaws.com/another", "s3", "AWS4-HMAC-SHA256"),
    ],
)
def test_what_is_not_ordinary_stays_boto3s(short_cut: Any, url: str, service: str, algorithm: str) -> None:
    looked_at(short_cut, url, service, algorithm).learn("key")
    assert short_cut.put("key", BODY, DIGEST) is None


@pytest.mark.parametrize(("status", "again"), [(500, True), (503, True), (403, False), (400, False), (307, True)])
def test_a_refusal_ends_it_and_a_bad_moment_does_not(
    short_cut: Any, monkeypatch: pytest.MonkeyPatch, status: int, again: bool
) -> None:
    looked_at(short_cut, "http://127.0.0.1:9000/models/key").learn("key")
    monkeypatch.setattr(Session, "status", status)
    assert short_cut.put("key", BODY, DIGEST) is None
    monkeypatch.setattr(Session, "status", 200)
    looked_at(short_cut, "http://127.0.0.1:9000/models/key").learn("key")
    assert (short_cut.put("key", BODY, DIGEST) is not None) is again
