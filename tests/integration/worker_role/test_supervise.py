# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ends a command with all that it has started, in sessions of their own and after their parents as well."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ansible_runs import ROOT
from waiting import until

SUPERVISE = ROOT / "roles" / "deploy_worker" / "files" / "supervise.py"
# Starts a process in a session of its own that notes SIGTERM, as the playbook of ansible-rulebook would, and does as it is told.
COMMAND = """
import os, signal, subprocess, sys, time
folder, then = sys.argv[1:3]
grandchild = (
    "import os, signal, sys, time\\n"
    "def end(*_): open(sys.argv[1] + '/ended', 'w').close(); sys.exit()\\n"
    "signal.signal(signal.SIGTERM, signal.SIG_IGN if sys.argv[2] == 'deaf' else end)\\n"
    "open(sys.argv[1] + '/pid', 'w').write(str(os.getpid()))\\n"
    "time.sleep(100)\\n"
)
subprocess.Popen([sys.executable, "-c", grandchild, folder, then], start_new_session=True)
while not os.path.exists(folder + "/pid") or not open(folder + "/pid").read():
    time.sleep(0.01)
if then == "leave":
    sys.exit(3)
time.sleep(100)
"""


def start(folder: Path, then: str, *options: str) -> subprocess.Popen[bytes]:
    words = [sys.executable, str(SUPERVISE), *options, "--", sys.executable, "-c", COMMAND, str(folder), then]
    return subprocess.Popen(words)


def grandchild(folder: Path) -> int:
    file = folder / "pid"
    until(lambda: file.exists() and file.read_text())
    return int(file.read_text())


def gone(pid: int) -> bool:
    return not os.path.exists(f"/proc/{pid}")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_every_process_is_told_and_waited_for(tmp_path: Path, number: int) -> None:
    process = start(tmp_path, "stay")
    pid = grandchild(tmp_path)
    process.send_signal(number)
    assert process.wait(timeout=20) == 0
    assert gone(pid)
    assert (tmp_path / "ended").exists()


def test_what_a_command_leaves_behind_is_ended_with_its_status(tmp_path: Path) -> None:
    process = start(tmp_path, "leave")
    pid = grandchild(tmp_path)
    assert process.wait(timeout=20) == 3
    assert gone(pid)
    assert (tmp_path / "ended").exists()


def test_who_does_not_listen_is_killed_after_the_patience(tmp_path: Path) -> None:
    process = start(tmp_path, "deaf", "--patience", "1")
    pid = grandchild(tmp_path)
    begun = time.monotonic()
    process.send_signal(signal.SIGTERM)
    process.wait(timeout=20)
    assert time.monotonic() - begun >= 1
    assert gone(pid)
    assert not (tmp_path / "ended").exists()


def test_environment_comes_by_a_file_and_the_folder_goes(tmp_path: Path) -> None:
    folder = tmp_path / "scratch"
    folder.mkdir()
    (folder / "environment.json").write_text(json.dumps({"SECRET": "s3cret"}))
    said = subprocess.run(
        [
            *(
                sys.executable,
                str(SUPERVISE),
                "--environment",
                str(folder / "environment.json"),
                "--remove",
                str(folder),
            ),
            *("--", "sh", "-c", "echo $SECRET; exit 4"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (said.stdout, said.returncode) == ("s3cret\n", 4)
    assert not folder.exists()


def test_a_command_that_is_not_there_is_named() -> None:
    said = subprocess.run(
        [sys.executable, str(SUPERVISE), "--", "/no/such"], capture_output=True, text=True, check=False
    )
    assert (said.returncode, said.stderr) == (127, "cannot start /no/such: No such file or directory\n")
