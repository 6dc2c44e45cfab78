"""Rollouts in simulate, on a real Postgres: what becomes of good, bad and silent candidates."""

from __future__ import annotations

from typing import Any

import pytest

FAST = {"interval": "0.05", "step_timeout": "20s", "timeout": 30}


@pytest.fixture
def versions(world: Any) -> dict[str, str]:
    """Versions 1 (good), 2 (good), 3 (fails 30 %), 4 (does not load) of one model, with version 1 served by endpoint ``demo``."""
    model = world._insert("models", name="add_sub")
    rps = {"rps": 3000, "latency_ms": 20}
    return {
        "1": world.version(model, 1, "s3://b/one/", simulate={**rps, "error_ratio": 0.002}),
        "2": world.version(model, 2, "s3://b/two/", simulate={**rps, "error_ratio": 0.002}),
        "3": world.version(model, 3, "s3://b/three/", simulate={**rps, "error_ratio": 0.3}),
        "4": world.version(model, 4, "s3://b/four/", simulate={**rps, "load_error": "no such file"}),
    }


@pytest.fixture
def served(world: Any, versions: dict[str, str], reconcile: Any) -> dict[str, str]:
    world.endpoint("demo", versions["1"], runtime="triton", runtime_config={"deploymentMode": "Knative"})
    reconcile()
    return versions


def test_a_good_candidate_is_promoted(world: Any, served: dict[str, str], run: Any) -> None:
    done = run("rollout", endpoint="demo", model_version="2", deploy_mode="simulate", **FAST)
    assert done["outcome"] == "promoted" and done["changed"]
    assert world.shares("demo") == {"s3://b/two/": 100}
    assert world.row("demo")["model_version_id"] == served["2"] and world.row("demo")["traffic"] == {}
    assert world.deployment("demo")["lease_owner"] is None
    kinds = [
        event["kind"]
        for event in world.sql("select kind from serving.rollout_event where kind <> 'sample' order by id")
    ]
    assert kinds == ["started", "staged", *["raised", "passed"] * 5, "promoting", "finished"]
    again = run("rollout", endpoint="demo", model_version="2", deploy_mode="simulate", **FAST)
    assert not again["changed"]


def test_a_bad_candidate_is_sent_back(world: Any, served: dict[str, str], run: Any) -> None:
    done = run("rollout", endpoint="demo", model_version="3", deploy_mode="simulate", fails=True, **FAST)
    assert done["outcome"] == "rolled_back"
    assert world.shares("demo") == {"s3://b/one/": 100}
    assert world.row("demo")["model_version_id"] == served["1"]
