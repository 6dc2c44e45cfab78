# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""In which order the objects of a manifest come to a cluster."""

from __future__ import annotations

import typing as t

from .documents import CRD, Item

__all__ = ("CUSTOM_RESOURCES", "DEFINITIONS", "NAMESPACES", "stage_of", "stages")

NAMESPACES, DEFINITIONS, _GROUND, _BINDINGS, _WORKLOADS, _SERVERS, _GATES, CUSTOM_RESOURCES = range(8)

# What a pod needs to be there when it starts.
_GROUND_KINDS = frozenset(
    [
        "ClusterRole",
        "ConfigMap",
        "IngressClass",
        "LimitRange",
        "PersistentVolume",
        "PersistentVolumeClaim",
        "PriorityClass",
        "ResourceQuota",
        "Role",
        "RuntimeClass",
        "Secret",
        "Service",
        "ServiceAccount",
        "StorageClass",
    ]
)
# Whoever binds a role needs the role to be there, unless it may do everything.
_BINDING_KINDS = frozenset(("ClusterRoleBinding", "RoleBinding"))
# What stands between a client and the API server comes after the pods that answer there.
_GATE_KINDS = frozenset(
    [
        "MutatingWebhookConfiguration",
        "ValidatingWebhookConfiguration",
        "MutatingAdmissionPolicy",
        "MutatingAdmissionPolicyBinding",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
    ]
)


def stage_of(item: Item) -> int:
    if item.custom:
        return CUSTOM_RESOURCES
    if item.kind == "Namespace":
        return NAMESPACES
    if item.kind == CRD:
        return DEFINITIONS
    if item.kind in _GROUND_KINDS:
        return _GROUND
    if item.kind in _BINDING_KINDS:
        return _BINDINGS
    if item.kind == "APIService":
        return _SERVERS
    return _GATES if item.kind in _GATE_KINDS else _WORKLOADS


def stages(items: t.Iterable[Item]) -> list[tuple[int, list[Item]]]:
    """What may be applied at the same time, in order; removal takes them the other way round."""
    found: dict[int, list[Item]] = {}
    for item in items:
        found.setdefault(stage_of(item), []).append(item)
    return sorted(found.items())
