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


def test_the_diff_is_the_traffic(world: Any, served: dict[str, str], run: Any) -> None:
    asked = {**FAST, "endpoint": "demo", "model_version": "2"}
    checked = run("rollout", **asked, check=True, diff=True)
    assert (checked["diff"]["before"], checked["diff"]["after"]) == ({"version 1": "100 %"}, {"version 2": "100 %"})
    part = run("rollout", **asked, until="10", diff=True)
    assert part["diff"]["after"] == {"version 1": "90 %", "version 2": "10 %"}
    rest = run("rollout", **asked, diff=True)
    assert (rest["diff"]["before"], rest["diff"]["after"]) == (part["diff"]["after"], {"version 2": "100 %"})
    assert "diff" not in run("rollout", **asked, diff=True)


def test_back_and_back_again(world: Any, served: dict[str, str], run: Any) -> None:
    run("rollout", endpoint="demo", model_version="2", **FAST)
    assert run("rollout", endpoint="demo", action="rollback", **FAST)["changed"]
    assert not run("rollout", endpoint="demo", action="rollback", **FAST)["changed"]
    assert world.shares("demo") == {"s3://b/one/": 100}
