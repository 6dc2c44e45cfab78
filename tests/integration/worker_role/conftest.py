# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role deploy_worker, run by a real ansible-playbook into folders of the test's own."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_runs import PROGRAMS, Shown, ansible_playbook
from world import world

__all__ = ("Host", "host", "world")

# Characters that a shell, systemd or a template would make something of.
PASSWORD = "p$HOME`id`\"q\\uo'te%h {x} #"
DATABASE_URL = f"postgresql://worker:{PASSWORD}@db.example/mlops"
NATS_URL = "nats://worker:n4ts-s3cret@nats.example:4222"
FURTHER = "further-s3cret"


class Host:
    """Folders in the place of a machine's."""

    def __init__(self, folder: Path, name: str = "deploy-worker") -> None:
        self.folder = folder
        self.files = folder / "etc"
        self.units = folder / "units"
        self.unit = self.units / f"{name}.service"
        self.environment = self.files / f"{name}.env"

    def role(self, *flags: str, fails: bool = False, own: dict[str, str] | None = None, **variables: Any) -> Shown:
        given = {
            "deploy_worker_run_as": "systemd",
            "deploy_worker_folder": str(self.files),
            "deploy_worker_unit_folder": str(self.units),
            "deploy_worker_programs": str(PROGRAMS),
            "deploy_worker_start": "never",
            "deploy_worker_secrets": {"FURTHER": FURTHER},
            **variables,
        }
        environment = {"DATABASE_URL": DATABASE_URL, "NATS_URL": NATS_URL, "DEPLOY_MODE": "simulate", **(own or {})}
        return ansible_playbook(
            "mlops.serving.deploy_worker", *flags, own=environment, fails=fails, timeout=120, **given
        )

    def variable(self, name: str) -> str:
        """As the unit's process would see it: a shell reads such a file in the same way."""
        script = f'. "{self.environment}"; printf %s "${name}"'
        return subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout

    def analyze(self, *words: str) -> subprocess.CompletedProcess[str]:
        """systemd-analyze belongs to Debian's package systemd, which need not be the init system that runs."""
        runtime = self.folder / "run"
        runtime.mkdir(exist_ok=True)
        return subprocess.run(
            ["systemd-analyze", *words],
            capture_output=True,
            text=True,
            check=False,
            env={"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "XDG_RUNTIME_DIR": str(runtime), "SYSTEMD_COLORS": "0"},
        )


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)
