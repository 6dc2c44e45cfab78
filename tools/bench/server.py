"""Private servers, started by the same command as the role dev_stack and the tests, gone afterwards."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg2


class Server:
    """:param url: of the server's own database"""

    def __init__(self, url: str) -> None:
        self.url = url

    def fresh(self) -> str:
        """URL of a new, empty database."""
        name = f"bench_{uuid.uuid4().hex[:12]}"
        query(self.url, f"create database {name}")
        return f"{self.url.rpartition('/')[0]}/{name}"

    @property
    def version(self) -> str:
        return str(query(self.url, "show server_version")[0][0]).split()[0]


def query(url: str, sql: str) -> list[tuple[Any, ...]]:
    connection = psycopg2.connect(url)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()


@contextlib.contextmanager
def private_postgres(root: Path, **options: str) -> Iterator[Server]:
    """:param options: settings of Postgres beside those of all benchmarks"""
    given = json.dumps({"fsync": "off", **options})
    with private(root, "postgres", "--postgres-options", given) as environment:
        yield Server(environment["DATABASE_URL"])


@contextlib.contextmanager
def private(root: Path, service: str, *options: str) -> Iterator[dict[str, str]]:
    """One of dev_stack's services on a free port; the environment variables by which it is found."""
    with tempfile.TemporaryDirectory(prefix="mlops-bench-") as folder:
        state = Path(folder) / "state"
        dev_stack = [sys.executable, str(root / "roles" / "dev_stack" / "files" / "dev_stack")]
        where = ["--state", str(state)]
        binaries = str(Path(sys.executable).parent)
        port = [f"--{service}-port", str(_free_port())]
        try:
            _run([*dev_stack, "up", *where, "--services", service, *port, "--binaries", binaries, *options])
            yield json.loads((state / "env.json").read_text())
        finally:
            _run([*dev_stack, "down", *where, "--remove"])


def _run(command: list[str]) -> None:
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode:
        raise SystemExit(answer.stderr)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
