"""Module endpoint: what is right is written, what is wrong is told by its field and changes nothing."""

from __future__ import annotations

from typing import Any

import pytest

Run = Any


@pytest.fixture
def demo(rows: Any) -> dict[str, str]:
    """A model with two versions that can be served and one that cannot."""
    model = rows.model()
    return {
        "model": model,
        "one": rows.version(model, 1),
        "two": rows.version(model, 2, "s3://mlops-artifacts/triton/add_sub_v2/"),
        "empty": rows.version(model, 3, None),
    }


def test_create_change_and_delete_each_once(run_module: Run, rows: Any, demo: dict[str, str]) -> None:
    wanted: dict[str, Any] = {
        "name": "demo",
        "model": "add_sub",
        "model_version": 1,
        "runtime": "kserve-triton",
        "created_by": "me",
    }
    tried = run_module("endpoint", check=True, diff=True, **wanted)
    assert tried["changed"]
    assert tried["endpoints"][0]["id"] is None
    assert rows.everything()["endpoints"] == []

    made = run_module("endpoint", diff=True, **wanted)
    assert made["diff"] == tried["diff"]
    assert made["diff"][0]["before"] == {}
    assert made["diff"][0]["after"]["model_version"] == 1
    row = rows.get(made["endpoints"][0]["id"])
    assert (row["tenant_id"], row["project_id"]) == (rows.tenant, rows.project)
    assert (row["status"], row["model_version_id"], row["created_by"]) == ("CREATING", demo["one"], "me")

    for mode in ({}, {"check": True}):
        again = run_module("endpoint", diff=True, **mode, **wanted)
        assert (again["changed"], again["diff"]) == (False, [])
    assert rows.get(row["id"]) == row

    rows.set(row["id"], "status = 'READY', url = 'http://x'")
    changed = run_module("endpoint", diff=True, name="DEMO", model_version=2, traffic={"canaryTrafficPercent": 10})
    assert changed["diff"][0]["before"]["traffic"] == {}
    assert changed["diff"][0]["after"] == {
        **changed["diff"][0]["before"],
        "model_version": 2,
        "traffic": {"canaryTrafficPercent": 10},
    }
    assert set(changed["diff"][0]["after"]) == {
        "model",
        "model_version",
        "runtime",
        "traffic",
        "autoscaling",
        "runtime_config",
    }
    after = rows.get(row["id"])
    assert (after["status"], after["url"], after["name"]) == ("DEPLOYING", "http://x", "demo")
    assert (after["runtime"], after["model_version_id"]) == ("kserve-triton", demo["two"])

    cleared = run_module("endpoint", name="demo", traffic={})
    assert cleared["changed"]
    assert rows.get(row["id"])["traffic"] == {}

    assert run_module("endpoint", check=True, name="demo", state="absent")["changed"]
    assert rows.get(row["id"])["status"] == "DEPLOYING"
    gone = run_module("endpoint", name="demo", state="absent")
    assert (gone["changed"], gone["endpoints"][0]["action"]) == (True, "deleted")
    assert rows.get(row["id"])["status"] == "DELETING"
    assert not run_module("endpoint", name="demo", state="absent")["changed"]
    assert not run_module("endpoint", name="never there", state="absent")["changed"]


@pytest.mark.parametrize("status", ["DELETING", "DELETED"])
def test_a_deleted_endpoint_is_revived_with_what_is_stored(
    run_module: Run, rows: Any, demo: dict[str, str], status: str
) -> None:
    endpoint = rows.endpoint(version=demo["one"], model_id=demo["model"], status=status, autoscaling={"minReplicas": 2})
    revived = run_module("endpoint", name="demo", model_version=2)
    assert (revived["changed"], revived["endpoints"][0]["action"]) == (True, "revived")
    row = rows.get(endpoint)
    assert (row["status"], row["autoscaling"], row["model_version_id"]) == ("CREATING", {"minReplicas": 2}, demo["two"])


BAD: list[tuple[str, dict[str, Any], str]] = [
    ("wrong type", {"autoscaling": {"minReplicas": "many"}}, "autoscaling.minReplicas"),
    ("no mapping", {"traffic": 10}, "traffic"),
    ("no mapping, as text", {"traffic": "all of it"}, "traffic"),
    ("a list", {"runtime_config": ["gpu"]}, "runtime_config"),
    ("unknown key", {"runtime_config": {"modelFromat": "triton"}}, "runtime_config.modelFromat"),
    ("unknown key in traffic", {"traffic": {"canary": 10}}, "traffic.canary"),
    ("more than all", {"traffic": {"canaryTrafficPercent": 150}}, "traffic.canaryTrafficPercent"),
    ("less than none", {"traffic": {"canary_percent": -1}}, "traffic.canary_percent"),
    (
        "v1 for Triton",
        {"runtime_config": {"modelFormat": "triton", "protocolVersion": "v1"}},
        "runtime_config.protocolVersion",
    ),
    (
        "canary in Standard mode",
        {"traffic": {"canaryTrafficPercent": 10}, "runtime_config": {"deploymentMode": "Standard"}},
        "traffic.canaryTrafficPercent",
    ),
    (
        "canary with KEDA",
        {"traffic": {"canaryTrafficPercent": 10}, "autoscaling": {"keda": True}},
        "traffic.canaryTrafficPercent",
    ),
    ("min above max", {"autoscaling": {"minReplicas": 5, "maxReplicas": 2}}, "autoscaling.minReplicas"),
    ("no artifact", {"model_version": 3}, "model_versions.artifact_uri"),
    ("no such version", {"model_version": 9}, "model_version"),
    ("no number and no id", {"model_version": "newest"}, "model_version"),
    ("no such id", {"model_version": "00000000-0000-0000-0000-000000000001"}, "model_version"),
    ("no such model", {"model": "nothing"}, "model"),
    ("no tenant id", {"tenant_id": "acme"}, "tenant_id"),
]


@pytest.mark.parametrize(("options", "field"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
@pytest.mark.parametrize("existing", [False, True], ids=["new", "existing"])
def test_bad_input_writes_nothing(
    run_module: Run, rows: Any, demo: dict[str, str], options: dict[str, Any], field: str, existing: bool
) -> None:
    if existing:
        rows.endpoint(version=demo["one"], model_id=demo["model"], status="READY")
    before = rows.everything()
    wanted = {"name": "demo", "model": "add_sub", "model_version": 1, **options}
    for mode in ({}, {"check": True}):
        answer = run_module("endpoint", **mode, **wanted)
        assert answer["failed"]
        assert not answer["changed"]
        assert answer["failure"]["code"] == "invalid_intent"
        assert answer["failure"]["endpoint"] == "demo"
        assert answer["failure"]["field"].replace("canary_percent", "canaryTrafficPercent") == field.replace(
            "canary_percent", "canaryTrafficPercent"
        )
        assert answer["failure"]["cure"]
        assert answer["msg"].startswith("endpoint demo: ")
    assert rows.everything() == before


def test_a_new_endpoint_needs_a_version(run_module: Run, rows: Any, demo: dict[str, str]) -> None:
    for options in ({}, {"model": "add_sub"}):
        answer = run_module("endpoint", name="demo", **options)
        assert answer["failure"]["field"] == "model_version"
    assert run_module("endpoint", name="demo", model_version=1)["failure"]["field"] == "model"
    assert rows.everything()["endpoints"] == []


def test_another_model_needs_its_own_version(run_module: Run, rows: Any, demo: dict[str, str]) -> None:
    rows.endpoint(version=demo["one"], model_id=demo["model"])
    other = rows.model("other")
    version = rows.version(other, 5)
    assert run_module("endpoint", name="demo", model="other")["failure"]["field"] == "model_version"
    assert (
        run_module("endpoint", name="demo", model="add_sub", model_version=version)["failure"]["field"]
        == "model_version"
    )
    assert run_module("endpoint", name="demo", model="other", model_version=5)["changed"]


def test_one_bad_endpoint_does_not_stop_the_others(run_module: Run, rows: Any, demo: dict[str, str]) -> None:
    good = {"model": "add_sub", "model_version": 1}
    answer = run_module(
        "endpoint",
        endpoints=[
            {"name": "a", **good},
            {"name": "b", **good, "traffic": {"canaryTrafficPercent": 101}},
            {"name": "c", **good, "model_version": demo["two"]},
            {"name": "d", "model": "nothing", "model_version": 1},
            {"name": "A", **good},
        ],
    )
    assert answer["failed"]
    assert answer["changed"]
    assert [entry["name"] for entry in answer["endpoints"]] == ["a", "c"]
    assert [(entry["name"], entry["failure"]["field"]) for entry in answer["failed_endpoints"]] == [
        ("b", "traffic.canaryTrafficPercent"),
        ("d", "model"),
        ("A", "name"),
    ]
    assert "3 endpoints failed" in answer["msg"]
    assert sorted(row["name"] for row in rows.everything()["endpoints"]) == ["a", "c"]


def test_a_row_in_the_wild_can_be_changed_without_repairing_it(
    run_module: Run, rows: Any, demo: dict[str, str]
) -> None:
    """What is given is held to the known keys; what somebody stored earlier gives a warning."""
    endpoint = rows.endpoint(version=demo["one"], model_id=demo["model"], runtime_config={"homemade": 1})
    answer = run_module("endpoint", name="demo", model_version=2)
    assert answer["changed"]
    assert "homemade" in answer["endpoints"][0]["warnings"][0]
    assert rows.get(endpoint)["runtime_config"] == {"homemade": 1}


def test_a_version_of_another_tenant_is_refused(run_module: Run, rows: Any, demo: dict[str, str]) -> None:
    other = rows.other_tenant()
    foreign = other.version(other.model("foreign"))
    rows.endpoint(version=demo["one"], model_id=demo["model"])
    before = rows.everything()
    for options in (
        {"name": "demo", "model_version": foreign},
        {"name": "demo", "model": "foreign", "model_version": 1},
        {"name": "new", "model_version": foreign, "tenant_id": rows.tenant, "project_id": rows.project},
        {"name": "new", "model": "foreign", "model_version": 1, "tenant_id": rows.tenant},
    ):
        answer = run_module("endpoint", **options)
        assert answer["failure"]["code"] == "invalid_intent"
        assert answer["failure"]["field"] in ("model", "model_version")
        assert rows.tenant in answer["msg"]
        assert other.tenant not in str(answer)
    assert rows.everything() == before


def test_a_version_of_another_tenant_that_sql_put_there_is_refused(run_module: Run, rows: Any) -> None:
    other = rows.other_tenant()
    endpoint = rows.endpoint(version=other.version(other.model()))
    answer = run_module("endpoint", name="demo", autoscaling={"minReplicas": 2})
    assert answer["failure"]["field"] == "model_version"
    assert rows.get(endpoint)["autoscaling"] == {}


def test_a_tenant_sees_and_touches_only_its_own_rows(run_module: Run, rows: Any, demo: dict[str, str]) -> None:
    other = rows.other_tenant()
    theirs = other.endpoint(version=other.version(other.model()))
    before = rows.get(theirs)
    absent = run_module("endpoint", name="demo", state="absent", tenant_id=rows.tenant)
    assert not absent["changed"]
    made = run_module("endpoint", name="demo", model="add_sub", model_version=1, tenant_id=rows.tenant.upper())
    assert made["endpoints"][0]["action"] == "created"
    assert made["endpoints"][0]["tenant_id"] == rows.tenant
    changed = run_module("endpoint", name="demo", model_version=2, tenant_id=rows.tenant)
    assert changed["endpoints"][0]["id"] == made["endpoints"][0]["id"]
    assert rows.get(theirs) == before


def test_a_name_that_two_tenants_have_must_be_told_apart(run_module: Run, rows: Any, demo: dict[str, str]) -> None:
    other = rows.other_tenant()
    mine = rows.endpoint(version=demo["one"], model_id=demo["model"])
    other.endpoint(version=other.version(other.model()))
    before = rows.everything()
    for options in ({"traffic": {}}, {"state": "absent"}):
        answer = run_module("endpoint", name="demo", **options)
        assert answer["failure"]["field"] == "name"
        for choice in (rows.tenant, rows.project, other.tenant):
            assert choice in answer["msg"]
    assert rows.everything() == before
    assert run_module("endpoint", name="demo", state="absent", tenant_id=rows.tenant)["endpoints"][0]["id"] == mine


def test_a_model_name_that_two_tenants_have_must_be_told_apart(
    run_module: Run, rows: Any, demo: dict[str, str]
) -> None:
    other = rows.other_tenant()
    other.version(other.model())
    answer = run_module("endpoint", name="new", model="add_sub", model_version=1)
    assert answer["failure"]["field"] == "model"
    assert run_module("endpoint", name="new", model=demo["model"], model_version=1)["changed"]


def test_a_waiting_worker_is_woken_by_a_write_and_not_by_a_look(
    run_module: Run, rows: Any, store: Any, demo: dict[str, str]
) -> None:
    store.listen()
    wanted = {"name": "demo", "model": "add_sub", "model_version": 1}
    run_module("endpoint", check=True, **wanted)
    assert store.database.notifications() == []
    written = run_module("endpoint", **wanted)
    assert store.wait(10) == [written["endpoints"][0]["id"]]
    run_module("endpoint", **wanted)
    assert store.database.notifications() == []


def test_an_endpoint_that_somebody_creates_meanwhile_is_updated(
    run_module: Run, rows: Any, monkeypatch: pytest.MonkeyPatch, demo: dict[str, str]
) -> None:
    from ansible_collections.mlops.serving.plugins.module_utils._adapters.intents import Intents

    endpoint = rows.endpoint(version=demo["one"], model_id=demo["model"])
    original, looks = Intents.endpoints, []

    def late(self: Intents, *arguments: Any, **options: Any) -> Any:
        looks.append(1)
        return [] if len(looks) == 1 else original(self, *arguments, **options)

    monkeypatch.setattr(Intents, "endpoints", late)
    answer = run_module("endpoint", name="demo", model="add_sub", model_version=2)
    assert (answer["endpoints"][0]["id"], answer["endpoints"][0]["action"]) == (endpoint, "updated")
    assert len(looks) == 2


def test_a_thousand_endpoints_cost_a_few_statements(
    run_module: Run, rows: Any, monkeypatch: pytest.MonkeyPatch, demo: dict[str, str]
) -> None:
    from ansible_collections.mlops.serving.plugins.module_utils._adapters.postgres import Postgres

    statements: list[str] = []
    for name in ("query", "execute"):
        original = getattr(Postgres, name)

        def counted(self: Any, sql: str, values: Any = None, original: Any = original) -> Any:
            statements.append(sql)
            return original(self, sql, values)

        monkeypatch.setattr(Postgres, name, counted)
    endpoints = [{"name": f"e{number}", "model": "add_sub", "model_version": 1} for number in range(1000)]
    answer = run_module("endpoint", endpoints=endpoints)
    assert len({entry["id"] for entry in answer["endpoints"]}) == 1000
    assert len(statements) < 10
    assert not run_module("endpoint", endpoints=endpoints)["changed"]
