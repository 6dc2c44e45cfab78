# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a cluster has room for: its nodes, less what its pods ask for. Pure."""

from __future__ import annotations

import typing as t
from decimal import Decimal

from .capacity import GPU, free_gpus
from .quantity import amount

__all__ = ("add_up", "count_gpus", "pod_requests")

Document = t.Mapping[str, t.Any]
Amounts = dict[str, Decimal]

_RESOURCES = ("cpu", "memory")
_KEEPS_PODS_OFF = ("NoSchedule", "NoExecute")
_OVER = ("Succeeded", "Failed")


def add_up(nodes: t.Sequence[Document], pods: t.Sequence[Document] | None) -> dict[str, t.Any]:
    """Nodes in numbers.

    :param pods: of all namespaces; None where they cannot be read, which leaves ``requested`` and ``free`` None
    :returns: count, ready, schedulable (ready, Linux, neither cordoned nor tainted), architectures ({name: nodes}), and of
        the schedulable ones allocatable, requested, free: each {cpu: cores, memory: bytes, pods: number}
    """
    ready = [node for node in nodes if _is_ready(node)]
    open_nodes = {node["metadata"]["name"]: node for node in ready if _takes_pods(node)}
    architectures: dict[str, int] = {}
    for node in nodes:
        name = node.get("status", {}).get("nodeInfo", {}).get("architecture") or "unknown"
        architectures[name] = architectures.get(name, 0) + 1
    offered = [node.get("status", {}).get("allocatable") or {} for node in open_nodes.values()]
    allocatable = {
        name: sum((amount(one.get(name)) or Decimal(0) for one in offered), Decimal(0))
        for name in (*_RESOURCES, "pods")
    }
    found: dict[str, t.Any] = {
        "count": len(nodes),
        "ready": len(ready),
        "schedulable": len(open_nodes),
        "architectures": architectures,
        "allocatable": _shown(allocatable),
        "requested": None,
        "free": None,
    }
    if pods is not None:
        here = [pod for pod in pods if pod.get("spec", {}).get("nodeName") in open_nodes and not _is_over(pod)]
        asked = [pod_requests(pod) for pod in here]
        requested = {name: sum((one[name] for one in asked), Decimal(0)) for name in _RESOURCES}
        requested["pods"] = Decimal(len(here))
        found["requested"] = _shown(requested)
        found["free"] = _shown({name: max(Decimal(0), allocatable[name] - requested[name]) for name in allocatable})
    return found


def count_gpus(nodes: t.Sequence[Document], pods: t.Sequence[Document] | None) -> dict[str, t.Any]:
    """NVIDIA GPUs: allocatable, nodes that have some, and free (None where the pods cannot be read)."""
    counts = [amount((node.get("status", {}).get("allocatable") or {}).get(GPU)) for node in nodes]
    return {
        "allocatable": int(sum(count for count in counts if count)),
        "nodes": sum(1 for count in counts if count),
        "free": None if pods is None else sum(max(0, free) for free in free_gpus(nodes, pods).values()),
    }


def pod_requests(pod: Document) -> Amounts:
    """What the scheduler sets aside for a pod, cpu in cores and memory in bytes.

    The containers with those init containers that stay (``restartPolicy: Always``), or what starting needs where that is
    more; plus the overhead of its runtime class. What is asked for the pod as a whole counts instead (Kubernetes 1.34).
    """
    spec = pod.get("spec", {})
    whole = spec.get("resources", {}).get("requests") or {}
    asked = {}
    for name in _RESOURCES:
        staying = starting = Decimal(0)
        for container in spec.get("initContainers") or ():
            if container.get("restartPolicy") == "Always":
                staying += _asked(container, name)
                starting = max(starting, staying)
            else:
                starting = max(starting, staying + _asked(container, name))
        running = sum((_asked(container, name) for container in spec.get("containers") or ()), staying)
        total = amount(whole[name]) if name in whole else max(running, starting)
        asked[name] = (total or Decimal(0)) + (amount((spec.get("overhead") or {}).get(name)) or Decimal(0))
    return asked


def _asked(container: Document, name: str) -> Decimal:
    return amount((container.get("resources", {}).get("requests") or {}).get(name)) or Decimal(0)


def _is_ready(node: Document) -> bool:
    conditions = node.get("status", {}).get("conditions") or ()
    return any(one.get("type") == "Ready" and one.get("status") == "True" for one in conditions)


def _takes_pods(node: Document) -> bool:
    """Whether a pod without tolerations is placed there."""
    spec = node.get("spec", {})
    system = node.get("status", {}).get("nodeInfo", {}).get("operatingSystem", "linux")
    tainted = any(taint.get("effect") in _KEEPS_PODS_OFF for taint in spec.get("taints") or ())
    return not spec.get("unschedulable") and not tainted and system == "linux"


def _is_over(pod: Document) -> bool:
    return pod.get("status", {}).get("phase") in _OVER


def _shown(amounts: Amounts) -> dict[str, t.Any]:
    return {"cpu": round(float(amounts["cpu"]), 3), "memory": int(amounts["memory"]), "pods": int(amounts["pods"])}
