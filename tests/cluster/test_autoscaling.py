# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The platform's KEDA example: KEDA makes the autoscaler that the InferenceService asks for, and it is measured."""

from __future__ import annotations

import pytest

from tools.cluster.access import Access, Space

from .test_serving import INPUTS, SUMS, example, outputs, ready
from .waiting import wait_for

pytestmark = pytest.mark.groups("triton", "keda", "metrics")


def test_cpu_example_gets_its_autoscaler_from_keda_and_serves(cluster: Access, namespace: Space) -> None:
    manifest = example("keda-cpu", namespace)
    name, predictor = manifest["metadata"]["name"], manifest["spec"]["predictor"]
    cluster.kube.apply(manifest)
    ready(cluster, manifest)

    scaled = cluster.kube.get(f"/apis/keda.sh/v1alpha1/namespaces/{namespace.name}/scaledobjects/{name}-predictor")
    assert (scaled["spec"]["minReplicaCount"], scaled["spec"]["maxReplicaCount"]) == (
        predictor["minReplicas"],
        predictor["maxReplicas"],
    )

    path = f"/apis/autoscaling/v2/namespaces/{namespace.name}/horizontalpodautoscalers"
    (scaler,) = wait_for(
        lambda: cluster.kube.items(path), lambda seen: len(seen) == 1, timeout=60, what="one autoscaler"
    )
    assert scaler["metadata"]["name"] == f"keda-hpa-{name}-predictor"
    assert scaler["metadata"]["ownerReferences"][0]["kind"] == "ScaledObject"
    assert scaler["spec"]["maxReplicas"] == predictor["maxReplicas"]
    (metric,) = scaler["spec"]["metrics"]
    assert metric["resource"] == {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}

    def used() -> list[int | None]:
        metrics = cluster.kube.items(path)[0].get("status", {}).get("currentMetrics") or []
        return [m.get("resource", {}).get("current", {}).get("averageUtilization") for m in metrics]

    # The first figure takes metrics-server's 15 seconds and the autoscaler's 15 more.
    (percent,) = wait_for(
        used, lambda seen: len(seen) == 1 and seen[0] is not None, timeout=90, what="use of the processor"
    )
    assert percent is not None
    assert percent >= 0
    assert outputs(cluster.infer_service(namespace.name, f"{name}-predictor", "add_sub", INPUTS))["OUTPUT0"] == SUMS
