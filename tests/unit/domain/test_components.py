# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Components recognised among Deployments, and who has installed them."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mlops.serving.plugins.module_utils._domain.components import absent, find, kinds
from ansible_collections.mlops.serving.plugins.module_utils._domain.installers import installer


def deployment(
    namespace: str, name: str, image: str = "registry:5000/x:v1.2.3", *, ready: bool = True, **metadata: Any
) -> dict[str, Any]:
    replicas = metadata.pop("replicas", 1)
    containers = metadata.pop("containers", [{"name": "manager", "image": image}])
    return {
        "metadata": {"namespace": namespace, "name": name, "generation": 2, **metadata},
        "spec": {"replicas": replicas, "template": {"spec": {"containers": containers}}},
        "status": {
            "observedGeneration": metadata.pop("seen", 2),
            "conditions": [{"type": "Available", "status": "True" if ready else "False"}],
        },
    }


def manager(name: str, operation: str = "Apply", **entry: Any) -> dict[str, Any]:
    return {"manager": name, "operation": operation, **entry}


@pytest.mark.parametrize(
    ("metadata", "by", "evidence"),
    [
        ({"managedFields": [manager("mlops.serving")]}, "mlops.serving", "field manager mlops.serving"),
        ({"managedFields": [manager("kubectl")]}, "kubectl", "server-side"),
        ({"managedFields": [manager("kubectl-client-side-apply", "Update")]}, "kubectl", "client-side"),
        (
            {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"}},
            "kubectl",
            "client-side",
        ),
        ({"managedFields": [manager("kubectl-create", "Update")]}, "kubectl", "kubectl create"),
        (
            {"annotations": {"meta.helm.sh/release-name": "keda", "meta.helm.sh/release-namespace": "scaling"}},
            "helm",
            "release keda in namespace scaling",
        ),
        ({"managedFields": [manager("helm", "Update")]}, "helm", "field manager helm"),
        # What has been taken over from Helm without its annotations being removed is still Helm's to upgrade and remove.
        (
            {"annotations": {"meta.helm.sh/release-name": "a"}, "managedFields": [manager("mlops.serving")]},
            "helm",
            "release a",
        ),
        # A chart that was rendered and applied by hand.
        (
            {"labels": {"app.kubernetes.io/managed-by": "Helm"}, "managedFields": [manager("kubectl")]},
            "kubectl",
            "server-side",
        ),
        ({"ownerReferences": [{"kind": "KnativeServing", "name": "ks"}]}, "olm", "belongs to KnativeServing ks"),
        ({"labels": {"olm.owner": "serverless-operator.v1.36.0"}}, "olm", "label olm.owner"),
        ({"labels": {"operators.coreos.com/x.y": ""}}, "olm", "label operators.coreos.com/x.y"),
        ({"managedFields": [manager("argocd-controller")]}, "unknown", "field manager argocd-controller"),
        (
            {
                "managedFields": [
                    manager("mlops.serving"),
                    manager("kube-controller-manager", "Update", subresource="status"),
                    manager("kubectl-edit", "Update"),
                    manager("kubectl-rollout", "Update"),
                ]
            },
            "mlops.serving",
            "mlops.serving",
        ),
        (
            {
                "managedFields": [
                    manager("argocd-controller"),
                    manager("kubectl-patch", "Update"),
                    manager("autoscaler", "Update", subresource="scale"),
                ]
            },
            "unknown",
            "field manager argocd-controller",
        ),
        ({}, "unknown", "nothing says who"),
    ],
)
def test_who_has_installed_it(metadata: dict[str, Any], by: str, evidence: str) -> None:
    found, why = installer({"metadata": metadata})
    assert found == by
    assert why.endswith(evidence), why


def test_nothing_is_there() -> None:
    assert all(entry == absent() for entry in find([deployment("default", "controller")]).values())


def test_a_component_with_its_place_version_and_readiness() -> None:
    found = find(
        [
            deployment("keda", "keda-operator", "ghcr.io/kedacore/keda:2.18.0", managedFields=[manager("kubectl")]),
            deployment("keda", "keda-admission", ready=False),
            deployment("other", "keda-metrics-apiserver", ready=False),
        ]
    )["keda"]
    assert found == {
        "present": True,
        "version": "2.18.0",
        "namespace": "keda",
        "ready": False,
        "not_ready": ["keda-admission"],
        "installed_by": "kubectl",
        "evidence": "kubectl apply, server-side",
    }


@pytest.mark.parametrize(
    ("name", "given", "version"),
    [
        # Helm names by release; the label tells.
        (
            "cert_manager",
            deployment("certs", "x-cert-manager", "c:v1.17.2", labels={"app.kubernetes.io/name": "cert-manager"}),
            "1.17.2",
        ),
        ("istio", deployment("istio-system", "istiod-1-27", "p/pilot:1.27.1", labels={"app": "istiod"}), "1.27.1"),
        # A chart's version is in Kyverno's label, and images by digest say nothing.
        (
            "kyverno",
            deployment(
                "kyverno",
                "kyverno-admission-controller",
                "k/kyverno:v1.18.2",
                labels={"app.kubernetes.io/version": "3.8.2"},
            ),
            "1.18.2",
        ),
        (
            "kyverno",
            deployment("kyverno", "kyverno", "k@sha256:00", labels={"app.kubernetes.io/version": "3.8.2"}),
            None,
        ),
        # Knative's releases have a digest and a label, what is built from its modules a tag.
        (
            "knative_serving",
            deployment(
                "knative-serving", "controller", "gcr.io/x@sha256:00", labels={"app.kubernetes.io/version": "1.21.1"}
            ),
            "1.21.1",
        ),
        (
            "knative_serving",
            deployment("elsewhere", "controller", "gcr.io/knative-releases/c:v0.48.1"),
            "0.48.1",
        ),
        # The sidecar's version is not the component's.
        (
            "kserve",
            deployment(
                "kserve",
                "kserve-controller-manager",
                containers=[
                    {"name": "kube-rbac-proxy", "image": "quay.io/brancz/kube-rbac-proxy:v0.18.0"},
                    {"name": "manager", "image": "kserve/kserve-controller:v0.20.0"},
                ],
            ),
            "0.20.0",
        ),
        ("kserve", deployment("kserve", "kserve-controller-manager", "kserve/kserve-controller:latest"), None),
    ],
)
def test_versions(name: str, given: dict[str, Any], version: str | None) -> None:
    found = find([given])[name]
    assert (found["present"], found["version"]) == (True, version)


def test_the_usual_namespace_wins_and_another_one_can_be_named() -> None:
    two = [
        deployment("a-copy", "kserve-controller-manager", "k:v0.15.0"),
        deployment("kserve", "kserve-controller-manager"),
    ]
    assert find(two)["kserve"]["namespace"] == "kserve"
    assert find(two, kinds({"kserve": "a-copy"}))["kserve"]["namespace"] == "a-copy"


def test_what_is_scaled_to_nothing_is_not_ready_and_an_extra_is_not_missed() -> None:
    stopped = find([deployment("kserve", "kserve-controller-manager", replicas=0)])["kserve"]
    assert stopped["not_ready"] == ["kserve-controller-manager"]
    extra = deployment("kserve", "llmisvc-controller-manager", replicas=0)
    assert find([deployment("kserve", "kserve-controller-manager"), extra])["kserve"]["ready"] is True
    rolling = deployment("kserve", "kserve-controller-manager")
    rolling["status"]["observedGeneration"] = 1
    assert find([rolling])["kserve"]["ready"] is False
