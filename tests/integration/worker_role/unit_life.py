# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A unit from its first day to its last, and what was there after each run of the role; a run takes seconds, so tests share these."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_runs import Shown

from .conftest import NATS_URL, Host

CHANGED_NATS_URL = NATS_URL + ",nats://other:0ther-secret@nats.example"
# Files that only the worker may read, and what the rulebook is told.
FILES: dict[str, Any] = {
    "deploy_worker_nats_credentials_file": "/etc/nats/worker.creds",
    "deploy_worker_kubeconfig": "/etc/kubeconfig",
    "deploy_worker_nats_create": True,
    "deploy_worker_variables": {"nats_stream": "OTHER"},
}
# As the platform's own worker is told.
PLATFORM = {
    "DEPLOY_MODE": "k8s",
    "KSERVE_NAMESPACE": "tenant-{tenant_id}",
    "KSERVE_NAME_PREFIX": "ep",
    "DEPLOY_TIMEOUT_SECONDS": "77",
}
# Notes what it is asked for; `show` is how Ansible looks at a unit.
SYSTEMCTL = """#!/bin/sh
echo "$*" >> {log}
case "$*" in
  *show*) printf 'Id=deploy-worker.service\\nLoadState=loaded\\nActiveState=%s\\n' "$(cat {active})" ;;
  *is-enabled*) if [ -e {enabled} ]; then echo enabled; else echo disabled; exit 1; fi ;;
  enable*) touch {enabled} ;;
  disable*) rm -f {enabled} ;;
  start*|restart*) echo active > {active} ;;
  stop*) echo inactive > {active} ;;
esac
"""


@dataclass(frozen=True)
class Step:
    """
    :param host: a copy of the folders as they were after this run
    :param asked: what systemctl was asked for, a line each time
    """

    host: Host
    shown: Shown
    asked: str


class Life:
    """Looked at, written, written again, changed; a second unit beside it; the first taken away, twice, and the second."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._host = Host(folder / "host")
        self._log = folder / "log"
        programs, active = folder / "bin", folder / "active"
        programs.mkdir()
        active.write_text("inactive\n")
        systemctl = programs / "systemctl"
        systemctl.write_text(SYSTEMCTL.format(log=self._log, active=active, enabled=folder / "enabled"))
        systemctl.chmod(0o755)
        self._own = {"PATH": f"{programs}:/usr/local/bin:/usr/bin:/bin", "XDG_RUNTIME_DIR": str(folder)}

        first = {**FILES, "deploy_worker_start": "auto", "deploy_worker_stop_seconds": 40}
        second = {"deploy_worker_name": "second", "deploy_worker_events": False, "deploy_worker_start": "never"}
        changed = {"NATS_URL": CHANGED_NATS_URL}
        self.check = self._step("check", "--check", "--diff", **first)
        self.first = self._step("first", "-vvv", "--diff", **first)
        self.again = self._step("again", **first)
        self.changed = self._step("changed", "-vvv", "--diff", own=changed, **first)
        self.second = self._step("second", name="second", own=PLATFORM, **second)
        self.absent = self._step("absent", deploy_worker_state="absent")
        self.absent_again = self._step("absent again", deploy_worker_state="absent")
        self.second_absent = self._step("second absent", deploy_worker_state="absent", deploy_worker_name="second")

    def _step(
        self, step: str, *flags: str, name: str = "deploy-worker", own: dict[str, str] | None = None, **variables: Any
    ) -> Step:
        self._log.write_text("")
        # A folder in the place of the one by which systemd that runs is known.
        given = {"__deploy_worker_systemd": str(self._folder), **variables}
        shown = self._host.role(*flags, own={**self._own, **(own or {})}, **given)
        copy = Host(self._folder / "steps" / step, name)
        copy.folder.mkdir(parents=True)
        if self._host.folder.exists():
            shutil.copytree(self._host.folder, copy.folder, dirs_exist_ok=True)
        return Step(copy, shown, self._log.read_text())
