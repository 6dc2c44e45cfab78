"""A rollout whose process dies by SIGKILL, on a real Postgres: the next run ends where an undisturbed one ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from world import arguments

RUNNER = Path(__file__).parents[1] / "kill_rollout.py"
OPTIONS = {"endpoint": "demo", "deploy_mode": "simulate", "steps": ["10", "50"], "interval": "0.05", "timeout": 30}
WHOLE = ["started", "staged", "raised", "passed", "raised", "passed", "promoting", "finished"]
BACK = ["started", "staged", "raised", "returning", "returned", "finished"]


def _run(database: str, number: int, when: str, tmp_path: Path, **options: Any) -> tuple[int, str]:
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
        "MLOPS_COUNT_FILE": str(tmp_path / "count"),
    }
    given = arguments(database, {**OPTIONS, **options})
    answer = subprocess.run(
        [sys.executable, str(RUNNER), str(number), when], input=given, env=environment, capture_output=True, check=False
    )
    return answer.returncode, (answer.stdout + answer.stderr).decode()


def _free(world: Any) -> None:
    """The dead process' lease would end after its seconds; a test need not wait for that."""
    world.sql("update serving.deployment set lease_until = now() - interval '1 second'")


def _kinds(world: Any) -> list[str]:
    return [
        event["kind"]
        for event in world.sql("select kind from serving.rollout_event where kind <> 'sample' order by id")
    ]


@pytest.mark.parametrize(("candidate", "outcome", "kinds"), [("2", "promoted", WHOLE), ("3", "rolled_back", BACK)])
def test_killed_again_and_again(
    world: Any, served: dict[str, str], database: str, tmp_path: Path, candidate: str, outcome: str, kinds: list[str]
) -> None:
    """Each process lives for a few calls more than the one before; all together do what one would have done."""
    for number in range(1, 400, 1):
        code, said = _run(
            database, 1 + number % 23, "before" if number % 2 else "after", tmp_path, model_version=candidate
        )
        _free(world)
        row = world.sql("select outcome from serving.rollout")
        if row and row[0]["outcome"]:
            break
        assert code == -signal.SIGKILL, said
    else:
        raise AssertionError(f"no end: {_kinds(world)}")
    assert world.one("select outcome from serving.rollout")["outcome"] == outcome
    assert _kinds(world) == kinds
    world_ends = {"promoted": {"s3://b/two/": 100}, "rolled_back": {"s3://b/one/": 100}}
    # The last process may have died between the end of the rollout and that of its own work.
    assert world.shares("demo") == world_ends[outcome]


def test_a_run_says_that_another_one_drives_and_follows_it(
    world: Any, served: dict[str, str], run: Any, start: Any
) -> None:
    first = start("rollout", **{**OPTIONS, "model_version": "2"})
    while not world.sql("select 1 from serving.rollout_event where kind = 'raised'"):
        assert first.poll() is None, first.communicate()
    second = run("rollout", **{**OPTIONS, "model_version": "2"})
    assert second["outcome"] == "promoted"
    assert any("50 %" in line for line in second["timeline"])
    assert _kinds(world) == WHOLE


def test_a_second_rollout_is_refused(world: Any, served: dict[str, str], run: Any) -> None:
    run("rollout", **{**OPTIONS, "model_version": "2", "until": "10"})
    refused = run("rollout", fails=True, **{**OPTIONS, "model_version": "3"})
    assert "another rollout is active (version 1 -> 2, paused)" in refused["msg"]
    assert world.shares("demo") == {"s3://b/one/": 90, "s3://b/two/": 10}
    assert run("rollout", endpoint="demo", action="abort", deploy_mode="simulate")["outcome"] == "aborted"
    assert not run("rollout", endpoint="demo", action="abort", deploy_mode="simulate")["changed"]


def test_an_intent_by_hand_ends_a_rollout_that_waits(
    world: Any, served: dict[str, str], run: Any, reconcile: Any
) -> None:
    run("rollout", **{**OPTIONS, "model_version": "2", "until": "10"})
    world.sql("update endpoints set model_version_id = %s, traffic = '{}'", served["1"])
    reconcile()
    assert world.one("select outcome from serving.rollout")["outcome"] == "superseded"
    assert world.shares("demo") == {"s3://b/one/": 100}


def test_an_endpoint_that_is_to_be_deleted_ends_it(
    world: Any, served: dict[str, str], run: Any, reconcile: Any
) -> None:
    run("rollout", **{**OPTIONS, "model_version": "2", "until": "10"})
    world.sql("update endpoints set status = 'DELETING'")
    reconcile()
    assert world.one("select outcome from serving.rollout")["outcome"] == "superseded"
    assert (
        world.service("demo") is None
        if world.sql("select name from serving.deployment where name is not null")
        else True
    )
