# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who has installed an object, read off its metadata. Pure."""

from __future__ import annotations

import typing as t

__all__ = ("HELM", "KUBECTL", "OLM", "OURS", "UNKNOWN", "installer")

Document = t.Mapping[str, t.Any]

OURS = "mlops.serving"
HELM = "helm"
KUBECTL = "kubectl"
OLM = "olm"
UNKNOWN = "unknown"

_RELEASE = "meta.helm.sh/release-name"
_RELEASE_NAMESPACE = "meta.helm.sh/release-namespace"
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_OLM_LABELS = ("olm.owner", "olm.managed", "operators.coreos.com/")
# They write into what others have installed.
_BYSTANDERS = (
    "kube-controller-manager",
    "kubectl-edit",
    "kubectl-patch",
    "kubectl-rollout",
    "kubectl-scale",
    "cainjector",
)


def installer(document: Document) -> tuple[str, str]:
    """Who keeps an object, and what that is seen by, in words.

    The strongest claim counts: an operator writes it again at any time, Helm with the next upgrade, kubectl with the next
    apply. The label ``app.kubernetes.io/managed-by: Helm`` proves nothing, as rendered charts carry it too.
    """
    metadata = document.get("metadata") or {}
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    for owner in metadata.get("ownerReferences") or ():
        return OLM, f"belongs to {owner.get('kind')} {owner.get('name')}"
    marked = next((name for name in labels if name.startswith(_OLM_LABELS)), None)
    if marked:
        return OLM, f"label {marked}"
    managers = [
        (str(entry.get("manager") or ""), entry.get("operation"))
        for entry in metadata.get("managedFields") or ()
        if not entry.get("subresource") and entry.get("manager") not in _BYSTANDERS
    ]
    if _RELEASE in annotations:
        where = annotations.get(_RELEASE_NAMESPACE)
        return HELM, f"release {annotations[_RELEASE]}" + (f" in namespace {where}" if where else "")
    if any(name == "helm" for name, _operation in managers):
        return HELM, "field manager helm"
    if (OURS, "Apply") in managers:
        return OURS, f"field manager {OURS}"
    if ("kubectl", "Apply") in managers:
        return KUBECTL, "kubectl apply, server-side"
    if _LAST_APPLIED in annotations or any(name == "kubectl-client-side-apply" for name, _operation in managers):
        return KUBECTL, "kubectl apply, client-side"
    if any(name.startswith("kubectl") for name, _operation in managers):
        return KUBECTL, "kubectl create"
    named = sorted({name for name, _operation in managers if name})
    return UNKNOWN, f"field manager {', '.join(named)}" if named else "nothing says who"
