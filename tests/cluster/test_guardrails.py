# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The roles kyverno, keda and serving_guardrails come, stay as they are and go without a trace."""

from __future__ import annotations

import contextlib
import re
import typing as t
import uuid
from pathlib import Path

import pytest
import yaml

from tools.cluster.access import Access, Space, make_space, remove_space
from tools.cluster.kube import ApiError

from .role_runs import ROOT, RoleRuns
from .test_policies import FORMS, PROTOCOL, isvc, refusal
from .waiting import wait_for

VALIDATING = "/apis/policies.kyverno.io/v1/validatingpolicies"
CLUSTER = "/apis/kyverno.io/v1/clusterpolicies"
NAME = "validate-kserve-rollout-tenants"
# Where the two could leave something behind.
PLACES = (
    "/api/v1/namespaces",
    "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations",
    "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations",
    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
    "/apis/apiregistration.k8s.io/v1/apiservices",
    "/apis/coordination.k8s.io/v1/leases",
    "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    "/apis/rbac.authorization.k8s.io/v1/rolebindings",
)
ROLES = ("kyverno", "serving_guardrails", "keda")


def traces(cluster: Access) -> list[str]:
    """All that has to do with KEDA or Kyverno, wherever it is. The API server's own APIServices come and go with the CRDs."""
    found = [
        f"{place}: {one['metadata']['name']}"
        for place in PLACES
        for one in cluster.kube.items(place)
        if "kube-aggregator.kubernetes.io/automanaged" not in (one["metadata"].get("labels") or {})
    ]
    return [one for one in found if re.search("keda|kyverno|wgpolicyk8s", one.rpartition("/")[2])]


def there(cluster: Access, path: str) -> bool:
    return cluster.kube.raw("GET", path)[0] == 200


def holds(live: t.Any, wanted: t.Any) -> bool:
    """All that is wanted is in it, whatever defaults it has besides."""
    if isinstance(wanted, dict):
        return all(name in live and holds(live[name], value) for name, value in wanted.items())
    if isinstance(wanted, list):
        return len(live) == len(wanted) and all(map(holds, live, wanted))
    return bool(live == wanted)


@pytest.mark.groups("keda", "kyverno")
@pytest.mark.long
def test_they_come_and_go(bare_cluster: Access, tmp_path: Path) -> None:
    """One test, as each step needs the one before."""
    roles = RoleRuns(bare_cluster, tmp_path, ["keda", "kyverno"])
    kube = bare_cluster.kube
    assert traces(bare_cluster) == []

    # Nothing is there yet.
    assert roles(*ROLES, check=True).changed == 3
    missing = roles("serving_guardrails", fails=True).output
    assert "no Deployment kyverno-admission-controller" in missing
    assert "Install it with the role mlops.serving.kyverno" in " ".join(missing.split())
    assert roles(*ROLES, check=True, **absent()).changed == 0
    assert traces(bare_cluster) == []

    # They come.
    assert roles(*ROLES).changed == 3
    live = kube.get(f"{VALIDATING}/{NAME}")
    file = yaml.safe_load((ROOT / "deploy" / "k8s" / "policies" / "kyverno" / f"{NAME}.yaml").read_text())
    assert holds(live["spec"], file["spec"])
    for check in (True, False):
        assert roles(*ROLES, check=check).changed == 0

    # An earlier Kyverno gets the other form, and its upgrade brings this one back; never is there none.
    controller = "/apis/apps/v1/namespaces/kyverno/deployments/kyverno-admission-controller"
    kube.apply(earlier())
    for path, other in ((CLUSTER, VALIDATING), (VALIDATING, CLUSTER)):
        assert roles("serving_guardrails", check=True).changed == 2
        assert there(bare_cluster, f"{other}/{NAME}")
        assert roles("serving_guardrails").changed == 2
        assert there(bare_cluster, f"{path}/{NAME}")
        assert not there(bare_cluster, f"{other}/{NAME}")
        assert roles("serving_guardrails").changed == 0
        if path == CLUSTER:
            kube.delete(kube.path_of(earlier()))

    # A ScaledObject could not be deleted any more without KEDA.
    kube.apply(scaled_object())
    refused = roles("keda", fails=True, keda_state="absent").output
    assert "ScaledObject default/held" in " ".join(refused.split())
    assert there(bare_cluster, "/api/v1/namespaces/keda")
    kube.delete(kube.path_of(scaled_object()))

    # They go.
    assert roles(*reversed(ROLES), check=True, **absent()).changed > 0
    assert there(bare_cluster, controller)
    assert roles("serving_guardrails", "kyverno", "keda", **absent()).changed >= 3
    left = [one for one in traces(bare_cluster) if "customresourcedefinitions" not in one]
    assert left == []
    gone = roles("kyverno", "keda", **absent(kyverno_delete_crds=True, keda_delete_crds=True))
    assert gone.changed == 2
    assert traces(bare_cluster) == []
    assert roles(*ROLES, **absent(kyverno_delete_crds=True, keda_delete_crds=True)).changed == 0


def absent(**more: t.Any) -> dict[str, t.Any]:
    return {**{f"{role}_state": "absent" for role in ROLES}, **more}


def earlier() -> dict[str, t.Any]:
    """What serving_info takes for Kyverno 1.16: its Deployment, under the name of old, without pods."""
    labels = {"app": "earlier"}
    image = "ghcr.io/kyverno/kyverno:v1.16.4"
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "kyverno", "namespace": "kyverno"},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "kyverno", "image": image}]},
            },
        },
    }


def scaled_object() -> dict[str, t.Any]:
    trigger = {"timezone": "UTC", "start": "0 6 * * *", "end": "0 20 * * *", "desiredReplicas": "1"}
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {"name": "held", "namespace": "default", "finalizers": ["finalizer.keda.sh"]},
        "spec": {"scaleTargetRef": {"name": "nobody"}, "triggers": [{"type": "cron", "metadata": trigger}]},
    }


@pytest.fixture
def guardrails(cluster: Access, tmp_path: Path) -> RoleRuns:
    return RoleRuns(cluster, tmp_path)


@pytest.mark.groups("kserve", "kyverno")
def test_another_policy_does_not_narrow_it(cluster: Access, namespace: Space, guardrails: RoleRuns) -> None:
    """Policies that share a webhook share the namespaces of the last one in Kyverno 1.18."""
    other = {
        "apiVersion": "policies.kyverno.io/v1",
        "kind": "ValidatingPolicy",
        "metadata": {"name": f"z-{namespace.name}"},
        "spec": {
            "validationActions": ["Deny"],
            "matchConstraints": {
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "nowhere"}},
                "resourceRules": [
                    {
                        "apiGroups": ["serving.kserve.io"],
                        "apiVersions": ["v1beta1"],
                        "operations": ["CREATE"],
                        "resources": ["inferenceservices"],
                    }
                ],
            },
            "validations": [{"expression": "true"}],
        },
    }
    guardrails("serving_guardrails", serving_guardrails_form="validating_policy")
    try:
        cluster.kube.apply(other)
        policy = f"{VALIDATING}/z-{namespace.name}"
        wait_for(
            lambda: cluster.kube.get(policy).get("status", {}).get("conditionStatus", {}).get("ready"),
            bool,
            timeout=60,
            what="the other policy is in force",
        )
        assert "150" in refusal(cluster, isvc(namespace.name, percent=150))
    finally:
        with contextlib.suppress(ApiError):
            cluster.kube.delete(cluster.kube.path_of(other))
        guardrails("serving_guardrails", serving_guardrails_state="absent")


@pytest.mark.groups("kserve", "kyverno")
def test_label_and_runtimes_are_variables(cluster: Access, namespace: Space, guardrails: RoleRuns) -> None:
    labelled = make_space(cluster, f"l-{uuid.uuid4().hex[:8]}", {"example.com/customer": "yes"})
    on_triton: dict[str, t.Any] = {"modelFormat": {"name": "onnx"}, "runtime": "our-triton", "protocolVersion": None}
    given = {
        "serving_guardrails_tenant_label": "example.com/customer",
        "serving_guardrails_tenant_value": "yes",
        "serving_guardrails_triton_runtimes": ["kserve-tritonserver", "our-triton"],
    }
    try:
        for form in FORMS:
            guardrails("serving_guardrails", serving_guardrails_form=form, **given)
            assert "is 150: write" in refusal(cluster, isvc(labelled.name, percent=150))
            assert PROTOCOL.format("not there") in refusal(cluster, isvc(labelled.name, **on_triton))
            assert refusal(cluster, isvc(namespace.name, percent=150)) == ""
            guardrails("serving_guardrails", serving_guardrails_state="absent")
    finally:
        guardrails("serving_guardrails", serving_guardrails_state="absent")
        remove_space(cluster, labelled.name)
