# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs roles of the collection by ansible-playbook, as a user does."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import typing as t
from dataclasses import dataclass
from pathlib import Path

from tools.cluster import manifests, parts, releases
from tools.cluster.access import Access

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 600


@dataclass(frozen=True)
class Answer:
    """:param changed: number of tasks that changed something"""

    output: str
    changed: int


class RoleRuns:
    """:param folder: a place for the playbook and for the manifests of ``groups``, laid out as the projects release them"""

    def __init__(self, cluster: Access, folder: Path, groups: t.Sequence[str] = ()) -> None:
        self.folder = folder
        self._environment = {
            **os.environ,
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "K8S_AUTH_KUBECONFIG": str(cluster.kubeconfig),
            "ANSIBLE_NOCOLOR": "1",
        }
        home = cluster.cluster.home
        if groups:
            parts.build(home, list(groups))
            releases.lay_out(folder / "releases", [manifests.release_folder(home, group) for group in groups])

    def __call__(self, *roles: str, check: bool = False, fails: bool = False, **variables: t.Any) -> Answer:
        play = {
            "hosts": "localhost",
            "connection": "local",
            "gather_facts": False,
            "vars": {
                "ansible_python_interpreter": sys.executable,
                "serving_manifests": str(self.folder / "releases"),
                **variables,
            },
            "roles": [f"mlops.serving.{role}" for role in roles],
        }
        playbook = self.folder / "site.yml"
        playbook.write_text(json.dumps([play]))
        command = [
            str(Path(sys.executable).parent / "ansible-playbook"),
            str(playbook),
            *(["--check"] if check else []),
        ]
        run = subprocess.run(
            command, capture_output=True, text=True, check=False, cwd=ROOT, env=self._environment, timeout=SECONDS
        )
        output = run.stdout + run.stderr
        assert (run.returncode != 0) == fails, output
        counted = re.search(r"changed=(\d+)", output)
        return Answer(output, int(counted[1]) if counted else 0)
