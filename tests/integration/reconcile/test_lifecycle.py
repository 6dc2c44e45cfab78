"""One endpoint's life in simulate: deployed, changed, given a canary, promoted, deleted."""

from __future__ import annotations

from typing import Any

import pytest

V1, V2, V3 = "s3://models/add_sub/v1/", "s3://models/add_sub/v2/", "s3://models/add_sub/v3/"
ENDPOINT = "7d4f0a52-0000-4000-8000-000000000001"
TRITON = {"modelFormat": "triton", "protocolVersion": "v2", "runtimeVersion": "24.08-py3"}


@pytest.fixture
def versions(world: Any) -> list[str]:
    return list(world.model(V1, V2, V3))


def test_a_life_from_creation_to_deletion(world: Any, run: Any, reconcile: Any, versions: list[str]) -> None:
    statuses = Statuses(world)
    run("endpoint", name="demo", model="add_sub", model_version=1, runtime="kserve-triton", runtime_config=TRITON)
    first = reconcile()
    assert first["changed"]
    [done] = first["endpoints"]
    held = world.deployment("demo")
    assert done["writes"] == ["first deployment"]
    assert (done["status"], done["url"], done["mode"]) == ("READY", f"http://{held['name']}.example.local", "Knative")
    assert held["name"] == f"isvc-{str(done['id'])[:8]}"
    assert (held["namespace"], held["deploy_mode"], held["host"]) == ("mlops-serving", "simulate", "simulate")
    assert (held["stable_version_id"], held["stable_revision"]) == (versions[0], f"{held['name']}-predictor-00001")
    assert (held["generation"], held["pending"], held["lease_owner"], held["last_error"]) == (1, None, None, None)
    assert held["applied_hash"] == held["attempted_hash"]
    assert world.row("demo")["url"] == done["url"]
    assert world.shares("demo") == {V1: 100}

    run("endpoint", name="demo", model_version=2)
    assert world.row("demo")["url"] == done["url"], "the address stays while the new model is brought up"
    [changed] = reconcile()["endpoints"]
    assert [write.split(";")[0] for write in changed["writes"]] == [
        "stage at 0 %",
        f"{held['name']}-predictor-00002 is ready: give it all traffic",
    ]
    assert world.shares("demo") == {V2: 100}
    assert world.deployment("demo")["stable_version_id"] == versions[1]

    for percent in (10, 50):
        run("endpoint", name="demo", model_version=3, traffic={"canaryTrafficPercent": percent})
        assert reconcile()["changed"]
        assert world.shares("demo") == {V3: percent, V2: 100 - percent}
        held = world.deployment("demo")
        assert held["stable_version_id"] == versions[1], "a canary is not what is come back to"
        assert held["stable_spec"]["spec"]["predictor"]["model"]["storageUri"] == V2
        assert held["applied_spec"]["spec"]["predictor"]["model"]["storageUri"] == V3

    run("endpoint", name="demo", traffic={})
    assert reconcile()["changed"]
    assert world.shares("demo") == {V3: 100}
    held = world.deployment("demo")
    assert (held["stable_version_id"], held["stable_revision"]) == (versions[2], f"{held['name']}-predictor-00003")
    assert "canaryTrafficPercent" not in world.service("demo")["object"]["spec"]["predictor"]
    assert held["generation"] == 5

    run("endpoint", name="demo", state="absent")
    assert world.row("demo")["status"] == "DELETING"
    [gone] = reconcile()["endpoints"]
    assert (gone["status"], gone["url"], gone["writes"]) == ("DELETED", None, ["the endpoint is to be deleted"])
    assert (world.row("demo")["status"], world.row("demo")["url"]) == ("DELETED", None)
    assert world.sql("select * from serving.simulated_service") == []
    held = world.deployment("demo")
    assert (held["applied_hash"], held["stable_spec"], held["namespace"], held["name"]) == (None, None, None, None)

    assert statuses.seen() == [
        *("CREATING", "DEPLOYING", "READY"),
        *("DEPLOYING", "READY") * 4,
        *("DELETING", "DELETED"),
    ]


def test_a_deleted_endpoint_comes_back(world: Any, run: Any, reconcile: Any, versions: list[str]) -> None:
    run("endpoint", name="demo", model="add_sub", model_version=1)
    reconcile()
    run("endpoint", name="demo", state="absent")
    reconcile()
    run("endpoint", name="demo", model_version=2)
    assert reconcile()["endpoints"][0]["writes"] == ["first deployment"]
    assert world.row("demo")["status"] == "READY"
    assert world.shares("demo") == {V2: 100}


@pytest.mark.parametrize(
    ("by_module", "by_hand"),
    [
        ({"model_version": 2}, {"model_version_id": "versions[1]"}),
        ({"model_version": 2, "traffic": {"canaryTrafficPercent": 25}}, {"model_version_id": "versions[1]", "traffic": '{"canary_percent": "25"}'}),
        ({"autoscaling": {"minReplicas": 2, "maxReplicas": 5}}, {"autoscaling": '{"min_replicas": 2, "maxReplicas": "5"}'}),
        (
            {"runtime_config": {**TRITON, "gpu": 1, "timeout": 30}},
            {"runtime_config": '{"format": "triton", "protocolVersion": "v2", "runtimeVersion": "24.08-py3", "gpu": true, "timeout": 30}'},
        ),
        ({"state": "absent"}, {"status": "DELETING"}),
    ],
    ids=["model", "canary", "autoscaling", "runtime_config", "deletion"],
)
def test_a_row_changed_by_hand_ends_like_one_changed_by_the_module(
    world: Any, run: Any, reconcile: Any, versions: list[str], by_module: dict[str, Any], by_hand: dict[str, str]
) -> None:
    def deployed_then(change: Any) -> dict[str, Any]:
        """The same endpoint from nothing, with the same id, so that nothing has to be left out of the comparison."""
        world.sql("delete from endpoints; delete from serving.deployment; delete from serving.simulated_service")
        world.endpoint("demo", versions[0], id=ENDPOINT, runtime="kserve-triton", runtime_config=TRITON)
        reconcile()
        change()
        [done] = reconcile()["endpoints"]
        assert done["writes"] != []
        return {"writes": done["writes"], **outcome(world)}

    def by_hand_in_sql() -> None:
        for column, value in by_hand.items():
            world.sql(f"update endpoints set {column} = %s", versions[1] if value == "versions[1]" else value)

    assert deployed_then(by_hand_in_sql) == deployed_then(lambda: run("endpoint", name="demo", **by_module))


def outcome(world: Any) -> dict[str, Any]:
    """All that became of the endpoint; only hashes of spellings, times and versions may differ."""
    row, held, service = world.row("demo"), world.deployment("demo"), world.service("demo")
    if service is not None:
        del service["uid"]
    clocks = ("claimed_at", "observed_at", "applied_hash", "attempted_hash", "observed_version")
    return {
        "row": {column: row[column] for column in ("status", "url", "model_version_id")},
        "deployment": {column: value for column, value in held.items() if column not in clocks},
        "service": service,
    }


class Statuses:
    """Every status that the row ever had, kept by the database itself."""

    def __init__(self, world: Any) -> None:
        self._world = world
        world.sql(
            "create table status_log (n bigint generated always as identity, status text);"
            " create function keep_status() returns trigger language plpgsql as $$ begin"
            " if tg_op = 'INSERT' or new.status <> old.status then insert into status_log (status) values (new.status); end if;"
            " return new; end $$;"
            " create trigger keep_status after insert or update on endpoints for each row execute function keep_status()"
        )

    def seen(self) -> list[str]:
        return [row["status"] for row in self._world.sql("select status from status_log order by n")]
