# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading InferenceServices, and of what belongs to them no more than is needed to say how they do."""

from __future__ import annotations

import typing as t
from urllib.parse import quote

from .._domain.errors import Forbidden
from .._domain.pods import SERVICE_LABEL
from .._domain.readiness import Observed, observe, to_be_stopped, version_of
from .._domain.versions import STANDARD
from .kubernetes_client import KubernetesClient
from .kubernetes_errors import Expired

__all__ = ("ServiceReader", "service_path")

Document = dict[str, t.Any]
# Named, as the class has a method called list.
Documents = list[Document]

_GROUP = "/apis/serving.kserve.io/v1beta1"
_METADATA = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
_PAGE = 500
_RESTARTS = 2


def service_path(namespace: str | None = None, name: str | None = None) -> str:
    path = _GROUP
    if namespace is not None:
        path += f"/namespaces/{quote(namespace, safe='')}"
    path += "/inferenceservices"
    return path if name is None else f"{path}/{quote(name, safe='')}"


class ServiceReader:
    def __init__(self, client: KubernetesClient) -> None:
        self._client = client
        self._unreadable: set[tuple[str, str]] = set()

    def get(self, namespace: str, name: str) -> Document | None:
        """The raw InferenceService, or None."""
        found = self._client.get(service_path(namespace, name), action=f"read InferenceService {namespace}/{name}")
        return t.cast("Document | None", found)

    def list(self, namespace: str | None, label_selector: str | None) -> Documents:
        """All InferenceServices of a namespace, or of the cluster, sorted by namespace and name."""
        action = "list InferenceServices" + (f" in {namespace}" if namespace else "")
        return self._pages(service_path(namespace), action, label_selector)

    def versions(self, namespace: str) -> dict[str, str]:
        """By name, for all InferenceServices of a namespace, as ``readiness.version_of`` gives them; only metadata travels."""
        found = self._pages(service_path(namespace), f"list InferenceServices in {namespace}", None, accept=_METADATA)
        held = [item["metadata"] for item in found]
        return {each["name"]: version_of(each["uid"], each["resourceVersion"]) for each in held}

    def observe(self, namespace: str, name: str) -> Observed:
        """The InferenceService, its Deployment in Standard mode, and its pods unless all is well."""
        return self.look(namespace, name, self.get(namespace, name))

    def look(self, namespace: str, name: str, service: Document | None) -> Observed:
        """The same for one that was just read."""
        seen = observe(service)
        # What is to be stopped is waited for, whatever its pods do until then.
        if service is None or seen.deleting or (to_be_stopped(service) and not seen.stopped):
            return seen
        deployment = self._deployment(namespace, name) if seen.mode == STANDARD else None
        if _settled(seen, deployment):
            return observe(service, deployment=deployment)
        return observe(service, pods=self._pods(namespace, name), deployment=deployment)

    def _deployment(self, namespace: str, name: str) -> Document | None:
        path = f"/apis/apps/v1/namespaces/{quote(namespace, safe='')}/deployments/{quote(name, safe='')}-predictor"
        try:
            return t.cast(
                "Document | None", self._client.get(path, action=f"read Deployment {namespace}/{name}-predictor")
            )
        except Forbidden as error:
            self._note_unreadable("Deployments", namespace, error)
            return None

    def pods(self, namespace: str, name: str) -> Documents:
        """The raw pods of an InferenceService.

        :raises Forbidden: where they may not be listed
        """
        path = f"/api/v1/namespaces/{quote(namespace, safe='')}/pods"
        return self._pages(path, f"list pods of {namespace}/{name}", f"{SERVICE_LABEL}={name}")

    def _pods(self, namespace: str, name: str) -> Documents:
        try:
            return self.pods(namespace, name)
        except Forbidden as error:
            self._note_unreadable("pods", namespace, error)
            return []

    def _note_unreadable(self, kind: str, namespace: str, error: Forbidden) -> None:
        """Without this right the wait still ends, only later and with less to say: a warning, no failure."""
        if (kind, namespace) not in self._unreadable:
            self._unreadable.add((kind, namespace))
            self._client.warn(f"{kind} in namespace {namespace} cannot be read, so failures show late: {error}")

    def _pages(self, path: str, action: str, label_selector: str | None, *, accept: str | None = None) -> Documents:
        found: Documents = []
        token: str | None = None
        restarts = 0
        while True:
            query = {"limit": _PAGE, "continue": token, "labelSelector": label_selector}
            try:
                page = self._client.request("GET", path, action=action, query=query, accept=accept)
            except Expired:
                if restarts == _RESTARTS:
                    raise
                found, token, restarts = [], None, restarts + 1
                continue
            found.extend(page.get("items") or ())
            token = page["metadata"].get("continue")
            if not token:
                return sorted(found, key=lambda item: (item["metadata"]["namespace"], item["metadata"]["name"]))


def _settled(seen: Observed, deployment: Document | None) -> bool:
    if not seen.ready or seen.failures or seen.latest_created != seen.latest_ready:
        return False
    if deployment is None:
        return seen.mode != STANDARD
    status, replicas = deployment.get("status") or {}, (deployment.get("spec") or {}).get("replicas")
    return bool(
        status.get("observedGeneration") == deployment["metadata"].get("generation")
        and status.get("updatedReplicas", 0) == status.get("replicas", 0) == replicas
        and status.get("availableReplicas", 0) == replicas
    )
