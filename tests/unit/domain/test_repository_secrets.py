"""Credentials in a model's folder: found by name and by content, and never shown."""

from __future__ import annotations

import pytest
from ansible_collections.mlops.serving.plugins.module_utils._domain.model_secrets import secret_file, secret_lines

# Put together here, so that no scanner of this repository takes them for real.
SECRETS = {
    "a private key": "-----BEGIN RSA PRIVATE" + " KEY-----",
    "an AWS access key": "AKIA" + "Z" * 16,
    "an AWS secret key": "aws_secret_access_key = " + "aB3/" * 10,
    "a token of GitHub": "ghp_" + "a1" * 18,
    "a token of GitLab": "glpat-" + "a1" * 10,
    "a token of Hugging Face": "hf_" + "Ab" * 17,
    "a key of NVIDIA's catalogue": "nvapi-" + "a1" * 32,
    "a token of Slack": "xoxb-" + "12" * 12,
    "a key of an AI service": "sk-proj-" + "a1" * 24,
    "a key of Google": "AIza" + "b" * 35,
    "a signed token": ".".join(("eyJ" + "a" * 12, "eyJ" + "b" * 12, "c" * 24)),
    "a client key of a kubeconfig": "client-key-data: " + "TFM=" * 12,
    "a login of a container registry": '{"auths": {"registry.example": {"auth": "' + "dXNlcjpw" + '"}}}',
}


@pytest.mark.parametrize("kind", SECRETS)
def test_in_a_text_with_its_line(kind: str) -> None:
    content = f"first\n\nkey = '{SECRETS[kind]}'\n".encode()
    assert (3, kind) in secret_lines(content)
    assert all(SECRETS[kind] not in found for _line, found in secret_lines(content))


@pytest.mark.parametrize(
    "text",
    [
        "-----BEGIN CERTIFICATE-----",
        "-----BEGIN PUBLIC KEY-----",
        "AKIA is how an access key begins",
        "aws_secret_access_key: {{ lookup('env', 'AWS_SECRET_ACCESS_KEY') }}",
        "task-" + "a" * 60,
        "skeleton and hf_hub",
        "xAKIA" + "Z" * 16,
        "x" * 40,
    ],
)
def test_what_is_none(text: str) -> None:
    assert secret_lines(text.encode()) == []


def test_a_key_in_an_escaped_text() -> None:
    assert secret_lines(b"{'k': 'x" + rb"\n" + SECRETS["a private key"].encode() + b"'}") == [(1, "a private key")]


def test_weights_are_not_looked_through() -> None:
    assert secret_lines(b"\0" + SECRETS["an AWS access key"].encode()) == []


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        (".env", "a file of environment variables"),
        ("1/.env.production", "a file of environment variables"),
        ("1/.netrc", "a file of passwords"),
        ("kubeconfig", "a kubeconfig"),
        (".kube/config", "a kubeconfig"),
        ("1/.aws/credentials", "credentials of AWS"),
        ("id_ed25519", "a private key"),
        ("1/server.p12", "a private key"),
        (".docker/config.json", "credentials of a container registry"),
        (".env.example", None),
        ("1/model.py", None),
        ("config.pbtxt", None),
        ("credentials", None),
        ("my.kube/config", None),
    ],
)
def test_by_name(path: str, kind: str | None) -> None:
    assert secret_file(path) == kind
