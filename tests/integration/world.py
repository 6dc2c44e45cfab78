"""A store with rows in it, and the modules run on it as Ansible would, in this process or in one of their own."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg2
import psycopg2.extras
import pytest
from ansible_collections.mlops.serving.plugins.module_utils._adapters.migrations import migrate
from ansible_collections.mlops.serving.plugins.module_utils._adapters.postgres import Postgres

MODULES = "ansible_collections.mlops.serving.plugins.modules"
RUNNER = Path(__file__).with_name("run_module.py")
TABLES = ("models", "model_versions", "endpoints", "serving.deployment", "serving.simulated_service")

Answer = dict[str, Any]


@dataclass
class World:
    """The platform's tables, written and read with SQL as the platform and its people do."""

    url: str
    connection: Any
    tenant: str = field(default_factory=lambda: str(uuid.uuid4()))
    project: str = field(default_factory=lambda: str(uuid.uuid4()))

    def sql(self, text: str, *values: Any) -> list[dict[str, Any]]:
        with self.connection.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor:
            cursor.execute(text, values or None)
            return [dict(row) for row in cursor.fetchall()] if cursor.description else []

    def one(self, text: str, *values: Any) -> dict[str, Any]:
        rows = self.sql(text, *values)
        assert len(rows) == 1, rows
        return rows[0]

    def other_tenant(self) -> World:
        return World(self.url, self.connection)

    def model(self, *uris: str | None, name: str = "add_sub") -> list[str]:
        """A model whose versions 1, 2 ... have these artifacts; the ids of the versions."""
        model = self._insert("models", name=name)
        return [self.version(model, number, uri) for number, uri in enumerate(uris, 1)]

    def version(self, model: str, number: int, uri: str | None, **metrics: Any) -> str:
        return self._insert("model_versions", model_id=model, version=number, artifact_uri=uri, metrics=metrics)

    def endpoint(self, name: str, version: str | None, **columns: Any) -> str:
        models = self.sql("select model_id from model_versions where id = %s", version)
        return self._insert("endpoints", name=name, model_version_id=version, **(models[0] if models else {}), **columns)

    def many(self, count: int, version: str) -> None:
        self.sql(
            "insert into endpoints (tenant_id, project_id, name, model_version_id)"
            " select %s, %s, 'many-' || to_char(n, 'FM0000'), %s from generate_series(1, %s) n",
            *(self.tenant, self.project, version, count),
        )

    def row(self, name: str) -> dict[str, Any]:
        return self.one("select * from endpoints where name = %s and tenant_id = %s", name, self.tenant)

    def deployment(self, name: str) -> dict[str, Any]:
        return self.one("select * from serving.deployment where endpoint_name = %s and tenant_id = %s", name, self.tenant)

    def service(self, name: str) -> dict[str, Any] | None:
        """The simulator's row of an endpoint's InferenceService."""
        held = self.deployment(name)
        rows = self.sql("select * from serving.simulated_service where (namespace, name) = (%s, %s)", held["namespace"], held["name"])
        return rows[0] if rows else None

    def shares(self, name: str) -> dict[str, int]:
        """Percent of traffic by artifact, as the simulated routes give it."""
        service = self.service(name)
        assert service is not None
        uris = {r["name"]: r["template"]["predictor"]["model"]["storageUri"] for r in service["state"]["revisions"]}
        shares: dict[str, int] = {}
        for target in service["object"]["status"]["components"]["predictor"]["traffic"]:
            uri = uris[target["revisionName"]]
            shares[uri] = shares.get(uri, 0) + target["percent"]
        return shares

    def everything(self) -> dict[str, list[dict[str, Any]]]:
        """Every row of every table with the transaction that wrote it: equal before and after when nothing was written."""
        return {table: self.sql(f"select xmin::text as written_by, * from {table} order by 2, 3") for table in TABLES}

    def _insert(self, table: str, **columns: Any) -> str:
        row = {"tenant_id": self.tenant, "project_id": self.project, **columns}
        values = [psycopg2.extras.Json(value) if isinstance(value, (dict, list)) else value for value in row.values()]
        places = ", ".join(["%s"] * len(row))
        return str(self.one(f"insert into {table} ({', '.join(row)}) values ({places}) returning id", *values)["id"])


@pytest.fixture
def world(database: str) -> Iterator[World]:
    prepared = Postgres({"dsn": database})
    migrate(prepared)
    prepared.close()
    connection = psycopg2.connect(database)
    connection.autocommit = True
    yield World(database, connection)
    connection.close()


RunModule = Callable[..., Answer]


@pytest.fixture
def run(database: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> RunModule:
    """``run("endpoint", name=...)``: the module's answer, which is a failure only if ``fails`` says so (either where it is None).

    ``check`` and ``diff`` are Ansible's modes.
    """
    from ansible.module_utils import basic

    for name in ("DATABASE_URL", "DEPLOY_MODE", "KSERVE_NAMESPACE", "KSERVE_NAME_PREFIX", "DEPLOY_TIMEOUT_SECONDS"):
        monkeypatch.delenv(name, raising=False)

    def call(module_name: str, /, *, fails: bool | None = False, check: bool = False, diff: bool = False, **options: Any) -> Answer:
        monkeypatch.setattr(basic, "_ANSIBLE_ARGS", arguments(database, options, check=check, diff=diff))
        monkeypatch.setattr(basic, "_ANSIBLE_PROFILE", "legacy", raising=False)
        module = importlib.import_module(f"{MODULES}.{module_name}")
        with pytest.raises(SystemExit):
            module.main()
        answer: Answer = json.loads(capsys.readouterr().out)
        assert "bug in mlops.serving" not in answer.get("msg", ""), answer
        assert fails is None or bool(answer.get("failed")) is fails, answer
        return answer

    return call


@pytest.fixture
def reconcile(run: RunModule) -> RunModule:
    """``reconcile()``: ``run("reconcile")`` in simulate."""

    def call(**options: Any) -> Answer:
        return run("reconcile", **{"deploy_mode": "simulate", "timeout": 20, **options})

    return call


@pytest.fixture
def start(database: str) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """``start("reconcile", ...)``: the module in a process of its own, which ends with the test."""
    started: list[subprocess.Popen[str]] = []
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}

    def call(module_name: str, /, **options: Any) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, str(RUNNER), module_name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            text=True,
        )
        started.append(process)
        assert process.stdin is not None
        process.stdin.write(arguments(database, options).decode())
        process.stdin.close()
        process.stdin = None  # so that communicate() does not close it again
        return process

    yield call
    for process in started:
        process.kill()
        process.communicate()


def arguments(database: str, options: dict[str, Any], *, check: bool = False, diff: bool = False) -> bytes:
    given = {"database_url": database, **options, "_ansible_check_mode": check, "_ansible_diff": diff, "_ansible_remote_tmp": "/tmp"}
    return json.dumps({"ANSIBLE_MODULE_ARGS": {name: value for name, value in given.items() if value is not None}}).encode()
