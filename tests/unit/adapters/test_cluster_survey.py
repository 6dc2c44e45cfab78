# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All of a cluster in few requests, and a reason for each thing that may not be read."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.mlops.serving.plugins.module_utils._adapters.cluster_info import collect
from ansible_collections.mlops.serving.plugins.module_utils._adapters.cluster_rights import INSTALL_RIGHTS, RIGHTS
from ansible_collections.mlops.serving.plugins.module_utils._adapters.cluster_survey import survey
from ansible_collections.mlops.serving.plugins.module_utils._adapters.kubernetes_client import KubernetesClient
from ansible_collections.mlops.serving.plugins.module_utils._domain.errors import Forbidden, Unavailable
from ansible_collections.mlops.serving.plugins.module_utils._domain.preflight import judge, verdict
from ansible_collections.mlops.serving.plugins.module_utils._domain.preflight_wanted import Wanted

from .api_server_stub import Reply, StubApiServer, status

REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
SETTINGS = "/api/v1/namespaces/kserve/configmaps/inferenceservice-config"
METRICS = "/api/v1/namespaces/knative-serving/configmaps/config-observability"
DEPLOYMENTS = "/apis/apps/v1/deployments"
CLASSES = "/apis/storage.k8s.io/v1/storageclasses"
GATEWAY = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/gateways.gateway.networking.k8s.io"
WANTED = Wanted.parse({"kserve_mode": "knative", "versions": {"kserve": "0.20.0", "kourier": "1.21.0"}})


def items(*documents: dict[str, Any], more: str = "") -> dict[str, Any]:
    return {"kind": "List", "metadata": {"continue": more} if more else {}, "items": list(documents)}


def deployment(namespace: str, name: str, image: str, **metadata: Any) -> dict[str, Any]:
    return {
        "metadata": {"namespace": namespace, "name": name, **metadata},
        "spec": {"replicas": 1, "template": {"spec": {"containers": [{"name": name, "image": image}]}}},
        "status": {"conditions": [{"type": "Available", "status": "True"}]},
    }


def forbidden(what: str) -> Reply:
    return status(403, "Forbidden", f'User "few" cannot {what}')


def absent(name: str) -> Reply:
    return status(404, "NotFound", f'"{name}" not found', name=name)


@pytest.fixture
def server() -> Iterator[StubApiServer]:
    """An administrator's view of a cluster with KServe."""
    stub = StubApiServer()
    stub.on("GET", "/version", {"gitVersion": "v1.34.3"})
    stub.on("GET", "/apis", {"groups": [{"name": "apps"}]})
    kserve = deployment("kserve", "kserve-controller-manager", "kserve/kserve-controller:v0.20.0")
    stub.on("GET", DEPLOYMENTS, items(kserve))
    node = {
        "metadata": {"name": "n1"},
        "spec": {},
        "status": {
            "allocatable": {"cpu": "2", "memory": "8Gi", "pods": "110", "nvidia.com/gpu": "2"},
            "conditions": [{"type": "Ready", "status": "True"}],
            "nodeInfo": {"architecture": "amd64"},
        },
    }
    stub.on("GET", "/api/v1/nodes", items(node))
    requests = {"cpu": "500m", "nvidia.com/gpu": "1"}
    pod = {
        "spec": {"nodeName": "n1", "containers": [{"name": "c", "resources": {"requests": requests}}]},
        "status": {"phase": "Running"},
    }
    stub.on("GET", "/api/v1/pods", items(pod, more="next"), items(pod))
    default = {"storageclass.kubernetes.io/is-default-class": "true"}
    stub.on(
        "GET",
        CLASSES,
        items(
            {"metadata": {"name": "old", "annotations": default, "creationTimestamp": "2025-01-01T00:00:00Z"}},
            {
                "metadata": {"name": "new", "annotations": default, "creationTimestamp": "2026-01-01T00:00:00Z"},
                "provisioner": "p",
            },
            {"metadata": {"name": "none", "creationTimestamp": "2026-02-01T00:00:00Z"}},
        ),
    )
    stub.on("GET", SETTINGS, {"data": {"deploy": json.dumps({"defaultDeploymentMode": "Standard"})}})
    stub.on("GET", METRICS, absent("config-observability"))
    stub.on("POST", REVIEWS, {"status": {"allowed": True}})
    yield stub
    stub.close()


@pytest.fixture
def client(server: StubApiServer) -> Iterator[KubernetesClient]:
    made = KubernetesClient.connect({"host": server.host, "api_key": "t"}, sleep=lambda seconds: None)
    yield made
    made.close()


def test_an_administrator_sees_all_in_ten_requests(server: StubApiServer, client: KubernetesClient) -> None:
    seen = survey(client, namespace="models")
    # Ten with the second page of pods.
    assert len(server.asked) == 10
    assert seen["nodes"]["requested"] == {"cpu": 1.0, "memory": 0, "pods": 2}
    assert seen["nodes"]["free"]["cpu"] == 1.0
    assert seen["gpus"] == {"allocatable": 2, "nodes": 1, "free": 0}
    assert seen["storage"]["default"] == "new"
    assert [one["default"] for one in seen["storage"]["classes"]] == [True, True, False]
    assert seen["openshift"] is False
    assert (seen["components"]["kserve"]["version"], seen["components"]["kserve"]["ready"]) == ("0.20.0", True)
    assert seen["components"]["keda"]["present"] is False
    assert seen["components"]["kubernetes"]["version"] == "1.34.3"
    assert (seen["kserve"], seen["knative"], seen["default_mode"]) == ("0.20.0", None, "Standard")
    assert (seen["missing_rights"], seen["missing_install_rights"]) == ([], [])
    assert seen["unread"]["knative"] == "no Deployment controller in namespace knative-serving"
    assert seen["unread"]["request_metrics"] == "no ConfigMap config-observability in namespace knative-serving"
    (review,) = [asked for asked in server.asked if asked.method == "POST"]
    assert review.body["spec"]["resourceAttributes"] == {"verb": "*", "group": "*", "resource": "*"}
    pages = [asked.query.get("continue") for asked in server.asked if asked.path == "/api/v1/pods"]
    assert pages == [None, "next"]


def test_openshift_and_the_gateway_api_are_recognised(server: StubApiServer, client: KubernetesClient) -> None:
    groups = ["config.openshift.io", "gateway.networking.k8s.io"]
    server.on("GET", "/apis", {"groups": [{"name": name} for name in groups]})
    annotations = {"gateway.networking.k8s.io/bundle-version": "v1.4.1"}
    server.on("GET", GATEWAY, {"metadata": {"name": "gateways", "annotations": annotations}})
    owner = [{"kind": "KnativeServing", "name": "knative-serving"}]
    controller = deployment("knative-serving", "controller", "q/knative:v1.20.0", ownerReferences=owner)
    server.on("GET", DEPLOYMENTS, items(controller))
    seen = survey(client, namespace="models")
    assert seen["openshift"] is True
    assert seen["components"]["gateway_api"]["version"] == "1.4.1"
    assert seen["components"]["knative_serving"]["installed_by"] == "olm"
    checks = {one.check: one for one in judge(seen, Wanted.parse({"versions": {"knative_serving": "1.21.1"}}))}
    assert checks["knative_serving_owner"].level == "refusal"
    assert checks["openshift"].level == "warning"


@pytest.mark.parametrize(
    ("kinds", "known"),
    [(["PodMonitor", "PrometheusRule", "Prometheus"], True), (["ServiceMonitor"], False), (None, False)],
)
def test_the_prometheus_operator_is_known_by_its_kinds(
    server: StubApiServer, client: KubernetesClient, kinds: list[str] | None, known: bool
) -> None:
    version = "monitoring.coreos.com/v1"
    if kinds is not None:
        groups = [{"name": version.split("/", maxsplit=1)[0], "versions": [{"groupVersion": version}]}]
        server.on("GET", "/apis", {"groups": groups})
        server.on("GET", f"/apis/{version}", {"resources": [{"kind": kind} for kind in kinds]})
    assert survey(client, namespace="models")["prometheus_operator"] is known


def test_what_may_not_be_read_is_told_and_the_rest_is_there(server: StubApiServer, client: KubernetesClient) -> None:
    for path, what in (
        (DEPLOYMENTS, "list deployments"),
        ("/api/v1/nodes", "list nodes"),
        ("/api/v1/pods", "list pods"),
    ):
        server.on("GET", path, forbidden(what))
    server.on("GET", CLASSES, forbidden("list storageclasses"))
    server.on("GET", SETTINGS, forbidden("get configmaps"))
    server.on("POST", REVIEWS, {"status": {"allowed": False}})
    # The one that may be read by name all the same.
    path = "/apis/apps/v1/namespaces/kserve/deployments/kserve-controller-manager"
    server.on("GET", path, deployment("kserve", "kserve-controller-manager", "k:v0.18.0"))
    keda = "/apis/apps/v1/namespaces/keda/deployments/keda-operator"
    server.on("GET", keda, forbidden("get deployments"))
    istio = "/apis/apps/v1/namespaces/istio-system/deployments/istiod"
    server.on("GET", istio, absent("istiod"))

    seen = survey(client, namespace="models")
    assert (seen["nodes"], seen["gpus"], seen["storage"], seen["default_mode"]) == (None, None, None, None)
    assert seen["components"]["kserve"]["version"] == "0.18.0"
    assert seen["components"]["keda"]["present"] is None
    assert seen["components"]["istio"]["present"] is False
    for name in ("nodes", "gpus", "pods", "deployments", "storage", "default_mode", "domain", "keda"):
        assert 'User "few" cannot' in seen["unread"][name], name
    assert len(seen["missing_rights"]) == sum(len(verbs) for verbs, *_rest in RIGHTS)
    assert len(seen["missing_install_rights"]) == sum(len(verbs) for verbs, *_rest in INSTALL_RIGHTS)
    assert {"verb": "create", "resource": "namespaces", "needed_to": "make the components' namespaces"} in (
        seen["missing_install_rights"]
    )
    asked = [one.body["spec"]["resourceAttributes"] for one in server.asked if one.method == "POST"]
    assert Counter(one.get("namespace") for one in asked)["models"] == len(seen["missing_rights"])

    findings = judge(seen, WANTED)
    assert verdict(findings, WANTED)["level"] == "refusal"
    assert "rights" in [one.check for one in findings if one.level == "refusal"]


def test_rights_that_cannot_be_asked_are_unknown(server: StubApiServer, client: KubernetesClient) -> None:
    server.on("POST", REVIEWS, forbidden("create selfsubjectaccessreviews"))
    seen = survey(client, namespace="models")
    assert (seen["missing_rights"], seen["missing_install_rights"]) == (None, None)
    assert "selfsubjectaccessreviews" in seen["unread"]["missing_install_rights"]
    assert "rights" not in seen["unread"]


def test_a_part_that_answers_badly_does_not_hide_the_rest(server: StubApiServer, client: KubernetesClient) -> None:
    server.on("GET", "/apis", status(503, "ServiceUnavailable", "etcd is away"))
    server.on("GET", SETTINGS, {"data": {"deploy": "{"}})
    seen = survey(client, namespace="models")
    assert seen["openshift"] is None
    assert seen["components"]["gateway_api"]["present"] is None
    assert "etcd is away" in seen["unread"]["api_groups"]
    assert "is not JSON" in seen["unread"]["inferenceservice-config.deploy"]
    assert seen["components"]["kserve"]["version"] == "0.20.0"


def test_a_cluster_that_does_not_answer_is_an_error(server: StubApiServer, client: KubernetesClient) -> None:
    server.on("GET", "/version", status(401, "Unauthorized", "Unauthorized"))
    with pytest.raises(Forbidden, match="does not accept the credentials"):
        survey(client, namespace="models")
    assert server.requests() == [("GET", "/version")]


def test_the_short_look_asks_for_the_usual_names_alone(server: StubApiServer, client: KubernetesClient) -> None:
    for namespace, name in (
        ("knative-serving", "controller"),
        ("keda", "keda-operator"),
        ("cert-manager", "cert-manager"),
        ("kyverno", "kyverno-admission-controller"),
        ("kyverno", "kyverno"),
    ):
        server.on("GET", f"/apis/apps/v1/namespaces/{namespace}/deployments/{name}", absent(name))
    path = "/apis/apps/v1/namespaces/mine/deployments/kserve-controller-manager"
    server.on("GET", path, deployment("mine", "kserve-controller-manager", "k:v0.18.0"))
    server.on("GET", "/api/v1/namespaces/mine/configmaps/inferenceservice-config", absent("inferenceservice-config"))
    found = collect(client, kserve_namespace="mine")
    assert (found["kserve"], found["keda"], found["gpus"]) == ("0.18.0", None, {"allocatable": 2, "nodes": 1})
    assert found["unread"]["keda"] == "no Deployment keda-operator in namespace keda"
    assert found["unread"]["domain"] == "no ConfigMap inferenceservice-config in namespace mine"
    assert ("GET", DEPLOYMENTS) not in server.requests()
    server.on("GET", path, status(503, "ServiceUnavailable", "etcd is away"))
    with pytest.raises(Unavailable, match="etcd is away"):
        collect(client, kserve_namespace="mine")
