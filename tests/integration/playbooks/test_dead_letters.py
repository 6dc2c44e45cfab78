# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook of the dead letters, by its name and by its file: it lists, replays and discards."""

from __future__ import annotations

import json
from typing import Any

import pytest
from world import world

from .conftest import Play

__all__ = ("world",)

BY_NAME = "mlops.serving.dead_letters"


@pytest.fixture
def letters(world: Any) -> list[int]:
    insert = (
        "insert into serving.dead_letter (stream, stream_sequence, subject, payload, reason, size)"
        " values ('S', %s, 'deploy', '{}', %s, 2) returning id"
    )
    reasons = ("it is not JSON", "there is no endpoint", "there is no endpoint")
    return [world.one(insert, number, reason)["id"] for number, reason in enumerate(reasons)]


def states(world: Any) -> list[tuple[bool, bool]]:
    rows = world.sql("select replayed_at, discarded_at from serving.dead_letter order by id")
    return [(row["replayed_at"] is not None, row["discarded_at"] is not None) for row in rows]


def test_it_lists_what_is_open(play: Play, world: Any, letters: list[int]) -> None:
    shown = play("playbooks/dead-letters.yml")
    assert shown.code == 0, shown.output
    assert shown.recap["changed"] == 0
    assert "LAST SEEN" in shown.output
    assert shown.output.count("there is no endpoint") == 2
    few = play(BY_NAME, "-e", "limit=1")
    assert "These are 1 of 3" in few.output


def test_it_replays_and_discards_what_is_chosen(play: Play, world: Any, letters: list[int]) -> None:
    tried = play(BY_NAME, "-e", json.dumps({"state": "replayed", "reason": "no endpoint"}), "--check")
    assert tried.recap["changed"] == 1, tried.output
    assert states(world) == [(False, False)] * 3
    done = play(BY_NAME, "-e", json.dumps({"state": "replayed", "reason": "no endpoint"}))
    assert done.code == 0, done.output
    assert states(world) == [(False, False), (True, False), (True, False)]
    assert world.one("select count(*)::int as n from serving.outbox where published_at is null")["n"] == 2
    gone = play(BY_NAME, "-e", json.dumps({"state": "discarded", "ids": letters[:1]}))
    assert gone.code == 0, gone.output
    assert states(world)[0] == (False, True)
    assert "There are none." in play(BY_NAME).output
    assert play(BY_NAME, "-e", "state=discarded").code != 0
