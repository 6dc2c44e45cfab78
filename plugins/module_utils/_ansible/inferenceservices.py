# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules inferenceservice and inferenceservice_info: manifests straight to a cluster, without a database.

Steps are decided by the same rules as an endpoint's (``converge``), so that a manifest takes no shortcut to the traffic.
"""

from __future__ import annotations

import dataclasses
import threading
import time
import typing as t

from ansible.module_utils.basic import AnsibleModule

from .._adapters.cluster import KServeCluster
from .._domain.convergence import Apply, Converged, Create, Delete, Desired, Failed, Record, Wait, converge
from .._domain.errors import InvalidIntent, Refused, ServingError, StaleWrite, Unavailable
from .._domain.manifest import API_VERSION, ENDPOINT_LABEL, KIND, MODE_ANNOTATION, PROJECT_LABEL, TENANT_LABEL, marked
from .._domain.model_address import repository_uri
from .._domain.readiness import Observed, observe
from .._domain.versions import KNATIVE, STANDARD, normal_mode
from .._engine.deployment import owned
from .connections import cluster_parameters
from .module import Result, diff, failed

__all__ = ("change", "describe", "inform")

Document = dict[str, t.Any]

# Metadata of a manifest that is an answer of the API server and no wish.
_ANSWERED = ("creationTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid")
# A change is heard of by the watch; this is for what no watch tells, such as a pod that cannot pull its image.
_POLL_SECONDS = 2.0
_STALE_PAUSE = 0.1


def change(module: AnsibleModule, result: Result) -> None:
    """``inferenceservice``: bring each manifest to the cluster, or each named service away from it."""
    cluster = KServeCluster.connect(cluster_parameters(module))
    result.update(host=cluster.host, inferenceservices=[], failed_endpoints=[])
    works = [_Work(item, module, cluster) for item in module.params["inferenceservices"]]
    try:
        _run(works, cluster, wait=module.params["wait"] and not module.check_mode)
    finally:
        for work in works:
            _report(module, result, work)
        for warning in cluster.warnings:
            module.warn(warning)
        cluster.close()
    if not result["failed_endpoints"]:
        del result["failed_endpoints"]


def inform(module: AnsibleModule, result: Result) -> None:
    """``inferenceservice_info``: what is there and how it does."""
    cluster = KServeCluster.connect(cluster_parameters(module))
    result["host"] = cluster.host
    labels = [*(module.params["label_selectors"] or ())]
    for option, label in (("tenant_id", TENANT_LABEL), ("project_id", PROJECT_LABEL), ("endpoint_id", ENDPOINT_LABEL)):
        if module.params[option]:
            labels.append(f"{label}={module.params[option]}")
    wanted = set(module.params["names"] or ())
    found: list[Document] = []
    for namespace in module.params["namespaces"] or [None]:
        found.extend(cluster.list(namespace, ",".join(labels) or None))
    found = [service for service in found if not wanted or service["metadata"]["name"] in wanted]
    result["inferenceservices"] = [describe(service, full=module.params["full"]) for service in found]
    for warning in cluster.warnings:
        module.warn(warning)
    cluster.close()


def describe(service: Document, *, full: bool = False) -> Document:
    """An InferenceService as flat data."""
    seen = observe(service)
    labels = service["metadata"].get("labels") or {}
    model = ((service.get("spec") or {}).get("predictor") or {}).get("model") or {}
    found: Document = {
        "name": service["metadata"]["name"],
        "namespace": service["metadata"]["namespace"],
        "endpoint_id": seen.owner,
        "tenant_id": labels.get(TENANT_LABEL),
        "project_id": labels.get(PROJECT_LABEL),
        "mode": seen.mode,
        "ready": seen.ready is True,
        "not_ready_because": None if seen.ready else (seen.not_ready_because or "KServe has not reported on it yet"),
        "url": seen.url,
        "storage_uri": model.get("storageUri"),
        "canary_traffic_percent": seen.percent,
        "traffic": [dataclasses.asdict(target) for target in seen.traffic],
        "revisions": {
            "latest_created": seen.latest_created,
            "latest_ready": seen.latest_ready,
            "latest_rolled_out": seen.latest_rolledout,
            "previous_rolled_out": seen.previous_rolledout,
        },
        "failures": [dataclasses.asdict(failure) for failure in seen.failures],
        "deleting": seen.deleting,
    }
    if full:
        document = {**service, "metadata": {**service["metadata"]}}
        document["metadata"].pop("managedFields", None)
        found["resource"] = document
    return found


class _Work:
    """One manifest on its way."""

    def __init__(self, item: Document, module: AnsibleModule, cluster: KServeCluster) -> None:
        self._cluster = cluster
        self._check = module.check_mode
        self._timeout = float(module.params["timeout"])
        self._present = module.params["state"] == "present"
        self._record = Record()
        self._wanted: Desired | None = None
        self.manifest = item
        self.name = str((item.get("metadata") or {}).get("name"))
        self.namespace = (item.get("metadata") or {}).get("namespace") or module.params["namespace"]
        self.seen = Observed()
        self.before: Document | None = None
        self.after: Document | None = None
        self.looked = False
        self.writes: list[str] = []
        self.waits_for: str | None = None
        self.error: ServingError | None = None
        self.done = False

    @property
    def key(self) -> tuple[str, str]:
        return self.namespace, self.name

    def advance(self) -> float | None:
        """One step; seconds until the next look, 0 for at once, None when done."""
        try:
            pause = self._advance()
        except StaleWrite:
            return _STALE_PAUSE
        except Unavailable as away:
            # The client has been patient already; where there is time left, so are we.
            if self._wanted is None or self._check or time.time() >= (self._wanted.deadline or 0):
                return self._end(away)
            return away.retry_after or _POLL_SECONDS
        except ServingError as error:
            return self._end(error)
        return pause

    def _advance(self) -> float | None:
        if self._wanted is None:
            self._wanted = self._desired()
        self.seen = self._cluster.observe(*self.key)
        if not self.looked:
            self.before, self.looked = self.seen.live, True
            _check_owner(self.seen, self.manifest)
        self.after = self.seen.live
        step = converge(self._wanted, self._record, self.seen, time.time())
        if isinstance(step, Failed):
            raise step.error
        if isinstance(step, Wait):
            self.waits_for = step.why
            return _POLL_SECONDS
        if isinstance(step, Converged):
            return self._end(None)
        self.writes.append(step.why)
        return self._preview(step) if self._check else self._write(step)

    def _write(self, step: Create | Apply | Delete) -> float:
        if isinstance(step, Delete):
            self._cluster.delete(*self.key, uid=self.seen.uid, resource_version=self.seen.resource_version)
            return 0.0
        if step.pending is not None:
            self._record = dataclasses.replace(self._record, pending=step.pending)
        if isinstance(step, Create):
            self.after = self._cluster.create(step.manifest)
        else:
            self.after = self._cluster.apply(step.manifest, resource_version=self.seen.resource_version)
        return 0.0

    def _preview(self, step: Create | Apply | Delete) -> float | None:
        """What the end would look like: admission is asked about what is wanted, not about the step on the way there."""
        if isinstance(step, Delete):
            self._cluster.delete(*self.key, uid=self.seen.uid, dry_run=True)
            self.after = None
        else:
            self.after = self._cluster.apply(self.manifest, dry_run=True)
        return self._end(None)

    def _desired(self) -> Desired:
        if not isinstance(self.manifest.get("metadata"), dict) or not self.manifest["metadata"].get("name"):
            raise InvalidIntent("is missing", field="metadata.name", cure="give each InferenceService a name")
        label = (self.manifest["metadata"].get("labels") or {}).get(ENDPOINT_LABEL)
        deadline = time.time() + self._timeout
        # A service without the label belongs to no endpoint: None is what is observed then, too.
        owner = t.cast(str, label)
        if not self._present:
            return Desired(owner, f"{self.namespace}/{self.name}", None, KNATIVE, deadline)
        self.manifest = _checked(self.manifest, self.namespace)
        mode = self._mode()
        _check_share(self.manifest, mode)
        _check_address(self.manifest)
        self.manifest = marked(self.manifest, mode)
        return Desired(owner, f"{self.namespace}/{self.name}", self.manifest, mode, deadline)

    def _mode(self) -> str:
        given = (self.manifest["metadata"].get("annotations") or {}).get(MODE_ANNOTATION)
        if given is not None:
            mode = normal_mode(str(given))
            if mode is None:
                field = f"metadata.annotations.{MODE_ANNOTATION}"
                raise InvalidIntent("is no deployment mode", field=field, value=given, cure="use Knative or Standard")
            return mode
        return observe(self._cluster.get(*self.key)).mode or self._cluster.info().get("default_mode") or KNATIVE

    def _end(self, error: ServingError | None) -> float | None:
        self.error, self.done = error.at(f"{self.namespace}/{self.name}") if error else None, True
        if error is None:
            self.waits_for = None
        return None


def _run(works: list[_Work], cluster: KServeCluster, *, wait: bool) -> None:
    """Writes follow one another, waits overlap. Without waiting, each goes as far as it can at once."""
    stop, heard = threading.Event(), threading.Condition()
    changed: set[tuple[str, str]] = set()
    watching: set[str] = set()

    def on_change(namespace: str, name: str) -> None:
        with heard:
            changed.add((namespace, name))
            heard.notify_all()

    due = dict.fromkeys(range(len(works)), 0.0)
    try:
        while due:
            now = time.monotonic()
            for number in [number for number, at in due.items() if at <= now or works[number].key in changed]:
                work = works[number]
                changed.discard(work.key)
                pause = work.advance()
                while pause == 0.0:
                    pause = work.advance()
                if work.done or (not wait and pause is not None and pause >= _POLL_SECONDS):
                    del due[number]
                    continue
                due[number] = time.monotonic() + (pause or 0.0)
                if work.namespace not in watching:
                    watching.add(work.namespace)
                    threading.Thread(target=cluster.watch, args=(work.namespace, on_change, stop), daemon=True).start()
            with heard:
                if due and not changed & {works[number].key for number in due}:
                    changed.clear()
                    heard.wait(max(0.0, min(due.values()) - time.monotonic()))
    finally:
        stop.set()


def _report(module: AnsibleModule, result: Result, work: _Work) -> None:
    if work.error is not None:
        result["failed_endpoints"].append(failed(work.error))
    changed = bool(work.writes) and not (module.check_mode and work.error)
    result["changed"] = result["changed"] or changed
    entry: Document = {"name": work.name, "namespace": work.namespace, "changed": changed, "writes": work.writes}
    if work.after is not None and not module.check_mode:
        described = describe(work.after)
        entry.update(
            {key: described[key] for key in ("ready", "url", "mode", "traffic", "revisions", "not_ready_because")}
        )
    if work.waits_for:
        entry["waits_for"] = work.waits_for
    result["inferenceservices"].append(entry)
    if module._diff and changed:
        like = work.manifest if module.params["state"] == "present" else None
        before, after = owned(work.before, like), owned(work.after, like)
        result.setdefault("diff", []).append(diff(before or "", after or "", header=f"{work.namespace}/{work.name}"))


def _checked(item: Document, namespace: str) -> Document:
    """The manifest with what may be left out, without what only an API server says; refuses what cannot be applied safely."""
    for field, only in (("apiVersion", API_VERSION), ("kind", KIND)):
        if item.get(field, only) != only:
            raise InvalidIntent("is not an InferenceService", field=field, value=item[field], cure=f"use {only}")
    unknown = sorted(set(item) - {"apiVersion", "kind", "metadata", "spec", "status"})
    if unknown:
        raise InvalidIntent(
            "is not a field of an InferenceService", field=unknown[0], cure="put it below metadata or spec"
        )
    predictor = (item.get("spec") or {}).get("predictor")
    if not isinstance(predictor, dict) or not isinstance(predictor.get("model"), dict):
        raise InvalidIntent(
            "is missing; KServe rewrites the older forms such as predictor.triton, so that they would change at every run",
            field="spec.predictor.model",
            cure="write predictor.model with modelFormat.name",
        )
    metadata = {key: value for key, value in item["metadata"].items() if key not in _ANSWERED}
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {"labels": {}, "annotations": {}, **metadata, "namespace": namespace},
        "spec": item["spec"],
    }


def _check_address(manifest: Document) -> None:
    """What lies inside a publication is no model repository; the platform's own rows are checked in the same way."""
    model = (manifest["spec"].get("predictor") or {}).get("model") or {}
    if (model.get("modelFormat") or {}).get("name") == "triton" and isinstance(model.get("storageUri"), str):
        repository_uri("spec.predictor.model.storageUri", model["storageUri"])


def _check_share(manifest: Document, mode: str) -> None:
    """KServe looks neither at the range nor at the mode (ksvc_reconciler.go): Standard mode would roll out to everybody."""
    share = manifest["spec"]["predictor"].get("canaryTrafficPercent")
    field = "spec.predictor.canaryTrafficPercent"
    if share is None:
        return
    if isinstance(share, bool) or not isinstance(share, int) or not 0 <= share <= 100:
        raise InvalidIntent("is no percentage", field=field, value=share, cure="use a whole number from 0 to 100")
    if mode == STANDARD:
        raise Refused(
            "Standard mode does not split traffic", field=field, value=share, cure="use Knative mode, or leave it out"
        )


def _check_owner(seen: Observed, manifest: Document) -> None:
    given = (manifest["metadata"].get("labels") or {}).get(ENDPOINT_LABEL)
    if seen.owner is not None and seen.owner != given:
        raise Refused(
            f"this InferenceService belongs to endpoint {seen.owner}; it was not touched",
            field=f"metadata.labels.{ENDPOINT_LABEL}",
            value=given,
            cure="change or delete that endpoint instead, or give its id in this label",
        )
