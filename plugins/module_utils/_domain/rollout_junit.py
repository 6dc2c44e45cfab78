# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A rollout as JUnit XML, which pipelines show as a list of tests: one for each step of the plan."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from xml.etree import ElementTree

from .report_words import Json, entries, moment, number, text
from .rollout_ending import Ending
from .timeline import line

__all__ = ("junit",)

# How it ended without a failure of the candidate's or of the run's.
_STOPPED = ("waiting", "stopped", "staged", "planned", "unchanged")


@dataclass
class _Case:
    """
    :param begun, ended: seconds since the epoch; None before
    :param passed: whether its step is done
    """

    name: str
    begun: float | None = None
    ended: float | None = None
    passed: bool = False


def junit(ending: Ending, rollout: Json, events: t.Sequence[Json], *, endpoint: str = "") -> str:
    """An XML document with one test suite. A step that was not reached is skipped; the one where the rollout ended badly has failed.

    :param rollout: as ``rollout_info`` gives it; empty where none was begun
    :param events: its rows in their order
    :param endpoint: name, for a rollout that was not begun
    """
    name = text(rollout.get("endpoint") or endpoint, 120) or "rollout"
    cases = _cases(rollout, events) if rollout else [_Case("begin", passed=ending.code == 0)]
    bad = ending.code != 0 and ending.word not in _STOPPED
    at_fault = next((case for case in cases if not case.passed), cases[-1]) if bad else None
    simulated = " (SIMULATED)" if rollout.get("simulated") else ""
    suite = ElementTree.Element("testsuite", name=f"rollout {name}{simulated}")
    for case in cases:
        _tell(suite, case, name, ending, failed=case is at_fault, rollout=rollout)
    lines = [words for words in (line(event, rollout) for event in events) if words]
    if lines:
        ElementTree.SubElement(suite, "system-out").text = "\n".join(lines)
    if at_fault is not None and lines:
        found = suite.find("./testcase/failure")
        if found is not None:
            found.text = "\n".join([ending.said, *lines[-5:]])
    counts = {
        "tests": len(cases),
        "failures": len(suite.findall("./testcase/failure")),
        "errors": len(suite.findall("./testcase/error")),
        "skipped": len(suite.findall("./testcase/skipped")),
    }
    for word, count in counts.items():
        suite.set(word, str(count))
    suite.set("time", f"{sum(_seconds(case) for case in cases):.3f}")
    begun = moment(rollout.get("created_at"))
    if begun:
        suite.set("timestamp", begun.strftime("%Y-%m-%dT%H:%M:%S"))
    whole = ElementTree.Element("testsuites")
    whole.append(suite)
    ElementTree.indent(whole)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(whole, encoding="unicode") + "\n"


def _cases(rollout: Json, events: t.Sequence[Json]) -> list[_Case]:
    stage, promote = _Case("stage at 0 %"), _Case("promote")
    steps = [_Case(f"{share:g} %") for share in map(number, entries(rollout.get("steps"))) if share is not None]
    for event in events:
        kind, when = event.get("kind"), _when(event)
        step = number(event.get("step"))
        here = steps[int(step)] if step is not None and 0 <= int(step) < len(steps) else None
        if kind == "started":
            stage.begun = when
        elif kind == "staged":
            stage.ended, stage.passed = when, True
        elif kind == "raised" and here:
            here.begun = when
        elif kind == "passed" and here:
            here.ended, here.passed = when, True
        elif kind == "promoting":
            promote.begun = when
        elif kind in ("finished", "superseded"):
            _end(rollout, [stage, *steps, promote], when)
    return [stage, *steps, promote]


def _end(rollout: Json, cases: list[_Case], when: float | None) -> None:
    """The step that the rollout ended in."""
    for case in cases:
        if case.begun is not None and case.ended is None:
            case.ended = when
    if rollout.get("outcome") == "promoted":
        cases[-1].passed = True


def _tell(suite: ElementTree.Element, case: _Case, name: str, ending: Ending, *, failed: bool, rollout: Json) -> None:
    told = ElementTree.SubElement(
        suite, "testcase", classname=f"rollout.{name}", name=case.name, time=f"{_seconds(case):.3f}"
    )
    if failed:
        # The candidate's fault is a failure, anything else an error.
        kind = "failure" if rollout else "error"
        ElementTree.SubElement(told, kind, type=ending.word, message=ending.said).text = ending.said
    elif not case.passed:
        why = f"{ending.word.replace('_', ' ')}: {ending.said}" if ending.said else ending.word.replace("_", " ")
        ElementTree.SubElement(told, "skipped", message=f"not reached; {why}")


def _seconds(case: _Case) -> float:
    return max(0.0, case.ended - case.begun) if case.ended is not None and case.begun is not None else 0.0


def _when(event: Json) -> float | None:
    seconds = number(event.get("time"))
    if seconds is not None:
        return seconds
    at = moment(event.get("at"))
    return at.timestamp() if at else None
