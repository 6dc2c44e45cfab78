# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The versions and settings of a cluster that serving depends on. What cannot be read is said with its reason."""

from __future__ import annotations

import functools
import json
import typing as t

from .._domain.components import KINDS, Kind, absent, find, kinds
from .._domain.room import count_gpus
from .._domain.versions import normal_mode
from .cluster_reader import Reader, side_by_side
from .kubernetes_client import KubernetesClient

__all__ = (
    "collect",
    "components_by_name",
    "kserve_settings",
    "kubernetes_version",
    "request_metrics",
    "versions",
)

Document = dict[str, t.Any]

# Key of the result: component
_VERSIONS = {
    "kserve": "kserve",
    "knative": "knative_serving",
    "keda": "keda",
    "cert_manager": "cert_manager",
    "kyverno": "kyverno",
}
# Knative has renamed this setting; the values that make queue-proxy serve counters of requests.
_METRICS_KEYS = ("request-metrics-protocol", "metrics.request-metrics-backend-destination")
_METRICS_ON = ("prometheus", "http/protobuf", "grpc", "opencensus")


def collect(
    client: KubernetesClient, *, kserve_namespace: str = "kserve", knative_namespace: str = "knative-serving"
) -> Document:
    """Look around a cluster, at the usual namespaces alone; a cluster that does not answer is an error.

    :returns: host, source; kubernetes, kserve, knative, keda, cert_manager, kyverno (versions, None where absent or
        unreadable); default_mode (``Knative``, ``Standard``), domain, domain_template, request_metrics (bool), gpus
        ({allocatable, nodes}); ``unread``: {name: why} for each of these that could not be read
    """
    reader = Reader(client)
    found: Document = {"host": client.host, "source": client.source, "kubernetes": kubernetes_version(client)}
    known = kinds({"kserve": kserve_namespace, "knative_serving": knative_namespace})
    named = {name: known[name] for name in _VERSIONS.values()}
    read: list[t.Any] = side_by_side(
        [
            lambda: components_by_name(reader, named),
            lambda: kserve_settings(reader, kserve_namespace),
            lambda: request_metrics(reader, knative_namespace),
            lambda: reader.items("/api/v1/nodes", "list nodes", "gpus"),
        ]
    )
    components, settings, metrics, nodes = read
    found.update(versions(components, reader, known))
    found.update(settings)
    found["request_metrics"] = metrics
    gpus = None if nodes is None else count_gpus(nodes, None)
    found["gpus"] = gpus and {name: gpus[name] for name in ("allocatable", "nodes")}
    found["unread"] = reader.unread
    return found


def kubernetes_version(client: KubernetesClient) -> str | None:
    version = client.request("GET", "/version", action="read the version of Kubernetes")
    return str(version.get("gitVersion", "")).removeprefix("v") or None


def components_by_name(reader: Reader, known: t.Mapping[str, Kind] = KINDS) -> dict[str, Document]:
    """Components as ``_domain.components.find`` has them, for a credential that may not list all Deployments."""

    def one(name: str, kind: Kind) -> Document:
        deployments = _named_deployments(reader, name, kind)
        return absent(None) if deployments is None else find(deployments, {name: kind})[name]

    names = list(known)
    return dict(zip(names, side_by_side([functools.partial(one, name, known[name]) for name in names]), strict=True))


def _named_deployments(reader: Reader, name: str, kind: Kind) -> list[Document] | None:
    """The Deployments of a component in its usual namespaces; None where they cannot be read."""
    found = []
    for namespace in kind.namespaces:
        for main in kind.main:
            path = f"/apis/apps/v1/namespaces/{namespace}/deployments/{main}"
            deployment = reader.object(path, f"read Deployment {namespace}/{main}", name)
            if name in reader.unread:
                return None
            if deployment is not None:
                found.append(deployment)
        if found:
            break
    return found


def versions(components: t.Mapping[str, Document], reader: Reader, known: t.Mapping[str, Kind] = KINDS) -> Document:
    """The versions alone under their old names, with a reason for each that there is not."""
    found: Document = {}
    for key, component in _VERSIONS.items():
        entry, kind = components[component], known[component]
        found[key] = entry["version"]
        if entry["present"] is None:
            reader.note(key, reader.unread.get(component, "it could not be read"))
        elif not entry["present"]:
            reader.note(key, f"no Deployment {' or '.join(kind.main)} in namespace {kind.namespaces[0]}")
        elif entry["version"] is None:
            where = f"{entry['namespace']}/{kind.main[0]}"
            reader.note(key, f"Deployment {where} has neither an image tag nor a label that is a version")
    return found


def kserve_settings(reader: Reader, namespace: str) -> Document:
    path = f"/api/v1/namespaces/{namespace}/configmaps/inferenceservice-config"
    config = reader.object(path, f"read ConfigMap {namespace}/inferenceservice-config", "default_mode")
    settings: Document = {"default_mode": None, "domain": None, "domain_template": None}
    if config is None:
        reader.note("default_mode", f"no ConfigMap inferenceservice-config in namespace {namespace}", again=False)
        reader.note("domain", reader.unread["default_mode"])
        return settings
    data = config.get("data") or {}
    deploy, ingress = _section(data, "deploy", reader), _section(data, "ingress", reader)
    settings["default_mode"] = normal_mode(str(deploy.get("defaultDeploymentMode") or ""))
    settings["domain"] = ingress.get("ingressDomain")
    settings["domain_template"] = ingress.get("domainTemplate")
    return settings


def _section(data: t.Mapping[str, str], name: str, reader: Reader) -> Document:
    try:
        section = json.loads(data.get(name) or "{}")
    except ValueError as error:
        reader.note(f"inferenceservice-config.{name}", f"is not JSON: {error}")
        return {}
    return section if isinstance(section, dict) else {}


def request_metrics(reader: Reader, namespace: str) -> bool | None:
    path = f"/api/v1/namespaces/{namespace}/configmaps/config-observability"
    config = reader.object(path, f"read ConfigMap {namespace}/config-observability", "request_metrics")
    if config is None:
        reader.note("request_metrics", f"no ConfigMap config-observability in namespace {namespace}", again=False)
        return None
    data = config.get("data") or {}
    return any(str(data.get(key, "")).lower() in _METRICS_ON for key in _METRICS_KEYS)
