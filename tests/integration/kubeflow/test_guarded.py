# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pipeline with evidence, run with this environment's ansible-playbook in the place of the execution environment's."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pipeline_command import PIPELINES, command
from world import World

ROOT = PIPELINES.parents[1]


@pytest.fixture
def guarded(database: str, tmp_path: Path) -> Any:
    """``guarded(model_version="2")``: the pipeline's command, with looks every 100 ms, and in a container whose account has no home."""
    quick = tmp_path / "inventory.yml"
    quick.write_text(
        json.dumps(
            {"all": {"hosts": {"localhost": {"ansible_connection": "local"}}, "vars": {"rollout_interval": "100ms"}}}
        )
    )

    def call(path: str = str(Path(sys.executable).parent), **parameters: Any) -> subprocess.CompletedProcess[str]:
        report = tmp_path / "outputs" / "report"
        given = {"image": "any", "endpoint": "demo", "deploy_mode": "simulate", "timeout": "60s", **parameters}
        settings = {
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".build"),
            "ANSIBLE_INVENTORY": str(quick),
            "DATABASE_URL": database,
            "HOME": "/proc/none",
            "LANG": "C.UTF-8",
        }
        return subprocess.run(
            command("rollout-guarded", given, str(report)),
            cwd=ROOT,
            env={**settings, "PATH": f"{path}:/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=False,
            timeout=200,
        )

    return call


def test_promoted(guarded: Any, world: World, served: dict[str, str], tmp_path: Path) -> None:
    ended = guarded(model_version="2", steps="[50]", user_id="somebody")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert world.shares("demo") == {"s3://b/two/": 100}
    assert "SIMULATED" in (tmp_path / "outputs" / "report").read_text()
    assert world.one("select created_by from serving.rollout")["created_by"] == "somebody"


def test_sent_back_is_the_error(guarded: Any, world: World, served: dict[str, str]) -> None:
    ended = guarded(model_version="3", steps="[50]")
    assert ended.returncode == 20, ended.stdout
    assert ended.stderr.startswith("ERROR: rolled back: "), ended.stderr
    assert "requests failed" in ended.stderr
    assert world.shares("demo").get("s3://b/three/", 0) == 0


def test_what_ends_before_it_has_a_result(guarded: Any, served: dict[str, str]) -> None:
    missing = guarded(model_version=" ")
    assert missing.returncode == 2
    assert "ERROR: model_version is not given. Say which version of its model" in missing.stderr
    without = guarded(model_version="2", path="/nowhere")
    assert without.returncode == 1
    assert "is the image an execution environment with mlops.serving?" in without.stderr
