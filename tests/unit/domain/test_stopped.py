# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An endpoint that is stopped: nothing of it runs, nothing of it is forgotten, and starting it shifts no traffic on a guess."""

from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.mlops.serving.plugins.module_utils._domain import simulation
from ansible_collections.mlops.serving.plugins.module_utils._domain.convergence import (
    Apply,
    Converged,
    Failed,
    Wait,
    converge,
)
from ansible_collections.mlops.serving.plugins.module_utils._domain.errors import InvalidIntent, Refused
from ansible_collections.mlops.serving.tests.unit.domain.samples import World, rendered

STOPPED = {"runtime_config": {"stopped": True}}
MODES = pytest.mark.parametrize("mode", ["Knative", "Standard"])


def stopped(mode: str, *models: str) -> World:
    world = World(mode).deploy(*models)
    assert isinstance(world.want(models[-1], **STOPPED).run(), Converged)
    return world


@MODES
def test_it_is_taken_away_and_nothing_is_promoted_by_it(mode: str) -> None:
    world = World(mode).deploy("m1")
    before = world.record
    end = world.want("m1", **STOPPED).run()
    assert isinstance(end, Converged)
    assert (end.stopped, end.promoted, end.url) == (True, False, None)
    assert world.writes == ["apply m1 None"]
    assert not simulation.look(world.state).serving
    assert world.record.stable_spec == before.stable_spec
    assert isinstance(world.run(), Converged)
    assert world.writes == [], "and once more changes nothing"


@MODES
def test_its_pods_have_to_be_gone_as_well(mode: str) -> None:
    """KServe says Stopped at once; Knative's pods answer on for half a minute, and hold their GPU."""
    world = World(mode).deploy("m1").want("m1", **STOPPED)
    assert isinstance(world.step(), Apply)
    world.tick()
    seen = dataclasses.replace(simulation.look(world.state), pods=2)
    assert converge(world.desired, world.record, seen, world.now) == Wait("2 of its pods have not ended yet")
    assert isinstance(world.look(), Converged)


@MODES
def test_it_is_not_ready_because_it_is_stopped(mode: str) -> None:
    world = stopped(mode, "m1")
    assert simulation.look(world.state).not_ready_because == "it is stopped"
    world.write(World(mode).want("m1").desired.manifest or {})
    assert simulation.look(world.state).not_ready_because == "", "which is over, whatever the conditions say still"


def test_what_keeps_kserve_from_stopping_it_is_told() -> None:
    world = World().deploy("m1").want("m1", **STOPPED)
    assert isinstance(world.step(), Apply)
    seen = dataclasses.replace(simulation.look(world.state), not_ready_because="PredictorReady: no runtime found")
    step = converge(world.desired, world.record, seen, world.now)
    assert step == Wait("KServe has not stopped it yet (PredictorReady: no runtime found)")


def test_it_is_not_started_while_a_revision_of_before_may_be_there() -> None:
    """Its pods are told to end after the revision is gone: Knative takes one that is still there for the next of its name."""
    world = stopped("Knative", "m1").want("m2")
    seen = simulation.look(world.state)
    assert isinstance(
        converge(world.desired, world.record, dataclasses.replace(seen, pods=1, staying=1), world.now), Wait
    )
    assert isinstance(converge(world.desired, world.record, dataclasses.replace(seen, pods=1), world.now), Apply)


@MODES
def test_it_starts_with_what_served_before(mode: str) -> None:
    world = stopped(mode, "m1", "m2")
    end = world.want("m2").run()
    assert isinstance(end, Converged)
    assert (end.stopped, end.promoted) == (False, True)
    assert world.writes == ["apply m2 None"]
    assert simulation.look(world.state).serving


@MODES
def test_what_changes_while_it_is_stopped_is_served_when_it_starts(mode: str) -> None:
    world = stopped(mode, "m1")
    assert isinstance(world.want("m2", **STOPPED).run(), Converged)
    assert world.writes == ["apply m2 None"]
    assert not simulation.look(world.state).serving
    assert isinstance(world.want("m2").run(), Converged)
    if mode == "Knative":
        assert world.shares() == {"m2": 100}


@MODES
def test_it_may_be_there_and_stopped_from_the_first(mode: str) -> None:
    world = World(mode).want("m1", **STOPPED)
    end = world.run()
    assert isinstance(end, Converged)
    assert end.stopped
    assert world.writes == ["create m1 None"]
    assert isinstance(world.want("m1").run(), Converged)


@MODES
def test_it_is_deleted_as_any_other(mode: str) -> None:
    world = stopped(mode, "m1")
    assert isinstance(world.want_nothing().run(), Converged)
    assert world.state is None


def test_a_canary_begins_with_the_stable_model() -> None:
    """KServe gives the first revision everything, whatever the percentage says."""
    world = stopped("Knative", "m1")
    end = world.want("m2", 20).run()
    assert isinstance(end, Converged)
    assert world.writes == ["apply m1 None", "apply m2 0", "apply m2 20"]
    assert world.shares() == {"m1": 80, "m2": 20}
    assert max(shares.get("m2", 0) for shares in world.seen_shares) == 20


def test_it_is_stopped_in_the_middle_of_a_canary() -> None:
    world = World().deploy("m1")
    assert isinstance(world.want("m2", 20).run(), Converged)
    end = world.want("m2", 20, **STOPPED).run()
    assert isinstance(end, Converged)
    assert world.shares() == {}
    assert isinstance(world.want("m2", 20).run(), Converged)
    assert world.writes == ["apply m1 None", "apply m2 0", "apply m2 20"]


def test_it_is_not_started_before_kserve_has_stopped_it() -> None:
    """The revisions of before are still shown, and the next one may get the name of one of them."""
    world = World().deploy("m1").want("m1", **STOPPED)
    assert isinstance(world.step(), Apply)
    world.want("m2")
    world.now += 60  # however slow the controller is
    assert isinstance(world.step(), Wait)
    world.tick()
    assert isinstance(world.run(), Converged)
    assert world.shares() == {"m2": 100}


@MODES
def test_a_model_that_does_not_load_fails_and_nothing_is_said_to_serve(mode: str) -> None:
    world = stopped(mode, "m1")
    end = world.want("bad").run()
    assert isinstance(end, Failed)
    assert not end.serving


def test_somebody_who_starts_it_by_hand_is_put_right() -> None:
    world = stopped("Knative", "m1")
    running = World().want("m1").desired.manifest
    assert running is not None
    world.write(running)
    for _time in range(4):
        world.tick()
    assert world.shares() == {"m1": 100}
    assert isinstance(world.run(), Converged)
    assert world.shares() == {}


def test_the_percentage_says_that_it_has_no_effect() -> None:
    found = rendered(
        traffic={"canaryTrafficPercent": 10}, runtime_config={"deploymentMode": "Knative", "stopped": True}
    )
    assert "canaryTrafficPercent" not in found.manifest["spec"]["predictor"]
    assert [word for word in found.warnings if "while the endpoint is stopped" in word]


def test_the_annotation_is_not_for_rows() -> None:
    with pytest.raises(InvalidIntent, match=r"it follows runtime_config\.stopped"):
        rendered(runtime_config={"annotations": {"serving.kserve.io/stop": "true"}})


def test_a_release_that_does_not_know_how_is_refused() -> None:
    with pytest.raises(Refused, match=r"KServe 0\.14\.1 cannot stop"):
        rendered({"kserve_version": (0, 14, 1)}, runtime_config={"stopped": True})
