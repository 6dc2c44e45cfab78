# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Brings one claimed endpoint one step further: look, decide, write down, write.

What is about to be written is recorded first, so that a process killed at any point can be followed by another one.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import time
import typing as t
from dataclasses import dataclass, field

from .._domain.convergence import Apply, Converged, Create, Delete, Desired, Failed, Record, Wait, converge
from .._domain.errors import Drift, LeaseLost, ServingError, StaleWrite, Unavailable
from .._domain.intent import parse
from .._domain.manifest import TEMPLATE_ANNOTATION, Rendered, Target, render
from .._domain.readiness import Observed, to_be_stopped
from .._domain.versions import KNATIVE, Version
from .ports import Cluster, Store

__all__ = ("Deployment", "Result", "Settings")

# How often in a row an outside system may be away before the endpoint is given up until the next run.
_ATTEMPTS = 6
# How often the same change is written before it is clear that something undoes it.
_SAME_WRITES = 3
_LONGEST_PAUSE = 15.0
# The watch tells of the InferenceService; only its pods' reasons need a poll, more and more rarely.
_SLOWEST_POLL = 5


@dataclass(frozen=True)
class Settings:
    """
    :param timeout: seconds that one endpoint may take
    :param ttl: seconds of its lease
    :param keep_lease: the endpoint stays ours at the end, as one intent of a rollout follows the other
    """

    timeout: float = 600.0
    ttl: float = 60.0
    default_mode: str = KNATIVE
    kserve_version: Version | None = None
    strict: bool = False
    long_hosts: bool = False
    keep_lease: bool = False


@dataclass
class Result:
    """What came of one endpoint; ``done`` is False while there is more to do."""

    name: str
    id: str
    namespace: str
    service: str
    status: str = ""
    url: str | None = None
    mode: str | None = None
    changed: bool = False
    writes: list[str] = field(default_factory=list)
    waits_for: str | None = None
    warnings: list[str] = field(default_factory=list)
    note: str | None = None
    revision: str | None = None
    before: dict[str, t.Any] | None = None
    after: dict[str, t.Any] | None = None
    error: ServingError | None = None
    done: bool = False
    seconds: float = 0.0
    tenant_id: str | None = None
    trace_id: str | None = None


class Deployment:
    """One endpoint's way to what its row asks for."""

    def __init__(self, claim: t.Any, settings: Settings, now: float, *, taken: bool = False) -> None:
        """:param taken: the cluster knows our epoch already"""
        self._settings = settings
        self._claim = claim
        # The database's clock, carried on by ours: two machines' clocks never meet.
        self._began = time.monotonic()
        self._clock_offset = now - self._began
        self._deadline = now + settings.timeout
        self._renewed = self._began
        self._current = claim.endpoint.intent_hash
        self._failures = 0
        self._stale = 0
        self._waits = 0
        self._writes: dict[str, int] = {}
        self._taken = taken
        self.observed: Observed | None = None
        self._wanted: Desired | None = None
        self._rendered: Rendered | None = None
        endpoint = claim.endpoint
        self.result = Result(
            *(endpoint.name, endpoint.id, claim.namespace, claim.name),
            status=endpoint.status,
            url=endpoint.url,
            tenant_id=endpoint.tenant_id,
            trace_id=claim.trace_id,
        )

    @property
    def key(self) -> tuple[str, str]:
        return self._claim.namespace, self._claim.name

    @property
    def claim(self) -> t.Any:
        """The endpoint under our lease."""
        return self._claim

    def kept(self, intent_hash: str) -> None:
        """The lease was renewed, and this is the intent of the row now."""
        self._renewed, self._current = time.monotonic(), intent_hash

    def row_changed(self) -> None:
        """Somebody says so: look at the row before the next step."""
        self._renewed = -math.inf

    def advance(self, store: Store, cluster: Cluster) -> float | None:
        """One step.

        :returns: seconds after which to look again if nothing is heard before; 0 for at once; None when done
        """
        try:
            self._keep_lease(store)
            pause = self._advance(store, cluster)
            self._failures = self._stale = 0
            return pause
        except StaleWrite as stale:
            self._stale += 1
            if self._now() >= self._deadline:
                self._give_up(store, stale)
                return None
            return min(0.05 * self._stale, 1.0)
        except LeaseLost as lost:
            self._finish(lost.at(self.result.name), "superseded")
            return None
        except Unavailable as away:
            self._failures += 1
            if self._failures >= _ATTEMPTS or self._now() >= self._deadline:
                self._give_up(store, away)
                return None
            return away.retry_after or min(0.5 * 2**self._failures, _LONGEST_PAUSE)
        except ServingError as error:
            self._give_up(store, error)
            return None

    def _advance(self, store: Store, cluster: Cluster) -> float | None:
        wanted = self._desired()
        if self._taken:
            observed = cluster.observe(*self.key)
        else:
            observed = cluster.take(*self.key, self._claim.epoch)
            self._taken = True
        self.observed = observed
        self._remember(observed)
        step = converge(wanted, self._claim.record, observed, self._now())
        if isinstance(step, Wait):
            self.result.waits_for = step.why
            self._waits += 1
            return cluster.poll_seconds * min(self._waits, _SLOWEST_POLL)
        self._waits = 0
        if isinstance(step, Failed):
            self._fail(store, step)
            return None
        if isinstance(step, Converged):
            self._converged(store, cluster, step)
            return None
        if isinstance(step, Delete):
            cluster.delete(
                *self.key, uid=observed.uid, resource_version=observed.resource_version, fence=self._claim.epoch
            )
        else:
            self._write(store, cluster, step, observed)
        self.result.writes.append(step.why)
        self.result.changed = True
        return 0.0

    def release(self, store: Store) -> bool:
        """Gives the endpoint back unfinished, so that the next run need not wait for the lease to end.

        :returns: False where the store is away
        """
        try:
            store.release(self._claim)
        except ServingError:
            return False
        return True

    def _write(self, store: Store, cluster: Cluster, step: Create | Apply, observed: Observed) -> None:
        self._check_progress(step.why)
        previous = self._claim.record.written
        if step.pending is not None:
            mode = self._rendered.mode if self._rendered else KNATIVE
            store.record_pending(self._claim, step.pending, mode)
            record: Record = dataclasses.replace(self._claim.record, pending=step.pending)
            self._claim = dataclasses.replace(self._claim, record=record, serving_mode=mode)
        if isinstance(step, Create):
            cluster.create(step.manifest, fence=self._claim.epoch)
        else:
            cluster.apply(
                step.manifest,
                resource_version=observed.resource_version,
                fence=self._claim.epoch,
                previous=previous,
                live=observed.live,
            )
        self._writes[step.why] = self._writes.get(step.why, 0) + 1

    def _check_progress(self, why: str) -> None:
        """The same write again and again means that it does not stay: without this it would go on for ever."""
        if self._writes.get(why, 0) >= _SAME_WRITES:
            raise Drift(
                f"what is written does not stay ({why})",
                endpoint=self.result.name,
                cure="look who else writes these fields (managedFields of the InferenceService), or whether a webhook changes them",
            )

    def _desired(self) -> Desired:
        if self._wanted is None:
            self._wanted, self._rendered = desired(self._claim, self._settings, self._deadline)
            self.result.warnings = list(self._rendered.warnings) if self._rendered else []
            self.result.mode = self._rendered.mode if self._rendered else self._claim.serving_mode
        return self._wanted

    def _keep_lease(self, store: Store) -> None:
        """Renews before a third of the lease is gone, and follows the row where somebody has changed it meanwhile."""
        if time.monotonic() - self._renewed >= self._settings.ttl / 3:
            self.kept(store.renew(self._claim, self._settings.ttl))
        if self._current != self._claim.endpoint.intent_hash:
            self._claim = store.reload(self._claim)
            self._current = self._claim.endpoint.intent_hash
            self.result.trace_id = self._claim.trace_id
            self._wanted = None
            self._writes.clear()

    def _remember(self, observed: Observed) -> None:
        after = self._rendered.manifest if self._rendered else None
        self.result.after = owned(after, after)
        if self.result.before is None and not self.result.writes:
            self.result.before = owned(observed.live, after)

    def _converged(self, store: Store, cluster: Cluster, step: Converged) -> None:
        claim = self._claim
        if self._rendered is None:
            store.record_deleted(claim)
            # The Lease is of no use any more; without the right to delete it, it does no harm either.
            with contextlib.suppress(ServingError):
                cluster.forget(*self.key, claim.epoch)
            self.result.changed, self.result.url, self.result.note = True, None, step.note
            self._finish(None, "DELETED")
            return
        status = "STOPPED" if step.stopped else "READY"
        store.record_converged(
            claim,
            intent_hash=claim.endpoint.intent_hash,
            version_id=claim.endpoint.model_version_id,
            revision=step.revision,
            spec=step.spec,
            promoted=step.promoted,
            url=step.url,
            serving_mode=self._rendered.mode,
            warnings=self.result.warnings,
            host=cluster.host,
            keep=self._settings.keep_lease,
            status=status,
            observed_version=self.observed.version if self.observed else None,
        )
        self.result.url, self.result.revision, self.result.note = step.url, step.revision, step.note
        self.result.changed = self.result.changed or claim.endpoint.status != status or claim.endpoint.url != step.url
        self._finish(None, status)

    def _fail(self, store: Store, step: Failed) -> None:
        store.record_failed(self._claim, str(step.error), serving=step.serving, keep=self._settings.keep_lease)
        self._finish(step.error, "READY" if step.serving else "ERROR")

    def _give_up(self, store: Store, error: ServingError) -> None:
        """An error on our way, not the cluster's verdict: what served before serves on."""
        error.at(self.result.name)
        applied = self._claim.record.applied_spec
        # A row that cannot be read is given up before the cluster is looked at.
        stopped = applied is not None and to_be_stopped(applied) if self.observed is None else self.observed.stopped
        serving = self._claim.record.stable_spec is not None and not stopped
        # The store itself may be away, or the lease lost: the next run sees the row as it is.
        with contextlib.suppress(ServingError):
            store.record_failed(self._claim, str(error), serving=serving, keep=self._settings.keep_lease)
        self._finish(error, "READY" if serving else "ERROR")

    def _finish(self, error: ServingError | None, status: str) -> None:
        self.result.error, self.result.status = error, status
        self.result.waits_for = None
        self.result.seconds = time.monotonic() - self._began
        self.result.done = True

    def _now(self) -> float:
        return time.monotonic() + self._clock_offset


def desired(claim: t.Any, settings: Settings, deadline: float | None) -> tuple[Desired, Rendered | None]:
    """What a claimed row asks for, rendered; (…, None) for a row that is to be deleted."""
    endpoint = claim.endpoint
    if endpoint.status in ("DELETING", "DELETED"):
        mode = claim.serving_mode or settings.default_mode
        return Desired(endpoint.id, endpoint.name, None, mode, deadline), None
    target = Target(
        namespace=claim.namespace,
        name=claim.name,
        default_mode=settings.default_mode,
        kserve_version=settings.kserve_version,
        current_mode=claim.serving_mode,
        long_hosts=settings.long_hosts,
    )
    rendered = render(parse(endpoint, strict=settings.strict), target)
    return Desired(endpoint.id, endpoint.name, rendered.manifest, rendered.mode, deadline), rendered


def owned(document: dict[str, t.Any] | None, like: dict[str, t.Any] | None) -> dict[str, t.Any] | None:
    """Labels, annotations and spec of a document as far as they are ours: the part that a diff shows."""
    if document is None:
        return None
    ours = like or document
    metadata: dict[str, t.Any] = {}
    for section in ("labels", "annotations"):
        found = document.get("metadata", {}).get(section) or {}
        mine = ours["metadata"].get(section, {})
        metadata[section] = {key: value for key, value in found.items() if key in mine and key != TEMPLATE_ANNOTATION}
    return {"metadata": metadata, "spec": document.get("spec", {})}
