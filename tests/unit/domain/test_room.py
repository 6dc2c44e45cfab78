# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is left on nodes, in numbers."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from ansible_collections.mlops.serving.plugins.module_utils._domain.room import add_up, count_gpus, pod_requests
from hypothesis import given
from hypothesis import strategies as st

GI = 1024**3


def node(name: str = "n1", *, ready: bool = True, gpus: int = 0, **spec: Any) -> dict[str, Any]:
    info = {"architecture": spec.pop("architecture", "amd64"), "operatingSystem": spec.pop("system", "linux")}
    allocatable = {"cpu": "4", "memory": "16Gi", "pods": "110", **({"nvidia.com/gpu": str(gpus)} if gpus else {})}
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
    return {
        "metadata": {"name": name},
        "spec": spec,
        "status": {"allocatable": allocatable, "conditions": conditions, "nodeInfo": info},
    }


def container(cpu: str, memory: str = "0", **more: Any) -> dict[str, Any]:
    return {"name": "c", "resources": {"requests": {"cpu": cpu, "memory": memory}}, **more}


def pod(*containers: dict[str, Any], on: str = "n1", phase: str = "Running", **spec: Any) -> dict[str, Any]:
    return {"spec": {"nodeName": on, "containers": list(containers), **spec}, "status": {"phase": phase}}


@pytest.mark.parametrize(
    ("spec", "cpu"),
    [
        (pod(container("100m"), container("200m")), "0.3"),
        (pod({"name": "c"}), "0"),
        (pod(container("100m"), initContainers=[container("1"), container("500m")]), "1"),
        (pod(container("2"), initContainers=[container("1")]), "2"),
        # A sidecar stays, so it counts with the containers and with the init containers after it.
        (pod(container("1"), initContainers=[container("500m", restartPolicy="Always")]), "1.5"),
        (pod(container("1"), initContainers=[container("500m", restartPolicy="Always"), container("2")]), "2.5"),
        (pod(container("1"), initContainers=[container("2"), container("500m", restartPolicy="Always")]), "2"),
        (pod(container("1"), overhead={"cpu": "250m"}), "1.25"),
        (pod(container("1"), resources={"requests": {"cpu": "3"}}), "3"),
    ],
)
def test_a_pod_counts_as_the_scheduler_counts(spec: dict[str, Any], cpu: str) -> None:
    assert pod_requests(spec)["cpu"] == Decimal(cpu)


def test_nodes_in_numbers() -> None:
    nodes = [
        node("n1"),
        node("n2", architecture="arm64"),
        node("cordoned", unschedulable=True),
        node("tainted", taints=[{"key": "a", "effect": "NoSchedule"}]),
        node("preferred", taints=[{"key": "a", "effect": "PreferNoSchedule"}]),
        node("windows", system="windows"),
        node("down", ready=False),
    ]
    pods = [
        pod(container("500m", "1Gi")),
        pod(container("1", "2Gi"), on="n2"),
        pod(container("4", "8Gi"), on="cordoned"),
        pod(container("4", "8Gi"), phase="Succeeded"),
        {"spec": {"containers": [container("4")]}, "status": {"phase": "Pending"}},
    ]
    found = add_up(nodes, pods)
    assert (found["count"], found["ready"], found["schedulable"]) == (7, 6, 3)
    assert found["architectures"] == {"amd64": 6, "arm64": 1}
    assert found["allocatable"] == {"cpu": 12.0, "memory": 48 * GI, "pods": 330}
    assert found["requested"] == {"cpu": 1.5, "memory": 3 * GI, "pods": 2}
    assert found["free"] == {"cpu": 10.5, "memory": 45 * GI, "pods": 328}
    unknown = add_up(nodes, None)
    assert (unknown["requested"], unknown["free"]) == (None, None)
    assert unknown["allocatable"] == found["allocatable"]


def test_gpus() -> None:
    nodes = [node("n1", gpus=4), node("n2", gpus=2, unschedulable=True), node("n3")]
    asked = {"name": "c", "resources": {"requests": {"nvidia.com/gpu": "3"}}}
    assert count_gpus(nodes, [pod(asked)]) == {"allocatable": 6, "nodes": 2, "free": 1}
    assert count_gpus(nodes, None) == {"allocatable": 6, "nodes": 2, "free": None}


@given(st.lists(st.integers(0, 3000), max_size=12))
def test_nothing_is_less_than_nothing(millicores: list[int]) -> None:
    found = add_up([node()], [pod(container(f"{one}m")) for one in millicores])
    assert found["requested"]["cpu"] == pytest.approx(sum(millicores) / 1000)
    assert found["free"]["cpu"] == pytest.approx(max(0, 4 - sum(millicores) / 1000))
