# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulator and a real KServe, given the same writes, report the same traffic, revisions and conditions.

The writes go around the safe path on purpose: what KServe does with a careless write is what the simulator must know.
"""

from __future__ import annotations

import copy
import typing as t

import pytest
from ansible_collections.mlops.serving.plugins.module_utils._adapters.cluster import KServeCluster
from ansible_collections.mlops.serving.plugins.module_utils._domain import simulation
from ansible_collections.mlops.serving.plugins.module_utils._domain.intent import Endpoint, parse
from ansible_collections.mlops.serving.plugins.module_utils._domain.manifest import Target, render
from ansible_collections.mlops.serving.plugins.module_utils._domain.readiness import Observed

from .waiting import wait_for

pytestmark = pytest.mark.groups("base", "kserve", "knative", "triton")

GOOD, MISSING = "24.08-py3", "0.0-absent"
ENDPOINT = "00c0ffee-0000-4000-8000-000000000001"

STOP: t.Final = "stop"
# (release, runtime version, canaryTrafficPercent): the release is an environment variable, so each one makes a revision.
KNATIVE: dict[str, list[tuple[str, str, int | t.Literal["stop"] | None]]] = {
    "stage, raise, promote": [
        ("a", GOOD, None),
        ("b", GOOD, 0),
        ("b", GOOD, 10),
        ("b", GOOD, 50),
        ("b", GOOD, None),
    ],
    "back to 0 before promotion": [
        ("a", GOOD, None),
        ("b", GOOD, 30),
        ("b", GOOD, 0),
        ("a", GOOD, 0),
        ("a", GOOD, None),
    ],
    "a percentage without a candidate falls back to the revision before": [
        ("a", GOOD, None),
        ("b", GOOD, None),
        ("b", GOOD, 20),
    ],
    "a rejected candidate gets what the next one was meant to get": [
        ("a", GOOD, None),
        ("b", GOOD, 0),
        ("c", MISSING, None),
    ],
    "a first deployment with a percentage": [("a", GOOD, 10)],
    "a candidate that is never ready, staged at 0": [("a", GOOD, None), ("b", MISSING, 0)],
    "out of range": [("a", GOOD, None), ("a", GOOD, 150), ("a", GOOD, None)],
    "stopped from the first, and started": [("a", GOOD, STOP), ("a", GOOD, None)],
    "after a stop revisions are counted from one": [
        ("a", GOOD, None),
        ("b", GOOD, None),
        ("b", GOOD, STOP),
        ("b", GOOD, None),
    ],
    "stopped in the middle of a canary, whose percentage counts for nothing after it": [
        ("a", GOOD, None),
        ("b", GOOD, 20),
        ("b", GOOD, STOP),
        ("b", GOOD, 20),
    ],
}


@pytest.mark.parametrize("case", KNATIVE)
def test_knative_mode(case: str, cluster: t.Any, namespace: t.Any) -> None:
    real = KServeCluster.connect({"kubeconfig": str(cluster.kubeconfig)})
    state: simulation.State | None = None
    try:
        for step, (release, version, percent) in enumerate(KNATIVE[case]):
            manifest = _manifest(namespace, release, version, percent)
            state = _simulated(state, manifest)
            real.apply(manifest)
            expected = _view(simulation.look(state))
            wait_for(
                lambda: _view(real.observe(namespace.name, "isvc-00c0ffee")),
                lambda seen, expected=expected: seen == expected,
                timeout=90,
                what=f"step {step + 1} of {case!r}, expected {expected}",
            )
    finally:
        real.delete(namespace.name, "isvc-00c0ffee")
        real.close()


def _simulated(state: simulation.State | None, manifest: dict[str, t.Any]) -> simulation.State:
    written = copy.deepcopy(manifest)
    simulation.admit(state["object"] if state else None, written)
    if state is None:
        state = {"object": written}
    else:
        written["status"] = state["object"].get("status", {})
        state = {**state, "object": written}
    return simulation.settled(state, lambda model: "no such image" if model["runtimeVersion"] == MISSING else None)


def _manifest(namespace: t.Any, release: str, version: str, percent: int | str | None) -> dict[str, t.Any]:
    endpoint = Endpoint(
        id=ENDPOINT,
        name="conformance",
        runtime="kserve-triton",
        artifact_uri=namespace.storage_uri,
        autoscaling={"minReplicas": 1, "maxReplicas": 1},
        runtime_config={
            "runtimeVersion": version,
            "deploymentMode": "Knative",
            "env": {"RELEASE": release},
            "stopped": percent == STOP,
        },
    )
    manifest = render(parse(endpoint, strict=True), Target(namespace.name, "isvc-00c0ffee")).manifest
    if percent not in (None, STOP):
        manifest["spec"]["predictor"]["canaryTrafficPercent"] = percent
    return manifest


def _view(seen: Observed) -> dict[str, t.Any]:
    """What both must agree on: revisions by name, their shares, and whether all is ready, or stopped."""
    return {
        "created": seen.latest_created,
        "ready": seen.latest_ready,
        "rolled out": seen.latest_rolledout,
        "shares": seen.shares,
        "tags": sorted((target.tag or "", target.revision) for target in seen.traffic),
        # A revision whose image is missing stays Unknown for minutes before KServe calls it False.
        "all ready": seen.ready is True,
        "stopped": seen.stopped,
        "address": seen.url is not None,
    }
