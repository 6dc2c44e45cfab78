# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role monitoring writes as files, and Prometheus' own tool to judge it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from metrics.conftest import Pages, Server, program

ROOT = Path(__file__).resolve().parents[3]
PLAY = [
    {
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "vars": {"ansible_python_interpreter": "{{ ansible_playbook_python }}"},
        "roles": ["mlops.serving.monitoring"],
    }
]


@dataclass(frozen=True)
class Written:
    """The files of one run."""

    folder: Path

    def text(self, name: str) -> str:
        return (self.folder / name).read_text()

    @property
    def rules(self) -> list[dict[str, Any]]:
        return [rule for group in yaml.safe_load(self.text("rules.yml"))["groups"] for rule in group["rules"]]


def play(folder: Path, *arguments: str, **variables: Any) -> subprocess.CompletedProcess[str]:
    """Runs the role with these variables, as a person would from the clone."""
    book = folder / "play.yml"
    book.write_text(json.dumps(PLAY))
    command = [str(Path(sys.executable).with_name("ansible-playbook")), str(book), "-e", json.dumps(variables)]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    environment = {**kept, "ANSIBLE_NOCOLOR": "1"}
    return subprocess.run(
        [*command, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=120
    )


def write(folder: Path, **variables: Any) -> Written:
    answer = play(folder, monitoring_kind="files", monitoring_folder=str(folder / "out"), **variables)
    assert answer.returncode == 0, answer.stdout + answer.stderr
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
    """A real one with a configuration of one's own."""

    def __init__(self, folder: Path, configuration: dict[str, Any]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.file = folder / "prometheus.yml"
        self.file.write_text(json.dumps(configuration))
        self._log = (folder / "log").open("wb")
        command = [
            str(program()),
            f"--config.file={self.file}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ]
        self._process = subprocess.Popen(command, stdout=self._log, stderr=subprocess.STDOUT, cwd=folder)

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(f"{self.url}/api/v1/{path}") as answer:
            return json.loads(answer.read())["data"]
