"""Module model_version: a version is registered once, and not taken from under an endpoint."""

from __future__ import annotations

from typing import Any

import pytest

Run = Any
URI = "s3://mlops-artifacts/triton/add_sub/"


@pytest.fixture
def home(rows: Any) -> dict[str, str]:
    return {"tenant_id": rows.tenant, "project_id": rows.project}


def test_register_once_and_again_by_the_same_artifact(run_module: Run, rows: Any, home: dict[str, str]) -> None:
    wanted = {"model": "add_sub", "artifact_uri": URI, "metrics": {"accuracy": 0.9}, **home}
    tried = run_module("model_version", check=True, diff=True, **wanted)
    assert (tried["changed"], tried["model_created"], tried["model_version"]["version"]) == (True, True, 1)
    assert rows.everything()["models"] == []
    made = run_module("model_version", diff=True, **wanted)
    assert made["diff"] == tried["diff"]
    assert made["model_version"]["metrics"] == {"accuracy": 0.9}
    again = run_module("model_version", **wanted)
    assert (again["changed"], again["model_version"]) == (False, made["model_version"])
    second = run_module("model_version", model="ADD_SUB", artifact_uri="s3://mlops-artifacts/other/")
    assert (second["changed"], second["model_version"]["version"]) == (True, 2)
    assert second["model"]["id"] == made["model"]["id"]
    numbered = run_module("model_version", model="add_sub", version=9, artifact_uri=URI)
    assert (numbered["changed"], numbered["model_version"]["version"]) == (True, 9)
    next_one = run_module("model_version", model="add_sub", artifact_uri="s3://mlops-artifacts/ten/")
    assert next_one["model_version"]["version"] == 10


def test_what_lies_inside_a_publication_is_refused_with_the_right_address(
    run_module: Run, rows: Any, home: dict[str, str]
) -> None:
    right = f"s3://mlops-artifacts/models/add_sub/{'5f' * 32}/"
    refused = run_module("model_version", model="add_sub", artifact_uri=f"{right}add_sub/", **home)
    assert refused["failed"] is True
    assert f"Use {right}." in refused["msg"]
    assert rows.everything()["models"] == []
    assert run_module("model_version", model="add_sub", artifact_uri=right, **home)["changed"] is True


def test_change_only_what_is_given(run_module: Run, rows: Any, home: dict[str, str]) -> None:
    version = rows.version(rows.model())
    endpoint = rows.endpoint(version=version)
    before = rows.hash(endpoint)
    staged = run_module("model_version", diff=True, model="add_sub", version=1, stage="production")
    assert (staged["changed"], staged["model_version"]["artifact_uri"]) == (True, URI)
    assert staged["diff"]["before"]["stage"] is None
    assert rows.hash(endpoint) == before
    assert not run_module("model_version", model="add_sub", version=1, stage="production")["changed"]
    assert run_module("model_version", model="add_sub", version=1, artifact_uri="s3://elsewhere/")["changed"]
    assert rows.hash(endpoint) != before


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"model": "new", "artifact_uri": URI}, "tenant_id"),
        ({"model": "new", "artifact_uri": URI, "create_model": False}, "model"),
        ({"model": "add_sub", "artifact_uri": "/tmp/model"}, "artifact_uri"),
        ({"model": "add_sub", "artifact_uri": ""}, "artifact_uri"),
        ({"model": "add_sub", "version": 2}, "artifact_uri"),
        ({"model": "add_sub"}, "artifact_uri"),
        ({"model": "00000000-0000-0000-0000-000000000001", "artifact_uri": URI}, "model"),
        ({"model": "add_sub", "artifact_uri": URI, "tenant_id": "acme"}, "tenant_id"),
        ({"model": "add_sub", "artifact_uri": "s3://new/", "version": 0}, "version"),
    ],
)
def test_bad_input_writes_nothing(run_module: Run, rows: Any, options: dict[str, Any], field: str) -> None:
    rows.version(rows.model())
    before = rows.everything()
    for mode in ({}, {"check": True}):
        answer = run_module("model_version", **mode, **options)
        assert answer["failed"]
        assert answer["failure"]["field"] == field
        assert answer["failure"]["cure"]
    assert rows.everything() == before


def test_a_version_that_is_used_stays(run_module: Run, rows: Any) -> None:
    model = rows.model()
    used, back = rows.version(model, 1), rows.version(model, 2)
    endpoint = rows.endpoint(version=used)
    rows.store.database.execute(
        "insert into serving.deployment (endpoint_id, endpoint_name, stable_version_id) values (%s, 'demo', %s)",
        (endpoint, back),
    )
    for version in (1, 2):
        answer = run_module("model_version", model="add_sub", version=version, state="absent")
        assert answer["failure"]["code"] == "refused"
        assert "demo" in answer["msg"]
    rows.set(endpoint, "status = 'DELETED'")
    assert run_module("model_version", check=True, model="add_sub", version=1, state="absent")["changed"]
    assert len(rows.everything()["model_versions"]) == 2
    assert run_module("model_version", model="add_sub", version=1, state="absent")["changed"]
    assert not run_module("model_version", model="add_sub", version=1, state="absent")["changed"]
    assert [row["version"] for row in rows.everything()["model_versions"]] == [2]


def test_tenants_have_their_own_models(run_module: Run, rows: Any, home: dict[str, str]) -> None:
    other = rows.other_tenant()
    other.version(other.model())
    made = run_module("model_version", model="add_sub", artifact_uri=URI, **home)
    assert made["model_created"]
    ambiguous = run_module("model_version", model="add_sub", artifact_uri="s3://new/")
    assert ambiguous["failure"]["field"] == "model"
    assert other.tenant in ambiguous["msg"]
    absent = run_module("model_version", model="add_sub", version=1, state="absent", tenant_id=rows.tenant)
    assert absent["model"]["tenant_id"] == rows.tenant
    assert len(rows.everything()["model_versions"]) == 1
