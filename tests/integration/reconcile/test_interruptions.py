"""Runs that are killed, runs beside one another, and what somebody changed behind our back."""

from __future__ import annotations

import json
import signal
from collections import Counter
from typing import Any

import psycopg2
import pytest
from waiting import until

V1, V2 = "s3://models/add_sub/v1/", "s3://models/add_sub/v2/"
MANY = 200


@pytest.fixture
def versions(world: Any) -> list[str]:
    return list(world.model(V1, V2))


def statuses(world: Any) -> dict[str, int]:
    return {row["status"]: row["n"] for row in world.sql("select status, count(*)::int as n from endpoints group by 1")}


def leases_end(world: Any) -> None:
    """A minute later."""
    world.sql("update serving.deployment set lease_until = now() - interval '1 second' where lease_until is not null")


@pytest.mark.parametrize(
    ("what", "sent"),
    [("first deployment", signal.SIGKILL), ("change of model", signal.SIGKILL), ("first deployment", signal.SIGINT)],
)
def test_a_run_that_is_killed_is_finished_by_the_next(
    *, world: Any, start: Any, reconcile: Any, versions: list[str], what: str, sent: signal.Signals
) -> None:
    world.many(MANY, versions[0])
    if what == "change of model":
        reconcile()
        world.sql("update endpoints set model_version_id = %s", versions[1])
    service = "select count(*)::int as n from serving.deployment where attempted_hash is not null and attempts = 0 and generation = %s"
    generation = 1 if what == "first deployment" else 2
    process = start("reconcile", deploy_mode="simulate")
    until(lambda: world.one(service, generation)["n"] >= MANY // 10, every=0.002)
    process.send_signal(sent)
    process.communicate(timeout=30)
    left = statuses(world)
    assert 0 < left["READY"] < MANY, "killed in the middle"
    assert left["DEPLOYING"] > 0
    unknown = world.sql(
        "select d.endpoint_name from serving.deployment d join serving.simulated_service s using (namespace, name)"
        " where d.pending is null and s.object #> '{spec,predictor,model}' is distinct from d.applied_spec #> '{spec,predictor,model}'"
    )
    assert unknown == [], "what is written to the cluster is written down before"
    if sent is signal.SIGKILL:
        leases_end(world)  # whoever was interrupted has given them back
    reconcile()
    assert statuses(world) == {"READY": MANY}
    held = world.sql("select * from serving.deployment")
    assert {row["generation"] for row in held} == {generation}
    assert {(row["pending"], row["lease_owner"], row["last_error"]) for row in held} == {(None, None, None)}
    revisions = Counter(len(row["state"]["revisions"]) for row in world.sql("select state from serving.simulated_service"))
    assert revisions == {generation: MANY}, "each change made one revision"


def test_two_runs_at_once_do_each_endpoint_once(world: Any, start: Any, versions: list[str]) -> None:
    world.many(MANY, versions[0])
    processes = [start("reconcile", deploy_mode="simulate") for _turn in range(2)]
    answers = []
    for process in processes:
        printed, errors = process.communicate(timeout=60)
        assert process.returncode == 0, printed + errors
        answers.append(json.loads(printed))
    done = Counter(item["name"] for answer in answers for item in answer["endpoints"] if item["changed"])
    assert set(done.values()) == {1}
    assert len(done) == MANY
    assert statuses(world) == {"READY": MANY}
    held = world.sql("select generation, epoch, last_error from serving.deployment")
    assert {(row["generation"], row["epoch"], row["last_error"]) for row in held} == {(1, 1, None)}
    assert {len(row["state"]["revisions"]) for row in world.sql("select state from serving.simulated_service")} == {1}


def test_a_run_waits_for_what_another_run_has_in_hand(world: Any, start: Any, reconcile: Any, versions: list[str]) -> None:
    """Else its end would say that all is applied, while an endpoint is not."""
    world.endpoint("demo", versions[0])
    reconcile()
    world.sql("update endpoints set model_version_id = %s", versions[1])
    world.sql("update serving.deployment set lease_owner = 'elsewhere:1', lease_until = now() + interval '60 s', epoch = epoch + 1")
    process = start("reconcile", deploy_mode="simulate")
    asked = "select count(*)::int as n from pg_stat_activity where datname = current_database() and query like '%%d.lease_owner <> %%'"
    until(lambda: world.one(asked.replace("%%", "%"))["n"] > 1, every=0.002)
    assert process.poll() is None
    leases_end(world)
    printed, _errors = process.communicate(timeout=20)
    assert json.loads(printed)["endpoints"][0]["writes"] != []
    assert world.shares("demo") == {V2: 100}


def test_a_run_does_not_wait_for_ever(world: Any, reconcile: Any, versions: list[str]) -> None:
    for name in ("held", "other"):
        world.endpoint(name, versions[0])
    reconcile()
    world.sql("update endpoints set model_version_id = %s", versions[1])
    world.sql(
        "update serving.deployment set lease_owner = 'elsewhere:1', lease_until = now() + interval '60 s', epoch = epoch + 1"
        " where endpoint_name = 'held'"
    )
    answer = reconcile(fails=True, timeout=1)
    assert [(failed["name"], failed["failure"]["code"]) for failed in answer["failed_endpoints"]] == [("held", "refused")]
    assert "elsewhere:1 works on it" in answer["msg"]
    assert (world.shares("held"), world.shares("other")) == ({V1: 100}, {V2: 100})


def test_a_row_changed_while_it_is_deployed_is_done_in_the_same_run(world: Any, reconcile: Any, versions: list[str]) -> None:
    """The database itself makes the change, in the middle of the first deployment."""
    world.endpoint("demo", versions[0])
    world.sql(
        "create function meddle() returns trigger language plpgsql as $$ begin"
        f" update endpoints set model_version_id = '{versions[1]}'; return new; end $$;"
        " create trigger meddle after insert on serving.simulated_service for each row execute function meddle()"
    )
    [done] = reconcile()["endpoints"]
    assert [write.split(";")[0] for write in done["writes"]][:2] == ["first deployment", "stage at 0 %"]
    assert (world.row("demo")["status"], world.shares("demo"), world.deployment("demo")["generation"]) == ("READY", {V2: 100}, 2)


def test_what_was_done_before_the_store_went_away_is_told(world: Any, start: Any, versions: list[str], postgres: str) -> None:
    some = 60
    world.many(some, versions[0])
    process = start("reconcile", deploy_mode="simulate")
    until(lambda: statuses(world).get("READY", 0) > 0, every=0.002)
    admin = psycopg2.connect(postgres)
    admin.autocommit = True
    name = world.one("select current_database() as name")["name"]
    with admin.cursor() as cursor:
        cursor.execute(f"alter database {name} with allow_connections false")
        cursor.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s and application_name = 'mlops.serving'", (name,))
        printed, _errors = process.communicate(timeout=60)
        cursor.execute(f"alter database {name} with allow_connections true")
    admin.close()
    answer = json.loads(printed)
    assert (answer["failed"], answer["changed"]) == (True, True)
    assert "not currently accepting connections" in answer["msg"]
    told = {done["name"] for done in answer["endpoints"] if done["status"] == "READY"}
    assert told == {row["name"] for row in world.sql("select name from endpoints where status = 'READY'")}
    assert 0 < len(told) < some


def edited(world: Any, path: str, value: Any) -> None:
    world.sql(
        f"update serving.simulated_service set object = jsonb_set(object, '{path}', %s), resource_version = resource_version + 1",
        json.dumps(value),
    )


@pytest.mark.parametrize("mode", ["Knative", "Standard"])
def test_what_somebody_edited_on_the_cluster_is_put_right_when_asked(
    world: Any, reconcile: Any, versions: list[str], mode: str
) -> None:
    world.endpoint("demo", versions[0], runtime_config={"deploymentMode": mode})
    reconcile()
    spec = world.service("demo")["object"]["spec"]
    edited(world, "{spec,predictor,model,storageUri}", "s3://somebody/else/")
    assert reconcile()["endpoints"] == [], "not looked at unless asked"
    [done] = reconcile(drift=True)["endpoints"]
    assert (done["changed"], done["status"]) == (True, "READY")
    assert "spec.predictor.model.storageUri" in done["writes"][0]
    assert world.service("demo")["object"]["spec"] == spec
    if mode == "Knative":
        assert world.shares("demo") == {V1: 100}
    assert reconcile(drift=True)["endpoints"] == [], "it has the version that it had when it was found right"
    [again] = reconcile(drift=True, endpoints=["demo"])["endpoints"]
    assert (again["changed"], again["writes"]) == (False, [])


def test_one_of_many_that_were_edited_is_looked_at_alone(world: Any, reconcile: Any, versions: list[str]) -> None:
    world.many(5, versions[0])
    reconcile()
    epochs = "select endpoint_name, epoch from serving.deployment order by endpoint_name"
    before = {row["endpoint_name"]: row["epoch"] for row in world.sql(epochs)}
    assert reconcile(drift=True)["endpoints"] == []
    assert {row["endpoint_name"]: row["epoch"] for row in world.sql(epochs)} == before, "none was claimed"
    world.sql(
        "update serving.simulated_service set object = jsonb_set(object, '{spec,predictor,model,storageUri}', '\"s3://x/\"'),"
        " resource_version = resource_version + 1"
        " where name = (select name from serving.deployment where endpoint_name = %s)",
        min(before),
    )
    told = reconcile(drift=True, check=True)
    assert ([one["name"] for one in told["endpoints"]], told["changed"]) == ([min(before)], True)
    [done] = reconcile(drift=True)["endpoints"]
    assert (done["name"], done["changed"]) == (min(before), True)


def test_another_object_of_the_same_name_is_looked_at(world: Any, reconcile: Any, versions: list[str]) -> None:
    world.endpoint("demo", versions[0])
    reconcile()
    world.sql("update serving.simulated_service set uid = 'another'")  # such as that of a cluster that was made anew
    assert [one["name"] for one in reconcile(drift=True)["endpoints"]] == ["demo"]
    assert reconcile(drift=True)["endpoints"] == []


def test_a_service_that_somebody_deleted_comes_back(world: Any, reconcile: Any, versions: list[str]) -> None:
    world.endpoint("demo", versions[0])
    reconcile()
    world.sql("delete from serving.simulated_service")
    [done] = reconcile(drift=True)["endpoints"]
    assert (done["changed"], done["writes"]) == (True, ["first deployment"])
    assert world.shares("demo") == {V1: 100}


def test_the_service_of_a_row_that_was_deleted_by_hand_is_removed(world: Any, reconcile: Any, versions: list[str]) -> None:
    for name in ("orphan", "other"):
        world.endpoint(name, versions[0])
    reconcile()
    world.sql("delete from endpoints where name = 'orphan'")
    before = world.everything()
    told = reconcile(check=True)
    assert world.everything() == before
    answer = reconcile()
    for seen in (told, answer):
        [gone] = seen["endpoints"]
        assert (gone["name"], gone["status"], gone["changed"]) == ("orphan", "DELETED", True)
        assert gone["writes"] == ["the endpoint is to be deleted"]
    assert [row["name"] for row in world.sql("select name from serving.simulated_service")] == [world.deployment("other")["name"]]
    assert reconcile()["endpoints"] == []


def test_an_orphan_of_another_tenant_stays(world: Any, reconcile: Any, versions: list[str]) -> None:
    neighbour = world.other_tenant()
    neighbour.endpoint("orphan", neighbour.model(V1)[0])
    reconcile()
    world.sql("delete from endpoints")
    assert reconcile(tenant_id=world.tenant)["endpoints"] == []
    assert len(world.sql("select * from serving.simulated_service")) == 1


def test_a_service_of_somebody_else_is_not_touched(world: Any, reconcile: Any, versions: list[str]) -> None:
    endpoint = world.endpoint("demo", versions[0])
    name = f"isvc-{endpoint[:8]}"
    foreign = {"metadata": {"name": name, "namespace": "mlops-serving", "labels": {}}, "spec": {"predictor": {"model": {}}}}
    world.sql(
        "insert into serving.simulated_service values ('mlops-serving', %s, 'their-uid', 1, 1, %s, '{}')", name, json.dumps(foreign)
    )
    answer = reconcile(fails=True)
    assert "it was not touched" in answer["msg"]
    assert world.row("demo")["status"] == "ERROR"
    assert world.service("demo")["object"]["spec"] == foreign["spec"]
