"""Real servers for the tests: a private Postgres, S3 and NATS JetStream, on free loopback ports, gone afterwards.

They are started by the same command as the role `dev_stack`.

- ``postgres``: URL of a private server's own database, one server a run; the role is a superuser.
- ``database``: URL of a fresh, empty database, one a test.
- ``s3``: address and keys of a private S3, one a run, an administrator's and a reader's; ``bucket``: a fresh bucket, one a test.
- ``nats_url``: URL with credentials of a private NATS JetStream, one a run.
"""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
DEV_STACK = ROOT / "roles" / "dev_stack" / "files" / "dev_stack"

subprocess.run([str(ROOT / "tools" / "dev" / "link-collection")], check=True)
if str(ROOT / ".build") not in sys.path:
    sys.path.insert(0, str(ROOT / ".build"))


@dataclass(frozen=True)
class S3:
    """How to reach the S3 server as its administrator and as somebody who may only read."""

    endpoint_url: str
    access_key: str
    secret_key: str
    reader_access_key: str
    reader_secret_key: str
    region: str = "us-east-1"

    def client(self, reader: bool = False) -> Any:
        import boto3  # slow, and only some tests need it

        keys = (self.reader_access_key, self.reader_secret_key) if reader else (self.access_key, self.secret_key)
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint_url,
            aws_access_key_id=keys[0],
            aws_secret_access_key=keys[1],
            region_name=self.region,
        )


def _run(verb: str, state: Path, *options: str) -> None:
    command = [sys.executable, str(DEV_STACK), verb, "--state", str(state), *options]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode:
        raise RuntimeError(answer.stderr)


def _service(
    name: str, factory: pytest.TempPathFactory, *options: str
) -> Iterator[tuple[dict[str, str], dict[str, Any]]]:
    """Start one service on any free port; yields its environment variables and what its state file says."""
    state = factory.mktemp(name) / "state"
    try:
        binaries = str(Path(sys.executable).parent)
        port = str(_free_port())
        _run("up", state, "--services", name, f"--{name}-port", port, "--binaries", binaries, *options)
        yield json.loads((state / "env.json").read_text()), json.loads((state / "stack.json").read_text())[name]
    finally:
        _run("down", state, "--remove")


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    options = json.dumps({"fsync": "off", "max_connections": 200})
    for environment, _state in _service("postgres", tmp_path_factory, "--postgres-options", options):
        yield environment["DATABASE_URL"]


@pytest.fixture
def database(postgres: str) -> Iterator[str]:
    import psycopg2

    name = f"test_{uuid.uuid4().hex[:12]}"
    admin = psycopg2.connect(postgres)
    admin.autocommit = True
    with admin.cursor() as cursor:
        cursor.execute(f"create database {name}")
    yield f"{postgres.rpartition('/')[0]}/{name}"
    with admin.cursor() as cursor:
        cursor.execute(f"drop database {name} with (force)")
    admin.close()


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    for environment, state in _service("s3", tmp_path_factory, "--buckets", ""):
        keys = {name: state[name] for name in ("access_key", "secret_key", "reader_access_key", "reader_secret_key")}
        yield S3(endpoint_url=environment["AWS_ENDPOINT_URL"], **keys)


@pytest.fixture
def bucket(s3: S3) -> str:
    """Fresh and empty; it goes with the server."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    s3.client().create_bucket(Bucket=name)
    return name


@pytest.fixture(scope="session")
def nats_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    for environment, _state in _service("nats", tmp_path_factory):
        yield environment["NATS_URL"]
