# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The console lines of a rollout."""

from __future__ import annotations

import typing as t
from datetime import timedelta, timezone

import pytest
from ansible_collections.mlops.serving.plugins.module_utils._domain.timeline import line
from ansible_collections.mlops.serving.tests.unit.domain.rollout_records import (
    BEGIN,
    RECORDS,
    Json,
    blue_green,
    promoted,
    rolled_back,
)


def lines(told: Json, events: list[Json]) -> list[str]:
    return [words for words in (line(event, told) for event in events) if words is not None]


def test_a_canary_that_is_rolled_back() -> None:
    assert lines(*rolled_back()) == [
        "14:02:11  demo-canary   version 3 -> 4   canary 1, 5, 10, 25, 50, then promote",
        "14:02:12  stage     0 %  demo-canary-predictor-00004 ready after 1.9 s",
        "14:02:13  raise     1 %  version 4 takes 1 %, version 3 99 %",
        "14:03:03  step      1 %      20 requests   errors 0 %    (stable 0.3 %)      over 500ms 0.2 %         pass",
        "14:03:03  raise     5 %  version 4 takes 5 %, version 3 95 %",
        "14:03:16  step      5 %      44 requests   errors 9.1 %  (stable 0.29 %)     evidence 412:1           FAIL",
        "14:03:17  rolled back    version 3 serves 100 %; 4 requests failed on version 4, 7 on version 3",
        "14:03:20  done           rolled back: 4 of 44 requests failed",
    ]


def test_the_end_of_a_promoted_one() -> None:
    assert lines(*promoted())[-2:] == [
        "14:03:38  promote 100 %  every step has passed",
        "14:03:41  promoted       version 4 serves 100 %; 1 request failed on version 4, 11 on version 3",
    ]


def test_a_failing_latency_is_named() -> None:
    failed = [words for words in lines(*rolled_back(slow=True)) if words.endswith("FAIL")]
    assert len(failed) == 1
    assert "p99 evidence 412:1" in failed[0]


def test_a_person_is_named() -> None:
    assert "14:02:35  command        resume (by dana)" in lines(*blue_green())


def test_simulated_is_said_in_the_first_line() -> None:
    assert lines(*promoted(simulated=True))[0].endswith("SIMULATED")


def test_the_outcome_is_known_before_the_row_is_read_again() -> None:
    told, events = promoted()
    assert lines({**told, "outcome": None, "totals": None}, events) == lines(told, events)


def test_samples_have_no_line() -> None:
    _told, events = rolled_back()
    samples = [event for event in events if event["kind"] == "sample"]
    assert samples
    assert {line(event, _told) for event in samples} == {None}


def test_the_time_is_shown_in_the_zone_it_is_given_in() -> None:
    told, events = rolled_back()
    event = {**events[1], "at": (BEGIN + timedelta(seconds=2)).astimezone(timezone(timedelta(hours=2)))}
    assert str(line(event, told)).startswith("16:02:13  ")


def test_an_event_that_has_only_seconds_has_a_time() -> None:
    told, events = rolled_back()
    event = {**events[1], "at": None, "time": BEGIN.timestamp()}
    assert str(line(event, told)).startswith("14:02:11  ")


def test_a_way_back_without_a_verdict_says_its_reason() -> None:
    told, events = rolled_back()
    event = next(event for event in events if event["kind"] == "returning")
    said = line({**event, "verdict": None, "message": "the container restarted: OOMKilled"}, told)
    assert said == "14:03:16  return    5 %  to version 3: the container restarted: OOMKilled"


@pytest.mark.parametrize("name", sorted(RECORDS))
def test_lines_fit_any_console(name: str) -> None:
    told, events = RECORDS[name]()
    told["endpoint"] = "e" * 300
    told["candidate"]["version"] = "\u202e\u00e9\x1b[31m4\r\n" * 30
    for event in events:
        event["message"] = f"{event['message']}\n\x1b[2J\u2192{'long ' * 60}"
        event["who"] = "\x07" * 50
    for words in lines(told, events):
        assert len(words) < 120
        assert words.isascii()
        assert words.isprintable()


@pytest.mark.parametrize("value", [None, "", [], {}, 7, float("nan"), "x"])
@pytest.mark.parametrize(
    "name", ["started", "passed", "returning", "returned", "finished", "paused", "nobody knows", None]
)
def test_any_event_has_a_line_without_an_error(name: t.Any, value: t.Any) -> None:
    event = {
        "kind": name,
        "at": value,
        "samples": value,
        "verdict": value,
        "observed": value,
        "written": value,
        "step": value,
        "message": value,
    }
    assert isinstance(line(event, {"steps": value, "stable": value, "plan": value}), str)
