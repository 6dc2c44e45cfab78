# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""KServe without a cluster: InferenceServices kept in the store, following KServe's rules (``_domain/simulation.py``).

Looking at a service lets its controllers pass once, so time stands still while nobody looks.
"""

from __future__ import annotations

import json
import threading
import typing as t
import uuid

from .._domain.errors import LeaseLost, StaleWrite
from .._domain.evidence import Pod
from .._domain.readiness import Observed, observe, version_of
from .._domain.simulated_load import simulated_pods
from .._domain.simulation import State, admit, look, tick
from .postgres import Postgres
from .simulated_metrics import SimulatedMetrics, profiles

__all__ = ("Simulator",)

_SELECT = "select object, state, uid, resource_version, generation from serving.simulated_service where namespace = %s and name = %s"
_FENCED = """(%(fence)s::bigint is null or exists (
    select from serving.deployment d where d.namespace = %(namespace)s and d.name = %(name)s and d.epoch = %(fence)s))"""


class Simulator:
    """The cluster adapter's interface, on Postgres."""

    host = "simulate"
    poll_seconds = 0.01

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    def get(self, namespace: str, name: str) -> dict[str, t.Any] | None:
        row = self._postgres.row(_SELECT, (namespace, name))
        return None if row is None else _object(row)

    def list(self, namespace: str | None = None, label_selector: str | None = None) -> list[dict[str, t.Any]]:
        rows = self._postgres.query(
            "select object, uid, resource_version, generation from serving.simulated_service"
            " where %(namespace)s::text is null or namespace = %(namespace)s order by namespace, name",
            {"namespace": namespace},
        )
        wanted = dict(part.split("=", 1) for part in label_selector.split(",")) if label_selector else {}
        found = [_object(row) for row in rows]
        return [item for item in found if wanted.items() <= (item["metadata"].get("labels") or {}).items()]

    def versions(self, namespace: str) -> dict[str, str]:
        """By name, for all simulated services of a namespace."""
        rows = self._postgres.query(
            "select name, uid, resource_version from serving.simulated_service where namespace = %s", (namespace,)
        )
        return {row["name"]: version_of(row["uid"], row["resource_version"]) for row in rows}

    def observe(self, namespace: str, name: str) -> Observed:
        row = self._postgres.row(_SELECT, (namespace, name))
        if row is None:
            return look(None)
        before: State = {"object": row["object"], **row["state"]}
        after = tick(before, self._load_error)
        if after != before:
            written = self._postgres.row(
                "update serving.simulated_service set object = %s, state = %s, resource_version = resource_version + 1"
                " where namespace = %s and name = %s and resource_version = %s returning resource_version",
                (*_columns(after), namespace, name, row["resource_version"]),
            )
            if written is None:
                raise StaleWrite(f"the simulated InferenceService {namespace}/{name} changed while it was looked at")
            row["resource_version"] = written["resource_version"]
        return look({**after, "object": _object({**row, "object": after["object"]})})

    def create(self, manifest: dict[str, t.Any], *, fence: int | None = None) -> dict[str, t.Any]:
        namespace, name = _key(manifest)
        admit(None, manifest)
        made = self._postgres.execute(
            "insert into serving.simulated_service (namespace, name, uid, generation, resource_version, object, state)"
            f" select %(namespace)s, %(name)s, %(uid)s, 1, 1, %(object)s, '{{}}' where {_FENCED} on conflict do nothing",
            {**_values(namespace, name, fence), "uid": str(uuid.uuid4()), "object": json.dumps(manifest)},
        )
        if not made:
            self._check_fence(namespace, name, fence)
            raise StaleWrite(f"the simulated InferenceService {namespace}/{name} exists already")
        return manifest

    def apply(
        self,
        manifest: dict[str, t.Any],
        *,
        resource_version: str | None = None,
        fence: int | None = None,
        dry_run: bool = False,
        previous: dict[str, t.Any] | None = None,
        live: dict[str, t.Any] | None = None,
    ) -> dict[str, t.Any]:
        namespace, name = _key(manifest)
        row = self._postgres.row(_SELECT, (namespace, name))
        admit(None if row is None else row["object"], manifest)
        if row is None:
            return manifest if dry_run else self.create(manifest, fence=fence)
        # One field manager renders all of the object, so what it no longer renders is gone.
        applied = {**manifest, "status": row["object"].get("status", {})}
        if dry_run:
            return _object({**row, "object": applied})
        written = self._postgres.execute(
            "update serving.simulated_service set object = %(object)s, resource_version = resource_version + 1,"
            " generation = generation + %(changed)s"
            f" where namespace = %(namespace)s and name = %(name)s and resource_version = %(seen)s and {_FENCED}",
            {
                **_values(namespace, name, fence),
                "object": json.dumps(applied),
                "changed": int(applied["spec"] != row["object"].get("spec")),
                "seen": int(resource_version or row["resource_version"]),
            },
        )
        if not written:
            self._check_fence(namespace, name, fence)
            raise StaleWrite(f"the simulated InferenceService {namespace}/{name} changed since it was looked at")
        return applied

    def delete(
        self,
        namespace: str,
        name: str,
        *,
        uid: str | None = None,
        resource_version: str | None = None,
        fence: int | None = None,
    ) -> None:
        deleted = self._postgres.execute(
            "delete from serving.simulated_service where namespace = %(namespace)s and name = %(name)s"
            f" and (%(uid)s::text is null or uid = %(uid)s) and {_FENCED}",
            {**_values(namespace, name, fence), "uid": uid},
        )
        if not deleted:
            self._check_fence(namespace, name, fence)
            return
        self._postgres.execute(
            "delete from serving.simulated_metrics where namespace = %s and name = %s", (namespace, name)
        )

    def pods(self, namespace: str, service: str) -> tuple[Pod, ...]:
        """One pod for each revision that Knative would keep: those in the traffic list, at 0 % too, and the newest."""
        row = self._postgres.row(
            "select s.object, s.state, m.counters from serving.simulated_service s left join serving.simulated_metrics m"
            " on (m.namespace, m.name, m.uid) = (s.namespace, s.name, s.uid) where s.namespace = %s and s.name = %s",
            (namespace, service),
        )
        revisions = [] if row is None else row["state"].get("revisions") or []
        if row is None or not revisions:
            return ()
        kept = {target.revision for target in observe(row["object"]).traffic} | {revisions[-1]["name"]}
        counted = {name for name, load in (row["counters"] or {}).items() if load["good"] or load["failed"]}
        known = profiles(self._postgres, revisions)
        crashed = {name for name, asked in known.items() if asked.crash and name in counted}
        return simulated_pods([revision for revision in revisions if revision["name"] in kept], crashed)

    def metrics(self, namespace: str, service: str, *, triton: bool = False) -> SimulatedMetrics:
        """What the revisions have counted; ``KServeCluster.metrics`` is the same for a cluster."""
        return SimulatedMetrics(self._postgres, namespace, service, triton=triton)

    def take(self, namespace: str, name: str, epoch: int) -> Observed:
        """Only a look: the fence here is the store's own epoch."""
        return self.observe(namespace, name)

    def forget(self, namespace: str, name: str, epoch: int) -> None:
        """Nothing to do: what ``take`` did not write needs no removal."""

    def watch(self, namespace: str | None, on_change: t.Callable[[str, str], None], stop: threading.Event) -> None:
        """Nothing changes but by looking; ``poll_seconds`` is the pace."""

    def info(self) -> dict[str, t.Any]:
        return {"host": self.host, "simulated": True, "default_mode": "Knative"}

    def close(self) -> None:
        """The connection belongs to the store."""

    def _check_fence(self, namespace: str, name: str, fence: int | None) -> None:
        if not self._postgres.query(f"select 1 where {_FENCED}", _values(namespace, name, fence)):
            raise LeaseLost(f"another worker has {namespace}/{name} now")

    def _load_error(self, model: dict[str, t.Any]) -> str | None:
        """A model version can be told to fail: ``metrics.simulate.load_error``."""
        uri = str(model.get("storageUri", "")).rstrip("/")
        row = self._postgres.row(
            "select metrics #>> '{simulate,load_error}' as error from model_versions"
            " where artifact_uri in (%s, %s) and metrics #>> '{simulate,load_error}' is not null limit 1",
            (uri, f"{uri}/"),
        )
        return None if row is None else str(row["error"])


def _values(namespace: str, name: str, fence: int | None) -> dict[str, t.Any]:
    return {"namespace": namespace, "name": name, "fence": fence}


def _key(manifest: dict[str, t.Any]) -> tuple[str, str]:
    return manifest["metadata"]["namespace"], manifest["metadata"]["name"]


def _columns(state: State) -> tuple[str, str]:
    return json.dumps(state["object"]), json.dumps({key: value for key, value in state.items() if key != "object"})


def _object(row: dict[str, t.Any]) -> dict[str, t.Any]:
    document: dict[str, t.Any] = dict(row["object"])
    document["metadata"] = {
        **document["metadata"],
        "uid": row["uid"],
        "resourceVersion": str(row["resource_version"]),
        "generation": row["generation"],
    }
    return document
