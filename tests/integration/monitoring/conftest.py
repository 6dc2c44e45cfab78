# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role monitoring writes as files, and Prometheus' own tool to judge it."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_runs import Shown, ansible_playbook, write_play
from metrics.conftest import Pages, Server, program


@dataclass(frozen=True)
class Written:
    """The files of one run."""

    folder: Path

    def text(self, name: str) -> str:
        return (self.folder / name).read_text()

    @property
    def rules(self) -> list[dict[str, Any]]:
        return [rule for group in yaml.safe_load(self.text("rules.yml"))["groups"] for rule in group["rules"]]


def play(folder: Path, *arguments: str, fails: bool = False, **variables: Any) -> Shown:
    """Runs the role with these variables."""
    return ansible_playbook(write_play(folder, "monitoring"), *arguments, fails=fails, timeout=120, **variables)


def write(folder: Path, **variables: Any) -> Written:
    play(folder, monitoring_kind="files", monitoring_folder=str(folder / "out"), **variables)
    return Written(folder / "out")


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    """What the role writes by its defaults."""
    return write(tmp_path_factory.mktemp("monitoring"))


@pytest.fixture(scope="session")
def promtool() -> Callable[..., str]:
    """``promtool("check", "rules", path)``; a complaint is a failure."""
    tool = program().resolve().with_name("promtool")
    if not tool.exists():
        tool = program().with_name("promtool")

    def run(*words: str | Path) -> str:
        answer = subprocess.run([str(tool), *map(str, words)], capture_output=True, text=True, check=False, timeout=120)
        assert answer.returncode == 0, answer.stdout + answer.stderr
        return answer.stdout + answer.stderr

    return run


@pytest.fixture
def pages() -> Iterator[Pages]:
    opened = Pages()
    yield opened
    opened.close()


class Prometheus(Server):
    """One that is asked for more than values."""

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(f"{self.url}/api/v1/{path}") as answer:
            return json.loads(answer.read())["data"]
