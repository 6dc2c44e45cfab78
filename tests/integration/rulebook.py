# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ansible-rulebook with the shipped rulebook, as a process that a test starts and ends."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from waiting import until

ROOT = Path(__file__).resolve().parents[2]
BINARIES = Path(sys.executable).parent
OURS = ("DATABASE_URL", "DEPLOY_", "KSERVE_", "NATS_", "PG", "ANSIBLE_", "K8S_AUTH_", "KUBECONFIG", "MLOPS_")
# Java, a rule engine and two Pythons start before the first event is read.
START = 120.0


class Rulebook:
    """ansible-rulebook and all that it starts."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        # In the environment of each process, and of no other test's.
        self._mark = f"DATABASE_URL={environment['DATABASE_URL']}".encode()
        self._output = folder / "output"
        inventory = folder / "inventory.yml"
        inventory.write_text(
            json.dumps(
                {
                    "all": {
                        "hosts": {
                            "localhost": {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
                        }
                    }
                }
            )
        )
        variables = folder / "variables.yml"
        variables.write_text(json.dumps({"mlops_serving_create": True}))
        java = shutil.which("java")
        assert java, "ansible-rulebook needs Java: install openjdk-17-jre-headless"
        kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
        with self._output.open("w") as file:
            self.process = subprocess.Popen(
                [
                    *(str(BINARIES / "ansible-rulebook"), "--rulebook", "mlops.serving.deploy_worker"),
                    *("--inventory", str(inventory), "--vars", str(variables)),
                    *("--env-vars", ",".join(environment)),
                ],
                cwd=ROOT,
                env={
                    **kept,
                    **environment,
                    "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".build"),
                    "JAVA_HOME": str(Path(java).resolve().parents[1]),
                    "PATH": f"{BINARIES}:{os.environ['PATH']}",
                },
                stdout=file,
                stderr=subprocess.STDOUT,
            )

    def output(self) -> str:
        return self._output.read_text()

    def working(self, times: int = 1) -> bool:
        assert self.process.poll() is None, self.output()
        return self.output().count("looks for work every") >= times

    def processes(self, word: bytes = b"") -> list[int]:
        """Those that ansible-rulebook has started, by a word of their command line; a playbook has a session of its own."""
        found = []
        for folder in Path("/proc").iterdir():
            if folder.name.isdigit() and int(folder.name) != os.getpid():
                with contextlib.suppress(OSError):
                    known = self._mark in (folder / "environ").read_bytes().split(b"\0")
                    if known and word in (folder / "cmdline").read_bytes():
                        found.append(int(folder.name))
        return found

    def workers(self) -> list[int]:
        """Processes that carry the module out."""
        return self.processes(b"AnsiballZ_reconcile")

    def end(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(timeout=60)
        finally:
            # As a service manager does it with what is left of the group.
            for kind in (signal.SIGTERM, signal.SIGKILL):
                for pid in self.processes():
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, kind)
                with contextlib.suppress(AssertionError):
                    until(lambda: not self.processes(), 20)
            self.process.wait()
