# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is installed for serving, recognised among a cluster's Deployments: version, place, readiness, and by whom. Pure."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field, replace

from .installers import installer

__all__ = ("KINDS", "Kind", "absent", "find", "kinds", "version_of")

Document = t.Mapping[str, t.Any]

_VERSION_LABEL = "app.kubernetes.io/version"
_VERSION = re.compile(r"^v?\d+\.\d+(\.\d+)?")


@dataclass(frozen=True)
class Kind:
    """How a component is recognised.

    :param main: names that its controller's Deployment has had
    :param labels: labels one of which names that Deployment where a Helm release has given it another name
    :param others: its further Deployments
    :param hint: must be in an image or a label, where the names say too little
    :param label_is_version: whether the label ``app.kubernetes.io/version`` is its own version and not a chart's
    """

    namespaces: tuple[str, ...]
    main: tuple[str, ...]
    labels: t.Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    others: tuple[str, ...] = ()
    hint: str = ""
    label_is_version: bool = True


_NAME = "app.kubernetes.io/name"
KINDS: dict[str, Kind] = {
    "cert_manager": Kind(
        ("cert-manager",),
        ("cert-manager",),
        {_NAME: ("cert-manager",)},
        ("cert-manager-webhook", "cert-manager-cainjector"),
    ),
    "knative_serving": Kind(
        ("knative-serving",),
        ("controller",),
        {},
        ("activator", "autoscaler", "autoscaler-hpa", "webhook"),
        hint="knative",
    ),
    "kourier": Kind(
        ("knative-serving", "kourier-system", "knative-serving-ingress"),
        ("net-kourier-controller",),
        {},
        ("3scale-kourier-gateway",),
    ),
    "net_istio": Kind(("knative-serving",), ("net-istio-controller",), {}, ("net-istio-webhook",)),
    "istio": Kind(("istio-system",), ("istiod",), {"app": ("istiod",)}),
    "kserve": Kind(
        ("kserve",),
        ("kserve-controller-manager",),
        {},
        ("kserve-localmodel-controller-manager", "llmisvc-controller-manager"),
        # Not kept up to date by every release.
        label_is_version=False,
    ),
    "keda": Kind(
        ("keda",),
        ("keda-operator",),
        {_NAME: ("keda-operator",)},
        ("keda-metrics-apiserver", "keda-operator-metrics-apiserver", "keda-admission", "keda-admission-webhooks"),
    ),
    "kyverno": Kind(
        ("kyverno",),
        ("kyverno-admission-controller", "kyverno"),
        {},
        ("kyverno-background-controller", "kyverno-cleanup-controller", "kyverno-reports-controller"),
        # The chart's version.
        label_is_version=False,
    ),
    "prometheus_operator": Kind(
        ("monitoring", "openshift-monitoring"),
        ("prometheus-operator",),
        {_NAME: ("prometheus-operator", "kube-prometheus-stack-prometheus-operator")},
    ),
    "metrics_server": Kind(
        ("kube-system", "openshift-monitoring"),
        ("metrics-server",),
        {_NAME: ("metrics-server",), "k8s-app": ("metrics-server",)},
    ),
}


def kinds(namespaces: t.Mapping[str, str]) -> dict[str, Kind]:
    """``KINDS``, with other namespaces by component."""
    return {
        name: replace(kind, namespaces=(namespaces[name],)) if namespaces.get(name) else kind
        for name, kind in KINDS.items()
    }


def find(deployments: t.Sequence[Document], known: t.Mapping[str, Kind] | None = None) -> dict[str, dict[str, t.Any]]:
    """All components that are ``known`` (``KINDS`` unless told otherwise), as ``{present, version, namespace, ready, not_ready, installed_by, evidence}``.

    ``version`` is None where neither image nor label says it; ``not_ready`` names Deployments without an available pod.
    """
    return {name: _component(kind, deployments) for name, kind in (known or KINDS).items()}


def absent(present: bool | None = False) -> dict[str, t.Any]:
    """An entry for what is not there, or, with None, for what cannot be read."""
    return {
        "present": present,
        "version": None,
        "namespace": None,
        "ready": None,
        "not_ready": [],
        "installed_by": None,
        "evidence": None,
    }


def version_of(deployment: Document, *, label_is_version: bool = True) -> str | None:
    """Version of what a Deployment runs, without a leading v: its image's tag, else its label, as images may have a digest only."""
    containers = deployment["spec"]["template"]["spec"]["containers"]
    name = deployment["metadata"]["name"]
    # The manager comes first; sidecars such as kube-rbac-proxy have versions of their own.
    ordered = sorted(containers, key=lambda container: container.get("name") not in ("manager", "controller", name))
    candidates = [_tag(container.get("image", "")) for container in ordered[:1]]
    if label_is_version:
        candidates.append((deployment["metadata"].get("labels") or {}).get(_VERSION_LABEL, ""))
    found: str | None = next((text for text in candidates if _VERSION.match(text)), None)
    return found.removeprefix("v") if found else None


def _component(kind: Kind, deployments: t.Sequence[Document]) -> dict[str, t.Any]:
    candidates = [one for one in deployments if _is_main(kind, one)]
    if not candidates:
        return absent()

    def rank(one: Document) -> tuple[bool, bool]:
        metadata = one["metadata"]
        return metadata.get("namespace") not in kind.namespaces, metadata["name"] not in kind.main

    main = min(candidates, key=rank)
    namespace = main["metadata"].get("namespace")
    places = {namespace, *kind.namespaces}
    members = [
        one
        for one in deployments
        if one["metadata"]["name"] in kind.others and one["metadata"].get("namespace") in places and _replicas(one)
    ]
    not_ready = [one["metadata"]["name"] for one in (main, *members) if not _is_available(one)]
    by, evidence = installer(main)
    return {
        "present": True,
        "version": version_of(main, label_is_version=kind.label_is_version),
        "namespace": namespace,
        "ready": not not_ready,
        "not_ready": not_ready,
        "installed_by": by,
        "evidence": evidence,
    }


def _is_main(kind: Kind, deployment: Document) -> bool:
    metadata = deployment["metadata"]
    labels = metadata.get("labels") or {}
    labelled = any(labels.get(name) in values for name, values in kind.labels.items())
    if not (labelled or metadata["name"] in kind.main):
        return False
    if not kind.hint or metadata.get("namespace") in kind.namespaces:
        return True
    images = [container.get("image", "") for container in deployment["spec"]["template"]["spec"]["containers"]]
    return any(kind.hint in text for text in (*images, *map(str, labels.values())))


def _replicas(deployment: Document) -> int:
    return int(deployment["spec"].get("replicas", 1))


def _is_available(deployment: Document) -> bool:
    status = deployment.get("status") or {}
    seen = status.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 0)
    conditions = status.get("conditions") or ()
    available = any(one.get("type") == "Available" and one.get("status") == "True" for one in conditions)
    return seen and available and _replicas(deployment) > 0


def _tag(image: str) -> str:
    """``registry:5000/name:v1@sha256:...`` -> ``v1``."""
    return image.partition("@")[0].rpartition("/")[2].partition(":")[2]
