"""Playbooks as people run them, on a private Postgres."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
OURS = ("DATABASE_URL", "DEPLOY_MODE", "DEPLOY_TIMEOUT_SECONDS", "KSERVE_", "PG", "ANSIBLE_", "K8S_AUTH_", "KUBECONFIG")


@dataclass(frozen=True)
class Played:
    """What a playbook printed, and how it ended."""

    output: str
    code: int

    @property
    def recap(self) -> dict[str, int]:
        line = next(line for line in self.output.splitlines() if line.startswith("localhost ") and "ok=" in line)
        return {name: int(number) for name, number in re.findall(r"(\w+)=(\d+)", line)}


Play = Callable[..., Played]


@pytest.fixture
def play(database: str) -> Play:
    """``play("mlops.serving.deploy", "-e", ...)``: from the clone, with the store in the environment."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}

    def run(*arguments: str, program: str = "ansible-playbook", **environment: str) -> Played:
        answer = subprocess.run(
            [str(Path(sys.executable).with_name(program)), *arguments],
            cwd=ROOT,
            env={**kept, "DATABASE_URL": database, "DEPLOY_MODE": "simulate", **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        return Played(answer.stdout + answer.stderr, answer.returncode)

    return run
