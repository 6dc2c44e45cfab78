# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the step with evidence makes of the playbook's end."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

FILE = Path(__file__).resolve().parents[3] / "kubeflow" / "steps" / "guarded.py"
FAILED = 'fatal: [localhost]: FAILED! => {"changed": false, "msg": "the disk is full"}'


@pytest.fixture(scope="module")
def guarded() -> Any:
    spec = importlib.util.spec_from_file_location("guarded", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("ending", "told", "code", "expected"),
    [
        ("promoted", 0, 0, (0, "")),
        ("unchanged", 0, 0, (0, "")),
        ("promoted", 0, 2, (2, "the disk is full")),  # by a task beside the rollout
        ("inconclusive", 12, 0, (12, "inconclusive: as told")),  # held: the playbook itself has ended well
        ("rolled_back", 20, 2, (20, "rolled back: as told")),
    ],
)
def test_an_end_with_a_result(
    guarded: Any, tmp_path: Path, ending: str, told: int, code: int, expected: tuple[int, str]
) -> None:
    result = tmp_path / "result.json"
    result.write_text(json.dumps({"ending": ending, "exit_code": told, "reason": "as told"}))
    assert guarded.ended(code, str(result), [FAILED, "more"]) == expected


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ([FAILED, "PLAY RECAP"], "the disk is full"),
        (["[ERROR]: the playbook: mlops.serving.rollout_canary could not be found"], "[ERROR]: the playbook"),
        (["Killed"], "Killed"),
        ([], "ansible-playbook said nothing"),
    ],
)
def test_an_end_without_one(guarded: Any, tmp_path: Path, lines: list[str], reason: str) -> None:
    code, told = guarded.ended(2, str(tmp_path / "none"), lines)
    assert code == 2
    assert told.startswith(reason)


def test_the_account_without_a_home_is_given_one(guarded: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", "/proc/none")
    assert guarded.surroundings("", "/given")["HOME"] == "/given"
    monkeypatch.setenv("HOME", str(tmp_path))
    found = guarded.surroundings("me", "/given")
    assert (found["HOME"], found["MLOPS_ROLLOUT_BY"]) == (str(tmp_path), "me")
