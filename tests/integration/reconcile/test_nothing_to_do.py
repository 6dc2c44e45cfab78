"""What is not to be written is not written: unchanged endpoints, check mode, diff."""

from __future__ import annotations

import json
from typing import Any

import pytest

V1, V2 = "s3://models/add_sub/v1/", "s3://models/add_sub/v2/"


@pytest.fixture
def versions(world: Any) -> list[str]:
    return list(world.model(V1, V2))


def test_a_second_run_writes_nothing(world: Any, reconcile: Any, versions: list[str]) -> None:
    world.many(20, versions[0])
    world.endpoint("standard", versions[0], runtime_config={"deploymentMode": "Standard"})
    assert reconcile()["changed"]
    before = world.everything()
    again = reconcile()
    assert (again["changed"], again["endpoints"]) == (False, [])
    assert world.everything() == before


def test_one_change_among_many_touches_nothing_else(world: Any, reconcile: Any, versions: list[str]) -> None:
    world.many(20, versions[0])
    reconcile()
    before = world.everything()
    world.sql("update endpoints set model_version_id = %s where name = 'many-0007'", versions[1])
    assert [done["name"] for done in reconcile()["endpoints"]] == ["many-0007"]
    after = world.everything()
    for table, key in (("endpoints", "id"), ("serving.deployment", "endpoint_id"), ("serving.simulated_service", "name")):
        old, new = ({row[key]: row for row in rows[table]} for rows in (before, after))
        assert old.keys() == new.keys()
        assert len([name for name in old if old[name] != new[name]]) == 1, table


def test_looking_at_all_of_them_again_changes_nothing_but_the_time_of_the_look(
    world: Any, reconcile: Any, versions: list[str]
) -> None:
    world.many(5, versions[0])
    reconcile()
    before = world.everything()
    # As if each had been written since, such as its status by KServe.
    world.sql("update serving.deployment set observed_version = null")
    answer = reconcile(drift=True, diff=True)
    assert (answer["changed"], len(answer["endpoints"]), answer.get("diff")) == (False, 5, None)
    after = world.everything()
    assert after["endpoints"] == before["endpoints"], "READY endpoints are not shown as being deployed"
    assert after["serving.simulated_service"] == before["serving.simulated_service"]
    assert {row["generation"] for row in after["serving.deployment"]} == {1}


CHANGES = {
    "first": {},
    "model": {"model_version": 2},
    "canary": {"model_version": 2, "traffic": {"canaryTrafficPercent": 10}},
    "replicas": {"autoscaling": {"minReplicas": 3}},
    "deletion": {"state": "absent"},
    "by hand": {"sql": "update endpoints set autoscaling = '{\"minReplicas\": 4}'"},
    "bad row": {"sql": "update endpoints set traffic = '{\"canaryTrafficPercent\": 150}'"},
}


@pytest.mark.parametrize(
    ("what", "mode"),
    [(what, mode) for what in CHANGES for mode in ("Knative", "Standard") if (what, mode) != ("canary", "Standard")],
)
def test_check_mode_writes_nothing_and_tells_what_the_run_then_does(
    world: Any, run: Any, reconcile: Any, versions: list[str], what: str, mode: str
) -> None:
    world.endpoint("demo", versions[0], runtime_config={"deploymentMode": mode})
    if what != "first":
        reconcile()
        change = dict(CHANGES[what])
        if "sql" in change:
            world.sql(change["sql"])
        else:
            run("endpoint", name="demo", **change)
    fails = what == "bad row"
    before = world.everything()
    told = reconcile(check=True, diff=True, fails=fails)
    assert world.everything() == before
    done = reconcile(diff=True, fails=fails)
    assert told["changed"] is done["changed"] is not fails
    assert told.get("diff") == done.get("diff")
    assert told.get("failed_endpoints") == done.get("failed_endpoints")
    [expected], [seen] = told["endpoints"], done["endpoints"]
    same = ("name", "id", "changed", "namespace", "service", "mode", "warnings", "status")
    assert {name: expected[name] for name in same} == {name: seen[name] for name in same}
    assert expected["writes"] == seen["writes"][:1], "check mode names the first write"


def test_check_mode_of_nothing_to_do(world: Any, reconcile: Any, versions: list[str]) -> None:
    world.endpoint("demo", versions[0])
    reconcile()
    told = reconcile(check=True, diff=True)
    assert (told["changed"], told["endpoints"], told.get("diff")) == (False, [], None)


def test_check_mode_sees_drift(world: Any, reconcile: Any, versions: list[str]) -> None:
    world.endpoint("demo", versions[0])
    reconcile()
    world.sql("update serving.simulated_service set object = jsonb_set(object, '{spec,predictor,timeout}', '7')")
    world.sql(
        "update serving.simulated_service set object = jsonb_set(object, '{spec,predictor,model,storageUri}', '\"s3://x/\"'),"
        " resource_version = resource_version + 1"
    )
    before = world.everything()
    told = reconcile(check=True, drift=True)
    assert world.everything() == before
    assert told["changed"]
    assert "storageUri" in told["endpoints"][0]["writes"][0]


def test_the_diff_shows_labels_annotations_and_spec_only(world: Any, run: Any, reconcile: Any, versions: list[str]) -> None:
    world.endpoint("demo", versions[0])
    first = reconcile(diff=True)
    [entry] = first["diff"]
    assert entry["before"] == ""
    assert entry["after"]["spec"]["predictor"]["model"]["storageUri"] == V1
    service = world.deployment("demo")["name"]
    assert entry["before_header"] == entry["after_header"] == f"demo (mlops-serving/{service})"
    run("endpoint", name="demo", model_version=2, traffic={"canaryTrafficPercent": 30})
    [entry] = reconcile(diff=True)["diff"]
    for side in ("before", "after"):
        assert set(entry[side]) == {"metadata", "spec"}
        assert set(entry[side]["metadata"]) == {"labels", "annotations"}
        assert "status" not in json.dumps(entry[side])
    changed = {key for key in entry["after"]["spec"]["predictor"] if entry["after"]["spec"]["predictor"][key] != entry["before"]["spec"]["predictor"].get(key)}
    assert changed == {"model", "canaryTrafficPercent"}
    assert entry["before"]["metadata"] == entry["after"]["metadata"]


def test_without_diff_mode_there_is_no_diff(world: Any, reconcile: Any, versions: list[str]) -> None:
    world.endpoint("demo", versions[0])
    assert "diff" not in reconcile()
