# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role in the foreground: lines come while it works, and all that it has started ends with it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_runs import PROGRAMS, ROOT, ansible_playbook, command, environment
from waiting import until

FURTHER = "further-s3cret"


class Foreground:
    """The playbook at work in a process of its own."""

    def __init__(self, folder: Path, own: dict[str, str], **variables: Any) -> None:
        self.log = folder / "log"
        # By it the processes are found again, whoever has started them.
        self.mark = f"MARK={folder}"
        given = {
            "deploy_worker_programs": str(PROGRAMS),
            "deploy_worker_secrets": {"FURTHER": FURTHER},
            "deploy_worker_sweep": 1,
            **variables,
        }
        # In a file, as a person would give a secret to a playbook.
        (folder / "variables.json").write_text(json.dumps(given))
        # As in a clone: the current folder has ansible.cfg, and nothing else says where the collection is.
        around = {name: value for name, value in environment(own).items() if name != "ANSIBLE_CONFIG"}
        with self.log.open("w") as file:
            self.process = subprocess.Popen(
                command("mlops.serving.deploy_worker", "-vvv", "-e", f"@{folder / 'variables.json'}"),
                cwd=ROOT,
                env={**around, "MARK": str(folder), "TMPDIR": str(folder)},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
            )

    def text(self) -> str:
        return self.log.read_text()

    def processes(self) -> dict[int, str]:
        """Command lines of all processes that came of it."""
        found = {}
        for name in filter(str.isdigit, os.listdir("/proc")):
            try:
                marked = self.mark.encode() in Path(f"/proc/{name}/environ").read_bytes().split(b"\0")
                words = Path(f"/proc/{name}/cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            if marked and words:
                found[int(name)] = words
        return found

    def close(self) -> None:
        for pid in self.processes():
            os.kill(pid, signal.SIGKILL)
        self.process.kill()
        self.process.wait()


@pytest.fixture
def worker(world: Any, tmp_path: Path) -> Iterator[Foreground]:
    running = Foreground(tmp_path, {"DATABASE_URL": world.url, "DEPLOY_MODE": "simulate"}, deploy_worker_events=False)
    yield running
    running.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL], ids=["term", "int", "kill"])
def test_it_works_until_it_is_ended_and_leaves_nothing(
    worker: Foreground, world: Any, number: int, tmp_path: Path
) -> None:
    (version,) = world.model("s3://models/add_sub/1/")
    until(lambda: "looks for work every 1 s" in worker.text(), 90, told=worker.text)
    world.endpoint("demo", version)
    until(lambda: world.row("demo")["status"] == "READY", 60, told=worker.text)
    until(lambda: "READY      http://isvc-" in worker.text(), 60, told=worker.text)
    running = worker.processes()
    assert [words for words in running.values() if "supervise.py" in words]
    assert [words for words in running.values() if FURTHER in words or world.url in words] == []
    worker.process.send_signal(number)
    worker.process.wait(timeout=60)
    until(lambda: worker.processes() == {}, 60, told=lambda: f"{worker.processes()}\n{worker.text()}")
    held = "select count(*)::int as n from serving.deployment where lease_owner is not null"
    assert world.one(held)["n"] == 0
    assert list(tmp_path.glob("deploy-worker-*")) == []
    assert FURTHER not in worker.text()
    assert world.url not in worker.text()


def test_a_worker_that_cannot_start_fails_the_play_with_its_words(tmp_path: Path) -> None:
    # Nobody listens at port 1, but the worker waits for a database; what it refuses at once is an address that is none.
    shown = ansible_playbook(
        "mlops.serving.deploy_worker",
        own={"DATABASE_URL": "postgresql://u:pass-s3cret@127.0.0.1:1/none", "TMPDIR": str(tmp_path)},
        fails=True,
        timeout=120,
        deploy_worker_programs=str(PROGRAMS),
        deploy_worker_events=False,
    )
    assert "cannot connect to the database at 127.0.0.1:1" in shown.output
    assert "pass-s3cret" not in shown.output
    assert list(tmp_path.glob("deploy-worker-*")) == []


def test_check_mode_and_removal_run_nothing(tmp_path: Path) -> None:
    for flags, state in ((["--check"], "present"), ([], "absent")):
        shown = ansible_playbook(
            "mlops.serving.deploy_worker",
            *flags,
            own={"DATABASE_URL": "postgresql://127.0.0.1:1/none", "TMPDIR": str(tmp_path)},
            deploy_worker_programs=str(PROGRAMS),
            deploy_worker_state=state,
        )
        assert shown.changed == 0
    assert list(Path(tempfile.gettempdir()).glob("deploy-worker-*")) == list(tmp_path.glob("deploy-worker-*"))
