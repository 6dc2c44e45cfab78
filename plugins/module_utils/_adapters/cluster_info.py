# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a cluster can do: versions, KServe's settings, capacity. What cannot be read is said with its reason."""

from __future__ import annotations

import json
import re
import typing as t

from .._domain.errors import ServingError, Unavailable
from .._domain.quantity import amount
from .._domain.versions import normal_mode
from .kubernetes_client import KubernetesClient

__all__ = ("RIGHTS", "collect", "missing_rights")

Document = dict[str, t.Any]

# What deploying, following and judging an endpoint needs in its namespace: (verbs, group, resource, what it is for)
RIGHTS: tuple[tuple[tuple[str, ...], str, str, str], ...] = (
    (
        ("get", "list", "watch", "create", "patch", "delete"),
        "serving.kserve.io",
        "inferenceservices",
        "deploy endpoints",
    ),
    (("get", "create", "update", "delete"), "coordination.k8s.io", "leases", "keep late workers from writing"),
    (("list",), "", "pods", "say why a model does not get ready"),
    (("get",), "apps", "deployments", "follow endpoints in Standard mode"),
    (("get",), "", "pods/proxy", "read metrics from the pods where there is no Prometheus"),
)

# component: (namespace, names that its controller's Deployment has had)
_CONTROLLERS: dict[str, tuple[str, tuple[str, ...]]] = {
    "kserve": ("kserve", ("kserve-controller-manager",)),
    "knative": ("knative-serving", ("controller",)),
    "keda": ("keda", ("keda-operator",)),
    "cert_manager": ("cert-manager", ("cert-manager",)),
    "kyverno": ("kyverno", ("kyverno-admission-controller", "kyverno")),
}
_VERSION_LABEL = "app.kubernetes.io/version"
_VERSION = re.compile(r"^v?\d+\.\d+(\.\d+)?")
_GPU = "nvidia.com/gpu"
_OPERATOR = "monitoring.coreos.com/v1"
# Knative has renamed this setting; the values that make queue-proxy serve counters of requests.
_METRICS_KEYS = ("request-metrics-protocol", "metrics.request-metrics-backend-destination")
_METRICS_ON = ("prometheus", "http/protobuf", "grpc", "opencensus")


def collect(
    client: KubernetesClient, *, kserve_namespace: str = "kserve", knative_namespace: str = "knative-serving"
) -> Document:
    """Look around a cluster; only the first request, for the version of Kubernetes, may fail.

    :returns: host, source; kubernetes, kserve, knative, keda, cert_manager, kyverno (versions, None where absent or
        unreadable); default_mode (``Knative``, ``Standard``), domain, domain_template, request_metrics (bool), gpus
        ({allocatable, nodes}), prometheus_operator (bool: whether its kinds are known); ``unread``: {name: why} for each
        of these that could not be read
    """
    unread: dict[str, str] = {}
    version = client.request("GET", "/version", action="read the version of Kubernetes")
    found: Document = {
        "host": client.host,
        "source": client.source,
        "kubernetes": str(version.get("gitVersion", "")).removeprefix("v") or None,
    }
    namespaces = {"kserve": kserve_namespace, "knative": knative_namespace}
    for component, (namespace, names) in _CONTROLLERS.items():
        where = namespaces.get(component, namespace)
        found[component] = _version(client, where, names, component, unread)
    found.update(_kserve_settings(client, kserve_namespace, unread))
    found["request_metrics"] = _request_metrics(client, knative_namespace, unread)
    found["gpus"] = _gpus(client, unread)
    found["prometheus_operator"] = _prometheus_operator(client, unread)
    found["unread"] = unread
    return found


def missing_rights(client: KubernetesClient, namespace: str) -> list[Document]:
    """What this credential may not do in a namespace: ``[{verb, resource, needed_to}]``; the API server is asked."""
    missing = []
    for verbs, group, resource, needed_to in RIGHTS:
        kind, _slash, subresource = resource.partition("/")
        for verb in verbs:
            attributes = {
                "namespace": namespace,
                "verb": verb,
                "group": group,
                "resource": kind,
                "subresource": subresource,
            }
            review = client.request(
                "POST",
                "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
                action=f"ask what may be done in namespace {namespace}",
                body={
                    "apiVersion": "authorization.k8s.io/v1",
                    "kind": "SelfSubjectAccessReview",
                    "spec": {"resourceAttributes": attributes},
                },
            )
            if not review["status"].get("allowed"):
                missing.append({"verb": verb, "resource": f"{resource}.{group}".rstrip("."), "needed_to": needed_to})
    return missing


def _version(
    client: KubernetesClient, namespace: str, names: tuple[str, ...], component: str, unread: dict[str, str]
) -> str | None:
    """Version of a controller: its image's tag, else its version label."""
    for name in names:
        path = f"/apis/apps/v1/namespaces/{namespace}/deployments/{name}"
        deployment = _read(client, path, f"read Deployment {namespace}/{name}", component, unread)
        if deployment is None:
            continue
        labels = deployment["metadata"].get("labels") or {}
        # The manager comes first; sidecars such as kube-rbac-proxy have versions of their own.
        containers = deployment["spec"]["template"]["spec"]["containers"]
        ordered = sorted(containers, key=lambda container: container.get("name") not in ("manager", "controller", name))
        candidates = [labels.get(_VERSION_LABEL, ""), *(_tag(container.get("image", "")) for container in ordered)]
        if component == "kserve":
            # KServe's version label is not kept up to date by every release; the image's tag is what runs.
            candidates = [*candidates[1:], candidates[0]]
        version: str | None = next((text for text in candidates if _VERSION.match(text)), None)
        if version is None:
            unread[component] = (
                f"Deployment {namespace}/{name} has neither a version label nor an image tag that is a version"
            )
            return None
        return version.removeprefix("v")
    unread.setdefault(component, f"no Deployment {' or '.join(names)} in namespace {namespace}")
    return None


def _kserve_settings(client: KubernetesClient, namespace: str, unread: dict[str, str]) -> Document:
    path = f"/api/v1/namespaces/{namespace}/configmaps/inferenceservice-config"
    config = _read(client, path, f"read ConfigMap {namespace}/inferenceservice-config", "default_mode", unread)
    settings: Document = {"default_mode": None, "domain": None, "domain_template": None}
    if config is None:
        unread.setdefault("default_mode", f"no ConfigMap inferenceservice-config in namespace {namespace}")
        unread["domain"] = unread["default_mode"]
        return settings
    data = config.get("data") or {}
    deploy, ingress = _section(data, "deploy", unread), _section(data, "ingress", unread)
    settings["default_mode"] = normal_mode(str(deploy.get("defaultDeploymentMode") or ""))
    settings["domain"] = ingress.get("ingressDomain")
    settings["domain_template"] = ingress.get("domainTemplate")
    return settings


def _section(data: t.Mapping[str, str], name: str, unread: dict[str, str]) -> Document:
    try:
        section = json.loads(data.get(name) or "{}")
    except ValueError as error:
        unread[f"inferenceservice-config.{name}"] = f"is not JSON: {error}"
        return {}
    return section if isinstance(section, dict) else {}


def _request_metrics(client: KubernetesClient, namespace: str, unread: dict[str, str]) -> bool | None:
    path = f"/api/v1/namespaces/{namespace}/configmaps/config-observability"
    action = f"read ConfigMap {namespace}/config-observability"
    config = _read(client, path, action, "request_metrics", unread)
    if config is None:
        unread.setdefault("request_metrics", f"no ConfigMap config-observability in namespace {namespace}")
        return None
    data = config.get("data") or {}
    return any(str(data.get(key, "")).lower() in _METRICS_ON for key in _METRICS_KEYS)


def _gpus(client: KubernetesClient, unread: dict[str, str]) -> Document | None:
    listed = _read(client, "/api/v1/nodes", "list nodes", "gpus", unread)
    if listed is None:
        return None
    counts = [amount((node["status"].get("allocatable") or {}).get(_GPU)) for node in listed.get("items") or ()]
    return {"allocatable": int(sum(count for count in counts if count)), "nodes": sum(1 for count in counts if count)}


def _prometheus_operator(client: KubernetesClient, unread: dict[str, str]) -> bool | None:
    # The list of groups first: of a group that is not there, the API server says what it says of a wrong address.
    groups = _read(client, "/apis", "list the API groups", "prometheus_operator", unread)
    if groups is None:
        return None
    served = {one["groupVersion"] for found in groups.get("groups") or () for one in found["versions"]}
    if _OPERATOR not in served:
        return False
    listed = _read(client, f"/apis/{_OPERATOR}", f"list the kinds of {_OPERATOR}", "prometheus_operator", unread)
    return {"PodMonitor", "PrometheusRule"} <= {one["kind"] for one in listed["resources"]} if listed else None


def _tag(image: str) -> str:
    """``registry:5000/name:v1@sha256:...`` -> ``v1``."""
    return image.partition("@")[0].rpartition("/")[2].partition(":")[2]


def _read(client: KubernetesClient, path: str, action: str, name: str, unread: dict[str, str]) -> Document | None:
    """An object, or None with the reason noted; a cluster that does not answer at all stays an error."""
    try:
        return t.cast("Document | None", client.get(path, action=action))
    except Unavailable:
        raise
    except ServingError as error:
        unread[name] = str(error)
        return None
