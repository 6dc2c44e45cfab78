"""What a run must not touch, and what it says when it cannot reach its store."""

from __future__ import annotations

import json
import socket
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest

V1 = "s3://models/add_sub/v1/"


@pytest.fixture
def version(world: Any) -> str:
    return str(world.model(V1)[0])


def deployed_elsewhere(world: Any, name: str) -> None:
    """As a run with deploy_mode: kserve leaves it."""
    world.sql("update serving.deployment set deploy_mode = 'kserve' where endpoint_name = %s", name)


def test_an_endpoint_of_a_cluster_is_not_marked_by_a_simulated_run(world: Any, run: Any, reconcile: Any, version: str) -> None:
    for name in ("demo", "other"):
        world.endpoint(name, version)
    reconcile()
    deployed_elsewhere(world, "demo")
    assert reconcile()["endpoints"] == [], "what is applied is left alone, in whatever mode"
    for name in ("demo", "other"):
        run("endpoint", name=name, autoscaling={"minReplicas": 2})
    row, held = world.row("demo"), world.deployment("demo")
    answer = reconcile(fails=True)
    [failed] = answer["failed_endpoints"]
    assert (failed["name"], failed["failure"]["code"]) == ("demo", "refused")
    assert "mode kserve" in failed["msg"]
    assert "force_mode" in failed["msg"]
    assert (world.row("demo"), world.deployment("demo")) == (row, held), "nothing of it was written"
    assert world.row("other")["status"] == "READY"
    assert world.service("other")["object"]["spec"]["predictor"]["minReplicas"] == 2


def test_force_mode_moves_it(world: Any, reconcile: Any, version: str) -> None:
    world.endpoint("demo", version)
    reconcile()
    deployed_elsewhere(world, "demo")
    world.sql("delete from serving.simulated_service")
    [done] = reconcile(force_mode=True)["endpoints"]
    assert (done["status"], done["writes"]) == ("READY", ["first deployment"])
    assert world.deployment("demo")["deploy_mode"] == "simulate"
    assert world.shares("demo") == {V1: 100}


def test_a_tenant_is_fenced(world: Any, reconcile: Any, version: str) -> None:
    neighbour = world.other_tenant()
    world.endpoint("shared-name", version)
    neighbour.endpoint("shared-name", neighbour.model(V1)[0])
    neighbour.endpoint("theirs", neighbour.model(V1, name="m2")[0])
    theirs = world.sql("select xmin::text as written_by, * from endpoints where tenant_id = %s order by id", neighbour.tenant)

    def untouched() -> bool:
        now = world.sql("select xmin::text as written_by, * from endpoints where tenant_id = %s order by id", neighbour.tenant)
        return bool(now == theirs) and not world.sql("select * from serving.deployment where tenant_id = %s", neighbour.tenant)

    [done] = reconcile(tenant_id=world.tenant)["endpoints"]
    assert (done["name"], world.row("shared-name")["status"]) == ("shared-name", "READY")
    assert untouched()
    assert reconcile(tenant_id=world.tenant, endpoints=["shared-name"], drift=True)["endpoints"][0]["id"] == done["id"]
    assert untouched()
    for asked in ("theirs", theirs[0]["id"]):
        answer = reconcile(fails=True, tenant_id=world.tenant, endpoints=[asked])
        assert answer["failure"]["code"] == "not_found"
        assert answer["msg"].startswith(f"endpoints = '{asked}': there is no such endpoint of this tenant. ")
        assert answer["endpoints"] == []
    assert untouched()
    assert reconcile(project_id=world.project)["endpoints"] == []
    assert untouched()
    assert len(reconcile(tenant_id=neighbour.tenant)["endpoints"]) == 2


def test_names_that_nobody_has_and_an_empty_list(world: Any, reconcile: Any, version: str) -> None:
    world.endpoint("demo", version)
    answer = reconcile(fails=True, endpoints=["demo", "dmeo"])
    assert "endpoints = 'dmeo': there is no such endpoint." in answer["msg"]
    assert world.row("demo")["status"] == "CREATING"
    assert reconcile(endpoints=[])["endpoints"] == []
    assert world.row("demo")["status"] == "CREATING"
    assert reconcile(fails=True, tenant_id="acme")["failure"]["field"] == "tenant_id"
    assert [done["name"] for done in reconcile(endpoints=["DEMO", world.row("demo")["id"].upper()])["endpoints"]] == ["demo"]


def test_only_what_is_named_is_done(world: Any, reconcile: Any, version: str) -> None:
    ids = {name: world.endpoint(name, version) for name in ("one", "two", "three")}
    done = reconcile(endpoints=["one", ids["two"]])["endpoints"]
    assert [item["name"] for item in done] == ["one", "two"]
    assert world.row("three")["status"] == "CREATING"


def change(url: str, **parts: Any) -> str:
    old = urlsplit(url)
    given = {"user": old.username, "password": old.password, "host": old.hostname, "port": old.port, "path": old.path, **parts}
    address = f"{given['user']}:{given['password']}@{given['host']}:{given['port']}"
    return urlunsplit((old.scheme, address, given["path"], "", ""))


def nobody_listens() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


SECRET = "correct-horse-battery-staple"


@pytest.mark.parametrize(
    ("parts", "code", "word"),
    [
        ({"port": None, "password": SECRET}, "unavailable", "see that it runs"),
        ({"password": SECRET}, "forbidden", "check user, password and rights"),
        ({"user": "nobody-here", "password": SECRET}, "forbidden", "check user, password and rights"),
        ({"path": "/no_such_database"}, "not_found", "create the database"),
    ],
    ids=["down", "wrong password", "wrong user", "no such database"],
)
@pytest.mark.parametrize("module", ["reconcile", "endpoint_info"])
def test_a_store_that_cannot_be_used(
    world: Any, run: Any, start: Any, parts: dict[str, Any], code: str, word: str, module: str
) -> None:
    given = {**parts, "port": nobody_listens()} if "port" in parts else parts
    url = change(world.url, **given)
    password = urlsplit(url).password
    options = {"deploy_mode": "simulate"} if module == "reconcile" else {}
    answer = run(module, fails=True, database_url=url, **options)
    assert (answer["failure"]["code"], answer["changed"]) == (code, False)
    assert word in answer["failure"]["cure"]
    assert "\n" not in answer["msg"]
    assert str(urlsplit(url).port) in answer["msg"]
    process = start(module, database_url=url, **options)
    printed = "".join(process.communicate(timeout=30))
    assert code in printed
    for said in (json.dumps(answer), printed):
        assert password not in said


def test_a_database_without_the_schema(database: str, run: Any) -> None:
    answer = run("reconcile", fails=True, deploy_mode="simulate")
    assert answer["failure"]["code"] == "not_found"
    assert "mlops.serving.endpoint_store" in answer["failure"]["cure"]


def test_a_namespace_that_cannot_be_made_from_the_row(world: Any, reconcile: Any, version: str) -> None:
    world.endpoint("demo", version)
    answer = reconcile(fails=True, namespace="tenant-{tenant_slug}")
    assert answer["failed_endpoints"][0]["name"] == "demo"
    assert "tenant_slug" in answer["msg"]
    assert (world.row("demo")["status"], world.deployment("demo")["namespace"]) == ("ERROR", None)
    assert reconcile(namespace="tenant-{tenant_id}")["endpoints"][0]["namespace"] == f"tenant-{world.tenant}"


def test_two_endpoints_never_share_a_name(world: Any, reconcile: Any, version: str) -> None:
    world.endpoint("first", version, id="abcdef12-0000-4000-8000-000000000001")
    world.endpoint("second", version, id="abcdef12-1000-4000-8000-000000000002")
    reconcile()
    assert sorted(world.deployment(name)["name"] for name in ("first", "second")) in (
        ["isvc-abcdef12", "isvc-abcdef120"],
        ["isvc-abcdef12", "isvc-abcdef121"],
    )
    assert {world.row(name)["status"] for name in ("first", "second")} == {"READY"}


def test_the_modes_name_of_the_environment_counts(
    world: Any, run: Any, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.endpoint("demo", version)
    monkeypatch.setenv("DEPLOY_MODE", "simulate")
    monkeypatch.setenv("KSERVE_NAMESPACE", "from-environment")
    monkeypatch.setenv("KSERVE_NAME_PREFIX", "svc")
    [done] = run("reconcile")["endpoints"]
    assert (done["namespace"], done["service"][:4]) == ("from-environment", "svc-")
