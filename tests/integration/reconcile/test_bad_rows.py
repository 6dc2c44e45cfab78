"""Rows that cannot be served: one clear sentence each, nothing of them written, and the others done."""

from __future__ import annotations

from typing import Any

import pytest

V1, V2 = "s3://models/add_sub/v1/", "s3://models/add_sub/v2/"


@pytest.fixture
def versions(world: Any) -> list[str]:
    return list(world.model(V1, V2, None))


# What is wrong with the row: {columns}, then the field, the value and a word of the cure.
BAD = {
    "a number that is none": ({"autoscaling": {"minReplicas": "many"}}, "autoscaling.minReplicas", "'many'", "number"),
    "a section that is no mapping": ({"traffic": [10]}, "traffic", "[10]", "key: value"),
    "a percentage above 100": ({"traffic": {"canaryTrafficPercent": 150}}, "traffic.canaryTrafficPercent", "150", "0 to 100"),
    "v1 for Triton": (
        {"runtime": "kserve-triton", "runtime_config": {"protocolVersion": "v1"}},
        *("runtime_config.protocolVersion", "'v1'", "v2"),
    ),
    "a canary in Standard mode": (
        {"traffic": {"canaryTrafficPercent": 10}, "runtime_config": {"deploymentMode": "Standard"}},
        *("traffic.canaryTrafficPercent", "10", "Knative"),
    ),
    "no artifact": ({"model_version_id": 2}, "model_versions.artifact_uri", None, "model_version"),
    "no version": ({"model_version_id": None}, "model_version_id", None, "model_version"),
}


def with_version(columns: dict[str, Any], versions: list[str]) -> dict[str, Any]:
    if isinstance(columns.get("model_version_id"), int):
        return {**columns, "model_version_id": versions[columns["model_version_id"]]}
    return columns


def update(world: Any, name: str, columns: dict[str, Any]) -> None:
    import psycopg2.extras

    for column, value in columns.items():
        stored = psycopg2.extras.Json(value) if isinstance(value, (dict, list)) else value
        world.sql(f"update endpoints set {column} = %s where name = %s", stored, name)


def add(world: Any, name: str, columns: dict[str, Any], versions: list[str]) -> None:
    chosen = with_version(columns, versions)
    world.endpoint(name, chosen.get("model_version_id", versions[0]), **{k: v for k, v in chosen.items() if k != "model_version_id"})


@pytest.mark.parametrize("what", list(BAD))
def test_a_bad_row_is_named_and_the_others_are_done(world: Any, reconcile: Any, versions: list[str], what: str) -> None:
    columns, field, value, cure = BAD[what]
    world.endpoint("a-good-one", versions[0])
    add(world, "bad", columns, versions)
    world.endpoint("z-good-one", versions[0])
    answer = reconcile(fails=True)

    [failed] = answer["failed_endpoints"]
    failure = failed["failure"]
    assert (failed["name"], failure["endpoint"], failure["code"]) == ("bad", "bad", "invalid_intent")
    assert (failure["field"], failure["value"]) == (field, value)
    assert cure in failure["cure"]
    assert failed["msg"] == failure["message"] == answer["msg"]
    assert failed["msg"].startswith(f"endpoint bad: {field}")
    assert "\n" not in failed["msg"]
    assert {done["name"]: (done["status"], done["changed"]) for done in answer["endpoints"]} == {
        "a-good-one": ("READY", True),
        "bad": ("ERROR", False),
        "z-good-one": ("READY", True),
    }
    assert answer["changed"]
    assert (world.row("bad")["status"], world.row("bad")["url"]) == ("ERROR", None)
    assert world.deployment("bad")["last_error"] == failed["msg"]
    assert world.service("bad") is None, "nothing of it is on the cluster"
    assert world.deployment("bad")["applied_hash"] is None


@pytest.mark.parametrize("what", list(BAD))
def test_a_row_that_became_bad_leaves_what_serves_alone(world: Any, reconcile: Any, versions: list[str], what: str) -> None:
    columns, field, _value, _cure = BAD[what]
    world.endpoint("demo", versions[1], runtime=columns.get("runtime", "kserve"))
    reconcile()
    url, service, applied = world.row("demo")["url"], world.service("demo"), world.deployment("demo")["applied_hash"]
    update(world, "demo", with_version(columns, versions))
    answer = reconcile(fails=True)
    assert answer["failed_endpoints"][0]["failure"]["field"] == field
    assert not answer["changed"]
    [seen] = answer["endpoints"]
    assert (seen["status"], seen["url"], seen["writes"]) == ("READY", url, [])
    assert (world.row("demo")["status"], world.row("demo")["url"]) == ("READY", url)
    assert world.service("demo") == service
    held = world.deployment("demo")
    assert (held["applied_hash"], held["lease_owner"]) == (applied, None)
    assert field in held["last_error"]


def test_all_that_failed_are_listed_and_said_in_one_sentence(world: Any, reconcile: Any, versions: list[str]) -> None:
    for number, (columns, *_rest) in enumerate(BAD.values()):
        add(world, f"bad-{number}", columns, versions)
    world.endpoint("good", versions[0])
    answer = reconcile(fails=True)
    assert [failed["name"] for failed in answer["failed_endpoints"]] == [f"bad-{number}" for number in range(len(BAD))]
    assert answer["msg"].startswith(f"{len(BAD)} endpoints failed, the others were done: endpoint bad-0: ")
    assert world.row("good")["status"] == "READY"


def test_a_version_that_is_deleted_from_under_an_endpoint(world: Any, reconcile: Any, versions: list[str]) -> None:
    world.endpoint("demo", versions[1])
    reconcile()
    world.sql("delete from model_versions where id = %s", versions[1])
    answer = reconcile(fails=True)
    assert answer["failed_endpoints"][0]["failure"]["field"] == "model_version_id"
    assert world.row("demo")["status"] == "READY"
    assert world.shares("demo") == {V2: 100}


def test_an_unknown_key_is_a_stored_warning_and_the_endpoint_serves(world: Any, reconcile: Any, versions: list[str]) -> None:
    world.endpoint("demo", versions[0], runtime_config={"modelFormat": "sklearn", "runtimeVersoin": "1.0"})
    [done] = reconcile()["endpoints"]
    assert done["status"] == "READY"
    [warning] = done["warnings"]
    assert warning.startswith("runtime_config.runtimeVersoin is not a key that is known here")
    assert "did you mean runtimeVersion" in warning
    assert world.deployment("demo")["warnings"] == [warning]
    assert "runtimeVersion" not in world.service("demo")["object"]["spec"]["predictor"]["model"]


def test_an_unknown_key_is_an_error_where_asked(world: Any, reconcile: Any, versions: list[str]) -> None:
    world.endpoint("demo", versions[0], runtime_config={"runtimeVersoin": "1.0"})
    answer = reconcile(fails=True, strict=True)
    assert answer["failed_endpoints"][0]["failure"]["field"] == "runtime_config.runtimeVersoin"
    assert world.row("demo")["status"] == "ERROR"


def test_a_row_that_is_put_right_is_served_and_the_error_is_gone(world: Any, reconcile: Any, versions: list[str]) -> None:
    world.endpoint("demo", versions[0], traffic={"canaryTrafficPercent": 150})
    reconcile(fails=True)
    update(world, "demo", {"traffic": {}})
    assert reconcile()["changed"]
    held = world.deployment("demo")
    assert (world.row("demo")["status"], held["last_error"], held["attempts"]) == ("READY", None, 0)


def test_a_row_that_is_put_back_by_hand_has_no_error_left(world: Any, reconcile: Any, versions: list[str]) -> None:
    world.endpoint("demo", versions[0])
    reconcile()
    update(world, "demo", {"traffic": {"canaryTrafficPercent": 150}})
    reconcile(fails=True)
    update(world, "demo", {"traffic": {}})
    [done] = reconcile()["endpoints"]
    assert (done["changed"], done["writes"]) == (False, [])
    assert world.deployment("demo")["last_error"] is None
    assert reconcile()["endpoints"] == []
