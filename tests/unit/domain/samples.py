# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Endpoints to test with, and one that is brought to what is wanted step by step, on the simulator."""

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
    Step,
    converge,
)
from ansible_collections.mlops.serving.plugins.module_utils._domain.intent import Endpoint, Intent, parse
from ansible_collections.mlops.serving.plugins.module_utils._domain.manifest import Rendered, Target, render

ID = "7d4f0a52-1c1e-4a39-9c7b-0c3f1f1f0001"
NAME = "isvc-7d4f0a52"
NAMESPACE = "mlops-serving"


def endpoint(**fields: t.Any) -> Endpoint:
    defaults = {
        "id": ID,
        "name": "demo",
        "tenant_id": "acme",
        "project_id": "vision",
        "runtime": "kserve-triton",
        "model_version_id": "v1",
        "artifact_uri": "s3://models/good/",
    }
    return Endpoint(**{**defaults, **fields})


def intent(*, strict: bool = True, **fields: t.Any) -> Intent:
    return parse(endpoint(**fields), strict=strict)


def rendered(target: dict[str, t.Any] | None = None, **fields: t.Any) -> Rendered:
    return render(intent(**fields), Target(NAMESPACE, NAME, **(target or {})))


def predictor(**fields: t.Any) -> dict[str, t.Any]:
    return t.cast("dict[str, t.Any]", rendered(**fields).manifest["spec"]["predictor"])


def share(manifest: dict[str, t.Any]) -> int | None:
    return t.cast("int | None", manifest["spec"]["predictor"].get("canaryTrafficPercent"))


class World:
    """One endpoint: its row, its record in the store, and its service on the simulator. A model named bad does not load."""

    def __init__(self, mode: str = "Knative") -> None:
        self.mode = mode
        self.state: simulation.State | None = None
        self.record = Record()
        self.now = 1000.0
        self.desired = Desired(ID, "demo", None, mode)
        self.writes: list[str] = []
        self.seen_shares: list[dict[str, int]] = []

    def want(self, model: str, percent: int | None = None, *, deadline: float | None = None, **fields: t.Any) -> World:
        traffic = {} if percent is None else {"canaryTrafficPercent": percent}
        config = {"deploymentMode": self.mode, **fields.pop("runtime_config", {})}
        manifest = rendered(
            artifact_uri=f"s3://models/{model}/", traffic=traffic, runtime_config=config, **fields
        ).manifest
        self.desired = Desired(ID, "demo", manifest, self.mode, deadline)
        return self

    def want_nothing(self) -> World:
        self.desired = Desired(ID, "demo", None, self.mode)
        return self

    def look(self) -> Step:
        return converge(self.desired, self.record, simulation.look(self.state), self.now)

    def tick(self) -> None:
        self.now += 1
        if self.state is not None:
            self.state = simulation.tick(
                self.state, lambda model: "no such file" if "bad" in model["storageUri"] else None
            )
        self.seen_shares.append(self.shares())

    def step(self) -> Step:
        """Decides, writes down and writes; the controllers do nothing meanwhile."""
        step = self.look()
        if isinstance(step, (Create, Apply)):
            if step.pending is not None:
                self.record = dataclasses.replace(self.record, pending=step.pending)
            self.write(step.manifest)
            kind = "create" if isinstance(step, Create) else "apply"
            model = step.manifest["spec"]["predictor"]["model"]["storageUri"].split("/")[-2]
            self.writes.append(f"{kind} {model} {share(step.manifest)}")
        elif isinstance(step, Delete):
            self.state = None
            self.writes.append("delete")
        elif isinstance(step, Converged):
            if step.promoted:
                self.record = Record("v", step.revision, step.spec, step.spec)
            else:
                self.record = dataclasses.replace(self.record, applied_spec=step.spec, pending=None)
        return step

    def write(self, manifest: dict[str, t.Any]) -> None:
        """What anybody could write, without a look at what is right."""
        written = copy.deepcopy(manifest)
        if self.state is None:
            simulation.admit(None, written)
            self.state = {"object": written}
        else:
            simulation.admit(self.state["object"], written)
            written["status"] = self.state["object"].get("status", {})
            self.state = {**self.state, "object": written}

    def run(self, limit: int = 60) -> Converged | Failed:
        """To the end; ``writes`` has what was written on the way, ``seen_shares`` what had traffic."""
        self.writes, self.seen_shares = [], []
        for _turn in range(limit):
            step = self.step()
            if isinstance(step, (Converged, Failed)):
                return step
            self.tick()
        raise AssertionError(f"no end in {limit} steps, last: {step}; writes: {self.writes}")

    def deploy(self, *models: str) -> World:
        for model in models:
            assert isinstance(self.want(model).run(), Converged)
        return self

    @property
    def service(self) -> dict[str, t.Any]:
        assert self.state is not None
        return t.cast("dict[str, t.Any]", self.state["object"])

    def shares(self) -> dict[str, int]:
        """Percent of the traffic by model."""
        if self.state is None:
            return {}
        models = {
            r["name"]: r["template"]["predictor"]["model"]["storageUri"].split("/")[-2]
            for r in self.state.get("revisions", ())
        }
        shares: dict[str, int] = {}
        for revision, percent in simulation.look(self.state).shares.items():
            shares[models[revision]] = shares.get(models[revision], 0) + percent
        return shares
