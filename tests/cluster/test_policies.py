# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kyverno with the guardrails, in both of their forms, refuses what it must, in tenants' namespaces only.

The role brings the policies. All writes but one are dry runs: admission runs as ever, nothing is stored and no model is started.
"""

from __future__ import annotations

import typing as t
import uuid

import pytest

from tools.cluster.access import Access, Space, make_space, remove_space
from tools.cluster.kube import ApiError

from .role_runs import RoleRuns
from .waiting import wait_for

pytestmark = pytest.mark.groups("kserve", "kyverno")

MODE = "serving.kserve.io/deploymentMode"
V2 = {"modelFormat": {"name": "triton"}, "protocolVersion": "v2", "storageUri": "s3://mlops-artifacts/triton/add_sub/"}
FORMS = ("validating_policy", "cluster_policy")
PERCENT = "canaryTrafficPercent is {}: write a whole number from 0 to 100"
KNATIVE = (
    f"canaryTrafficPercent works in Knative mode only, and the annotation {MODE} is {{}}:"
    f" write {MODE}: Knative, or leave canaryTrafficPercent out"
)
PROTOCOL = "Triton answers protocol v2 only, and spec.predictor.model.protocolVersion is {}: write protocolVersion: v2"


def isvc(
    namespace: str, *, percent: int | None = None, mode: str | None = "Knative", part: str = "predictor", **model: t.Any
) -> dict[str, t.Any]:
    """:param part: the one that has the canary"""
    spec: dict[str, t.Any] = {"predictor": {"model": {**V2, **model}}}
    if part != "predictor":
        spec[part] = {"containers": [{"name": "kserve-container", "image": "docker.io/library/busybox:1.35"}]}
    if percent is not None:
        spec[part]["canaryTrafficPercent"] = percent
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"name": "guarded", "namespace": namespace, "annotations": {MODE: mode} if mode else {}},
        "spec": spec,
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
        return " ".join(error.message.split())
    return ""


@pytest.fixture(scope="module")
def roles(cluster: Access, tmp_path_factory: pytest.TempPathFactory) -> RoleRuns:
    return RoleRuns(cluster, tmp_path_factory.mktemp("roles"))


@pytest.fixture(scope="module", params=FORMS)
def form(request: pytest.FixtureRequest, cluster: Access, roles: RoleRuns) -> t.Iterator[str]:
    """The guardrails, enforced in this form alone."""
    roles("serving_guardrails", serving_guardrails_state="absent")
    space = make_space(cluster, f"t-{uuid.uuid4().hex[:8]}", {"mlops-saas.io/tenant": "true"})
    assert refusal(cluster, isvc(space.name, percent=150)) == ""
    assert roles("serving_guardrails", serving_guardrails_form=request.param).changed == 1
    assert refusal(cluster, isvc(space.name, percent=150)), "the role returns when the policy is in force"
    yield request.param
    assert roles("serving_guardrails", serving_guardrails_state="absent").changed == 1
    wait_for(lambda: refusal(cluster, isvc(space.name, percent=150)), lambda said: not said, timeout=90, what="its end")
    remove_space(cluster, space.name)


@pytest.mark.usefixtures("form")
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"percent": 150}, f"spec.predictor.{PERCENT.format(150)}"),
        ({"percent": -1}, f"spec.predictor.{PERCENT.format(-1)}"),
        ({"percent": 101, "part": "transformer"}, f"spec.transformer.{PERCENT.format(101)}"),
        ({"percent": 101, "part": "explainer"}, f"spec.explainer.{PERCENT.format(101)}"),
        ({"percent": 10, "mode": "Standard"}, KNATIVE.format("Standard")),
        ({"percent": 10, "mode": None}, KNATIVE.format("not there")),
        ({"percent": 10, "mode": "Standard", "part": "transformer"}, KNATIVE.format("Standard")),
        ({"protocolVersion": "v1"}, PROTOCOL.format("v1")),
        ({"protocolVersion": "grpc-v2"}, PROTOCOL.format("grpc-v2")),
        (
            {"modelFormat": {"name": "onnx"}, "runtime": "kserve-tritonserver", "protocolVersion": None},
            PROTOCOL.format("not there"),
        ),
    ],
)
def test_refused_in_a_tenant_s_namespace(
    cluster: Access, namespace: Space, changes: dict[str, t.Any], message: str
) -> None:
    said = refusal(cluster, isvc(namespace.name, **changes))
    assert "kyverno" in said
    assert message in said


@pytest.mark.usefixtures("form")
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"percent": 0},
        {"percent": 100},
        {"percent": 10, "mode": "Serverless"},
        {"percent": 10, "part": "transformer"},
        {"mode": "Standard"},
        {"protocolVersion": None},
        {"modelFormat": {"name": "sklearn"}, "protocolVersion": "v1"},
    ],
)
def test_allowed_in_a_tenant_s_namespace(cluster: Access, namespace: Space, changes: dict[str, t.Any]) -> None:
    assert refusal(cluster, isvc(namespace.name, **changes)) == ""


@pytest.mark.usefixtures("form")
def test_other_namespaces_are_not_touched(cluster: Access) -> None:
    for labels in ({}, {"mlops-saas.io/tenant": "false"}):
        space = make_space(cluster, f"o-{uuid.uuid4().hex[:8]}", labels)
        try:
            for changes in ({"percent": 10, "mode": "Standard"}, {"percent": 150}, {"protocolVersion": "v1"}):
                assert refusal(cluster, isvc(space.name, **changes)) == ""
        finally:
            remove_space(cluster, space.name)


def test_a_bad_one_from_before_can_be_deleted(cluster: Access, namespace: Space, roles: RoleRuns, form: str) -> None:
    """KServe takes its finalizer off by an update, which still carries what the policy forbids."""
    service = isvc(namespace.name, percent=10, mode="Standard")
    path = cluster.kube.path_of(service)
    roles("serving_guardrails", serving_guardrails_form=form, serving_guardrails_action="Audit")
    wait_for(lambda: refusal(cluster, service), lambda said: not said, timeout=90, what="audit lets it pass")
    cluster.kube.apply(service)
    wait_for(lambda: cluster.kube.get(path)["metadata"].get("finalizers"), bool, timeout=60, what="KServe's finalizer")
    roles("serving_guardrails", serving_guardrails_form=form)
    # One that exists already would be refused for that, until the policy is in force.
    another = {**service, "metadata": {**service["metadata"], "name": "another"}}
    wait_for(lambda: refusal(cluster, another), bool, timeout=90, what="it refuses again")
    with pytest.raises(ApiError, match="kyverno"):
        cluster.kube.merge(path, {"metadata": {"labels": {"still": "bad"}}})
    cluster.kube.delete(path)
    wait_for(lambda: cluster.kube.raw("GET", path)[0], lambda status: status == 404, timeout=60, what="it is gone")
