# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ready, kind by kind, and the reason where something is not."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mlops.serving.plugins.module_utils._domain.object_readiness import (
    explain,
    readiness,
    selector_of,
)


def live(kind: str, api: str = "v1", spec: Any = None, status: Any = None, **more: Any) -> dict[str, Any]:
    metadata = {"name": "a", "generation": 2, **more.pop("metadata", {})}
    return {"apiVersion": api, "kind": kind, "metadata": metadata, "spec": spec or {}, "status": status or {}, **more}


def told(**conditions: str) -> dict[str, Any]:
    return {
        "conditions": [
            {"type": name, "status": value, "reason": "Why", "message": "because"} for name, value in conditions.items()
        ]
    }


def apps(kind: str, spec: Any = None, **status: Any) -> dict[str, Any]:
    return live(kind, "apps/v1", spec, {"observedGeneration": 2, **status})


DONE = {"replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}
ROLLED = {"desiredNumberScheduled": 3, "updatedNumberScheduled": 3, "numberAvailable": 3}


@pytest.mark.parametrize(
    "ready",
    [
        apps("Deployment", {"replicas": 2}, **DONE),
        apps("Deployment", {"replicas": 0}),
        apps("StatefulSet", {"replicas": 2}, updatedReplicas=2, readyReplicas=2),
        apps("StatefulSet", {"replicas": 2, "updateStrategy": {"type": "OnDelete"}}, readyReplicas=2),
        apps("DaemonSet", **ROLLED),
        apps("DaemonSet"),
        live("Job", "batch/v1", status=told(Complete="True")),
        live("Job", "batch/v1", {"suspend": True}),
        live("Pod", status=told(Ready="True")),
        live("Pod", status={"phase": "Succeeded"}),
        live("Namespace", status={"phase": "Active"}),
        live(
            "CustomResourceDefinition", "apiextensions.k8s.io/v1", status=told(NamesAccepted="True", Established="True")
        ),
        live("APIService", "apiregistration.k8s.io/v1", status=told(Available="True")),
        live("ValidatingWebhookConfiguration", "admissionregistration.k8s.io/v1", webhooks=None),
        live("Widget", "example.com/v1"),
        live("Widget", "example.com/v1", status=told(Ready="True")),
        # A kind of another group is not Kubernetes' own, whatever its name.
        live("Job", "batch.volcano.sh/v1alpha1"),
        live("Deployment", "example.com/v1"),
        live("Service", spec={"type": "LoadBalancer"}),
    ],
    ids=lambda found: found["kind"],
)
def test_ready(ready: dict[str, Any]) -> None:
    assert readiness(ready).why == ""


HOOK = {"webhooks": [{"name": "h.example.com", "clientConfig": {"service": {"name": "s"}}}]}


@pytest.mark.parametrize(
    ("late", "why"),
    [
        (live("Deployment", "apps/v1"), "its controller has not seen it yet"),
        (live("Deployment", "apps/v1", status={"observedGeneration": 1, **DONE}), "has not seen the change yet"),
        (apps("Deployment", {"replicas": 2}, updatedReplicas=1), "1 of 2 pods are updated"),
        (apps("Deployment", {}, updatedReplicas=1, replicas=2, availableReplicas=1), "1 earlier pods are still there"),
        (apps("Deployment", {}, updatedReplicas=1, replicas=1), "0 of 1 pods are available"),
        (
            apps("Deployment", {}, **told(Progressing="False")),
            "0 of 1 pods are updated; Progressing is False (Why: because)",
        ),
        (apps("Deployment", {}, **told(ReplicaFailure="True")), "ReplicaFailure is True (Why: because)"),
        (
            apps("StatefulSet", {"replicas": 3}, updatedReplicas=2, readyReplicas=3, updateRevision="b"),
            "2 of 3 pods are updated",
        ),
        (apps("StatefulSet", {"replicas": 3}, updatedReplicas=3, readyReplicas=1), "1 of 3 pods are ready"),
        (apps("DaemonSet", **{**ROLLED, "updatedNumberScheduled": 1}), "1 of 3 pods are updated"),
        (apps("DaemonSet", **{**ROLLED, "numberAvailable": 0}), "0 of 3 pods are available"),
        (live("Job", "batch/v1"), "nothing has set its condition Complete yet"),
        (live("Pod", status=told(Ready="False")), "Ready is False (Why: because)"),
        (live("Namespace", status={"phase": "Terminating"}), "its phase is Terminating"),
        (
            live("CustomResourceDefinition", "apiextensions.k8s.io/v1", status=told(NamesAccepted="False")),
            "NamesAccepted",
        ),
        (live("APIService", "apiregistration.k8s.io/v1", status=told(Available="False")), "Available is False"),
        (
            live("MutatingWebhookConfiguration", "admissionregistration.k8s.io/v1", **HOOK),
            "caBundle of its webhook h.example.com",
        ),
        (live("Widget", "example.com/v1", status=told(Ready="Unknown")), "Ready is Unknown (Why: because)"),
        (
            live("Widget", "example.com/v1", status={"observedGeneration": 1, **told(Ready="True")}),
            "has not seen the change",
        ),
        (live("Widget", "example.com/v1", metadata={"deletionTimestamp": "now"}), "it is being deleted"),
        (None, "it is gone"),
    ],
)
def test_not_ready(late: Any, why: str) -> None:
    found = readiness(late)
    assert why in found.why
    assert not found.failed


def test_a_policy_of_kyverno_is_ready_when_admission_asks_for_it() -> None:
    def policy(spec: Any = None, **conditions: str) -> dict[str, Any]:
        status = {"conditionStatus": {**told(**conditions), "ready": False}} if conditions else {}
        return live("ValidatingPolicy", "policies.kyverno.io/v1", spec, status)

    assert readiness(policy(WebhookConfigured="True", RBACPermissionsGranted="False")).ready
    assert readiness(policy()).ready, "it has no status yet; whoever has just applied it waits for one"
    assert readiness(policy({"evaluation": {"admission": {"enabled": False}}}, RBACPermissionsGranted="True")).ready
    assert readiness(policy(RBACPermissionsGranted="True")).why == "nothing has set its condition WebhookConfigured yet"
    assert "WebhookConfigured is False" in readiness(policy(WebhookConfigured="False")).why


def test_what_has_failed_is_not_waited_for() -> None:
    assert readiness(live("Job", "batch/v1", status=told(Failed="True"))) == ("Failed is True (Why: because)", True)
    assert readiness(live("Pod", status={"phase": "Failed", "reason": "Evicted"})) == ("pod a: Evicted", True)


def pod(name: str = "a-1-x", conditions: Any = (), **container: Any) -> dict[str, Any]:
    statuses = [{"name": "c", **container}] if container else []
    return {"metadata": {"name": name}, "status": {"conditions": list(conditions), "containerStatuses": statuses}}


def event(kind: str, name: str, message: str, time: str = "1", type_: str = "Warning") -> dict[str, Any]:
    about = {"kind": kind, "name": name}
    return {"type": type_, "involvedObject": about, "reason": "Failed", "message": message, "lastTimestamp": time}


def test_the_reason_in_words() -> None:
    pull = {"waiting": {"reason": "ErrImagePull", "message": "not found"}}
    starting = {"waiting": {"reason": "ContainerCreating"}}
    unscheduled = {"type": "PodScheduled", "status": "False", "message": "0/1 nodes have a GPU"}
    assert explain("a", [pod(state=pull)], []) == "pod a-1-x: container c: ErrImagePull: not found"
    assert explain("a", [pod(conditions=[unscheduled])], []) == "pod a-1-x is not scheduled: 0/1 nodes have a GPU"
    events = [
        event("ReplicaSet", "a-77", "quota", "1"),
        event("ReplicaSet", "a-77", "exceeded quota", "2"),
        event("Pod", "b-1", "another", "3"),
        event("Pod", "a-77", "fine", "4", "Normal"),
    ]
    assert explain("a", [], events) == "ReplicaSet a-77: Failed: exceeded quota"
    mount = [event("Pod", "a-1-x", 'secret "cert" not found')]
    assert explain("a", [pod(state=starting)], mount) == 'Pod a-1-x: Failed: secret "cert" not found'
    assert explain("a", [pod(state=starting)], []) == "pod a-1-x: container c: ContainerCreating"
    running = pod(state={"running": {}}, ready=False)
    assert explain("a", [running], []) == "pod a-1-x: container c runs and is not ready"
    assert explain("a", [], []) == ""


def test_pods_of_a_workload() -> None:
    spec = {"selector": {"matchLabels": {"b": "2", "a": "1"}}}
    assert selector_of(live("Deployment", spec=spec)) == "a=1,b=2"
    assert selector_of(live("Service", spec=spec)) is None
