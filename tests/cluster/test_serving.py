# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The platform's two example InferenceServices on a real KServe: they infer, the canary gets its share, a GPU is waited for."""

from __future__ import annotations

import copy
import typing as t

import pytest
import yaml

from tools.cluster import lifecycle
from tools.cluster.access import Access, Space

from .conftest import ROOT
from .waiting import wait_for

pytestmark = pytest.mark.groups("triton")

EXAMPLES = ROOT / "examples" / "kserve"
INPUTS = {"INPUT0": [1.0, 2.0, 3.0, 4.0], "INPUT1": [10.0, 20.0, 30.0, 40.0]}
SUMS, DIFFERENCES = [11.0, 22.0, 33.0, 44.0], [-9.0, -18.0, -27.0, -36.0]
GPU = "nvidia.com/gpu"
PERCENT_WITHIN = 3.0
REQUESTS = 1000


def example(name: str, space: Space) -> dict[str, t.Any]:
    """The example as a person would apply it, in the test's namespace."""
    manifest: dict[str, t.Any] = yaml.safe_load((EXAMPLES / f"inferenceservice-{name}.yaml").read_text())
    manifest["metadata"]["namespace"] = space.name
    return manifest


def ready(cluster: Access, manifest: dict[str, t.Any], timeout: float = 120) -> dict[str, t.Any]:
    path = cluster.kube.path_of(manifest)

    def conditions(seen: dict[str, t.Any]) -> dict[str, str]:
        return {c["type"]: c["status"] for c in seen.get("status", {}).get("conditions", [])}

    return wait_for(
        lambda: cluster.kube.get(path),
        lambda seen: conditions(seen).get("Ready") == "True",
        timeout=timeout,
        what=f"{manifest['metadata']['name']} is ready",
    )


def outputs(answer: dict[str, t.Any]) -> dict[str, list[float]]:
    return {output["name"]: output["data"] for output in answer["outputs"]}


def pods(cluster: Access, space: Space, isvc: str) -> list[dict[str, t.Any]]:
    return cluster.kube.items(
        f"/api/v1/namespaces/{space.name}/pods", labelSelector=f"serving.kserve.io/inferenceservice={isvc}"
    )


def why_pending(pod: dict[str, t.Any]) -> str:
    scheduled = [
        c for c in pod.get("status", {}).get("conditions", []) if c["type"] == "PodScheduled" and c["status"] == "False"
    ]
    return str(scheduled[0].get("message", "")) if scheduled else ""


@pytest.fixture
def gpu(cluster: Access) -> t.Iterator[t.Callable[[], None]]:
    """Gives the node one GPU when called, and takes it away afterwards."""
    node = cluster.cluster.plan.node_name
    lifecycle.advertise_gpus(cluster.kube, node, 0)
    yield lambda: lifecycle.advertise_gpus(cluster.kube, node, 1)
    lifecycle.advertise_gpus(cluster.kube, node, 0)


def test_standard_example_waits_for_a_gpu_and_serves_when_there_is_one(
    cluster: Access, namespace: Space, gpu: t.Callable[[], None]
) -> None:
    manifest = example("triton", namespace)
    # Without KEDA here: its own test has it.
    del manifest["metadata"]["annotations"]["serving.kserve.io/autoscalerClass"]
    del manifest["spec"]["predictor"]["autoScaling"]
    name = manifest["metadata"]["name"]
    cluster.kube.apply(manifest)
    (pending,) = wait_for(
        lambda: pods(cluster, namespace, name),
        lambda seen: len(seen) == 1 and GPU in why_pending(seen[0]),
        timeout=60,
        what="one pod that waits for a GPU",
    )
    assert "Insufficient nvidia.com/gpu" in why_pending(pending)
    assert pending["status"]["phase"] == "Pending"

    gpu()
    ready(cluster, manifest)
    answer = cluster.infer_service(namespace.name, f"{name}-predictor", "add_sub", INPUTS)
    assert outputs(answer) == {"OUTPUT0": SUMS, "OUTPUT1": DIFFERENCES}


def test_canary_example_serves_and_gets_its_tenth(cluster: Access, namespace: Space) -> None:
    canary = example("triton-canary", namespace)
    stable = copy.deepcopy(canary)
    del stable["spec"]["predictor"]["canaryTrafficPercent"]
    stable["spec"]["predictor"]["model"]["storageUri"] = namespace.storage_uri
    cluster.kube.apply(stable)
    first = ready(cluster, stable)
    host = first["status"]["url"].removeprefix("http://")
    answer = cluster.infer(predictor(host), "add_sub", INPUTS)
    assert outputs(answer) == {"OUTPUT0": SUMS, "OUTPUT1": DIFFERENCES}
    assert answer["model_version"] == "1"

    cluster.kube.apply(canary)
    wait_for(
        lambda: shares(cluster.kube.get(cluster.kube.path_of(canary))),
        lambda seen: sorted(seen) == [10, 90],
        timeout=90,
        what="10 % of the traffic for the canary",
    )
    wait_for(
        lambda: cluster.infer(predictor(host), "add_sub", INPUTS)["model_version"],
        lambda version: version == "2",
        timeout=30,
        what="the first answer of the canary",
        every=0.02,
    )
    with cluster.load(predictor(host), "add_sub", INPUTS, rate=100) as load:
        wait_for(lambda: load.sent, lambda sent: sent >= REQUESTS, timeout=60, what=f"{REQUESTS} requests")
    assert load.failed == 0, load.errors
    assert load.share("2") == pytest.approx(10, abs=PERCENT_WITHIN)
    assert load.share("1") + load.share("2") == pytest.approx(100)


def predictor(host: str) -> str:
    """KServe's URL of an InferenceService may be its own name; Knative's service is the predictor's."""
    name, rest = host.split(".", 1)
    return host if name.endswith("-predictor") else f"{name}-predictor.{rest}"


def shares(isvc: dict[str, t.Any]) -> list[int]:
    traffic = isvc.get("status", {}).get("components", {}).get("predictor", {}).get("traffic", [])
    return [int(target.get("percent") or 0) for target in traffic if target.get("percent")]
