# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs ansible-playbook from the clone, as a person does who has no settings of Ansible or of a cluster in the shell."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
# Another release of ansible-core than the tests' own (make test-install-oldest).
PROGRAMS = Path(os.environ.get("MLOPS_ANSIBLE_PROGRAMS") or Path(sys.executable).parent)
_SETTINGS = ("ANSIBLE_", "K8S_AUTH_", "KUBECONFIG")


@dataclass(frozen=True)
class Shown:
    """
    :param changed: number of tasks that changed something
    :param seconds: of the whole playbook, Ansible's start included
    """

    output: str
    changed: int
    seconds: float

    @property
    def tasks(self) -> int:
        """That were run, those of roles' argument specs among them."""
        return int((re.findall(r"ok=(\d+)", self.output) or ["0"])[-1])

    @property
    def requests(self) -> int:
        """To the API server, of all tasks; needs ``-v``."""
        return sum(int(number) for number in re.findall(r'"requests": (\d+)', self.output))


def write_play(folder: Path, *roles: str, **more: Any) -> Path:
    """A playbook with one play, which runs roles of the collection on this machine."""
    play = {
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "vars": {"ansible_python_interpreter": "{{ ansible_playbook_python }}"},
        "roles": [f"mlops.serving.{role}" for role in roles],
        **more,
    }
    book = folder / "play.yml"
    # JSON is YAML.
    book.write_text(json.dumps([play]))
    return book


def command(book: Path | str, *flags: str, **variables: Any) -> list[str]:
    return [str(PROGRAMS / "ansible-playbook"), str(book), *flags, "-e", json.dumps(variables)]


def environment(own: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_SETTINGS)}
    fixed = {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1", "ANSIBLE_FORCE_COLOR": "0"}
    return {**kept, **fixed, **own}


def ansible_playbook(
    book: Path | str,
    *flags: str,
    own: Mapping[str, str] | None = None,
    fails: bool = False,
    timeout: float = 600,
    **variables: Any,
) -> Shown:
    """
    :param book: a file, or a playbook of the collection by its full name
    :param own: environment of this run
    :param fails: whether it has to fail; the other outcome is an error of the test
    """
    begun = time.monotonic()
    run = subprocess.run(
        command(book, *flags, **variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env=environment(own or {}),
        timeout=timeout,
    )
    output = run.stdout + run.stderr
    assert (run.returncode != 0) == fails, output
    changed = re.findall(r"changed=(\d+)", output)
    assert changed or fails, f"nothing was run:\n{output}"
    return Shown(output, int(changed[-1]) if changed else 0, time.monotonic() - begun)
