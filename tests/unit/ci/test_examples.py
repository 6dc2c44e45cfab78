# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The jobs of examples/ci: nothing that somebody types and nothing secret comes into a line of the shell."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

EXAMPLES = Path(__file__).resolve().parents[3] / "examples" / "ci"
SECRETS = ("DATABASE_URL", "K8S_AUTH_API_KEY")


def github() -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((EXAMPLES / "github.yml").read_text())["jobs"]["rollout"]
    return read


def gitlab() -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((EXAMPLES / "gitlab.yml").read_text())["rollout"]
    return read


def lines() -> list[str]:
    of_gitlab = gitlab()
    return (
        [step["run"] for step in github()["steps"] if "run" in step] + of_gitlab["before_script"] + of_gitlab["script"]
    )


def test_lines_of_the_shell() -> None:
    for line in lines():
        assert "${{" not in line, "GitHub writes what was typed into the line before the shell reads it"
        assert not re.search(r"\$\{?(ENDPOINT|MODEL_VERSION)", line), "the script reads them as they are"
        assert not any(secret in line for secret in SECRETS)
        assert "set -x" not in line
        bare = re.sub(r'"[^"]*"', "", line)
        assert "$" not in bare.replace('> "$', ""), f"not quoted: {line}"


def test_secrets_reach_one_step_of_github() -> None:
    job = github()
    assert "secrets." not in str(job["env"])
    (name,) = (step["name"] for step in job["steps"] if "secrets." in str(step))
    assert name == "Roll out"


def test_what_is_left_is_kept_in_any_case() -> None:
    (keep,) = (step for step in github()["steps"] if "upload-artifact" in step.get("uses", ""))
    assert keep["if"] == "always()"
    assert gitlab()["artifacts"]["when"] == "always"


def test_the_script_is_a_program() -> None:
    assert (EXAMPLES / "rollout").stat().st_mode & 0o111
