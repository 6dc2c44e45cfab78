# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the documents of pods say of their state."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mlops.serving.plugins.module_utils._domain.evidence import Pod
from ansible_collections.mlops.serving.plugins.module_utils._domain.pods import parse_pods, runs


def document(name: str = "p", revision: str | None = "x-predictor-00001", **status: Any) -> dict[str, Any]:
    labels = {"serving.knative.dev/revision": revision} if revision else {}
    return {"metadata": {"name": name, "labels": labels}, "status": {"phase": "Running", **status}}


def container(restarts: int = 0, name: str = "kserve-container", **state: Any) -> dict[str, Any]:
    last = state.pop("last", {})
    return {"name": name, "restartCount": restarts, "state": state, "lastState": {"terminated": last} if last else {}}


def only(found: tuple[Pod, ...]) -> Pod:
    (pod,) = found
    return pod


def test_a_healthy_pod() -> None:
    ready = [{"type": "Ready", "status": "True"}]
    running = [container(running={}), container(running={}, name="queue-proxy")]
    done = [container(terminated={"exitCode": 0, "reason": "Completed"}, name="storage-initializer")]
    pod = only(parse_pods([document(conditions=ready, containerStatuses=running, initContainerStatuses=done)]))
    assert pod == Pod("p", "x-predictor-00001", ready=True)


def test_restarts_of_all_containers_together() -> None:
    statuses = [container(2, running={}), container(1, running={}, name="queue-proxy")]
    init = [container(4, terminated={"exitCode": 0}, name="storage-initializer")]
    pod = only(parse_pods([document(containerStatuses=statuses, initContainerStatuses=init)]))
    assert (pod.restarts, pod.failing, pod.ready) == (7, "", False)


@pytest.mark.parametrize(
    ("state", "failing"),
    [
        ({"waiting": {"reason": "ContainerCreating"}}, ""),
        ({"waiting": {"reason": "PodInitializing"}}, ""),
        (
            {
                "waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s restarting"},
                "last": {"exitCode": 1, "reason": "Error", "message": "loading\nno such file\n"},
            },
            "CrashLoopBackOff: exit code 1: no such file",
        ),
        (
            {"waiting": {"reason": "CrashLoopBackOff"}, "last": {"exitCode": 137, "reason": "OOMKilled"}},
            "CrashLoopBackOff: exit code 137 (OOMKilled)",
        ),
        ({"waiting": {"reason": "ImagePullBackOff", "message": "not found"}}, "ImagePullBackOff: not found"),
        ({"terminated": {"exitCode": 3, "reason": "Error"}}, "exit code 3"),
    ],
)
def test_why_a_container_does_not_run(state: dict[str, Any], failing: str) -> None:
    pod = only(parse_pods([document(containerStatuses=[container(**state)])]))
    assert pod.failing == (failing and f"container kserve-container: {failing}")


def test_an_evicted_pod_says_so() -> None:
    pod = only(parse_pods([document(phase="Failed", reason="Evicted", message="low on memory")]))
    assert pod.failing == "Evicted: low on memory"


def test_order_terminating_and_pods_without_revision() -> None:
    leaving = document("b", "x-00002")
    leaving["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    pods = parse_pods([leaving, document("c", "x-00001"), document("a", "x-00001"), document("z", None)])
    assert [(pod.revision, pod.name) for pod in pods] == [
        ("", "z"),
        ("x-00001", "a"),
        ("x-00001", "c"),
        ("x-00002", "b"),
    ]
    assert [pod.terminating for pod in pods] == [False, False, False, True]


def test_only_running_pods_have_counted() -> None:
    assert runs(document())
    assert not runs(document(phase="Pending"))
    assert not runs({"metadata": {"name": "new"}})
