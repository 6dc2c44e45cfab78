# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Room for a candidate's GPUs, counted as the scheduler counts."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.mlops.serving.plugins.module_utils._domain.capacity import GPU, fits, free_gpus


def node(name: str, gpus: str | None, *, cordoned: bool = False) -> dict[str, t.Any]:
    allocatable = {"cpu": "2"} if gpus is None else {"cpu": "2", GPU: gpus}
    return {"metadata": {"name": name}, "spec": {"unschedulable": cordoned}, "status": {"allocatable": allocatable}}


def pod(where: str | None, *gpus: int, phase: str = "Running", init: int = 0) -> dict[str, t.Any]:
    def container(count: int) -> dict[str, t.Any]:
        return {"resources": {"requests": {GPU: str(count)}}} if count else {}

    spec = {"nodeName": where, "containers": [container(c) for c in gpus], "initContainers": [container(init)]}
    return {"spec": spec, "status": {"phase": phase}}


def test_what_pods_ask_for_is_taken() -> None:
    nodes = [node("a", "4"), node("b", None), node("c", "2", cordoned=True)]
    pods = [pod("a", 1, 1), pod("a", 1, phase="Succeeded"), pod(None, 1), pod("c", 1), pod("a", 0, init=1)]
    assert free_gpus(nodes, pods) == {"a": 1, "b": 0}


@pytest.mark.parametrize(
    ("free", "gpus", "pods", "good"),
    [
        ({"a": 0}, 0, 3, True),
        ({"a": 1, "b": 1}, 1, 2, True),
        ({"a": 1, "b": 1}, 2, 1, False),
        ({"a": 3}, 2, 1, True),
        ({"a": -1, "b": 1}, 1, 1, True),
        ({}, 1, 1, False),
    ],
)
def test_a_pod_fits_on_one_node(free: dict[str, int], gpus: int, pods: int, good: bool) -> None:
    assert fits(free, gpus, pods) is good
