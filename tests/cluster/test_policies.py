# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kyverno with the project's guardrails refuses what it must, in tenants' namespaces only.

All writes are dry runs: admission runs as ever, nothing is stored and no model is started.
"""

from __future__ import annotations

import typing as t
import uuid

import pytest
import yaml

from tools.cluster.access import Access, Space, make_space, remove_space
from tools.cluster.kube import ApiError

from .conftest import ROOT
from .waiting import wait_for

pytestmark = pytest.mark.groups("kserve", "kyverno")

POLICY = ROOT / "deploy" / "k8s" / "policies" / "kyverno" / "validate-kserve-rollout-tenants.yaml"


def isvc(
    namespace: str, *, percent: int | None = None, mode: str | None = "Knative", protocol: str = "v2"
) -> dict[str, t.Any]:
    predictor: dict[str, t.Any] = {
        "model": {
            "modelFormat": {"name": "triton"},
            "protocolVersion": protocol,
            "storageUri": "s3://mlops-artifacts/triton/add_sub/",
        }
    }
    if percent is not None:
        predictor["canaryTrafficPercent"] = percent
    annotations = {"serving.kserve.io/deploymentMode": mode} if mode else {}
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"name": "guarded", "namespace": namespace, "annotations": annotations},
        "spec": {"predictor": predictor},
    }


def refusal(cluster: Access, manifest: dict[str, t.Any]) -> str:
    """Empty if admission lets it pass."""
    path = (
        f"/apis/serving.kserve.io/v1beta1/namespaces/{manifest['metadata']['namespace']}/inferenceservices?dryRun=All"
    )
    try:
        cluster.kube.post(path, manifest)
    except ApiError as error:
        assert error.status in (400, 403), error
        return error.message
    return ""


@pytest.fixture(scope="module")
def policy(cluster: Access) -> t.Iterator[None]:
    """The guardrails, enforced."""
    documents = [document for document in yaml.safe_load_all(POLICY.read_text()) if document]
    for document in documents:
        wait_for(lambda document=document: _applied(cluster, document), bool, timeout=60, what="the policy is accepted")
    space = make_space(cluster, f"t-{uuid.uuid4().hex[:8]}", {"mlops-saas.io/tenant": "true"})
    wait_for(lambda: refusal(cluster, isvc(space.name, percent=150)), bool, timeout=60, what="the first refusal")
    yield
    remove_space(cluster, space.name)
    for document in documents:
        cluster.kube.delete(cluster.kube.path_of(document))


def _applied(cluster: Access, document: dict[str, t.Any]) -> bool:
    try:
        cluster.kube.apply(document)
    except ApiError:
        return False
    return True


@pytest.mark.usefixtures("policy")
@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"percent": 150}, "canaryTrafficPercent"),
        ({"percent": -1}, "canaryTrafficPercent"),
        ({"percent": 10, "mode": "Standard"}, "Knative"),
        ({"protocol": "v1"}, "v2"),
    ],
)
def test_refused_in_a_tenant_s_namespace(
    cluster: Access, namespace: Space, changes: dict[str, t.Any], word: str
) -> None:
    said = refusal(cluster, isvc(namespace.name, **changes))
    assert "kyverno" in said
    assert word in said


@pytest.mark.usefixtures("policy")
@pytest.mark.parametrize("changes", [{}, {"percent": 0}, {"percent": 100}, {"mode": "Standard"}])
def test_allowed_in_a_tenant_s_namespace(cluster: Access, namespace: Space, changes: dict[str, t.Any]) -> None:
    assert refusal(cluster, isvc(namespace.name, **changes)) == ""


@pytest.mark.usefixtures("policy")
def test_other_namespaces_are_not_touched(cluster: Access) -> None:
    space = make_space(cluster, f"o-{uuid.uuid4().hex[:8]}")
    try:
        assert "kyverno" not in refusal(cluster, isvc(space.name, percent=10, mode="Standard"))
    finally:
        remove_space(cluster, space.name)
