# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows that change in the middle, controllers that sleep, writes that get lost, services that somebody deletes.

Whatever happens: a model has traffic only if it was asked to have some since another one was given all of it.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.mlops.serving.plugins.module_utils._domain import simulation
from ansible_collections.mlops.serving.plugins.module_utils._domain.convergence import Apply, Converged, Create, Failed
from ansible_collections.mlops.serving.tests.unit.domain.samples import World
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

# Said aloud or not, these are KServe's defaults: by themselves they make no revision.
QUIET: list[dict[str, t.Any]] = [
    {},
    {"autoscaling": {"minReplicas": 1}},
    {"runtime_config": {"modelFormatVersion": "2"}},
]


class Watched(World):
    def __init__(self) -> None:
        super().__init__("Knative")
        self.allowed: set[str] = set()
        self.most: dict[str, int] = {}
        self.model = ""

    def ask(self, model: str, percent: int | None, quiet: dict[str, t.Any]) -> None:
        self.want(model, percent, **quiet)
        self.model = model
        share = 100 if percent is None else percent
        if share:
            self.allowed.add(model)
            self.most[model] = max(self.most.get(model, 0), share)

    def tick(self) -> None:
        before = self.shares()
        super().tick()
        after = self.shares()
        for model, share in after.items():
            assert "bad" not in model, f"a model that cannot load has traffic: {after}"
            if not before:
                # The first revision takes all.
                self.allowed.add(model)
                self.most[model] = 100
            assert model in self.allowed, f"nobody asked for {model}: {before} -> {after}, allowed {self.allowed}"
            assert share <= self.most.get(model, 0), (
                f"{model} has {share} %, at most {self.most.get(model, 0)} were asked for"
            )

    def go(self, steps: int, *, asleep: bool) -> None:
        for _turn in range(steps):
            step = self.step()
            self.settled(step)
            if isinstance(step, (Converged, Failed)):
                return
            if asleep:
                self.now += 1
            else:
                self.tick()

    def settled(self, step: t.Any) -> None:
        if isinstance(step, Converged) and step.promoted:
            share = self.most.get(self.model, 0)
            assert self.shares() == {self.model: 100}
            self.allowed = {self.model}
            self.most = {self.model: max(share, 100)}

    def lose_a_write(self) -> None:
        """Killed, or refused as stale, between writing down and writing."""
        step = self.look()
        if isinstance(step, (Create, Apply)) and step.pending is not None:
            self.record = dataclasses.replace(self.record, pending=step.pending)

    def finish(self) -> None:
        """KServe wakes up, and time enough passes."""
        for _turn in range(80):
            self.tick()
            step = self.step()
            self.settled(step)
            if isinstance(step, (Converged, Failed)):
                return
        raise AssertionError(f"no end, last {step}: {simulation.look(self.state)}")


asks = st.tuples(
    st.just("ask"),
    st.sampled_from(["m1", "m2", "m3", "bad"]),
    st.sampled_from([None, None, 0, 10, 50, 100]),
    st.sampled_from(QUIET),
)
deeds = st.one_of(
    asks,
    st.tuples(st.just("go"), st.integers(1, 8)),
    st.tuples(st.just("finish")),
    st.tuples(st.just("finish")),
    st.tuples(st.just("sleep"), st.integers(1, 4)),
    st.tuples(st.just("lose")),
    st.tuples(st.just("delete")),
)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(deeds, max_size=14))
def test_traffic_goes_only_where_it_was_asked_to(story: list[tuple[t.Any, ...]]) -> None:
    world = Watched()
    world.ask("m1", None, {})
    world.finish()
    for deed, *values in [*story, ("finish",)]:
        if deed == "ask":
            world.ask(*values)
        elif deed == "go":
            world.go(values[0], asleep=False)
        elif deed == "sleep":
            world.go(values[0], asleep=True)
        elif deed == "lose":
            world.lose_a_write()
        elif deed == "delete":
            world.state = None
        else:
            world.finish()
