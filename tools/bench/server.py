"""A private Postgres, started by the same command as the role dev_stack and the tests, gone afterwards."""

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
def private_postgres(root: Path) -> Iterator[Server]:
    with tempfile.TemporaryDirectory(prefix="mlops-bench-") as folder:
        state = Path(folder) / "state"
        dev_stack = [sys.executable, str(root / "roles" / "dev_stack" / "files" / "dev_stack")]
        where = ["--state", str(state)]
        options = [
            "--services",
            "postgres",
            "--postgres-port",
            str(_free_port()),
            "--binaries",
            str(Path(sys.executable).parent),
        ]
        try:
            _run([*dev_stack, "up", *where, *options, "--postgres-options", json.dumps({"fsync": "off"})])
            yield Server(json.loads((state / "env.json").read_text())["DATABASE_URL"])
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
