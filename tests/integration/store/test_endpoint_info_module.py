"""Module endpoint_info: rows with the facts of their deployment, in one query however many there are."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mlops.serving.plugins.module_utils._adapters.store import Scope, Settings

Run = Any


@pytest.fixture
def fleet(rows: Any) -> dict[str, str]:
    model = rows.model()
    version = rows.version(model, 3)
    ids = {name: rows.endpoint(name, version=version, model_id=model) for name in ("served", "broken", "new")}
    store = rows.store
    for held in store.claim(
        "me", scope=Scope(ids=(ids["served"], ids["broken"])), limit=9, ttl=60, settings=Settings()
    ):
        if held.endpoint.name == "served":
            store.record_converged(
                held,
                intent_hash=held.endpoint.intent_hash,
                version_id=version,
                revision="r-00001",
                spec={"secret": "spec"},
                url="http://there",
                serving_mode="Knative",
                warnings=["careful"],
                host="simulate",
            )
        else:
            store.record_failed(held, "it cannot be", serving=False)
    return ids


def test_all_that_is_known(run_module: Run, rows: Any, fleet: dict[str, str]) -> None:
    answer = run_module("endpoint_info", check=True)
    assert not answer["changed"]
    found = {entry["name"]: entry for entry in answer["endpoints"]}
    served = found["served"]
    assert (served["status"], served["url"], served["applied"]) == ("READY", "http://there", True)
    assert (served["model"], served["model_version"]) == ("add_sub", 3)
    deployment = served["deployment"]
    assert (deployment["namespace"], deployment["service"]) == ("mlops-serving", f"isvc-{fleet['served'][:8]}")
    assert (deployment["serving_mode"], deployment["stable_version"], deployment["stable_revision"]) == (
        "Knative",
        3,
        "r-00001",
    )
    assert (deployment["warnings"], deployment["last_error"], deployment["lease_owner"]) == (["careful"], None, None)
    broken = found["broken"]
    assert (broken["status"], broken["applied"], broken["deployment"]["last_error"]) == ("ERROR", False, "it cannot be")
    assert (found["new"]["status"], found["new"]["applied"], found["new"]["deployment"]) == ("CREATING", False, None)


def test_a_row_changed_by_hand_is_not_applied(run_module: Run, rows: Any, fleet: dict[str, str]) -> None:
    rows.set(fleet["served"], "runtime = 'kserve-triton'")
    assert not run_module("endpoint_info", endpoints=["served"])["endpoints"][0]["applied"]


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({"endpoints": ["SERVED", "nobody"]}, ["served"]),
        ({"status": ["ERROR", "CREATING"]}, ["broken", "new"]),
        ({"applied": False}, ["broken", "new"]),
        ({"applied": True}, ["served"]),
        ({"endpoints": []}, []),
        ({"endpoints": ["served", "broken"], "applied": True}, ["served"]),
    ],
)
def test_filters(run_module: Run, fleet: dict[str, str], options: dict[str, Any], names: list[str]) -> None:
    assert [entry["name"] for entry in run_module("endpoint_info", **options)["endpoints"]] == names


def test_names_and_ids_may_be_mixed(run_module: Run, fleet: dict[str, str]) -> None:
    answer = run_module("endpoint_info", endpoints=[fleet["new"], "served", "new"])
    assert [entry["name"] for entry in answer["endpoints"]] == ["new", "served"]


def test_a_tenant_sees_only_its_own(run_module: Run, rows: Any, fleet: dict[str, str]) -> None:
    other = rows.other_tenant()
    other.endpoint("served", version=other.version(other.model()))
    answer = run_module("endpoint_info", tenant_id=rows.tenant)
    assert {entry["id"] for entry in answer["endpoints"]} == set(fleet.values())
    theirs = run_module("endpoint_info", tenant_id=other.tenant, endpoints=[fleet["served"]])
    assert theirs["endpoints"] == []


def test_one_query_for_all(run_module: Run, rows: Any, fleet: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    from ansible_collections.mlops.serving.plugins.module_utils._adapters.postgres import Postgres

    statements: list[str] = []
    original = Postgres.query

    def counted(self: Any, sql: str, values: Any = None) -> Any:
        statements.append(sql)
        return original(self, sql, values)

    monkeypatch.setattr(Postgres, "query", counted)
    run_module("endpoint_info")
    assert len(statements) == 2  # the schema's version, and the endpoints
