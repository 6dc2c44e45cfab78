# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rolls a model version out with evidence, by the playbook of the execution environment that this runs in.

Ends with 0 only when the version serves all of the traffic. The database's address comes from the environment, and the cluster's access from
the pod's ServiceAccount: neither is on a command line.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from typing import Any

LAST_WORDS = "/dev/termination-log"
PLAYBOOK = "mlops.serving.rollout_canary"
# A rollout that is held ends its playbook well; here only a version that serves is a success.
ENDED = [
    {
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "tasks": [
            {
                "name": "See that the version serves",
                "ansible.builtin.assert": {
                    "that": "not rollout_state.rollout or rollout_state.outcome == 'promoted'",
                    "fail_msg": "the rollout is {{ rollout_state.outcome or rollout_state.state }}"
                    "{{ ': ' ~ rollout_state.rollout.reason if rollout_state.rollout.reason | default('', true) else '' }}",
                    "quiet": True,
                },
            }
        ],
    }
]


def variables(arguments: argparse.Namespace) -> dict[str, Any]:
    """The playbook's extra variables; what is empty keeps the playbook's default."""
    found = {name: value for name, value in vars(arguments).items() if value.strip()}
    if "report" in found:
        os.makedirs(os.path.dirname(os.path.abspath(found["report"])), exist_ok=True)
    return found


def reason(lines: list[str]) -> str:
    """What the last failed task said."""
    for line in reversed(lines):
        match = re.match(r"(?:fatal|failed): \[.*?\].*? => (\{.*)", line)
        if match:
            try:
                return str(json.loads(match.group(1)).get("msg", line))
            except ValueError:
                return line
        if line.startswith(("[ERROR]", "ERROR!")):
            return line
    return lines[-1] if lines else "ansible-playbook said nothing"


def play(extra: dict[str, Any]) -> tuple[int, str]:
    """Exit code and, unless it is 0, the reason. What the playbook prints goes to the task's log while it runs."""
    with tempfile.TemporaryDirectory() as folder:
        ended, given = os.path.join(folder, "ended.yml"), os.path.join(folder, "given.json")
        for path, content in ((ended, ENDED), (given, extra)):
            with open(path, "w", encoding="utf-8") as file:
                json.dump(content, file)  # JSON is YAML
        command = ["ansible-playbook", PLAYBOOK, ended, "-e", f"@{given}"]
        environment = {
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_LOCALHOST_WARNING": "false",
            **os.environ,
            "PYTHONUNBUFFERED": "1",
        }
        try:
            process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
            )
        except OSError as error:
            return (
                1,
                f"ansible-playbook does not start ({error}): is the image an execution environment with mlops.serving?",
            )
        signal.signal(signal.SIGTERM, lambda *_: process.terminate())
        lines = []
        for line in process.stdout or ():
            print(line, end="", flush=True)
            if line.strip():
                lines.append(line.strip())
        code = process.wait()
        return code, reason([line for line in lines if not re.match(r"localhost\s+: ok=", line)]) if code else ""


def main() -> int:
    parser = argparse.ArgumentParser(description="Roll a model version out with evidence.")
    for name in (
        "endpoint",
        "model_version",
        "tenant_id",
        "project_id",
        "steps",
        "deploy_mode",
        "kserve_namespace",
        "report",
    ):
        parser.add_argument(f"--{name}", default="")
    for name in ("min_requests", "on_inconclusive", "timeout", "evidence", "prometheus_url"):
        parser.add_argument(f"--rollout_{name}", default="")
    code, why = play(variables(parser.parse_args()))
    if code:
        if os.path.exists(LAST_WORDS):
            try:
                with open(LAST_WORDS, "w", encoding="utf-8") as file:
                    file.write(why[:4000])
            except OSError:
                pass
        print(f"ERROR: {why}", file=sys.stderr, flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
