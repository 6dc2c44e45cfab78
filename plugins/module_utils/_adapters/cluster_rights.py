# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a credential may do: the API server is asked, so that every kind of authorizer counts."""

from __future__ import annotations

import functools
import typing as t

from .cluster_reader import side_by_side
from .kubernetes_client import KubernetesClient

__all__ = ("INSTALL_RIGHTS", "RIGHTS", "may_do_anything", "missing_install_rights", "missing_rights")

Document = dict[str, t.Any]
# (verbs, group, resource, what it is for)
Right = tuple[tuple[str, ...], str, str, str]

# What deploying, following and judging an endpoint needs in its namespace.
RIGHTS: tuple[Right, ...] = (
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

# What server-side apply of the components' manifests needs, in all namespaces.
_APPLY = ("create", "patch")
_RBAC = "rbac.authorization.k8s.io"
_CONTROLLERS = "run the controllers"
INSTALL_RIGHTS: tuple[Right, ...] = (
    (_APPLY, "apiextensions.k8s.io", "customresourcedefinitions", "define what KServe and Knative add to the API"),
    (_APPLY, "", "namespaces", "make the components' namespaces"),
    (_APPLY, "", "serviceaccounts", _CONTROLLERS),
    (_APPLY, "", "services", _CONTROLLERS),
    (_APPLY, "", "configmaps", "configure the components"),
    (_APPLY, "", "secrets", "keep the webhooks' certificates"),
    (_APPLY, "apps", "deployments", _CONTROLLERS),
    (_APPLY, "apps", "daemonsets", _CONTROLLERS),
    (_APPLY, "autoscaling", "horizontalpodautoscalers", _CONTROLLERS),
    (_APPLY, "policy", "poddisruptionbudgets", _CONTROLLERS),
    # Who holds less than a role gives may not write it without escalate.
    ((*_APPLY, "escalate", "bind"), _RBAC, "clusterroles", "give the controllers their rights"),
    (_APPLY, _RBAC, "clusterrolebindings", "give the controllers their rights"),
    (_APPLY, _RBAC, "roles", "give the controllers their rights"),
    (_APPLY, _RBAC, "rolebindings", "give the controllers their rights"),
    (_APPLY, "admissionregistration.k8s.io", "validatingwebhookconfigurations", "check what tenants write"),
    (_APPLY, "admissionregistration.k8s.io", "mutatingwebhookconfigurations", "fill in what tenants leave out"),
    (_APPLY, "apiregistration.k8s.io", "apiservices", "serve KEDA's metrics"),
    (_APPLY, "cert-manager.io", "certificates", "have certificates for the webhooks"),
    (_APPLY, "cert-manager.io", "issuers", "have certificates for the webhooks"),
    (_APPLY, "serving.kserve.io", "clusterservingruntimes", "offer runtimes such as Triton"),
    (_APPLY, "policies.kyverno.io", "validatingpolicies", "guard the tenants' namespaces"),
)


def may_do_anything(client: KubernetesClient) -> bool:
    """Whether everything is allowed everywhere, as cluster-admin is: one question that spares the others."""
    return _is_allowed(client, {"verb": "*", "group": "*", "resource": "*"})


def missing_rights(client: KubernetesClient, namespace: str) -> list[Document]:
    """What may not be done in a namespace of endpoints: ``[{verb, resource, needed_to}]``."""
    return _missing(client, RIGHTS, namespace)


def missing_install_rights(client: KubernetesClient) -> list[Document]:
    """What may not be done of what installing needs, in the same form."""
    return _missing(client, INSTALL_RIGHTS, "")


def _missing(client: KubernetesClient, rights: t.Sequence[Right], namespace: str) -> list[Document]:
    asked = [(verb, group, resource, why) for verbs, group, resource, why in rights for verb in verbs]

    def ask(verb: str, group: str, resource: str) -> bool:
        kind, _slash, subresource = resource.partition("/")
        attributes = {"verb": verb, "group": group, "resource": kind, "subresource": subresource}
        return _is_allowed(client, {**attributes, "namespace": namespace})

    answers = side_by_side([functools.partial(ask, verb, group, resource) for verb, group, resource, _why in asked])
    return [
        {"verb": verb, "resource": f"{resource}.{group}".rstrip("."), "needed_to": why}
        for (verb, group, resource, why), allowed in zip(asked, answers, strict=True)
        if not allowed
    ]


def _is_allowed(client: KubernetesClient, attributes: Document) -> bool:
    where = attributes.get("namespace")
    review = client.request(
        "POST",
        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
        action=f"ask what may be done in namespace {where}" if where else "ask what may be done",
        body={
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        },
    )
    return bool(review["status"].get("allowed"))
