# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same canary by every door: a task, a pipeline of CI, a job of AWX, a pipeline of Kubeflow. The record and the end are the same."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.mlops.serving.plugins.filter.rollout_result import rollout_result
from ansible_runs import PROGRAMS
from awx.conftest import controller
from awx.jobs import Controller
from rollout_world import versions
from world import World, reconcile, run, world

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests" / "integration" / "kubeflow"))
from pipeline_command import command

__all__ = ("controller", "reconcile", "run", "versions", "world")

# Looks often enough for a test, as `controller` has it in its inventory too.
INTERVAL = "100ms"
PROMOTED, SENT_BACK = 0, 20


@dataclass(frozen=True)
class Doors:
    """Each takes the endpoint and the version of its model, and gives the exit code."""

    world: World
    run: Any
    controller: Controller
    folder: Path

    def all(self) -> dict[str, Callable[[str, str], int]]:
        """By a name that an endpoint can have too."""
        return {"task": self._task, "ci": self._ci, "awx": self._awx, "kubeflow": self._kubeflow}

    def _task(self, endpoint: str, version: str) -> int:
        given = {"endpoint": endpoint, "model_version": version, "steps": [50], "interval": INTERVAL}
        return int(rollout_result(self.run("rollout", **given, deploy_mode="simulate", fails=None))["exit_code"])

    def _ci(self, endpoint: str, version: str) -> int:
        script = str(ROOT / "examples" / "ci" / "rollout")
        line = [script, "mlops.serving.rollout_canary", "-e", "steps=[50]"]
        return self._call(line, ENDPOINT=endpoint, MODEL_VERSION=version)

    def _awx(self, endpoint: str, version: str) -> int:
        answers = {"endpoint": endpoint, "model_version": version, "steps": "[50]"}
        job = self.controller.launch("Serving: canary", answers)
        if job.status == "successful":
            return PROMOTED
        # A failed job has no number; its output says which it is.
        return SENT_BACK if "rolled back" in job.output else 1

    def _kubeflow(self, endpoint: str, version: str) -> int:
        given = {
            "image": "any",
            "endpoint": endpoint,
            "model_version": version,
            "steps": "[50]",
            "deploy_mode": "simulate",
            # The only default that differs: a pipeline would rather go back than wait for somebody.
            "on_inconclusive": "pause",
        }
        return self._call(command("rollout-guarded", given, str(self.folder / "report")))

    def _call(self, line: list[str], **more: str) -> int:
        inventory = self.folder / "inventory.yml"
        host = {"hosts": {"localhost": {"ansible_connection": "local"}}, "vars": {"rollout_interval": INTERVAL}}
        inventory.write_text(yaml.safe_dump({"all": host}))
        settings = {
            "PATH": f"{PROGRAMS}:{os.environ['PATH']}",
            "HOME": os.environ["HOME"],
            "LANG": "C.UTF-8",
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".build"),
            "ANSIBLE_INVENTORY": str(inventory),
            "DATABASE_URL": self.world.url,
            "DEPLOY_MODE": "simulate",
        }
        ended = subprocess.run(
            line, cwd=self.folder, env={**settings, **more}, capture_output=True, text=True, check=False, timeout=200
        )
        print(ended.stdout, ended.stderr)
        return ended.returncode


def record(world: World, endpoint: str) -> dict[str, Any]:
    """What the store holds of the endpoint's only rollout, but for ids, times and who asked for it."""
    row = world.one(
        "select r.strategy, r.plan, r.state, r.step, r.outcome, r.simulated, s.version as stable, c.version as candidate"
        " from serving.rollout r join model_versions s on s.id = stable_version_id"
        " join model_versions c on c.id = candidate_version_id where r.endpoint_name = %s",
        endpoint,
    )
    events = world.sql(
        "select e.kind, e.step from serving.rollout_event e join serving.rollout r on r.id = e.rollout_id"
        " where r.endpoint_name = %s order by e.id",
        endpoint,
    )
    # How many looks a step takes is a matter of the moment.
    return {**row, "events": [one for one, _looks in groupby((event["kind"], event["step"]) for event in events)]}


@pytest.mark.parametrize(
    ("version", "outcome", "code", "serving"),
    [("2", "promoted", PROMOTED, "s3://b/two/"), ("3", "rolled_back", SENT_BACK, "s3://b/one/")],
    ids=["good", "bad"],
)
def test_a_canary(
    version: str,
    outcome: str,
    code: int,
    serving: str,
    world: World,
    versions: dict[str, str],
    reconcile: Any,
    run: Any,
    controller: Controller,
    tmp_path: Path,
) -> None:
    doors = Doors(world, run, controller, tmp_path).all()
    for endpoint in doors:
        world.endpoint(endpoint, versions["1"], runtime="triton", runtime_config={"deploymentMode": "Knative"})
    reconcile()
    ended = {endpoint: door(endpoint, version) for endpoint, door in doors.items()}
    assert ended == dict.fromkeys(doors, code)
    records = {endpoint: record(world, endpoint) for endpoint in doors}
    assert records == dict.fromkeys(doors, records["task"])
    assert (records["task"]["outcome"], records["task"]["plan"]["steps"]) == (outcome, [50])
    for endpoint in doors:
        assert world.shares(endpoint).get(serving) == 100, endpoint
