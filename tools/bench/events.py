"""From a published event to a served endpoint in simulate: how many a second, and how long each takes.

Rows are written with SQL, as the platform does it, so nothing but the event tells the worker of them (its sweep is an hour away).
An endpoint is served when the transaction that wrote READY has committed; Postgres tells when that was.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nats
import psycopg2

from tools.bench.module_process import environment, run_module, start_module
from tools.bench.progress import say
from tools.bench.server import Server, query
from tools.bench.table import Table

_MODEL = """
insert into models (tenant_id, project_id, name) values (gen_random_uuid(), gen_random_uuid(), 'add_sub');
insert into model_versions (tenant_id, project_id, model_id, version, artifact_uri)
    select tenant_id, project_id, id, 1, 's3://models/add_sub/1/' from models;
"""
_ENDPOINTS = """
insert into endpoints (tenant_id, project_id, name, runtime, model_id, model_version_id, autoscaling, runtime_config)
    select tenant_id, project_id, 'endpoint-' || n, 'kserve-triton', model_id, id, '{{"minReplicas": 1, "maxReplicas": 4}}',
        '{{"modelFormat": "triton", "protocolVersion": "v2", "runtimeVersion": "24.08-py3", "gpu": true}}'
    from model_versions, generate_series({first}, {last}) n
returning id::text, tenant_id::text, project_id::text
"""
_SERVED = (
    "select id::text, extract(epoch from pg_xact_commit_timestamp(xmin))::float from endpoints where status = 'READY'"
)
_SUBJECT = "mlops.serving.deploy_requested"
# What people write without a worker that stays: a playbook for each event.
_A_PLAYBOOK_AN_EVENT = {
    "name": "A playbook an event",
    "hosts": "all",
    "sources": [{"mlops.serving.jetstream": {"create": True}}],
    "rules": [
        {
            "name": "Deploy",
            "condition": "event.mlops_serving.requested is defined",
            "action": {
                "run_playbook": {
                    "name": "mlops.serving.reconcile",
                    "extra_vars": {"endpoints": "{{ event.mlops_serving.requested }}"},
                }
            },
        }
    ],
}
# More than any of them takes; what is not served by then would never be.
_PATIENCE = 180.0


@dataclass(frozen=True)
class Seen:
    """:param seconds: from the first event to the last endpoint; :param latencies: of each one, sorted"""

    seconds: float
    latencies: list[float]

    def at(self, share: float) -> str:
        return f"{self.latencies[min(len(self.latencies) - 1, int(share * len(self.latencies)))]:.3f} s"


def measure_events(root: Path, server: Server, nats_url: str, *, drained: int, seconds: int) -> list[Table]:
    """
    :param drained: so many events at once
    :param seconds: how long each rate is kept
    """
    work = _Work(root, server, nats_url)
    table = Table(f"{drained} events at once, simulate", ("workers", "events a second", "of one worker", "seconds"))
    one = 0.0
    for workers in (1, 2, 4):
        say(f"{drained} events, {workers} workers")
        with work.stage(), work.intake(), work.workers(workers):
            seen = work.drain(drained)
        speed = drained / seen.seconds
        one = one or speed
        table.add(f"{workers}", f"{speed:.0f}", f"{speed / one:.2f}", f"{seen.seconds:.2f} s")
    rates = Table(
        "from publishing to READY, simulate",
        ("events a second", "taken in and carried out by", "events", "median", "p99", "longest"),
    )
    ways: list[tuple[str, tuple[int, ...], Callable[[], contextlib.AbstractContextManager[None]]]] = [
        ("source and worker alone", (1, 10, 100), work.both),
        ("rulebook `deploy_worker`", (1, 10, 100), work.rulebook),
        ("a rulebook that runs a playbook an event", (1,), work.playbook_an_event),
    ]
    for words, chosen, way in ways:
        for rate in chosen:
            say(f"{rate} events a second for {seconds} s, {words}")
            with work.stage(), way():
                seen = work.at_rate(rate, seconds)
            rates.add(f"{rate}", words, f"{len(seen.latencies)}", seen.at(0.5), seen.at(0.99), seen.at(1.0))
    return [table, rates]


class _Work:
    def __init__(self, root: Path, server: Server, nats_url: str) -> None:
        self._root, self._server, self._nats_url = root, server, nats_url
        self._url = ""
        self._folder = Path()

    @contextlib.contextmanager
    def stage(self) -> Iterator[None]:
        """A database and a stream of their own."""
        self._url = self._server.fresh()
        run_module(self._root, "endpoint_store", database_url=self._url)
        query(self._url, _MODEL)
        asyncio.run(self._forget())
        with tempfile.TemporaryDirectory(prefix="mlops-bench-") as folder:
            self._folder = Path(folder)
            yield

    async def _forget(self) -> None:
        connection = await nats.connect(self._nats_url)
        with contextlib.suppress(nats.js.errors.NotFoundError):
            await connection.jetstream().delete_stream("MLOPS_SERVING")
        await connection.close()

    @contextlib.contextmanager
    def both(self) -> Iterator[None]:
        with self.intake(), self.workers(1):
            yield

    @contextlib.contextmanager
    def intake(self) -> Iterator[None]:
        output = self._folder / "intake"
        with output.open("w") as file:
            process = subprocess.Popen(
                [sys.executable, str(self._root / "extensions/eda/plugins/event_source/jetstream.py")],
                stdin=subprocess.PIPE,
                stdout=file,
                stderr=subprocess.STDOUT,
                text=True,
            )
        assert process.stdin is not None
        with process.stdin:
            process.stdin.write(json.dumps({"servers": [self._nats_url], "database_url": self._url, "create": True}))
        with _ended(process, output):
            _wait(lambda: "listening" in output.read_text(), process, output)
            yield

    @contextlib.contextmanager
    def workers(self, count: int) -> Iterator[None]:
        with contextlib.ExitStack() as stack:
            for number in range(count):
                output, lines = self._folder / f"worker{number}", self._folder / f"lines{number}"
                with output.open("w") as file:
                    process = start_module(
                        self._root,
                        "reconcile",
                        file,
                        database_url=self._url,
                        deploy_mode="simulate",
                        follow=True,
                        sweep=3600,
                        progress_file=str(lines),
                    )
                stack.enter_context(_ended(process, output))
                _wait(_said(lines, "deploys to"), process, output)
            yield

    def rulebook(self) -> contextlib.AbstractContextManager[None]:
        return self._ansible_rulebook("mlops.serving.deploy_worker", "deploys to")

    def playbook_an_event(self) -> contextlib.AbstractContextManager[None]:
        book = self._folder / "rulebook.yml"
        book.write_text(json.dumps([_A_PLAYBOOK_AN_EVENT]))
        return self._ansible_rulebook(str(book), "listening on stream")

    @contextlib.contextmanager
    def _ansible_rulebook(self, rulebook: str, ready: str) -> Iterator[None]:
        inventory, variables, output = (self._folder / name for name in ("inventory.yml", "variables.yml", "rulebook"))
        local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        inventory.write_text(json.dumps({"all": {"hosts": {"localhost": local}}}))
        variables.write_text(json.dumps({"mlops_serving_create": True, "worker_sweep": 3600}))
        java = shutil.which("java")
        if java is None:
            raise SystemExit("ansible-rulebook needs Java: install openjdk-17-jre-headless")
        binaries = Path(sys.executable).parent
        given = {"DATABASE_URL": self._url, "NATS_URL": self._nats_url, "DEPLOY_MODE": "simulate"}
        with output.open("w") as file:
            process = subprocess.Popen(
                [
                    *(
                        str(binaries / "ansible-rulebook"),
                        "--rulebook",
                        rulebook,
                        "--inventory",
                        str(inventory),
                        "--verbose",
                    ),
                    *("--vars", str(variables), "--env-vars", ",".join(given)),
                ],
                cwd=self._root,
                env={
                    **environment(self._root),
                    **given,
                    "ANSIBLE_COLLECTIONS_PATH": str(self._root / ".build"),
                    "JAVA_HOME": str(Path(java).resolve().parents[1]),
                    "PATH": f"{binaries}:{os.environ['PATH']}",
                },
                stdout=file,
                stderr=subprocess.STDOUT,
                text=True,
            )
        try:
            with _ended(process, output):
                _wait(lambda: ready in output.read_text(), process, output)
                yield
        finally:
            self._end_the_rest()

    def _end_the_rest(self) -> None:
        """A playbook of ansible-rulebook's has a session of its own: found by its environment, as nobody else has this database."""
        mark = f"DATABASE_URL={self._url}".encode()
        for folder in Path("/proc").iterdir():
            if folder.name.isdigit():
                with contextlib.suppress(OSError):
                    if mark in (folder / "environ").read_bytes().split(b"\0"):
                        os.kill(int(folder.name), signal.SIGTERM)

    def drain(self, count: int) -> Seen:
        rows = query(self._url, _ENDPOINTS.format(first=1, last=count))
        return self._served(asyncio.run(self._publish(rows)))

    async def _publish(self, rows: list[tuple[Any, ...]]) -> dict[str, float]:
        connection = await nats.connect(self._nats_url)
        at = {}
        for row in rows:
            at[row[0]] = time.time()
            await connection.publish(_SUBJECT, _event(row))
        await connection.flush()
        await connection.close()
        return at

    def at_rate(self, rate: int, seconds: int) -> Seen:
        return self._served(asyncio.run(self._publish_at(rate, rate * seconds)))

    async def _publish_at(self, rate: int, count: int) -> dict[str, float]:
        connection = await nats.connect(self._nats_url)
        database = psycopg2.connect(self._url)
        database.autocommit = True
        at, began = {}, time.monotonic()
        with database.cursor() as cursor:
            for number in range(count):
                await asyncio.sleep(max(0.0, began + number / rate - time.monotonic()))
                cursor.execute(_ENDPOINTS.format(first=number, last=number))
                (row,) = cursor.fetchall()
                at[row[0]] = time.time()
                await connection.jetstream().publish(_SUBJECT, _event(row))
        database.close()
        await connection.close()
        return at

    def _served(self, published: dict[str, float]) -> Seen:
        end = time.monotonic() + _PATIENCE
        while len(rows := query(self._url, _SERVED)) < len(published):
            if time.monotonic() > end:
                told = "".join(f"\n{each.name}:\n{each.read_text()}" for each in self._folder.iterdir())
                raise SystemExit(f"{len(rows)} of {len(published)} endpoints are served after {_PATIENCE:.0f} s{told}")
            time.sleep(0.5)
        served = dict(rows)
        latencies = sorted(served[endpoint] - at for endpoint, at in published.items())
        return Seen(max(served.values()) - min(published.values()), latencies)


def _event(row: tuple[Any, ...]) -> bytes:
    endpoint, tenant, project = row
    return json.dumps({"endpoint_id": endpoint, "tenant_id": tenant, "project_id": project}).encode()


def _said(file: Path, words: str) -> Callable[[], bool]:
    return lambda: file.exists() and words in file.read_text()


def _wait(condition: Callable[[], bool], process: subprocess.Popen[str], output: Path) -> None:
    end = time.monotonic() + _PATIENCE
    while not condition():
        if process.poll() is not None or time.monotonic() > end:
            raise SystemExit(f"it did not come up:\n{output.read_text()}")
        time.sleep(0.05)


@contextlib.contextmanager
def _ended(process: subprocess.Popen[str], output: Path) -> Iterator[None]:
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
