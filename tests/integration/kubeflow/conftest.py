# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pipelines' steps, run as their YAML says, beside a stand-in of the deployment API and the real worker in simulate."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from rollout_world import served, versions
from world import reconcile, run, start, world

sys.path.insert(0, str(Path(__file__).parent))
from deployment_api import DeploymentApi
from pipeline_command import command

__all__ = ("reconcile", "run", "served", "start", "versions", "world")


@dataclass(frozen=True)
class Ended:
    """How a step ended; ``error`` is its last line on the standard error."""

    code: int
    output: str
    error: str
    seconds: float


@pytest.fixture
def api(database: str, world: Any) -> Iterator[DeploymentApi]:
    server = DeploymentApi(database)
    yield server
    server.close()


@pytest.fixture
def parameters(api: DeploymentApi, world: Any, served: dict[str, str]) -> dict[str, Any]:
    """Those of endpoint ``demo``, with little patience."""
    return {
        "deployment_base_url": api.url,
        "tenant_id": world.tenant,
        "project_id": world.project,
        "user_id": "tester",
        "deployment_id": str(world.row("demo")["id"]),
        "timeout_seconds": 40,
        "settle_seconds": 1,
    }


Step = Callable[..., Ended]


@pytest.fixture
def step(parameters: dict[str, Any], tmp_path: Path) -> Step:
    """
    ``step("rollout-canary", model_version_id=...)``: the command of that pipeline, run to its end. ``when=("words", call)`` calls once when it
    has printed these words.
    """

    def call(key: str, when: tuple[str, Callable[[], Any]] | None = None, **more: Any) -> Ended:
        begun = time.monotonic()
        errors = tmp_path / "errors"
        lines: list[str] = []
        with (
            errors.open("w") as file,
            subprocess.Popen(
                [*command(key, {**parameters, **more}), "--poll_seconds=0.1"],
                stdout=subprocess.PIPE,
                stderr=file,
                text=True,
                env={"PATH": "/usr/bin:/bin", "no_proxy": "127.0.0.1"},
            ) as process,
        ):
            limit = threading.Timer(60, process.kill)  # each step's own deadline is before that
            limit.start()
            for line in process.stdout or ():
                lines.append(line)
                if when and when[0] in line:
                    when[1]()
                    when = None
            limit.cancel()
        told = errors.read_text()
        assert "Traceback" not in told, told
        return Ended(
            process.returncode, "".join(lines), (told.strip().splitlines() or [""])[-1], time.monotonic() - begun
        )

    return call


@pytest.fixture
def worker(start: Any, served: dict[str, str]) -> None:
    """Carries out what the rows say, as the platform's worker, until the test is over."""
    start("reconcile", follow=True, sweep=1, deploy_mode="simulate")
