# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is there room for the candidate's GPUs? Both revisions hold theirs while a rollout runs. Pure."""

from __future__ import annotations

import typing as t

from .quantity import amount

__all__ = ("GPU", "fits", "free_gpus")

GPU = "nvidia.com/gpu"

Document = t.Mapping[str, t.Any]


def free_gpus(nodes: t.Iterable[Document], pods: t.Iterable[Document]) -> dict[str, int]:
    """Free GPUs by node: what it offers less what its pods ask for. Nodes that take no pods are left out."""
    free = {
        node["metadata"]["name"]: int(amount((node.get("status", {}).get("allocatable") or {}).get(GPU)) or 0)
        for node in nodes
        if not node.get("spec", {}).get("unschedulable")
    }
    for pod in pods:
        node = pod.get("spec", {}).get("nodeName")
        if node in free and pod.get("status", {}).get("phase") not in ("Succeeded", "Failed"):
            free[node] -= _asked(pod)
    return free


def fits(free: t.Mapping[str, int], gpus: int, pods: int) -> bool:
    """Whether so many pods with so many GPUs each find a place."""
    return gpus == 0 or sum(max(0, count) // gpus for count in free.values()) >= pods


def _asked(pod: Document) -> int:
    """As the scheduler counts: the sum of the containers, or the largest init container."""

    def of(containers: t.Iterable[Document]) -> list[int]:
        return [int(amount((c.get("resources", {}).get("requests") or {}).get(GPU)) or 0) for c in containers]

    spec = pod.get("spec", {})
    largest = max(of(spec.get("initContainers") or ()), default=0)
    return max(sum(of(spec.get("containers") or ())), largest)
