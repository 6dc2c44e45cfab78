# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The fence: a worker that lost its lease in the database must not write to the cluster any more.

A paused worker does not know that it is late. So the epoch of the database's lease also stands on a Lease in the cluster.
A new holder raises it first and touches the InferenceService then. A writer reads the InferenceService first, checks the
epoch then, and writes with the resourceVersion that it read: whoever was overtaken in between fails at the check or at
the resourceVersion. (The other order, check and then read, would let it read after the touch.)
"""

from __future__ import annotations

import typing as t

from .._domain.errors import LeaseLost, StaleWrite
from .kubernetes_client import APPLY_PATCH, KubernetesClient
from .ownership import FENCE_MANAGER, MANAGER

__all__ = ("EPOCH_ANNOTATION", "check_epoch", "forget_epoch", "raise_epoch", "touch_body")

EPOCH_ANNOTATION = "serving.mlops/epoch"

_API_VERSION = "coordination.k8s.io/v1"
_ATTEMPTS = 5
# Fields that every InferenceService of ours has; the fence's manager co-owns one of them, or none, in turn.
_TOUCHABLE_LABELS = ("mlops.platform/endpoint_id", "mlops.tenancy/tenant_id", "mlops.tenancy/project_id")


def raise_epoch(client: KubernetesClient, namespace: str, name: str, epoch: int) -> None:
    """Make ``epoch`` the one that may write; it is only ever raised.

    :raises LeaseLost: where the Lease already carries a higher one
    """
    action = f"raise the epoch on Lease {namespace}/{name}"
    for attempt in range(_ATTEMPTS):
        # Who takes an endpoint first finds no Lease: then asking for it first is a request too many.
        unseen = attempt == 0 and epoch == 1
        lease = None if unseen else client.get(_path(namespace, name), action=action)
        try:
            if lease is None:
                _create(client, namespace, name, epoch, action)
            elif _epoch(lease) > epoch:
                raise _lost(namespace, name, _epoch(lease), epoch)
            elif _epoch(lease) < epoch:
                lease["metadata"].setdefault("annotations", {})[EPOCH_ANNOTATION] = str(epoch)
                client.request(
                    "PUT", _path(namespace, name), action=action, query={"fieldManager": MANAGER}, body=lease
                )
            return
        except StaleWrite:
            if attempt == _ATTEMPTS - 1:
                raise
    raise AssertionError("unreachable: the last attempt returns or raises")


def check_epoch(client: KubernetesClient, namespace: str, name: str, epoch: int) -> None:
    """:raises LeaseLost: unless the Lease carries exactly this epoch"""
    lease = client.get(_path(namespace, name), action=f"read Lease {namespace}/{name}")
    if lease is None:
        raise LeaseLost(
            f"Lease {namespace}/{name} is gone, so nobody may write to the InferenceService of that name",
            cure="start the run again: it takes the endpoint anew",
        )
    if _epoch(lease) != epoch:
        raise _lost(namespace, name, _epoch(lease), epoch)


def forget_epoch(client: KubernetesClient, namespace: str, name: str, epoch: int) -> None:
    """Delete the Lease of an endpoint that is gone for good, unless somebody else has taken it."""
    action = f"delete Lease {namespace}/{name}"
    lease = client.get(_path(namespace, name), action=action)
    if lease is None or _epoch(lease) != epoch:
        return
    conditions = {"uid": lease["metadata"]["uid"], "resourceVersion": lease["metadata"]["resourceVersion"]}
    try:
        client.request(
            "DELETE",
            _path(namespace, name),
            action=action,
            body={"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": conditions},
            absent_ok=True,
        )
    except StaleWrite:
        return


def touch_body(service: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """What the fence's manager applies so that the resourceVersion changes and nothing else does.

    It owns one label that is there anyway, together with whoever set it, or gives it up again: only ``managedFields``
    differ, so the generation stays and Knative makes no revision.
    """
    metadata = service["metadata"]
    body: dict[str, t.Any] = {
        "apiVersion": service["apiVersion"],
        "kind": service["kind"],
        "metadata": {
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "resourceVersion": metadata["resourceVersion"],
        },
    }
    owned = [entry for entry in metadata.get("managedFields") or () if entry.get("manager") == FENCE_MANAGER]
    if owned and _shared(metadata, owned[0]):
        return body
    labels = metadata.get("labels") or {}
    # Whoever gives up a field that nobody else owns deletes it: then what is held is held on to.
    held = _labels_of(owned[0]) if owned else []
    free = [key for key in (*_TOUCHABLE_LABELS, *sorted(labels)) if key in labels and key not in held]
    if held or free:
        body["metadata"]["labels"] = {key: labels[key] for key in (*held, *free[:1]) if key in labels}
    return body


def touch_parameters() -> dict[str, t.Any]:
    """Query of the PATCH for ``touch_body``."""
    return {"fieldManager": FENCE_MANAGER, "force": True}


TOUCH_TYPE = APPLY_PATCH


def _create(client: KubernetesClient, namespace: str, name: str, epoch: int, action: str) -> None:
    client.request(
        "POST",
        f"/apis/{_API_VERSION}/namespaces/{namespace}/leases",
        action=action,
        query={"fieldManager": MANAGER},
        body={
            "apiVersion": _API_VERSION,
            "kind": "Lease",
            "metadata": {
                "name": name,
                "namespace": namespace,
                "labels": {"app.kubernetes.io/managed-by": MANAGER},
                "annotations": {EPOCH_ANNOTATION: str(epoch)},
            },
            "spec": {"holderIdentity": MANAGER},
        },
    )


def _path(namespace: str, name: str) -> str:
    return f"/apis/{_API_VERSION}/namespaces/{namespace}/leases/{name}"


def _epoch(lease: t.Mapping[str, t.Any]) -> int:
    text = (lease["metadata"].get("annotations") or {}).get(EPOCH_ANNOTATION, "0")
    return int(text) if str(text).isdigit() else 0


def _lost(namespace: str, name: str, found: int, epoch: int) -> LeaseLost:
    return LeaseLost(
        f"somebody else has InferenceService {namespace}/{name} now: its epoch is {found}, this run's is {epoch}",
        cure="nothing: the other run finishes the work",
    )


def _labels_of(entry: t.Mapping[str, t.Any]) -> list[str]:
    labels = ((entry.get("fieldsV1") or {}).get("f:metadata") or {}).get("f:labels") or {}
    return [step[2:] for step in labels if step.startswith("f:")]


def _shared(metadata: t.Mapping[str, t.Any], owned: t.Mapping[str, t.Any]) -> bool:
    """Whether others own each label that the fence's manager owns."""
    others: set[str] = set()
    for entry in metadata.get("managedFields") or ():
        if entry.get("manager") != FENCE_MANAGER:
            others.update(_labels_of(entry))
    return set(_labels_of(owned)) <= others
