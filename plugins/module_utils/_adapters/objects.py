# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Objects of any kind on a cluster: where the API server keeps them, read, applied and deleted as plain documents."""

from __future__ import annotations

import threading
import typing as t

from .._domain.documents import Item
from .._domain.errors import Drift, InvalidIntent, Refused, Unavailable
from .kubernetes_client import APPLY_PATCH, KubernetesClient

__all__ = ("NotYet", "Objects", "Place")

Document = dict[str, t.Any]


_WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job")


class NotYet(Unavailable):
    """Not possible now, and likely soon: a kind that is not known yet, an object that is still being deleted."""


class Place(t.NamedTuple):
    """Where objects of a kind are kept: ``/apis/apps/v1``, ``deployments``."""

    root: str
    plural: str
    namespaced: bool

    def path(self, namespace: str = "", name: str = "") -> str:
        parts = [self.root]
        if self.namespaced and namespace:
            parts += ["namespaces", namespace]
        return "/".join([*parts, self.plural, *([name] if name else [])])


class Objects:
    """Thread safe. Which kinds there are is asked once a group and version, and again for a kind that was not there."""

    def __init__(self, client: KubernetesClient) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._versions: set[str] | None = None
        self._places: dict[str, dict[str, Place]] = {}

    @classmethod
    def connect(cls, options: t.Mapping[str, t.Any]) -> Objects:
        return cls(KubernetesClient.connect(options))

    @property
    def host(self) -> str:
        return self._client.host

    @property
    def warnings(self) -> list[str]:
        return self._client.warnings

    @property
    def requests(self) -> int:
        return self._client.requests

    def close(self) -> None:
        self._client.close()

    def place(self, api_version: str, kind: str) -> Place | None:
        """Where objects of this kind are, None while the cluster does not know it."""
        with self._lock:
            found = self._places.get(api_version, {}).get(kind)
            if found is None:
                found = self._discover(api_version).get(kind)
            return found

    def has_group(self, group: str) -> bool:
        """Does the API server serve any version of this group?"""
        with self._lock:
            if self._versions is None:
                self._list_groups()
            return any(version.rpartition("/")[0] == group for version in self._versions or ())

    def get(self, item: Item) -> Document | None:
        """The live object, None where it or its kind or its namespace is not there."""
        place = self.place(item.api_version, item.kind)
        if place is None:
            return None
        try:
            return t.cast(
                "Document | None", self._client.get(place.path(item.namespace, item.name), action=f"read {item}")
            )
        except Refused as refused:
            if refused.field == "namespace":
                return None
            raise

    def apply(
        self, item: Item, live: Document | None, *, manager: str, force: bool = False, dry_run: bool = False
    ) -> Document:
        """Apply at the version that ``live`` has, and return what the API server made of it.

        :raises NotYet: while the kind is not known
        :raises StaleWrite: where the object has changed since ``live`` was read
        :raises Drift: where another manager has a field and ``force`` is not set
        """
        place = self._known(item)
        body = item.document
        if live is not None:
            body = {**body, "metadata": {**body["metadata"], "resourceVersion": live["metadata"]["resourceVersion"]}}
        query = {"fieldManager": manager, "force": force or None, "dryRun": "All" if dry_run else None}
        try:
            return t.cast(
                Document,
                self._client.request(
                    "PATCH",
                    place.path(item.namespace, item.name),
                    action=f"apply {item}",
                    query=query,
                    body=body,
                    content_type=APPLY_PATCH,
                ),
            )
        except Drift as drift:
            drift.cure = "take these fields out of one of the two manifests, or take them over with force_conflicts"
            raise

    def delete(self, item: Item, live: Document, *, dry_run: bool = False) -> None:
        """Ask for the deletion of just this object. Its dependents go after it; a workload goes after its pods.

        A Namespace is looked at again only after half of its pods' longest grace period, which may be minutes: its pods have to
        be gone before it is deleted.

        :raises StaleWrite: where another object has taken its name
        """
        policy = "Foreground" if item.kind in _WORKLOADS else "Background"
        options: Document = {"propagationPolicy": policy, "preconditions": {"uid": live["metadata"]["uid"]}}
        if dry_run:
            # In the body: the API server reads no query of a DELETE that has one, and would delete.
            options["dryRun"] = ["All"]
        try:
            self._client.request(
                "DELETE",
                self._known(item).path(item.namespace, item.name),
                action=f"delete {item}",
                body=options,
                absent_ok=True,
            )
        except Refused as refused:
            # A Namespace that has gone meanwhile.
            if refused.field != "namespace":
                raise

    def instances(self, definition: Document) -> list[Document]:
        """All custom resources of a live CRD, as documents with their kind."""
        spec = definition["spec"]
        version = next((one["name"] for one in spec["versions"] if one.get("served")), None)
        if version is None:
            return []
        api_version = f"{spec['group']}/{version}"
        place = Place(f"/apis/{api_version}", spec["names"]["plural"], spec["scope"] == "Namespaced")
        answer = self._client.get(place.path(), action=f"list {spec['names']['plural']}.{spec['group']}")
        kind = spec["names"]["kind"]
        return [{**one, "apiVersion": api_version, "kind": kind} for one in (answer or {}).get("items") or ()]

    def all_of(self, api_version: str, kind: str) -> list[Document]:
        """All objects of a kind in the cluster, none where it does not know the kind."""
        place = self.place(api_version, kind)
        if place is None:
            return []
        found = self._items(place.path(), f"list all {place.plural}", {})
        return [{**one, "apiVersion": api_version, "kind": kind} for one in found]

    def pods(self, namespace: str, selector: str) -> list[Document]:
        return self._items(f"/api/v1/namespaces/{namespace}/pods", "list pods", {"labelSelector": selector})

    def events(self, namespace: str) -> list[Document]:
        return self._items(f"/api/v1/namespaces/{namespace}/events", "list events", {})

    def _items(self, path: str, action: str, query: Document) -> list[Document]:
        answer = self._client.get(path, action=action, query=query)
        return list((answer or {}).get("items") or ())

    def _known(self, item: Item) -> Place:
        place = self.place(item.api_version, item.kind)
        if place is None:
            what = f"the cluster at {self.host} does not know the kind {item.kind} of {item.api_version}"
            cure = "apply its CustomResourceDefinition first, or install what brings it"
            if item.custom:
                raise NotYet(f"cannot apply {item}: {what}", cure=cure)
            raise InvalidIntent(
                f"{item}: {what}", field="apiVersion", value=item.api_version, cure="correct kind or version"
            )
        if place.namespaced and not item.namespace:
            raise InvalidIntent(
                f"is missing in {item}", field="metadata.namespace", cure="write it, or set it by patches"
            )
        return place

    def _list_groups(self) -> None:
        answer = self._client.request("GET", "/apis", action="list the API groups")
        self._versions = {one["groupVersion"] for found in answer["groups"] for one in found["versions"]}

    def _discover(self, api_version: str) -> dict[str, Place]:
        """Asks the API server again; its list of groups first, as an unknown one cannot be told from a wrong address."""
        group, _slash, _version = api_version.rpartition("/")
        root = f"/apis/{api_version}" if group else f"/api/{api_version}"
        if group and api_version not in (self._versions or ()):
            self._list_groups()
            if api_version not in (self._versions or ()):
                return {}
        answer = self._client.get(root, action=f"list the kinds of {api_version}") or {}
        places = {
            one["kind"]: Place(root, one["name"], bool(one["namespaced"]))
            for one in answer.get("resources") or ()
            if "/" not in one["name"]
        }
        self._places[api_version] = places
        return places
