"""The playbooks for rollouts, by their names and by their paths."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from rollout_world import served, versions
from world import reconcile, run, world

__all__ = ("reconcile", "run", "served", "versions", "world")

FAST = ("-e", "rollout_interval=100ms", "-e", "endpoint=demo")


@pytest.fixture
def pages(tmp_path: Path) -> tuple[dict[str, str], Path]:
    """The environment of somebody who works in a folder of their own, and where the reports are then."""
    return {"PWD": str(tmp_path)}, tmp_path / "reports"


def serving(world: Any) -> dict[str, int]:
    return {uri.rstrip("/").rpartition("/")[2]: share for uri, share in world.shares("demo").items() if share}


def test_canary(world: Any, served: Any, play: Any, pages: Any) -> None:
    where, reports = pages
    first = play("mlops.serving.rollout_canary", *FAST, "-e", "model_version=2", "-e", "steps=[10,50]", **where)
    assert first.code == 0, first.output
    assert serving(world) == {"two": 100}
    assert re.search(r"step +10 %", first.output)
    assert not re.search(r"step +25 %", first.output)
    (page,) = reports.glob("demo-*.html")
    assert f"Report: {page}" in first.output
    again = play("playbooks/rollout-canary.yml", *FAST, "-e", "model_version=2", **where)
    assert (again.code, again.recap["changed"]) == (0, 0), again.output
    assert "serves already" in again.output
    bad = play("playbooks/rollout_canary.yml", *FAST, "-e", "model_version=3", **where)
    assert bad.code == 2
    assert "rolled back" in bad.output
    assert serving(world) == {"two": 100}
    assert len(list(reports.glob("demo-*.html"))) == 2, "of a rollout that failed as well"
    assert "Report: " in bad.output


def test_canary_with_an_approval(world: Any, served: Any, play: Any) -> None:
    asked = (
        "mlops.serving.rollout_canary",
        *FAST,
        "-e",
        "report=",
        "-e",
        '{"steps": [5, 50], "rollout_approvals": [50]}',
    )
    held = play(*asked, "-e", "model_version=2")
    assert held.code == 0, held.output
    assert serving(world) == {"one": 95, "two": 5}
    gone_on = play(*asked, "-e", "rollout_action=resume")
    assert gone_on.code == 0, gone_on.output
    assert serving(world) == {"two": 100}


def test_ab(world: Any, served: Any, play: Any, pages: Any) -> None:
    where, reports = pages
    asked = ("playbooks/rollout-ab.yml", *FAST, "-e", "model_version=2", "-e", "split=40")
    waits = play(*asked, "-e", "duration=1s", "-e", "winner=ask", **where)
    assert waits.code == 0, waits.output
    assert serving(world) == {"one": 60, "two": 40}
    assert "run the same again with -e rollout_action=resume" in waits.output
    back = play("mlops.serving.rollout_ab", *FAST, "-e", "rollout_action=abort", **where)
    assert back.code == 0, back.output
    assert serving(world) == {"one": 100}
    won = play(*asked, **where)
    assert won.code == 0, won.output
    assert serving(world) == {"two": 100}
    assert len(list(reports.iterdir())) == 2


def test_blue_green_and_rollback(world: Any, served: Any, play: Any, pages: Any) -> None:
    where, reports = pages
    early = play("mlops.serving.rollout_blue_green_promote", *FAST, **where)
    assert early.code == 2
    assert "Nothing to promote on endpoint demo: no rollout is on record. Stage it" in early.output
    staged = play("mlops.serving.rollout_blue_green_stage", *FAST, "-e", "model_version=2", "-e", "watch=1s", **where)
    assert staged.code == 0, staged.output
    assert serving(world) == {"one": 100}
    assert "It waits for your word" in staged.output
    same = play("playbooks/rollout-blue-green-stage.yml", *FAST, "-e", "model_version=2", "-e", "watch=1s", **where)
    assert (same.code, same.recap["changed"]) == (0, 0), same.output
    other = play("mlops.serving.rollout_blue_green_promote", *FAST, "-e", "model_version=3", **where)
    assert other.code == 2
    assert (
        "Nothing to promote on endpoint demo in version 3: its last rollout is blue_green of version 2" in other.output
    )
    promoted = play("playbooks/rollout-blue-green-promote.yml", *FAST, "-e", "model_version=2", **where)
    assert promoted.code == 0, promoted.output
    assert re.search(r"step +99 %", promoted.output), promoted.output
    assert serving(world) == {"two": 100}
    once_more = play("mlops.serving.rollout_blue_green_promote", *FAST, **where)
    assert (once_more.code, once_more.recap["changed"]) == (0, 0), once_more.output
    back = play("mlops.serving.rollback", *FAST, **where)
    assert back.code == 0, back.output
    assert serving(world) == {"one": 100}
    still = play("playbooks/rollback.yml", *FAST, **where)
    assert (still.code, still.recap["changed"]) == (0, 0), still.output
    assert serving(world) == {"one": 100}
    named = play("playbooks/rollback.yml", *FAST, "-e", "model_version=2", **where)
    assert named.code == 0, named.output
    assert serving(world) == {"two": 100}
    assert len(list(reports.iterdir())) == 3


@pytest.mark.parametrize(
    ("playbook", "given", "missing"),
    [
        ("rollout_canary", (), "endpoint is not given. Name the endpoint"),
        ("rollout_canary", ("endpoint=demo",), "model_version is not given. Say which version"),
        ("rollout_ab", ("endpoint=demo",), "model_version is not given"),
        (
            "rollout_ab",
            ("endpoint=demo", "model_version=2", "winner=ask"),
            "duration is not given. Say how long both serve",
        ),
        ("rollout_blue_green_stage", ("endpoint=demo",), "model_version is not given"),
        ("rollout_blue_green_promote", (), "endpoint is not given"),
        ("rollback", (), "endpoint is not given"),
    ],
)
def test_what_is_missing_is_named(play: Any, playbook: str, given: tuple[str, ...], missing: str) -> None:
    played = play(f"mlops.serving.{playbook}", *(part for item in given for part in ("-e", item)))
    assert played.code == 2
    assert missing in played.output, played.output
    assert "Traceback" not in played.output


def test_check_mode_begins_nothing(world: Any, served: Any, play: Any, pages: Any) -> None:
    where, reports = pages
    played = play("mlops.serving.rollout_canary", *FAST, "-e", "model_version=2", "--check", **where)
    assert played.code == 0, played.output
    assert played.recap["changed"] == 1
    assert not world.sql("select * from serving.rollout")
    assert not reports.exists()
