"""A prepared store, rows to begin with, and a way to run a module in this process as Ansible would."""

from __future__ import annotations

import contextlib
import importlib
import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from ansible_collections.mlops.serving.plugins.module_utils._adapters.migrations import migrate
from ansible_collections.mlops.serving.plugins.module_utils._adapters.store import Scope, Store

PLUGINS = "ansible_collections.mlops.serving.plugins"


@dataclass
class Rows:
    """Writes and reads the platform's tables as the platform would, with SQL."""

    store: Store
    tenant: str = field(default_factory=lambda: str(uuid.uuid4()))
    project: str = field(default_factory=lambda: str(uuid.uuid4()))

    def other_tenant(self) -> Rows:
        return Rows(self.store)

    def model(self, name: str = "add_sub") -> str:
        return self._id("insert into models (tenant_id, project_id, name) values (%s, %s, %s) returning id", name)

    def version(
        self, model: str, number: int = 1, artifact_uri: str | None = "s3://mlops-artifacts/triton/add_sub/"
    ) -> str:
        return self._id(
            "insert into model_versions (tenant_id, project_id, model_id, version, artifact_uri)"
            " values (%s, %s, %s, %s, %s) returning id",
            *(model, number, artifact_uri),
        )

    def endpoint(self, name: str = "demo", version: str | None = None, **columns: Any) -> str:
        row = {"model_version_id": version, **columns}
        names = ", ".join(row)
        values = [json.dumps(value) if isinstance(value, dict) else value for value in row.values()]
        return self._id(
            f"insert into endpoints (tenant_id, project_id, name, {names}) values (%s, %s, %s{', %s' * len(row)}) returning id",
            name,
            *values,
        )

    def set(self, endpoint_id: str, assignment: str, *values: Any) -> None:
        self.store.database.execute(f"update endpoints set {assignment} where id = %s", (*values, endpoint_id))

    def get(self, endpoint_id: str) -> dict[str, Any]:
        row = self.store.database.row("select * from endpoints where id = %s", (endpoint_id,))
        assert row is not None
        return row

    def deployment(self, endpoint_id: str) -> dict[str, Any]:
        row = self.store.database.row("select * from serving.deployment where endpoint_id = %s", (endpoint_id,))
        assert row is not None
        return row

    def hash(self, endpoint_id: str) -> str:
        return self.store.endpoints(Scope(ids=(endpoint_id,)))[0].intent_hash

    def everything(self) -> dict[str, Any]:
        """All rows of the platform's tables, to see that nothing was written."""
        tables = ("models", "model_versions", "endpoints", "serving.deployment")
        return {name: self.store.database.query(f"select * from {name} order by 1") for name in tables}

    def _id(self, sql: str, *values: Any) -> str:
        row = self.store.database.row(sql, (self.tenant, self.project, *values))
        assert row is not None
        return str(row["id"])


@contextlib.contextmanager
def new_database(postgres: str) -> Iterator[str]:
    name = f"store_{uuid.uuid4().hex[:12]}"
    admin = Store.connect(postgres).database
    admin.execute(f"create database {name}")
    try:
        yield f"{postgres.rpartition('/')[0]}/{name}"
    finally:
        admin.execute(f"drop database {name} with (force)")
        admin.close()


@pytest.fixture(scope="session")
def prepared(postgres: str) -> Iterator[str]:
    with new_database(postgres) as url, Store.connect(url) as store:
        migrate(store.database)
        yield url


@pytest.fixture
def database(request: pytest.FixtureRequest, postgres: str) -> Iterator[str]:
    """Prepared and without rows for tests that use the store, else new and empty. Making one takes longer than most tests."""
    if "store" not in request.fixturenames:
        with new_database(postgres) as url:
            yield url
        return
    url = request.getfixturevalue("prepared")
    with Store.connect(url) as store:
        store.database.execute("truncate endpoints, model_versions, models, serving.deployment")
    yield url


@pytest.fixture
def store(database: str) -> Iterator[Store]:
    with Store.connect(database) as opened:
        yield opened


@pytest.fixture
def rows(store: Store) -> Rows:
    return Rows(store)


RunModule = Callable[..., dict[str, Any]]


@pytest.fixture
def run_module(database: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> RunModule:
    """``run_module("endpoint", name=...)``: the module's answer. ``check``/``diff`` are Ansible's modes."""
    from ansible.module_utils import basic

    def run(module_name: str, /, *, check: bool = False, diff: bool = False, **options: Any) -> dict[str, Any]:
        options.setdefault("database_url", database)
        arguments = {**options, "_ansible_check_mode": check, "_ansible_diff": diff, "_ansible_remote_tmp": "/tmp"}
        monkeypatch.setattr(basic, "_ANSIBLE_ARGS", json.dumps({"ANSIBLE_MODULE_ARGS": arguments}).encode())
        monkeypatch.setattr(basic, "_ANSIBLE_PROFILE", "legacy", raising=False)
        module = importlib.import_module(f"{PLUGINS}.modules.{module_name}")
        with pytest.raises(SystemExit):
            module.main()
        answer: dict[str, Any] = json.loads(capsys.readouterr().out)
        return answer

    return run
