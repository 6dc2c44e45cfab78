# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The workflow of a canary with approvals, node by node."""

from __future__ import annotations

from typing import Any

from world import World

from .conftest import serving
from .jobs import Controller

NAME = "Serving: canary with approvals"


def test_approved_to_the_end(controller: Controller, world: World, served: Any) -> None:
    seen: dict[str, dict[str, int]] = {}

    def yes(question: str) -> bool:
        seen[question] = serving(world)
        return True

    reached, jobs = controller.start(NAME, {"endpoint": "demo", "model_version": "2"}, yes)
    assert reached == ["stage", "may-begin", "to-10", "may-go-on", "to-50", "may-be-promoted", "promote"]
    assert [job.status for job in jobs] == ["successful"] * 4, jobs[-1].output
    assert seen == {
        "may-begin": {"one": 100},
        "may-go-on": {"one": 90, "two": 10},
        "may-be-promoted": {"one": 50, "two": 50},
    }
    assert serving(world) == {"two": 100}
    assert [row["outcome"] for row in world.sql("select outcome from serving.rollout")] == ["promoted"]


def test_refused_half_way(controller: Controller, world: World, served: Any) -> None:
    reached, jobs = controller.start(
        NAME, {"endpoint": "demo", "model_version": "2"}, lambda question: question != "may-go-on"
    )
    assert reached == ["stage", "may-begin", "to-10", "may-go-on", "abort"]
    assert [job.status for job in jobs] == ["successful"] * 3, jobs[-1].output
    assert serving(world) == {"one": 100}
    assert world.one("select outcome from serving.rollout")["outcome"] == "aborted"


def test_a_version_that_does_not_load(controller: Controller, world: World, served: Any) -> None:
    reached, jobs = controller.start(NAME, {"endpoint": "demo", "model_version": "4"}, lambda _question: True)
    assert reached == ["stage"], jobs[-1].output
    assert serving(world) == {"one": 100}
