# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pipeline with evidence, run with this environment's ansible-playbook in the place of the execution environment's."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pipeline_command import PIPELINES, command

ROOT = PIPELINES.parents[1]


@pytest.fixture
def guarded(database: str, tmp_path: Path) -> Any:
    def call(path: str = str(Path(sys.executable).parent), **parameters: Any) -> subprocess.CompletedProcess[str]:
        report = tmp_path / "outputs" / "report"
        given = {"image": "any", "endpoint": "demo", "deploy_mode": "simulate", "timeout": "60s", **parameters}
        settings = {
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "DATABASE_URL": database,
            "HOME": os.environ["HOME"],
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


def test_promoted_once(guarded: Any, world: Any, served: dict[str, str], tmp_path: Path) -> None:
    first = guarded(model_version="2", steps="[10, 50]")
    assert first.returncode == 0, first.stdout + first.stderr
    assert world.shares("demo") == {"s3://b/two/": 100}
    assert "SIMULATED" in (tmp_path / "outputs" / "report").read_text()
    again = guarded(model_version=served["2"])
    assert again.returncode == 0, again.stdout + again.stderr


def test_sent_back_is_the_error(guarded: Any, world: Any, served: dict[str, str]) -> None:
    ended = guarded(model_version="3")
    assert ended.returncode == 2, ended.stdout
    assert ended.stderr.startswith("ERROR: ")
    assert "rolled back" in ended.stderr or "sent back" in ended.stderr, ended.stderr
    assert world.shares("demo").get("s3://b/three/", 0) == 0


def test_a_rollout_that_is_held_is_no_success(guarded: Any, world: Any, served: dict[str, str]) -> None:
    world.sql('update model_versions set metrics = \'{"simulate": {"rps": 5, "error_ratio": 0, "latency_ms": 20}}\'')
    ended = guarded(model_version="2", timeout="10s", on_inconclusive="pause")
    assert ended.returncode == 2, ended.stdout
    assert "the rollout is paused" in ended.stderr, ended.stderr


def test_an_image_without_ansible(guarded: Any, served: dict[str, str]) -> None:
    ended = guarded(model_version="2", path="/nowhere")
    assert ended.returncode == 1
    assert "is the image an execution environment with mlops.serving?" in ended.stderr
