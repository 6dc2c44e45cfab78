# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The driver and its state machine together, against KServe's rules in memory: what may never happen, whatever does."""

from __future__ import annotations

import os
import random
import typing as t

import pytest
from ansible_collections.mlops.serving.plugins.module_utils._domain.plan import parse_plan
from ansible_collections.mlops.serving.plugins.module_utils._engine.rollout import Until
from ansible_collections.mlops.serving.tests.unit.engine.rollout_stage import Fate, Stage

RUNS = int(os.environ.get("MLOPS_ROLLOUT_RUNS", "200"))
GOOD, NEXT, OTHER = "s3://models/good/", "s3://models/next/", "s3://models/other/"
STEPS = ["raised", "passed"]


def test_a_good_candidate_takes_every_step() -> None:
    stage = Stage(parse_plan({}))
    row = stage.run()
    assert row["outcome"] == "promoted"
    assert stage.serving() == {NEXT: 100}
    assert stage.kinds() == ["staged", *STEPS * 5, "promoting", "finished"]
    assert stage.row.endpoint.traffic == {}
    assert stage.row.endpoint.model_version_id == "v2"


def test_the_log_shows_no_write_that_was_not_needed() -> None:
    stage = Stage(parse_plan({"steps": [10, 50]}))
    stage.run()
    assert [entry for entry in stage.log if entry.startswith("apply")] == [
        "apply next 0",
        "apply next 10",
        "apply next 50",
        "apply next None",
    ]


def test_a_candidate_that_fails_goes_back() -> None:
    stage = Stage(parse_plan({}), failing={NEXT: 0.3})
    row = stage.run()
    assert row["outcome"] == "rolled_back"
    assert "failed" in row["reason"]
    assert stage.serving() == {GOOD: 100}
    assert stage.row.endpoint.model_version_id == "v1"
    assert "returned" in stage.kinds()


def test_a_candidate_that_never_loads_gets_nothing() -> None:
    stage = Stage(parse_plan({}), candidate="bad")
    assert stage.run()["outcome"] == "rolled_back"
    assert all(set(shares) <= {GOOD} for shares in stage.history)


def test_stable_that_is_worse_is_no_place_to_go_back_to() -> None:
    stage = Stage(parse_plan({"gates": [{"metric": "errors", "max": "1%"}]}), failing={NEXT: 0.1, GOOD: 0.5})
    row = stage.run()
    assert row["outcome"] is None
    assert row["progress"]["hold"] == "inconclusive"
    assert "stable fails more" in row["progress"]["reason"]
    assert stage.run(command="abort")["outcome"] == "aborted"


def test_without_traffic_it_holds() -> None:
    stage = Stage(parse_plan({"step_timeout": "60s"}), rate=0.0)
    row = stage.run()
    assert row["progress"]["hold"] == "inconclusive"
    assert stage.serving() == {GOOD: 99, NEXT: 1}


def test_without_traffic_it_goes_back_where_the_plan_says_so() -> None:
    stage = Stage(parse_plan({"step_timeout": "60s", "on_inconclusive": "abort"}), rate=0.0)
    assert stage.run()["outcome"] == "rolled_back"
    assert stage.serving() == {GOOD: 100}


def test_a_source_that_is_away_passes_nothing() -> None:
    stage = Stage(parse_plan({"step_timeout": "60s", "harm_budget": 0}))
    stage.asides = [lambda: None] * 30 + [lambda: setattr(stage.traffic, "down", True)]
    row = stage.run()
    assert row["progress"]["hold"] == "inconclusive"
    assert "away" in row["progress"]["reason"]
    assert NEXT not in [max(shares, key=lambda name: shares[name]) for shares in stage.history]


def test_a_crash_counts_at_once() -> None:
    stage = Stage(parse_plan({"gates": [{"metric": "latency", "p99": "1s"}]}))
    stage.asides = [lambda: None] * 30 + [lambda: stage.traffic.crashed.update(list(stage.traffic.shares())[:1])]
    row = stage.run()
    assert row["outcome"] == "rolled_back"
    assert "restarted" in row["reason"]


def test_a_source_that_is_away_before_the_first_share_is_waited_for() -> None:
    stage = Stage(parse_plan({"step_timeout": "60s"}))
    stage.traffic.down = True
    row = stage.run()
    assert row["progress"]["hold"] == "inconclusive"
    assert stage.serving() == {GOOD: 100}
    stage.traffic.down = False
    assert stage.run(command="resume")["outcome"] == "promoted"


def test_an_edit_stops_it() -> None:
    stage = Stage(parse_plan({}))
    stage.asides = [lambda: None] * 30 + [stage.edit]
    row = stage.run()
    assert row["progress"]["hold"] == "drift"
    assert "drift" in stage.kinds()
    assert stage.run()["progress"]["hold"] == "drift"
    assert stage.run(command="promote")["progress"]["hold"] == "drift"
    assert stage.run(command="abort")["outcome"] == "aborted"
    assert stage.serving() == {GOOD: 100}


def test_another_intent_ends_it() -> None:
    stage = Stage(parse_plan({}))
    stage.asides = [lambda: None] * 30 + [stage.want_other]
    row = stage.run()
    assert row["outcome"] == "superseded"
    assert stage.row.endpoint.model_version_id == "v9"


def test_until_stops_and_the_next_run_goes_on() -> None:
    stage = Stage(parse_plan({}))
    row = stage.run(until=Until(share=5))
    assert row["progress"]["hold"] == "until"
    assert stage.share(NEXT) == 5
    assert stage.run(until=Until(steps=1))["progress"]["step"] == 2
    assert stage.run()["outcome"] == "promoted"


def test_blue_green_waits_at_0_and_goes_on_when_told() -> None:
    stage = Stage(parse_plan({"strategy": "blue_green"}))
    row = stage.run()
    assert row["progress"]["hold"] == "approval"
    assert stage.serving() == {GOOD: 100}
    assert stage.run()["progress"]["hold"] == "approval"
    assert stage.run(command="resume")["outcome"] == "promoted"


def test_an_ab_lasts_as_long_as_asked_and_returns_where_asked() -> None:
    stage = Stage(parse_plan({"strategy": "ab", "duration": "5m", "winner": "stable"}))
    began = stage.clock.time
    row = stage.run()
    assert row["outcome"] == "returned"
    assert stage.serving() == {GOOD: 100}
    assert stage.clock.time - began >= 300


def test_an_ab_asks_for_a_winner() -> None:
    stage = Stage(parse_plan({"strategy": "ab", "duration": "1m", "winner": "ask"}))
    assert stage.run()["progress"]["hold"] == "approval"
    assert stage.share(NEXT) == 50
    assert stage.run(command="resume")["outcome"] == "promoted"


def test_a_harm_budget_is_quicker_at_the_small_steps_and_as_sure_at_the_end() -> None:
    patient, quick = Stage(parse_plan({"harm_budget": 0})), Stage(parse_plan({}))
    times = []
    for stage in (patient, quick):
        began = stage.clock.time
        assert stage.run()["outcome"] == "promoted"
        times.append(stage.clock.time - began)
    assert times[1] < times[0] * 0.7


@pytest.mark.parametrize("late", [False, True])
def test_a_process_killed_at_every_call_is_followed_to_the_same_end(late: bool) -> None:
    whole = Stage(parse_plan({"steps": [10, 50]}))
    fate = Fate()
    whole.run(fate=fate)
    for number in range(1, fate.calls + 1):
        stage = Stage(parse_plan({"steps": [10, 50]}))
        assert stage.run(fate=Fate(number, late=late))["outcome"] in (None, "promoted")
        assert stage.run()["outcome"] == "promoted", number
        assert stage.kinds() == whole.kinds(), number
        _check_no_way_back(stage)


@pytest.mark.parametrize("block", range(10))
def test_whatever_happens(block: int) -> None:
    """Random candidates, commands, edits, outages and kills: no weight back and forth, no bad promotion, nothing twice."""
    for seed in range(block, RUNS, 10):
        try:
            _play(random.Random(seed))
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error


def _play(chance: random.Random) -> None:
    kind = chance.choice(["good", "good", "fails", "loads not", "silent", "crashes"])
    strategy = chance.choice(["canary", "canary", "canary", "ab", "blue_green"])
    plan: dict[str, t.Any] = {"strategy": strategy, "step_timeout": "90s", "min_requests": chance.choice([0, 50, 300])}
    if strategy == "canary":
        plan["steps"] = sorted(chance.sample(range(1, 100), chance.randint(1, 4)))
        plan["harm_budget"] = chance.choice([0, 5, 20])
    plan["on_inconclusive"] = chance.choice(["pause", "abort"])
    stage = Stage(
        parse_plan(plan),
        candidate="bad" if kind == "loads not" else "next",
        rate=chance.choice([5.0, 40.0, 400.0]),
        failing={NEXT: 0.4} if kind == "fails" else {},
    )
    if kind == "silent":
        stage.traffic.silent.add(NEXT)
    disturbed = False
    for _round in range(60):
        stage.asides = [lambda: None] * chance.randint(0, 40)
        what = chance.random()
        if what < 0.04:
            stage.asides.append(stage.edit)
            disturbed = True
        elif what < 0.08:
            stage.asides.append(stage.want_other)
            disturbed = True
        elif what < 0.2:
            stage.asides.append(lambda: setattr(stage.traffic, "down", not stage.traffic.down))
        if kind == "crashes":
            stage.asides.append(
                lambda: stage.traffic.crashed.update(
                    n for n in stage.traffic.shares() if stage.traffic.artifact(n) == NEXT
                )
            )
        fate = Fate(chance.randint(1, 80), late=chance.random() < 0.5) if chance.random() < 0.6 else None
        command = chance.choice([None, None, None, "pause", "resume", "resume"])
        row = stage.run(fate=fate, command=command)
        if row["outcome"] is not None:
            break
    else:
        stage.traffic.down = False
        row = stage.run(command="abort")
    outcome = row["outcome"]
    assert outcome is not None, row["progress"]
    assert stage.kinds().count("finished") + stage.kinds().count("superseded") == 1
    steps = [event.step for event in stage.rollouts.events if event.kind == "raised"]
    assert steps == sorted(set(steps)), steps
    passed = [event.step for event in stage.rollouts.events if event.kind == "passed"]
    assert len(passed) == len(set(passed)), passed
    _check_shares(stage)
    if not disturbed:
        _check_no_way_back(stage)
    if kind in ("loads not", "silent"):
        assert outcome != "promoted" or plan["min_requests"] == 0 or strategy == "blue_green", outcome
    if kind == "loads not":
        assert all("s3://models/bad/" not in shares for shares in stage.history)
    if outcome == "promoted":
        assert stage.row.endpoint.model_version_id == "v2"
        assert disturbed or stage.serving() == {NEXT: 100}
    elif outcome == "superseded":
        assert stage.row.endpoint.model_version_id == "v9"
    else:
        assert stage.row.endpoint.model_version_id == "v1", stage.serving()
        assert stage.serving() == {GOOD: 100}, stage.serving()


def _check_shares(stage: Stage) -> None:
    for shares in stage.history:
        assert sum(shares.values()) == 100, shares
        assert len(shares) <= 2, shares


def _check_no_way_back(stage: Stage) -> None:
    """The candidate's share rises, and falls once at most, to 0."""
    seen = [shares.get(NEXT, 0) for shares in stage.history]
    top = seen.index(max(seen))
    assert seen[:top] == sorted(seen[:top]), seen
    assert seen[top:] == sorted(seen[top:], reverse=True), seen
    assert set(seen[top:]) <= {max(seen), 0}, seen
