# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A store and a cluster in memory. The cluster follows the simulator's rules; both do as a test tells them to fail."""

from __future__ import annotations

import copy
import dataclasses
import threading
import typing as t
from collections import defaultdict
from dataclasses import dataclass, field

from ansible_collections.mlops.serving.plugins.module_utils._domain import simulation
from ansible_collections.mlops.serving.plugins.module_utils._domain.convergence import Pending, Record
from ansible_collections.mlops.serving.plugins.module_utils._domain.errors import LeaseLost, StaleWrite
from ansible_collections.mlops.serving.plugins.module_utils._domain.intent import Endpoint
from ansible_collections.mlops.serving.plugins.module_utils._domain.readiness import Observed
from ansible_collections.mlops.serving.tests.unit.domain.samples import NAMESPACE

Document = dict[str, t.Any]


@dataclass(frozen=True)
class Claim:
    endpoint: Endpoint
    record: Record
    namespace: str
    name: str
    epoch: int
    serving_mode: str | None = None
    refused: str | None = None
    trace_id: str | None = None


@dataclass
class Row:
    """One endpoint with its deployment, as both tables have them."""

    endpoint: Endpoint
    name: str
    record: Record = field(default_factory=Record)
    serving_mode: str | None = None
    epoch: int = 0
    leased: bool = False
    applied_hash: str | None = None
    attempted_hash: str | None = None
    last_error: str | None = None
    refused: str | None = None


class Trouble:
    """Errors that the next calls of a method raise; None lets a call through."""

    def __init__(self) -> None:
        self._planned: dict[str, list[BaseException | None]] = defaultdict(list)
        self._always: dict[str, BaseException] = {}

    def next(self, method: str, *errors: BaseException | None) -> None:
        self._planned[method].extend(errors)

    def always(self, method: str, error: BaseException | None) -> None:
        if error is None:
            self._always.pop(method, None)
        else:
            self._always[method] = error

    def meet(self, method: str) -> None:
        error = self._planned[method].pop(0) if self._planned[method] else self._always.get(method)
        if error is not None:
            raise error


class Database:
    """What all stores of a test are connections to."""

    def __init__(self, log: list[str] | None = None) -> None:
        self.rows: dict[str, Row] = {}
        self.log: list[str] = [] if log is None else log
        self.trouble = Trouble()
        self.lock = threading.Lock()
        self.asked: list[list[str] | None] = []
        self.renewed: list[int] = []
        self.open = 0
        self.time = 1000.0

    def add(self, endpoint: Endpoint, **fields: t.Any) -> Row:
        row = Row(
            dataclasses.replace(endpoint, intent_hash=endpoint.intent_hash or "h1"), f"isvc-{endpoint.id[:8]}", **fields
        )
        self.rows[endpoint.id] = row
        return row

    def change(self, endpoint_id: str, **fields: t.Any) -> None:
        """As somebody else does in SQL."""
        row = self.rows[endpoint_id]
        row.endpoint = dataclasses.replace(row.endpoint, **fields)

    def take(self, endpoint_id: str) -> Claim:
        row = self.rows[endpoint_id]
        row.epoch += 1
        row.leased = True
        return self.claimed(row)

    def claim(self, room: int, only: t.Collection[str] | None = None) -> tuple[list[Claim], float]:
        self.trouble.meet("claim")
        with self.lock:
            self.asked.append(None if only is None else sorted(only))
            due = [
                row
                for row in self.rows.values()
                if not row.leased
                and row.endpoint.intent_hash not in (row.applied_hash, row.attempted_hash)
                and (only is None or row.endpoint.id in only)
            ][:room]
            claims = []
            for row in due:
                if row.refused:
                    row.attempted_hash = row.endpoint.intent_hash
                    claims.append(dataclasses.replace(self.claimed(row), refused=row.refused))
                else:
                    claims.append(self.take(row.endpoint.id))
        return claims, self.time

    @staticmethod
    def claimed(row: Row) -> Claim:
        return Claim(row.endpoint, row.record, NAMESPACE, row.name, row.epoch, row.serving_mode)


class Store:
    def __init__(self, database: Database) -> None:
        self.database = database
        database.trouble.meet("open")
        with database.lock:
            database.open += 1

    def close(self) -> None:
        with self.database.lock:
            self.database.open -= 1

    def now(self) -> float:
        return self.database.time

    def renew(self, claim: Claim, ttl: float) -> str:
        return self._mine("renew", claim).endpoint.intent_hash

    def renew_all(self, claims: t.Iterable[Claim], ttl: float) -> dict[str, str]:
        self.database.trouble.meet("renew_all")
        rows = {claim.endpoint.id: (self.database.rows[claim.endpoint.id], claim.epoch) for claim in claims}
        self.database.renewed.append(len(rows))
        return {name: row.endpoint.intent_hash for name, (row, epoch) in rows.items() if row.epoch == epoch}

    def reload(self, claim: Claim) -> Claim:
        return self.database.claimed(self._mine("reload", claim))

    def record_pending(self, claim: Claim, pending: Pending, serving_mode: str) -> None:
        row = self._mine("record_pending", claim)
        row.record, row.serving_mode = dataclasses.replace(row.record, pending=pending), serving_mode

    def record_converged(
        self,
        claim: Claim,
        *,
        intent_hash: str,
        version_id: str | None,
        revision: str | None,
        spec: t.Any,
        promoted: bool,
        url: str | None,
        serving_mode: str,
        warnings: t.Any,
        host: str,
        keep: bool = False,
        status: str = "READY",
        observed_version: str | None = None,
    ) -> None:
        row = self._mine("record_converged", claim)
        if promoted:
            row.record = Record(version_id, revision, spec, spec)
        else:
            row.record = dataclasses.replace(row.record, applied_spec=spec, pending=None)
        row.applied_hash, row.serving_mode, row.leased, row.last_error = intent_hash, serving_mode, False, None
        row.endpoint = dataclasses.replace(row.endpoint, status=status, url=url)

    def record_failed(self, claim: Claim, message: str, *, serving: bool, keep: bool = False) -> None:
        row = self._mine("record_failed", claim)
        row.attempted_hash, row.last_error, row.leased = claim.endpoint.intent_hash, message, False
        row.endpoint = dataclasses.replace(row.endpoint, status="READY" if serving else "ERROR")

    def record_deleted(self, claim: Claim) -> None:
        row = self._mine("record_deleted", claim)
        row.record, row.leased, row.applied_hash = Record(), False, row.endpoint.intent_hash
        row.endpoint = dataclasses.replace(row.endpoint, status="DELETED", url=None)

    def release(self, claim: Claim) -> None:
        self._mine("release", claim).leased = False

    def _mine(self, method: str, claim: Claim) -> Row:
        self.database.trouble.meet(method)
        row = self.database.rows[claim.endpoint.id]
        if row.epoch != claim.epoch:
            raise LeaseLost("another worker has it now")
        if method != "renew":
            self.database.log.append(method)
        return row


class Cluster:
    """:param poll_seconds: where nothing is heard; the watch tells of what ``touch`` is called for"""

    host = "memory"

    def __init__(self, log: list[str] | None = None, *, poll_seconds: float = 0.001) -> None:
        self.poll_seconds = poll_seconds
        self.services: dict[tuple[str, str], simulation.State] = {}
        self.versions: dict[tuple[str, str], int] = defaultdict(int)
        self.log: list[str] = [] if log is None else log
        self.previous: list[Document | None] = []
        self.trouble = Trouble()
        self.lock = threading.RLock()
        self.ticking = True
        self.watched: list[str | None] = []
        self.observed = threading.Semaphore(0)
        self._listeners: list[t.Callable[[str, str], None]] = []
        self.before_write: t.Callable[[], None] = lambda: None
        # What the API server makes of what is written.
        self.keeps: t.Callable[[Document], Document] = lambda manifest: manifest

    def observe(self, namespace: str, name: str) -> Observed:
        with self.lock:
            self.trouble.meet("observe")
            key = (namespace, name)
            state = self.services.get(key)
            if state is not None and self.ticking:
                after = simulation.tick(state, lambda model: "no such file" if "bad" in model["storageUri"] else None)
                if after != state:
                    self.services[key], state = after, after
                    self.versions[key] += 1
            seen = simulation.look(state)
            self.observed.release()
            return (
                seen if state is None else dataclasses.replace(seen, resource_version=str(self.versions[key]), uid="u1")
            )

    def create(self, manifest: Document, *, fence: int | None = None) -> Document:
        self.before_write()
        with self.lock:
            self._write("create", manifest)
            key = _key(manifest)
            if key in self.services:
                raise StaleWrite("exists already")
            simulation.admit(None, manifest)
            self.services[key] = {"object": self.keeps(copy.deepcopy(manifest))}
            self.versions[key] += 1
        return manifest

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
        self.before_write()
        with self.lock:
            key = _key(manifest)
            if dry_run:
                self.log.append("dry run")
                self.trouble.meet("apply")
                return manifest
            self._write("apply", manifest)
            self.previous.append(previous)
            if str(self.versions[key]) != resource_version:
                raise StaleWrite("changed meanwhile")
            state = self.services[key]
            simulation.admit(state["object"], manifest)
            written = self.keeps(copy.deepcopy(manifest))
            self.services[key] = {**state, "object": {**written, "status": state["object"].get("status", {})}}
            self.versions[key] += 1
        return manifest

    def delete(
        self,
        namespace: str,
        name: str,
        *,
        uid: str | None = None,
        resource_version: str | None = None,
        fence: int | None = None,
    ) -> None:
        with self.lock:
            self.trouble.meet("delete")
            self.log.append("delete")
            self.services.pop((namespace, name), None)

    def forget(self, namespace: str, name: str, epoch: int) -> None:
        """The Lease goes with the endpoint."""
        self.forgotten = (namespace, name, epoch)

    def take(self, namespace: str, name: str, epoch: int) -> Observed:
        self.trouble.meet("take")
        self.log.append("take")
        return self.observe(namespace, name)

    def watch(self, namespace: str | None, on_change: t.Callable[[str, str], None], stop: threading.Event) -> None:
        with self.lock:
            self.watched.append(namespace)
            self._listeners.append(on_change)
        stop.wait()

    def touch(self, namespace: str, name: str) -> None:
        """What a watch would tell."""
        with self.lock:
            listeners = list(self._listeners)
        for listener in listeners:
            listener(namespace, name)

    def _write(self, method: str, manifest: Document) -> None:
        self.trouble.meet(method)
        predictor = manifest["spec"]["predictor"]
        self.log.append(
            f"{method} {predictor['model']['storageUri'].split('/')[-2]} {predictor.get('canaryTrafficPercent')}"
        )


def _key(manifest: Document) -> tuple[str, str]:
    return manifest["metadata"]["namespace"], manifest["metadata"]["name"]
