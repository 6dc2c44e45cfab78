# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""All of a cluster that an installer asks about, in few requests side by side: nodes, storage, components, rights."""

from __future__ import annotations

import typing as t

from .._domain.components import absent, find, kinds
from .._domain.room import add_up, count_gpus
from .cluster_info import components_by_name, kserve_settings, kubernetes_version, request_metrics, versions
from .cluster_reader import Reader, side_by_side
from .cluster_rights import may_do_anything, missing_install_rights, missing_rights
from .kubernetes_client import KubernetesClient

__all__ = ("survey",)

Document = dict[str, t.Any]

_DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
_GATEWAY_CRD = "gateways.gateway.networking.k8s.io"
_BUNDLE = "gateway.networking.k8s.io/bundle-version"
_OPERATOR = "monitoring.coreos.com/v1"
_RUNNING = {"fieldSelector": "status.phase!=Succeeded,status.phase!=Failed"}


def survey(
    client: KubernetesClient,
    *,
    namespace: str,
    kserve_namespace: str = "kserve",
    knative_namespace: str = "knative-serving",
) -> Document:
    """What ``cluster_info.collect`` tells, and what else an installation depends on.

    :param namespace: where endpoints are to be deployed, for ``missing_rights``
    :returns: besides ``collect``'s keys: openshift; prometheus_operator (bool: whether its kinds are known); nodes (see
        ``_domain.room.add_up``); gpus with ``free``; storage ({classes, default}); components (see ``_domain.components.find``,
        with kubernetes and gateway_api); missing_rights and missing_install_rights
    :raises ServingError: where the very first request fails; later ones are noted in ``unread``
    """
    reader = Reader(client, patient=True)
    found: Document = {"host": client.host, "source": client.source, "kubernetes": kubernetes_version(client)}
    known = kinds({"kserve": kserve_namespace, "knative_serving": knative_namespace})
    work: list[t.Callable[[], t.Any]] = [
        lambda: reader.items("/api/v1/pods", "list pods", "pods", _RUNNING),
        lambda: reader.items("/apis/apps/v1/deployments", "list Deployments", "deployments"),
        lambda: reader.items("/api/v1/nodes", "list nodes", "nodes"),
        lambda: _platform(reader),
        lambda: _storage(reader),
        lambda: kserve_settings(reader, kserve_namespace),
        lambda: request_metrics(reader, knative_namespace),
        lambda: _rights(reader, namespace),
    ]
    pods, deployments, nodes, platform, storage, settings, metrics, rights = side_by_side(work)
    components = components_by_name(reader, known) if deployments is None else find(deployments, known)
    found.update(versions(components, reader, known))
    found.update(settings, request_metrics=metrics, storage=storage, **rights)
    found["nodes"] = None if nodes is None else add_up(nodes, pods)
    found["gpus"] = None if nodes is None else count_gpus(nodes, pods)
    if nodes is None:
        reader.note("gpus", reader.unread["nodes"])
    found["openshift"] = platform["openshift"]
    found["prometheus_operator"] = platform["prometheus_operator"]
    found["components"] = {
        "kubernetes": {
            **absent(True),
            "version": found["kubernetes"],
            "ready": True,
            "installed_by": "openshift" if platform["openshift"] else None,
        },
        "gateway_api": platform["gateway_api"],
        **components,
    }
    found["unread"] = reader.unread
    return found


def _platform(reader: Reader) -> Document:
    """What the list of API groups tells, which every credential may read."""
    client = reader.client
    listed = reader.attempt("api_groups", lambda: client.request("GET", "/apis", action="list the API groups"))
    if listed is None:
        return {"openshift": None, "gateway_api": absent(None), "prometheus_operator": None}
    groups = {str(group["name"]) for group in listed.get("groups") or ()}
    gateway = absent()
    if "gateway.networking.k8s.io" in groups:
        path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{_GATEWAY_CRD}"
        crd = reader.object(path, f"read CustomResourceDefinition {_GATEWAY_CRD}", "gateway_api")
        version = ((crd or {}).get("metadata", {}).get("annotations") or {}).get(_BUNDLE)
        gateway = {**absent(True), "version": version.removeprefix("v") if version else None, "ready": True}
    served = {one["groupVersion"] for group in listed.get("groups") or () for one in group.get("versions") or ()}
    operator = _operator_kinds(reader) if _OPERATOR in served else False
    return {"openshift": "config.openshift.io" in groups, "gateway_api": gateway, "prometheus_operator": operator}


def _operator_kinds(reader: Reader) -> bool | None:
    """Whether the kinds are known by which the Prometheus operator is told of pods and rules."""
    listed = reader.object(f"/apis/{_OPERATOR}", f"list the kinds of {_OPERATOR}", "prometheus_operator")
    if listed is None:
        return None
    return {"PodMonitor", "PrometheusRule"} <= {one["kind"] for one in listed.get("resources") or ()}


def _storage(reader: Reader) -> Document | None:
    listed = reader.items("/apis/storage.k8s.io/v1/storageclasses", "list StorageClasses", "storage")
    if listed is None:
        return None

    def is_default(one: Document) -> bool:
        return (one["metadata"].get("annotations") or {}).get(_DEFAULT_CLASS) == "true"

    # Of several defaults the newest counts.
    newest = sorted(listed, key=lambda one: str(one["metadata"].get("creationTimestamp")), reverse=True)
    return {
        "classes": [
            {"name": one["metadata"]["name"], "provisioner": one.get("provisioner"), "default": is_default(one)}
            for one in listed
        ],
        "default": next((one["metadata"]["name"] for one in newest if is_default(one)), None),
    }


def _rights(reader: Reader, namespace: str) -> Document:
    client = reader.client
    if reader.attempt("rights", lambda: may_do_anything(client)):
        return {"missing_rights": [], "missing_install_rights": []}
    reader.unread.pop("rights", None)
    return {
        "missing_rights": reader.attempt("missing_rights", lambda: missing_rights(client, namespace)),
        "missing_install_rights": reader.attempt("missing_install_rights", lambda: missing_install_rights(client)),
    }
