"""Who gets which endpoint: each one's intent once, never two workers at a time, under a name of its own."""

from __future__ import annotations

import threading
import uuid
from collections import Counter
from typing import Any

import pytest
from ansible_collections.mlops.serving.plugins.module_utils._adapters.store import Claim, Scope, Settings, Store
from ansible_collections.mlops.serving.plugins.module_utils._domain.convergence import Pending
from ansible_collections.mlops.serving.plugins.module_utils._domain.errors import InvalidIntent, LeaseLost

ALL = Scope()


def claim(store: Store, **options: Any) -> list[Claim]:
    settings = Settings(**{name: options.pop(name) for name in list(options) if name in Settings.__dataclass_fields__})
    options = {"scope": ALL, "limit": 100, "ttl": 60, "settings": settings, **options}
    return store.claim(options.pop("owner", "me"), **options)


def converge(store: Store, held: Claim, **values: Any) -> None:
    store.record_converged(
        held,
        **{
            "intent_hash": held.endpoint.intent_hash,
            "version_id": held.endpoint.model_version_id,
            "revision": "r-00001",
            "spec": {"spec": {}},
            "url": "http://there",
            "serving_mode": "Knative",
            "warnings": ["careful"],
            "host": "simulate",
            **values,
        },
    )


@pytest.fixture
def version(rows: Any) -> str:
    return str(rows.version(rows.model()))


def test_a_new_endpoint_is_claimed_deployed_and_then_left_alone(store: Store, rows: Any, version: str) -> None:
    endpoint = rows.endpoint(version=version, traffic={}, runtime_config={"modelFormat": "triton"})
    assert store.due(ALL) == [endpoint]
    [held] = claim(store)
    assert (held.endpoint.id, held.endpoint.name, held.epoch, held.namespace) == (endpoint, "demo", 1, "mlops-serving")
    assert held.name == f"isvc-{endpoint[:8]}"
    assert held.endpoint.artifact_uri == "s3://mlops-artifacts/triton/add_sub/"
    assert held.endpoint.columns["tenant_id"] == rows.tenant
    assert rows.get(endpoint)["status"] == "DEPLOYING"
    store.record_pending(held, Pending({"kind": "x"}, "r-00000", 12.5), "Knative")
    assert store.reload(held).record.pending == Pending({"kind": "x"}, "r-00000", 12.5)
    converge(store, held)
    row, deployment = rows.get(endpoint), rows.deployment(endpoint)
    assert (row["status"], row["url"]) == ("READY", "http://there")
    assert (deployment["stable_revision"], deployment["pending"], deployment["lease_owner"]) == ("r-00001", None, None)
    assert (deployment["generation"], deployment["warnings"], deployment["host"]) == (1, ["careful"], "simulate")
    assert store.due(ALL) == []
    assert claim(store) == []


@pytest.mark.parametrize(
    "change",
    [
        "update endpoints set traffic = '{\"canaryTrafficPercent\": 10}'",
        "update endpoints set autoscaling = '{\"minReplicas\": 2}'",
        "update endpoints set runtime_config = runtime_config || '{\"gpu\": true}'",
        "update endpoints set runtime = 'kserve-triton'",
        "update endpoints set model_version_id = null",
        "update model_versions set artifact_uri = 's3://elsewhere/'",
    ],
)
def test_a_row_changed_by_hand_is_due(store: Store, rows: Any, version: str, change: str) -> None:
    endpoint = rows.endpoint(version=version)
    converge(store, claim(store)[0])
    before = rows.hash(endpoint)
    store.database.execute(change)
    assert rows.hash(endpoint) != before
    assert store.due(ALL) == [endpoint]
    [held] = claim(store)
    assert held.endpoint.intent_hash == rows.hash(endpoint)
    assert held.record.stable_revision == "r-00001"


@pytest.mark.parametrize(
    "change", ["created_by = 'somebody'", "status = 'READY'", "url = 'http://x'", "updated_at = now()"]
)
def test_what_is_not_rendered_is_not_due(store: Store, rows: Any, version: str, change: str) -> None:
    endpoint = rows.endpoint(version=version)
    converge(store, claim(store)[0])
    rows.set(endpoint, change)
    assert store.due(ALL) == []


def test_two_connections_never_get_the_same_endpoint(database: str, store: Store, rows: Any, version: str) -> None:
    store.database.execute(
        "insert into endpoints (tenant_id, project_id, name, model_version_id) select %s, %s, 'e' || g, %s from generate_series(1, 300) g",
        (rows.tenant, rows.project, version),
    )
    taken: list[str] = []
    start = threading.Barrier(4)

    def worker(owner: str) -> None:
        mine = Store.connect(database)
        start.wait()
        for _turn in range(60):
            taken.extend(held.endpoint.id for held in claim(mine, owner=owner, limit=7))
        mine.close()

    workers = [threading.Thread(target=worker, args=(f"w{number}",)) for number in range(4)]
    for thread in workers:
        thread.start()
    for thread in workers:
        thread.join()
    assert max(Counter(taken).values()) == 1
    assert len(taken) == 300
    assert store.database.query("select distinct epoch from serving.deployment") == [{"epoch": 1}]


def test_a_row_that_somebody_is_writing_is_passed_over(database: str, store: Store, rows: Any, version: str) -> None:
    busy = rows.endpoint("busy", version=version)
    rows.endpoint("free", version=version)
    other = Store.connect(database)
    with other.transaction():
        other.database.query("select 1 from endpoints where id = %s for update", (busy,))
        assert [held.endpoint.name for held in claim(store)] == ["free"]
    assert [held.endpoint.name for held in claim(store)] == ["busy"]
    other.close()


def test_a_stale_read_does_not_take_a_lease_that_somebody_has_just_got(
    database: str, store: Store, rows: Any, version: str
) -> None:
    """Between finding an endpoint due and writing the lease another worker may have taken it."""
    endpoint = rows.endpoint(version=version)
    [held] = claim(store, owner="first")
    slow = Store.connect(database)
    row = {
        "id": endpoint,
        "tenant_id": rows.tenant,
        "project_id": rows.project,
        "name": "demo",
        "wanted_namespace": held.namespace,
        "deployment_name": held.name,
        "intent_hash": held.endpoint.intent_hash,
        "epoch": 0,
    }
    assert slow._take({endpoint: row}, "second", 60, Settings()) == []
    assert rows.deployment(endpoint)["lease_owner"] == "first"
    # Nor when that worker has even finished since.
    converge(store, held)
    assert slow._take({endpoint: row}, "second", 60, Settings()) == []
    assert rows.get(endpoint)["status"] == "READY"
    slow.close()


def test_a_lease_that_ended_goes_to_another_and_the_first_cannot_write(store: Store, rows: Any, version: str) -> None:
    endpoint = rows.endpoint(version=version)
    [old] = claim(store, owner="old")
    assert claim(store, owner="new") == []
    store.database.execute("update serving.deployment set lease_until = now() - interval '1 second'")
    [new] = claim(store, owner="new")
    assert new.epoch == old.epoch + 1
    before = rows.deployment(endpoint)
    late = [
        lambda: store.renew(old, 60),
        lambda: store.reload(old),
        lambda: store.record_pending(old, None, "Knative"),
        lambda: converge(store, old),
        lambda: store.record_failed(old, "x", serving=False),
        lambda: store.record_deleted(old),
    ]
    for write in late:
        with pytest.raises(LeaseLost, match="endpoint demo: another worker"):
            write()
    store.release(old)
    assert rows.deployment(endpoint) == before
    assert rows.get(endpoint)["status"] == "DEPLOYING"
    assert store.renew_all([old, new], 60) == {endpoint: rows.hash(endpoint)}
    converge(store, new)


def test_renew_tells_that_the_intent_changed_meanwhile(store: Store, rows: Any, version: str) -> None:
    endpoint = rows.endpoint(version=version)
    [held] = claim(store)
    assert store.renew(held, 60) == held.endpoint.intent_hash
    rows.set(endpoint, "runtime = 'kserve-triton'")
    assert store.renew(held, 60) == rows.hash(endpoint) != held.endpoint.intent_hash
    assert store.reload(held).endpoint.runtime == "kserve-triton"
    converge(store, held)
    assert rows.get(endpoint)["status"] == "DEPLOYING"
    assert store.due(ALL) == [endpoint]


def test_a_name_that_another_endpoint_holds_gets_more_digits(store: Store, rows: Any, version: str) -> None:
    ids = [
        "12345678-9000-4000-8000-000000000001",
        "12345678-9000-4000-8000-000000000002",
        "12345678-9a00-4000-8000-000000000003",
    ]
    for number, endpoint_id in enumerate(ids):
        rows.endpoint(f"e{number}", version=version, id=endpoint_id)
    names = {held.endpoint.id: held.name for held in claim(store)}
    assert len(set(names.values())) == 3
    assert names[ids[0]] == "isvc-12345678"
    assert all(name.startswith("isvc-12345678") for name in names.values())
    store.database.execute("update serving.deployment set lease_until = null")
    assert {held.endpoint.id: held.name for held in claim(store)} == names


def test_the_same_name_in_another_namespace_is_no_collision(store: Store, rows: Any, version: str) -> None:
    other = rows.other_tenant()
    rows.endpoint("a", version=version, id="12345678-0000-4000-8000-000000000001")
    other.endpoint("b", version=other.version(other.model()), id="12345678-0000-4000-8000-000000000002")
    held = claim(store, namespace_template="tenant-{tenant_id}")
    assert {one.namespace for one in held} == {f"tenant-{rows.tenant}", f"tenant-{other.tenant}"}
    assert {one.name for one in held} == {"isvc-12345678"}


def test_a_namespace_that_cannot_be_made_is_refused_once_and_the_others_go_on(
    store: Store, rows: Any, version: str
) -> None:
    store.database.execute("alter table endpoints add column if not exists tenant_slug text")
    rows.endpoint("good", version=version, tenant_slug="acme")
    bad = rows.endpoint("bad", version=version)
    held = {one.endpoint.name: one for one in claim(store, namespace_template="tenant-{tenant_slug}")}
    assert held["good"].namespace == "tenant-acme"
    assert "tenant_slug" in (held["bad"].refused or "")
    assert rows.get(bad)["status"] == "ERROR"
    assert "tenant_slug" in rows.deployment(bad)["last_error"]
    assert claim(store, namespace_template="tenant-{tenant_slug}") == []


def test_another_deploy_mode_is_refused_unless_forced(store: Store, rows: Any, version: str) -> None:
    endpoint = rows.endpoint(version=version)
    converge(store, claim(store, deploy_mode="kserve")[0], host="https://cluster")
    rows.set(endpoint, "runtime = 'kserve-triton'")
    before = rows.everything()
    [refused] = claim(store)
    assert refused.refused is not None
    assert "mode kserve" in refused.refused
    assert "DEPLOY_MODE" in refused.refused
    assert rows.everything() == before
    assert claim(store) == []
    [forced] = claim(store, force_mode=True) or claim(Store(store.database), force_mode=True)
    assert forced.refused is None
    assert forced.record.stable_spec is None
    assert rows.deployment(endpoint)["deploy_mode"] == "simulate"


def test_a_failure_is_not_tried_again_in_the_same_run_nor_too_early_by_a_worker(
    store: Store, rows: Any, version: str
) -> None:
    endpoint = rows.endpoint(version=version)
    began = store.now()
    [held] = claim(store, since=began)
    store.record_failed(held, "no such model", serving=False)
    assert rows.get(endpoint)["status"] == "ERROR"
    assert rows.deployment(endpoint)["last_error"] == "no such model"
    assert claim(store, since=began) == []
    assert claim(store, patient=True) == []
    rows.set(endpoint, "runtime = 'kserve-triton'")
    [again] = claim(store, since=began)
    store.record_failed(again, "still not", serving=True)
    assert rows.get(endpoint)["status"] == "READY"
    assert len(claim(store)) == 1


def test_failures_are_counted_for_each_intent_and_not_for_the_endpoint(store: Store, rows: Any, version: str) -> None:
    endpoint = rows.endpoint(version=version)

    def failed() -> tuple[int, int]:
        """How often, and the seconds until a worker tries it again."""
        began = store.now()
        [held] = claim(store)
        store.record_failed(held, "no such model", serving=False)
        row = rows.deployment(endpoint)
        return row["attempts"], round(row["next_attempt_at"].timestamp() - began)

    assert [failed(), failed(), failed()] == [(1, 15), (2, 30), (3, 60)]
    rows.set(endpoint, "runtime = 'kserve-triton'")
    assert [failed(), failed()] == [(1, 15), (2, 30)]


def test_refusals_are_counted_for_each_intent_too(store: Store, rows: Any, version: str) -> None:
    store.database.execute("alter table endpoints add column if not exists tenant_slug text")
    endpoint = rows.endpoint(version=version)

    def refused() -> int:
        [held] = claim(store, namespace_template="tenant-{tenant_slug}")
        assert held.refused
        return int(rows.deployment(endpoint)["attempts"])

    assert refused() == 1
    rows.set(endpoint, "runtime = 'kserve-triton'")
    assert refused() == 1


def test_everything_looks_at_each_endpoint_once_in_a_run(store: Store, rows: Any, version: str) -> None:
    rows.endpoint(version=version)
    converge(store, claim(store)[0])
    began = store.now()
    assert claim(store, since=began) == []
    [held] = claim(store, since=began, everything=True)
    converge(store, held)
    assert claim(store, since=began, everything=True) == []


def test_a_canary_keeps_the_stable_one(store: Store, rows: Any, version: str) -> None:
    endpoint = rows.endpoint(version=version)
    converge(store, claim(store)[0])
    rows.set(endpoint, "traffic = %s", '{"canaryTrafficPercent": 10}')
    [held] = claim(store)
    converge(store, held, version_id=str(uuid.uuid4()), revision="r-00003", spec={"new": 1}, promoted=False)
    record = rows.deployment(endpoint)
    # The stable revision has another name where the service was gone and brought back.
    assert (record["stable_version_id"], record["stable_revision"]) == (version, "r-00003")
    assert (record["stable_spec"], record["applied_spec"]) == ({"spec": {}}, {"new": 1})


def test_deleting_ends_in_deleted_and_frees_the_name(store: Store, rows: Any, version: str) -> None:
    endpoint = rows.endpoint(version=version)
    converge(store, claim(store)[0])
    rows.set(endpoint, "status = 'DELETING'")
    [held] = claim(store)
    assert held.endpoint.status == "DELETING"
    assert rows.get(endpoint)["status"] == "DELETING"
    store.record_deleted(held)
    assert (rows.get(endpoint)["status"], rows.get(endpoint)["url"]) == ("DELETED", None)
    assert rows.deployment(endpoint)["name"] is None
    assert store.due(ALL) == []


def test_a_deletion_asked_for_while_deploying_is_not_lost(store: Store, rows: Any, version: str) -> None:
    endpoint = rows.endpoint(version=version)
    [held] = claim(store)
    rows.set(endpoint, "status = 'DELETING'")
    converge(store, held)
    assert rows.get(endpoint)["status"] == "DELETING"
    assert store.due(ALL) == [endpoint]


def test_a_revival_while_deleting_is_not_lost(store: Store, rows: Any, version: str) -> None:
    endpoint = rows.endpoint(version=version)
    converge(store, claim(store)[0])
    rows.set(endpoint, "status = 'DELETING'")
    [held] = claim(store)
    rows.set(endpoint, "status = 'CREATING'")
    store.record_deleted(held)
    assert rows.get(endpoint)["status"] == "CREATING"
    assert store.due(ALL) == [endpoint]


def test_a_row_deleted_in_sql_leaves_work_to_do(store: Store, rows: Any, version: str) -> None:
    endpoint = rows.endpoint(version=version)
    converge(store, claim(store)[0])
    store.database.execute("delete from endpoints")
    assert store.due(ALL) == [endpoint]
    [held] = claim(store)
    assert (held.endpoint.id, held.endpoint.status, held.name) == (endpoint, "DELETING", f"isvc-{endpoint[:8]}")
    assert store.renew(held, 60) == ""
    assert store.reload(held).endpoint.status == "DELETING"
    store.record_deleted(held)
    assert store.due(ALL) == []


def test_an_endpoint_set_deleted_by_hand_is_taken_from_the_cluster(store: Store, rows: Any, version: str) -> None:
    endpoint = rows.endpoint(version=version)
    converge(store, claim(store)[0])
    rows.set(endpoint, "status = 'DELETED'")
    [held] = claim(store)
    assert held.endpoint.status == "DELETING"
    store.record_deleted(held)
    assert rows.get(endpoint)["status"] == "DELETED"


def test_a_tenants_scope_holds_no_other_rows(store: Store, rows: Any, version: str) -> None:
    other = rows.other_tenant()
    mine = rows.endpoint(version=version)
    other.endpoint(version=other.version(other.model()))
    scope = Scope(tenant_id=rows.tenant)
    assert store.due(scope) == [mine]
    assert [one.id for one in store.endpoints(scope)] == [mine]
    assert [held.endpoint.id for held in claim(store, scope=scope)] == [mine]
    assert [one.id for one in store.endpoints(Scope(names=("DEMO",), tenant_id=rows.tenant))] == [mine]


def test_an_id_that_is_none_is_told_by_field() -> None:
    with pytest.raises(InvalidIntent, match="tenant_id = 'acme': is not a UUID"):
        Scope(tenant_id="acme")


def test_an_asked_look_is_due_until_it_was_done(store: Store, rows: Any, version: str) -> None:
    endpoint = rows.endpoint(version=version)
    converge(store, claim(store)[0])
    store.database.execute("update serving.deployment set requested_at = now()")
    assert store.due(ALL) == [endpoint]
    [held] = claim(store)
    converge(store, held)
    assert store.due(ALL) == []


def test_ten_thousand_unchanged_endpoints_cost_one_cheap_query(store: Store, rows: Any, version: str) -> None:
    import time

    store.database.execute(
        "insert into endpoints (tenant_id, project_id, name, model_version_id, status) select %s, %s, 'e' || g, %s, 'READY'"
        " from generate_series(1, 10000) g",
        (rows.tenant, rows.project, version),
    )
    store.database.execute(
        "insert into serving.deployment (endpoint_id, endpoint_name, applied_hash, attempted_hash)"
        " select id, name, intent_hash, intent_hash from serving.intent"
    )
    store.database.execute("analyze")
    times = []
    for _turn in range(3):
        began = time.perf_counter()
        assert store.due(ALL) == []
        times.append(time.perf_counter() - began)
    # About 80 ms on an idle machine; the bound leaves room for a busy one and not for a query an endpoint.
    assert min(times) < 1.0
