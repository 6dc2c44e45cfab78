# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever is asked, in whatever order, and wherever the process is killed: no revision gets traffic that it should not."""

from __future__ import annotations

import copy
import dataclasses
import typing as t

from ansible_collections.mlops.serving.plugins.module_utils._domain import simulation
from ansible_collections.mlops.serving.plugins.module_utils._domain.convergence import (
    Apply,
    Converged,
    Create,
    Delete,
    Desired,
    Failed,
    Record,
    Wait,
    converge,
)
from ansible_collections.mlops.serving.plugins.module_utils._domain.intent import Endpoint, parse
from ansible_collections.mlops.serving.plugins.module_utils._domain.manifest import Target, render
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

BAD = ("bad1", "bad2")
MODELS = ("good1", "good2", "good3", *BAD)


class World:
    """One endpoint, its record in the store, its service in the simulator, and a process that may die."""

    def __init__(self, mode: str) -> None:
        self.mode = mode
        self.state: simulation.State | None = None
        self.record = Record()
        self.now = 0.0
        self.serving_model: str | None = None
        self.allowed: set[str] = set()

    def manifest(self, model: str, percent: int | None, stopped: bool = False) -> dict[str, t.Any]:
        endpoint = Endpoint(
            id="e1",
            name="demo",
            runtime="triton",
            artifact_uri=f"s3://models/{model}/",
            traffic={} if percent is None else {"canaryTrafficPercent": percent},
            runtime_config={"deploymentMode": self.mode, "stopped": stopped},
        )
        return render(parse(endpoint, strict=True), Target("ns", "isvc-12345678")).manifest

    def tick(self) -> None:
        if self.state is not None:
            self.state = simulation.tick(self.state, lambda model: "boom" if "bad" in model["storageUri"] else None)

    def shares(self) -> dict[str, int]:
        """Percent of the traffic by model."""
        if self.state is None:
            return {}
        models = {
            r["name"]: r["template"]["predictor"]["model"]["storageUri"].split("/")[-2]
            for r in self.state.get("revisions", ())
        }
        shares: dict[str, int] = {}
        for revision, share in simulation.look(self.state).shares.items():
            shares[models[revision]] = shares.get(models[revision], 0) + share
        return shares

    def write(self, manifest: dict[str, t.Any], *, first: bool) -> None:
        written = copy.deepcopy(manifest)
        if first:
            assert self.state is None
            simulation.admit(None, written)
            self.state = {"object": written}
        else:
            assert self.state is not None
            simulation.admit(self.state["object"], written)
            written["status"] = self.state["object"].get("status", {})
            self.state = {**self.state, "object": written}

    def run(
        self, model: str, percent: int | None, *, kill_after: int | None, stopped: bool = False, limit: int = 60
    ) -> t.Any:
        """Steps until an end, or until the process is killed: after so many outside calls (records and writes)."""
        wanted = Desired("e1", "demo", self.manifest(model, percent, stopped), self.mode)
        calls = 0
        began = self.shares()
        staged = False
        for _turn in range(limit):
            self.now += 1
            self.tick()
            self.check(model, None if stopped else percent, began, staged)
            step = converge(wanted, self.record, simulation.look(self.state), self.now)
            if isinstance(step, (Create, Apply)):
                if step.pending is not None:
                    if calls == kill_after:
                        return None
                    calls += 1
                    self.record = dataclasses.replace(self.record, pending=step.pending)
                if calls == kill_after:
                    return None
                calls += 1
                self.write(step.manifest, first=isinstance(step, Create))
                staged = True
            elif isinstance(step, Converged):
                if step.promoted:
                    self.record = Record("v", step.revision, step.spec, step.spec)
                else:
                    self.record = dataclasses.replace(self.record, applied_spec=step.spec, pending=None)
                return step
            elif isinstance(step, Failed):
                return step
            else:
                assert isinstance(step, Wait), step
        raise AssertionError(f"no end in {limit} steps, last {step}")

    def check(self, model: str, percent: int | None, began: dict[str, int], staged: bool) -> None:
        """After the first write for an intent, only what served before and the wanted model may have traffic."""
        shares = self.shares()
        for name, share in shares.items():
            assert "bad" not in name, f"a model that cannot load has traffic: {shares}"
            if not staged or name == model:
                continue
            assert name in began or not began, f"{name} got {share} % that it did not have: {began} -> {shares}"
        if staged and percent is not None and began and model not in began:
            assert shares.get(model, 0) in (0, percent), f"{model} has {shares}, wanted {percent}"


intents = st.tuples(
    st.sampled_from(MODELS),
    st.one_of(st.none(), st.sampled_from([0, 1, 10, 50, 99, 100])),
    st.one_of(st.none(), st.integers(0, 4)),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(intents, min_size=1, max_size=8))
def test_knative_traffic_is_always_explained(operations: list[tuple[str, int | None, int | None]]) -> None:
    world = World("Knative")
    for model, percent, kill_after in operations:
        stable_before = world.record.stable_spec
        end = world.run(model, percent, kill_after=kill_after)
        if end is None:
            continue
        shares = world.shares()
        if isinstance(end, Failed):
            assert "bad" in model or percent == 0
            assert end.serving == bool(shares)
            if stable_before is not None:
                assert end.serving, "a failing candidate took the stable model down"
        elif percent in (None, 100):
            assert shares == {model: 100}
        else:
            assert sum(shares.values()) == 100
            assert shares.get(model, 0) in (percent, 100)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(intents, min_size=1, max_size=6))
def test_a_killed_run_ends_like_one_that_was_not(operations: list[tuple[str, int | None, int | None]]) -> None:
    killed, whole = World("Knative"), World("Knative")
    for model, percent, kill_after in operations:
        killed.run(model, percent, kill_after=kill_after)
        again = killed.run(model, percent, kill_after=None)
        straight = whole.run(model, percent, kill_after=None)
        assert type(again) is type(straight)
        assert killed.shares() == whole.shares()
        assert len((killed.state or {}).get("revisions", ())) == len((whole.state or {}).get("revisions", ()))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(intents, st.booleans()), min_size=1, max_size=8))
def test_stopped_and_started_wherever_it_is_killed(
    operations: list[tuple[tuple[str, int | None, int | None], bool]],
) -> None:
    killed, whole = World("Knative"), World("Knative")
    for (model, percent, kill_after), stopped in operations:
        killed.run(model, percent, kill_after=kill_after, stopped=stopped)
        again = killed.run(model, percent, kill_after=None, stopped=stopped)
        straight = whole.run(model, percent, kill_after=None, stopped=stopped)
        assert type(again) is type(straight)
        assert killed.shares() == whole.shares()
        assert killed.record.stable_spec == whole.record.stable_spec
        if stopped:
            assert isinstance(again, Converged)
            assert again.stopped
            assert killed.shares() == {}
        elif isinstance(again, Converged):
            assert sum(killed.shares().values()) == 100


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.sampled_from(MODELS), st.one_of(st.none(), st.integers(0, 3))), min_size=1, max_size=6))
def test_standard_mode_ends_and_keeps_the_old_pods(operations: list[tuple[str, int | None]]) -> None:
    world = World("Standard")
    served = False
    for model, kill_after in operations:
        end = world.run(model, None, kill_after=kill_after)
        if isinstance(end, Converged):
            served = True
            assert "bad" not in model
        elif isinstance(end, Failed):
            assert "bad" in model
            assert end.serving == served


def test_deleting_is_done_once_and_again() -> None:
    world = World("Knative")
    world.run("good1", None, kill_after=None)
    gone = Desired("e1", "demo", None)
    assert isinstance(converge(gone, world.record, simulation.look(world.state), 9.0), Delete)
    world.state = None
    assert isinstance(converge(gone, world.record, simulation.look(None), 9.0), Converged)
