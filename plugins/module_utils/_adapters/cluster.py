# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""InferenceServices on a real cluster: read, written safely, watched. The simulator has the same methods."""

from __future__ import annotations

import contextlib
import threading
import typing as t

from .._domain.capacity import free_gpus
from .._domain.errors import Drift, Forbidden, LeaseLost, Refused, StaleWrite
from .._domain.evidence import Pod
from .._domain.manifest import ENDPOINT_LABEL
from .._domain.pods import parse_pods
from .._domain.readiness import Observed
from . import fence as fencing
from . import ownership
from .cluster_info import collect
from .cluster_rights import missing_rights
from .cluster_survey import survey
from .kubernetes_client import APPLY_PATCH, JSON_PATCH, KubernetesClient, Query
from .pod_metrics import PodMetrics
from .service_reader import ServiceReader, service_path
from .service_watch import watch_services

__all__ = ("KServeCluster",)

Document = dict[str, t.Any]
# Named, as the class has a method called list.
Documents = list[Document]
Done = t.TypeVar("Done")

# KServe's controller writes its finalizer and status again and again while a service comes up.
_ATTEMPTS = 8


class KServeCluster:
    """One cluster with KServe. Thread safe. Every error is a ServingError that says what was tried.

    ``fence`` is the epoch of the lease under which a caller works: with it, each write checks that nobody has taken over
    (see ``fence``).
    """

    # How soon to look again while a model loads: the watch tells of the InferenceService, but not of its pods.
    poll_seconds = 2.0

    def __init__(self, client: KubernetesClient) -> None:
        self._client = client
        self._reader = ServiceReader(client)

    @classmethod
    def connect(cls, options: t.Mapping[str, t.Any]) -> KServeCluster:
        """:param options: kubernetes.core's names; see ``kubernetes_connection.resolve`` for the order of the sources"""
        return cls(KubernetesClient.connect(options))

    @property
    def host(self) -> str:
        return self._client.host

    @property
    def source(self) -> str:
        """Where the host was found, in words."""
        return self._client.source

    @property
    def warnings(self) -> list[str]:
        """What the API server warned of so far, each text once."""
        return list(self._client.warnings)

    def close(self) -> None:
        self._client.close()

    def get(self, namespace: str, name: str) -> Document | None:
        """The raw InferenceService, or None."""
        return self._reader.get(namespace, name)

    def list(self, namespace: str | None = None, label_selector: str | None = None) -> Documents:
        """All InferenceServices of a namespace, or of the cluster, sorted by namespace and name."""
        return self._reader.list(namespace, label_selector)

    def versions(self, namespace: str) -> dict[str, str]:
        """By name, for all InferenceServices of a namespace: one LIST, of metadata only."""
        return self._reader.versions(namespace)

    def observe(self, namespace: str, name: str) -> Observed:
        """One look: the InferenceService, its Deployment in Standard mode, and its pods unless all is well."""
        return self._reader.observe(namespace, name)

    def pods(self, namespace: str, service: str) -> tuple[Pod, ...]:
        """The pods of an InferenceService, sorted by revision and name.

        :raises Forbidden: where they may not be listed
        """
        return parse_pods(self._reader.pods(namespace, service))

    def metrics(self, namespace: str, service: str, *, triton: bool = False) -> PodMetrics:
        """What the pods of an InferenceService have counted, asked of themselves; to be closed.

        :param triton: Triton's counters too
        """
        return PodMetrics(self._client, namespace, service, triton=triton)

    def create(self, manifest: Document, *, fence: int | None = None, dry_run: bool = False) -> Document:
        """POST a new InferenceService.

        :raises StaleWrite: where there is one by now
        """
        namespace, name = _key(manifest)
        action = f"create InferenceService {namespace}/{name}"
        if fence is not None:
            fencing.check_epoch(self._client, namespace, name, fence)
        query = {"fieldManager": ownership.MANAGER, "fieldValidation": "Strict", "dryRun": "All" if dry_run else None}
        made: Document = self._client.request(
            "POST", service_path(namespace), action=action, query=query, body=manifest
        )
        if fence is not None:
            self._undo_late_create(made, fence)
        return made

    def apply(
        self,
        manifest: Document,
        *,
        resource_version: str | None = None,
        fence: int | None = None,
        dry_run: bool = False,
        previous: Document | None = None,
        live: Document | None = None,
    ) -> Document:
        """Server-side apply; creates what is not there. Returns the object as the API server has it then.

        :param resource_version: the state that the caller decided on; without it, whatever is there now
        :param dry_run: admission runs, nothing is written
        :param previous: what was applied before: a field of it that ``manifest`` no longer has must be gone
        :param live: the object at ``resource_version``, where the caller has just read it
        :raises StaleWrite: where the object is another one by now
        :raises Drift: where another tool that applies keeps a field alive which is to be cleared
        :raises Refused: by admission, or because the object belongs to another endpoint
        """

        def write() -> Document:
            return self._apply(manifest, resource_version, fence, dry_run, previous, live)

        return write() if resource_version is not None else _insist(write)

    def _apply(
        self,
        manifest: Document,
        resource_version: str | None,
        fence: int | None,
        dry_run: bool,
        previous: Document | None,
        read: Document | None,
    ) -> Document:
        namespace, name = _key(manifest)
        action = f"apply InferenceService {namespace}/{name}"
        # The order stays: read, then the epoch, then the write at what was read.
        fresh = read is not None and read["metadata"].get("resourceVersion") == resource_version
        live = read if fresh else self.get(namespace, name)
        if live is None:
            if resource_version is not None:
                raise StaleWrite(f"cannot {action}: it has been deleted meanwhile")
            return self.create(manifest, fence=fence, dry_run=dry_run)
        _check_owner(live, manifest, action)
        version = _current(live, resource_version, None, action)
        if fence is not None:
            fencing.check_epoch(self._client, namespace, name, fence)
        taken = ownership.takeover(live, ownership.rendered_paths(manifest, previous))
        if taken is not None and not dry_run:
            version = self._take_over(live, taken, action)["metadata"]["resourceVersion"]
        query: Query = {
            "fieldManager": ownership.MANAGER,
            "force": True,
            "fieldValidation": "Strict",
            "dryRun": "All" if dry_run else None,
        }
        body = {**manifest, "metadata": {**manifest["metadata"], "resourceVersion": version}}
        result: Document = self._client.request(
            "PATCH", service_path(namespace, name), action=action, query=query, body=body, content_type=APPLY_PATCH
        )
        if taken is not None and dry_run:
            result = ownership.without_taken(result, taken.taken, manifest)
        _check_cleared(result, manifest, previous, action)
        return result

    def delete(
        self,
        namespace: str,
        name: str,
        *,
        uid: str | None = None,
        resource_version: str | None = None,
        fence: int | None = None,
        dry_run: bool = False,
    ) -> None:
        """Delete; what is absent, or is being deleted, is fine.

        :param resource_version: the state that the caller decided on; without it, whatever is there now
        :raises StaleWrite: where it is not the object, or not the state of it, that the caller decided on
        """

        def write() -> None:
            self._delete(namespace, name, uid, resource_version, fence, dry_run)

        return write() if resource_version is not None else _insist(write)

    def _delete(
        self, namespace: str, name: str, uid: str | None, resource_version: str | None, fence: int | None, dry_run: bool
    ) -> None:
        action = f"delete InferenceService {namespace}/{name}"
        live = self.get(namespace, name)
        if live is None or live["metadata"].get("deletionTimestamp"):
            return
        version = _current(live, resource_version, uid, action)
        if fence is not None:
            fencing.check_epoch(self._client, namespace, name, fence)
        options: Document = {
            "kind": "DeleteOptions",
            "apiVersion": "v1",
            "preconditions": {"uid": live["metadata"]["uid"], "resourceVersion": version},
        }
        if dry_run:
            # In the body: the API server reads no query of a DELETE that has one, and would delete.
            options["dryRun"] = ["All"]
        self._client.request("DELETE", service_path(namespace, name), action=action, body=options, absent_ok=True)

    def take(self, namespace: str, name: str, epoch: int) -> Observed:
        """Become the only writer: raise the epoch on the Lease, then touch the InferenceService. What it was found to be then.

        :raises LeaseLost: where somebody with a higher epoch was faster
        """
        fencing.raise_epoch(self._client, namespace, name, epoch)

        def touch() -> Document | None:
            live = self.get(namespace, name)
            if live is None or live["metadata"].get("deletionTimestamp"):
                return live
            touched: Document = self._client.request(
                "PATCH",
                service_path(namespace, name),
                action=f"touch InferenceService {namespace}/{name}",
                query=fencing.touch_parameters(),
                body=fencing.touch_body(live),
                content_type=APPLY_PATCH,
            )
            return touched

        # A conflict with somebody else's write does not do as a touch: that write may be older than the raised epoch.
        return self._reader.look(namespace, name, _insist(touch))

    def forget(self, namespace: str, name: str, epoch: int) -> None:
        """Remove the Lease of an endpoint that is gone for good."""
        fencing.forget_epoch(self._client, namespace, name, epoch)

    def watch(self, namespace: str | None, on_change: t.Callable[[str, str], None], stop: threading.Event) -> None:
        """Block until ``stop``; ``on_change(namespace, name)`` for every change, and for all after each new list."""
        watch_services(self._client, service_path(namespace), on_change, stop)

    def info(self, **where: str) -> Document:
        """Versions, modes and capacity; see ``cluster_info.collect``."""
        return collect(self._client, **where)

    def survey(self, **where: str) -> Document:
        """What an installation depends on as well; see ``cluster_survey.survey``."""
        return survey(self._client, **where)

    def free_gpus(self) -> dict[str, int] | None:
        """Free GPUs by node; None where this credential may not list nodes or pods of all namespaces."""
        try:
            nodes = self._client.request("GET", "/api/v1/nodes", action="list nodes")["items"]
            running = {"fieldSelector": "status.phase!=Succeeded,status.phase!=Failed"}
            pods = self._client.request("GET", "/api/v1/pods", action="list pods", query=running)["items"]
        except Forbidden:
            return None
        return free_gpus(nodes, pods)

    def missing_rights(self, namespace: str) -> Documents:
        """What this credential may not do there; see ``cluster_rights.missing_rights``."""
        return missing_rights(self._client, namespace)

    def _take_over(self, live: Document, taken: ownership.Takeover, action: str) -> Document:
        namespace, name = _key(live)
        return t.cast(
            Document,
            self._client.request(
                "PATCH",
                service_path(namespace, name),
                action=action,
                query={"fieldManager": ownership.MANAGER},
                body=ownership.patch(live, taken.managed_fields),
                content_type=JSON_PATCH,
            ),
        )

    def _undo_late_create(self, made: Document, fence: int) -> None:
        """A POST has no resourceVersion to fail at: whoever was overtaken before it takes its object back."""
        namespace, name = _key(made)

        def undo() -> None:
            live = self.get(namespace, name)
            # Once the new holder has written to it, it is that one's.
            if live is not None and live["metadata"]["uid"] == made["metadata"]["uid"] and not ownership.adopted(live):
                self._delete(namespace, name, live["metadata"]["uid"], live["metadata"]["resourceVersion"], None, False)

        try:
            fencing.check_epoch(self._client, namespace, name, fence)
        except LeaseLost:
            with contextlib.suppress(StaleWrite):
                _insist(undo)
            raise


def _insist(write: t.Callable[[], Done]) -> Done:
    """Read and write again where somebody else's write came in between."""
    for _attempt in range(_ATTEMPTS - 1):
        try:
            return write()
        except StaleWrite:
            continue
    return write()


def _key(document: Document) -> tuple[str, str]:
    return document["metadata"]["namespace"], document["metadata"]["name"]


def _current(live: Document, resource_version: str | None, uid: str | None, action: str) -> str:
    """The resourceVersion to write with; what is stale already need not be sent."""
    found = str(live["metadata"]["resourceVersion"])
    if (uid is not None and live["metadata"]["uid"] != uid) or (
        resource_version is not None and found != resource_version
    ):
        raise StaleWrite(f"cannot {action}: it has changed since it was read")
    return found


def _check_owner(live: Document, manifest: Document, action: str) -> None:
    owner = (live["metadata"].get("labels") or {}).get(ENDPOINT_LABEL)
    ours = (manifest["metadata"].get("labels") or {}).get(ENDPOINT_LABEL)
    if owner is not None and owner != ours:
        raise Refused(
            f"cannot {action}: it belongs to endpoint {owner}" + (f", not to {ours}" if ours else ""),
            field=f"metadata.labels.{ENDPOINT_LABEL}",
            value=ours,
            cure="use another name or name_prefix, or change that endpoint instead",
        )


def _check_cleared(result: Document, manifest: Document, previous: Document | None, action: str) -> None:
    kept = ownership.surviving(result, ownership.cleared_paths(manifest, previous))
    if kept:
        path, managers = next(iter(kept.items()))
        raise Drift(
            f"cannot {action}: {path} is to be cleared, but {' and '.join(managers)} keeps it",
            field=path,
            cure=f"take the field out of what {managers[0]} applies",
        )
