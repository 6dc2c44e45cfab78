"""Rollouts in simulate, on a real Postgres: what becomes of good, bad and silent candidates."""

from __future__ import annotations

from typing import Any

from rollout_world import FAST


def test_a_good_candidate_is_promoted(world: Any, served: dict[str, str], run: Any) -> None:
    done = run("rollout", endpoint="demo", model_version="2", **FAST)
    assert done["outcome"] == "promoted"
    assert done["changed"]
    assert world.shares("demo") == {"s3://b/two/": 100}
    assert world.row("demo")["model_version_id"] == served["2"]
    assert world.row("demo")["traffic"] == {}
    assert world.deployment("demo")["lease_owner"] is None
    kinds = [
        event["kind"]
        for event in world.sql("select kind from serving.rollout_event where kind <> 'sample' order by id")
    ]
    assert kinds == ["started", "staged", *["raised", "passed"] * 5, "promoting", "finished"]
    again = run("rollout", endpoint="demo", model_version="2", **FAST)
    assert not again["changed"]


def test_a_bad_candidate_is_sent_back(world: Any, served: dict[str, str], run: Any) -> None:
    done = run("rollout", endpoint="demo", model_version="3", fails=True, **FAST)
    assert done["outcome"] == "rolled_back"
    assert world.shares("demo") == {"s3://b/one/": 100}
    assert world.row("demo")["model_version_id"] == served["1"]
