"""A database that is down, refuses or is not prepared: one sentence with where and what to do, and no secret."""

from __future__ import annotations

import socket
from typing import Any
from urllib.parse import urlsplit

import pytest
from ansible_collections.mlops.serving.plugins.module_utils._adapters.postgres import Postgres
from ansible_collections.mlops.serving.plugins.module_utils._adapters.store import Store
from ansible_collections.mlops.serving.plugins.module_utils._domain.errors import Unavailable

Run = Any
SECRET = "hunter2-hunter2"
MODULES = {
    "endpoint": {"name": "demo"},
    "endpoint_info": {},
    "endpoint_store": {},
    "model_version": {"model": "m", "artifact_uri": "s3://b/"},
}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize("module", MODULES)
def test_a_database_that_is_down(run_module: Run, module: str) -> None:
    port = free_port()
    answer = run_module(module, **MODULES[module], database_url=f"postgresql://ann:{SECRET}@127.0.0.1:{port}/mlops")
    assert answer["failure"]["code"] == "unavailable"
    for part in ("127.0.0.1", str(port), "mlops", "ann", "login_host"):
        assert part in answer["msg"]
    assert not answer["changed"]
    assert SECRET not in str(answer)


@pytest.mark.parametrize("module", MODULES)
def test_a_password_that_is_refused(run_module: Run, module: str, database: str) -> None:
    parts = urlsplit(database)
    url = f"postgresql://{parts.username}:{SECRET}@{parts.hostname}:{parts.port}{parts.path}"
    answer = run_module(module, **MODULES[module], database_url=url)
    assert answer["failure"]["code"] == "forbidden"
    for part in (str(parts.port), str(parts.username), parts.path[1:], "login_password"):
        assert part in answer["msg"]
    assert SECRET not in str(answer)


def test_a_database_that_is_not_there(run_module: Run, database: str) -> None:
    answer = run_module("endpoint_info", database_url=f"{database.rpartition('/')[0]}/nothing")
    assert answer["failure"]["code"] == "not_found"
    assert "nothing" in answer["msg"]


@pytest.mark.parametrize("module", ["endpoint", "endpoint_info", "model_version"])
def test_a_database_that_is_not_prepared(run_module: Run, module: str) -> None:
    answer = run_module(module, **MODULES[module])
    assert answer["failure"]["code"] == "not_found"
    assert "endpoint_store" in answer["msg"]


@pytest.mark.parametrize(
    "url", [f"mysql://a:{SECRET}@h/d", f"postgresql://a:{SECRET}@h:port/d", f"host=x password={SECRET}"]
)
def test_a_url_that_is_none_is_not_repeated(run_module: Run, url: str) -> None:
    answer = run_module("endpoint_info", database_url=url)
    assert answer["failure"]["field"] == "database_url"
    assert SECRET not in str(answer)


def test_a_role_without_rights(run_module: Run, database: str, store: Store) -> None:
    store.database.execute(
        "do $$ begin create role onlooker login password 'x'; exception when duplicate_object then null; end $$"
    )
    parts = urlsplit(database)
    answer = run_module(
        "endpoint_info", database_url=f"postgresql://onlooker:x@{parts.hostname}:{parts.port}{parts.path}"
    )
    assert answer["failure"]["code"] == "forbidden"
    assert "permission denied" in answer["msg"]


def test_a_connection_that_was_cut_is_made_again(database: str, store: Store) -> None:
    other = Postgres({"dsn": database}).open()
    [mine] = other.query("select pg_backend_pid() as pid")
    store.database.execute("select pg_terminate_backend(%s)", (mine["pid"],))
    with pytest.raises(Unavailable):
        other.query("select 1 as one")
    assert other.query("select 1 as one") == [{"one": 1}]


def test_a_transaction_whose_connection_was_cut_writes_nothing(database: str, store: Store) -> None:
    other = Postgres({"dsn": database}).open()
    other.execute("drop table if exists kept; create table kept (x int)")

    def write() -> None:
        with other.transaction():
            other.execute("insert into kept values (1)")
            [mine] = other.query("select pg_backend_pid() as pid")
            store.database.execute("select pg_terminate_backend(%s)", (mine["pid"],))
            other.execute("insert into kept values (2)")

    with pytest.raises(Unavailable):
        write()
    assert other.query("select x from kept") == []
    with other.transaction():
        other.execute("insert into kept values (3)")
    assert other.query("select x from kept") == [{"x": 3}]
