# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What became of a rollout, as a word, an exit code and JUnit."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.mlops.serving.plugins.filter.rollout_junit import rollout_junit
from ansible_collections.mlops.serving.plugins.filter.rollout_result import rollout_result
from ansible_collections.mlops.serving.plugins.module_utils._domain.rollout_ending import CODES, ending
from ansible_collections.mlops.serving.plugins.module_utils._domain.rollout_junit import junit
from ansible_collections.mlops.serving.tests.unit.domain.rollout_records import RECORDS, promoted, rolled_back


def held(hold: str | None, **more: Any) -> dict[str, Any]:
    return {"state": "paused", "rollout": {"hold": hold, "state": "paused", "reason": "why", "outcome": None, **more}}


def ended(outcome: str, reason: str = "why") -> dict[str, Any]:
    return {"state": "finished", "outcome": outcome, "rollout": {"outcome": outcome, "reason": reason}}


@pytest.mark.parametrize(
    ("result", "action", "word", "code"),
    [
        (ended("promoted"), "run", "promoted", 0),
        (ended("returned"), "run", "returned", 0),
        ({**ended("rolled_back"), "failed": True, "failure": {"code": "refused"}}, "run", "rolled_back", 20),
        (ended("rolled_back", "inconclusive: 3 of 300 requests"), "run", "inconclusive", 12),
        (ended("aborted"), "run", "aborted", 21),
        (ended("aborted"), "abort", "aborted", 0),
        (ended("rolled_back"), "abort", "rolled_back", 0),
        (ended("superseded"), "run", "superseded", 22),
        (ended("failed"), "run", "failed", 23),
        (ended("failed"), "abort", "failed", 23),
        (held("approval"), "run", "waiting", 10),
        (held("approval", strategy="blue_green"), "run", "staged", 0),
        (held("asked"), "run", "paused", 11),
        (held("asked"), "pause", "paused", 0),
        (held("inconclusive"), "run", "inconclusive", 12),
        (held("drift"), "run", "drift", 13),
        (held("until"), "run", "stopped", 0),
        (held(None), "run", "unfinished", 14),
        ({"state": "new", "outcome": None, "rollout": None}, "run", "planned", 0),
        ({"state": "finished", "outcome": None, "rollout": None, "msg": "serves already"}, "run", "unchanged", 0),
        ({"failed": True, "msg": "no", "failure": {"code": "not_found"}}, "run", "refused", 30),
        ({"failed": True, "msg": "no", "failure": {"code": "unavailable"}}, "run", "unavailable", 31),
        ({"failed": True, "msg": "a bug"}, "run", "error", 2),
        ({}, "run", "error", 2),
    ],
)
def test_endings(result: dict[str, Any], action: str, word: str, code: int) -> None:
    told = ending(result, action)
    assert (told.word, told.code) == (word, code)


def test_codes_are_not_those_of_others() -> None:
    """1 to 4, 99 and 250 are Ansible's, from 126 on the shell's."""
    own = [code for word, code in CODES.items() if code and word != "error"]
    assert len(set(own)) == len(own)
    assert all(10 <= code < 64 for code in own)


@pytest.mark.parametrize("name", RECORDS)
def test_every_record_is_a_document(name: str) -> None:
    told, events = RECORDS[name]()
    told_ending = ending({"rollout": told, "state": told["state"]})
    suite = ElementTree.fromstring(junit(told_ending, told, events)).find("testsuite")
    assert suite is not None
    cases = suite.findall("testcase")
    assert [int(str(suite.get(word))) for word in ("tests", "failures", "errors", "skipped")] == [
        len(cases),
        *(sum(case.find(kind) is not None for case in cases) for kind in ("failure", "error", "skipped")),
    ]
    bad = sum(case.find("failure") is not None or case.find("error") is not None for case in cases)
    assert bad == (0 if told_ending.code in (0, 10) else 1)
    assert ("SIMULATED" in str(suite.get("name"))) is (name == "simulated")


def test_the_step_at_fault() -> None:
    told, events = rolled_back()
    text = junit(ending({"rollout": told, "state": "finished"}), told, events)
    suite = ElementTree.fromstring(text).find("testsuite")
    assert suite is not None
    shown = [(case.get("name"), [part.tag for part in case]) for case in suite.findall("testcase")]
    assert shown == [
        ("stage at 0 %", []),
        ("1 %", []),
        ("5 %", ["failure"]),
        *((name, ["skipped"]) for name in ("10 %", "25 %", "50 %", "promote")),
    ]
    failure = suite.find("./testcase/failure")
    assert failure is not None
    assert (failure.get("type"), failure.get("message")) == ("rolled_back", told["reason"])
    assert "evidence 412:1" in str(failure.text)
    assert suite.get("timestamp") == "2026-03-04T14:02:11"
    seconds = [float(str(case.get("time"))) for case in suite.findall("testcase")]
    assert seconds[0] == 1.9
    assert seconds[1] > 10
    assert sum(seconds) == pytest.approx(float(str(suite.get("time"))), abs=0.01)


def test_hostile_names_are_text() -> None:
    told, events = promoted()
    told = {**told, "endpoint": "<a>&\x00\ud800]]>"}
    assert ElementTree.fromstring(junit(ending({"rollout": told, "state": "finished"}), told, events)) is not None


def test_filters() -> None:
    told, events = promoted()
    result = {"rollout": told, "state": "finished", "outcome": "promoted"}
    data = rollout_result(result)
    assert (data["ending"], data["exit_code"], data["endpoint"]) == ("promoted", 0, "demo-canary")
    assert "plan" not in data["rollout"]
    assert rollout_junit(result, events) == junit(ending(result), told, events)
    refused = {"failed": True, "msg": "there is no such endpoint", "failure": {"code": "not_found"}}
    assert rollout_result(refused, endpoint="demo")["endpoint"] == "demo"
    assert 'name="begin"' in rollout_junit(refused, endpoint="demo")
    with pytest.raises(AnsibleFilterError, match="registered"):
        rollout_result("promoted")
    with pytest.raises(AnsibleFilterError, match="registered"):
        rollout_junit(None)
    with pytest.raises(AnsibleFilterError, match="as a list"):
        rollout_junit(result, events="none")
