# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A worker's JSON lines come through Ansible as they were written: what begins with a brace is one object."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from waiting import until
from world import world

from .conftest import OURS, ROOT

__all__ = ("world",)


def test_what_begins_with_a_brace_is_one_object(world: Any, tmp_path: Path) -> None:
    (version,) = world.model("s3://models/add_sub/1/")
    output = tmp_path / "output"
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    told = {"DEPLOY_MODE": "simulate", "MLOPS_SERVING_LOG_FORMAT": "json", "ANSIBLE_FORCE_COLOR": "1"}
    with output.open("w") as file:
        process = subprocess.Popen(
            [str(Path(sys.executable).with_name("ansible-playbook")), "-v", "mlops.serving.worker"],
            cwd=ROOT,
            env={**kept, "DATABASE_URL": world.url, **told},
            stdout=file,
            stderr=subprocess.STDOUT,
        )

    def lines() -> list[dict[str, Any]]:
        return [
            json.loads(line)
            for line in output.read_text().splitlines(keepends=True)
            if line.startswith("{") and line.endswith("\n")
        ]

    def events() -> list[str]:
        return [line["event"] for line in lines()]

    try:
        until(lambda: "worker.started" in events(), 60, told=output.read_text)
        world.endpoint("demo", version)
        world.sql("select pg_notify('mlops_serving', '')")
        until(lambda: "endpoint.ready" in events(), 60, told=output.read_text)
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)
    finally:
        process.kill()
        process.wait()
    (made,) = [line for line in lines() if line["event"] == "endpoint.ready"]
    assert made["endpoint"] == "demo"
    assert made["worker"]
