"""Credentials and addresses as AWS users know them: each way in which they are given reaches the same server."""

from __future__ import annotations

import json
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.serving.plugins.module_utils._adapters.artifacts import Artifacts

from .middleman import Middleman

Publish = Callable[..., dict[str, Any]]
NOTHING = {"endpoint_url": None, "access_key": None, "secret_key": None, "region": None}


@pytest.fixture
def aws_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Write the two files in ~/.aws, which are found by their variables."""

    def write(config: str, credentials: str) -> None:
        for variable, text in (("AWS_CONFIG_FILE", config), ("AWS_SHARED_CREDENTIALS_FILE", credentials)):
            path = tmp_path / variable
            path.write_text(text)
            monkeypatch.setenv(variable, str(path))

    return write


def test_variables(publish: Publish, s3: Any, middleman: Middleman, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", s3.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", s3.secret_key)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", middleman.url)  # of one service only, so it wins
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    assert publish(**NOTHING)["changed"] is True


@pytest.mark.parametrize("by", ["option", "variable"])
def test_a_profile(
    publish: Publish,
    s3: Any,
    middleman: Middleman,
    aws_files: Callable[[str, str], None],
    monkeypatch: pytest.MonkeyPatch,
    by: str,
) -> None:
    aws_files(
        f"[profile platform]\nregion = us-east-1\nendpoint_url = {middleman.url}\n",
        f"[default]\naws_access_key_id = nobody\naws_secret_access_key = nothing\n"
        f"[platform]\naws_access_key_id = {s3.access_key}\naws_secret_access_key = {s3.secret_key}\n",
    )
    if by == "variable":
        monkeypatch.setenv("AWS_PROFILE", "platform")
    options = {**NOTHING, "profile": "platform" if by == "option" else None}
    assert publish(**options)["changed"] is True
    assert middleman.methods("PUT")
    refused = publish(**NOTHING | {"endpoint_url": middleman.url, "profile": "default"}, alias="triton/add_sub")
    assert "InvalidAccessKeyId" in refused["msg"]


def test_an_address_of_the_configuration_is_named_in_errors(
    publish: Publish, aws_files: Callable[[str, str], None], s3: Any
) -> None:
    aws_files("[profile platform]\nendpoint_url = http://127.0.0.1:1\nregion = us-east-1\n", "")
    result = publish(**{**NOTHING, "access_key": s3.access_key, "secret_key": s3.secret_key, "profile": "platform"})
    assert "at http://127.0.0.1:1: it does not answer" in result["msg"]


@pytest.fixture
def role(s3: Any) -> Iterator[tuple[str, list[str]]]:
    """What a container with an IAM role asks for its credentials, and what it was asked."""
    asked: list[str] = []
    answer = json.dumps(
        {
            "AccessKeyId": s3.access_key,
            "SecretAccessKey": s3.secret_key,
            "Token": "",
            "Expiration": "2999-01-01T00:00:00Z",
        }
    ).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_arguments: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/role", asked
    server.shutdown()
    server.server_close()


def test_an_iam_role(
    publish: Publish, middleman: Middleman, role: tuple[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", role[0])
    options = {**NOTHING, "endpoint_url": middleman.url, "region": "us-east-1"}
    assert publish(**options)["changed"] is True
    assert role[1] == ["/role"], "the short cut uses the same credentials, and asks no more for them"


def test_a_session_token_is_sent(publish: Publish, client: Any, middleman: Middleman) -> None:
    refused = publish(session_token="of-nobody")
    assert refused["failure"]["code"] == "forbidden", refused["msg"]
    assert "of-nobody" not in json.dumps({name: refused[name] for name in ("msg", "failure")})


@pytest.fixture
def tls(s3: Any, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """URL of a server whose certificate nobody knows, and the file that makes it known."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
    ]
    names = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command, *names, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    between = Middleman(s3.endpoint_url, tls=context)
    yield between.url, str(certificate)
    between.close()


def test_an_unknown_certificate(publish: Publish, tls: tuple[str, str]) -> None:
    result = publish(endpoint_url=tls[0])
    assert result["failure"]["code"] == "unavailable"
    assert "its certificate is not trusted. Set aws_ca_bundle" in result["msg"]


@pytest.mark.parametrize("by", ["option", "variable", "profile", "no check"])
def test_a_certificate_authority_of_ones_own(
    publish: Publish,
    tls: tuple[str, str],
    aws_files: Callable[[str, str], None],
    monkeypatch: pytest.MonkeyPatch,
    by: str,
) -> None:
    url, certificate = tls
    options: dict[str, Any] = {}
    if by == "option":
        options["aws_ca_bundle"] = certificate
    elif by == "variable":
        monkeypatch.setenv("AWS_CA_BUNDLE", certificate)
    elif by == "profile":
        aws_files(f"[profile own]\nca_bundle = {certificate}\n", "")
        options["profile"] = "own"
    else:
        options["validate_certs"] = False
    result = publish(endpoint_url=url, **options)
    assert result["changed"] is True, result["msg"]


def test_the_short_cut_checks_certificates_too(
    publish: Publish, tls: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own session gets what boto3 gets; with nothing, it would trust the usual authorities and not this one."""
    from ansible_collections.mlops.serving.plugins.module_utils._adapters import s3_put

    given: list[Any] = []

    class Recorded(s3_put.URLLib3Session):  # type: ignore[name-defined,misc]
        def __init__(self, **settings: Any) -> None:
            given.append(settings["verify"])
            super().__init__(**settings)

    monkeypatch.setattr(s3_put, "URLLib3Session", Recorded)
    assert publish(endpoint_url=tls[0], aws_ca_bundle=tls[1])["changed"] is True
    assert given == [tls[1]]


@pytest.mark.parametrize(
    ("options", "address"),
    [
        ({"endpoint_url": "http://s3.example:9000"}, "http://s3.example:9000/models/key"),
        ({"endpoint_url": "http://s3.example", "addressing_style": "path"}, "http://s3.example/models/key"),
        ({"endpoint_url": "http://s3.example", "addressing_style": "virtual"}, "http://models.s3.example/key"),
        ({"endpoint_url": "http://s3.example", "addressing_style": "auto"}, "http://s3.example/models/key"),
        ({}, "https://models.s3.amazonaws.com/key"),
        ({"addressing_style": "path"}, "https://s3.amazonaws.com/models/key"),
        ({"addressing_style": "virtual", "region": "eu-west-1"}, "https://models.s3.eu-west-1.amazonaws.com/key"),
    ],
)
def test_where_the_bucket_is_named(options: dict[str, str], address: str) -> None:
    given = {"access_key": "a", "secret_key": "b", "region": "us-east-1", **options}
    client = Artifacts("models", given)._client
    url = client.generate_presigned_url("get_object", Params={"Bucket": "models", "Key": "key"})
    assert url.partition("?")[0] == address


def test_the_style_of_the_configuration_counts_where_no_address_is_given(aws_files: Callable[[str, str], None]) -> None:
    aws_files("[profile own]\nregion = us-east-1\ns3 =\n    addressing_style = path\n", "")
    client = Artifacts("models", {"access_key": "a", "secret_key": "b", "profile": "own"})._client
    url = client.generate_presigned_url("get_object", Params={"Bucket": "models", "Key": "key"})
    assert url.partition("?")[0].endswith("amazonaws.com/models/key")
