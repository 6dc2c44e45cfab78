# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rolls a model version out with evidence, by the playbook of the execution environment that this runs in.

Ends with 0 only when the version serves all of the traffic, and else with the exit codes of docs/ci.md. The database's address comes from
the environment, and the cluster's access from the pod's ServiceAccount: neither is on a command line.
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


def variables(arguments: dict[str, str]) -> dict[str, Any]:
    """The playbook's extra variables; what is empty keeps the playbook's default."""
    found = {name: value for name, value in arguments.items() if value.strip()}
    if "report" in found:
        os.makedirs(os.path.dirname(os.path.abspath(found["report"])), exist_ok=True)
    return found


def reason(lines: list[str]) -> str:
    """What the last failed task said, for a playbook that ended before it had a result."""
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


def ended(code: int, result: str, lines: list[str]) -> tuple[int, str]:
    """Exit code and, unless it is 0, the reason: those of the playbook's result file, where it has come to write one."""
    try:
        with open(result, encoding="utf-8") as file:
            told = json.load(file)
    except (OSError, ValueError):
        return code, reason(lines) if code else ""
    if not told["exit_code"]:  # a play that failed beside a rollout that did not is a failure
        return code, reason(lines) if code else ""
    return told["exit_code"], f"{told['ending'].replace('_', ' ')}: {told['reason']}"


def surroundings(user: str, home: str) -> dict[str, str]:
    """The playbook's environment. Kubeflow's launcher starts the step without the image's entry point, which gives the account a home."""
    found = {"ANSIBLE_NOCOLOR": "1", "ANSIBLE_LOCALHOST_WARNING": "false", **os.environ, "PYTHONUNBUFFERED": "1"}
    if user:
        found["MLOPS_ROLLOUT_BY"] = user
    if not os.access(os.path.expanduser("~"), os.W_OK):
        found["HOME"] = home
    return found


def play(extra: dict[str, Any], user: str) -> tuple[int, str]:
    """As ``ended``. What the playbook prints goes to the task's log while it runs."""
    with tempfile.TemporaryDirectory() as folder:
        given, result = os.path.join(folder, "given.json"), os.path.join(folder, "result.json")
        with open(given, "w", encoding="utf-8") as file:
            json.dump({**extra, "result_file": result}, file)
        command = ["ansible-playbook", PLAYBOOK, "-e", f"@{given}"]
        try:
            process = subprocess.Popen(
                command,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                env=surroundings(user, folder),
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
            if line.strip() and not re.match(r"localhost\s+: ok=", line):
                lines.append(line.strip())
        return ended(process.wait(), result, lines)


def main() -> int:
    parser = argparse.ArgumentParser(description="Roll a model version out with evidence.")
    parser.add_argument("--user_id", default="")
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
    arguments = vars(parser.parse_args())
    user = arguments.pop("user_id").strip()
    code, why = play(variables(arguments), user)
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
