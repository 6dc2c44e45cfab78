# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who works on which endpoint: finding what is due, taking it, keeping it.

A lease ends by the database's clock. Its epoch is a fencing token that only grows: every later write says
``epoch = mine``, and no row means that somebody else has the endpoint now.
"""

from __future__ import annotations

import dataclasses
import json
import typing as t
from dataclasses import dataclass

from .._domain import naming
from .._domain.convergence import Pending, Record
from .._domain.errors import InvalidIntent, LeaseLost, ServingError
from .._domain.intent import Endpoint
from .postgres import Postgres, Row, is_duplicate
from .scope import Scope

_ENDPOINT_FIELDS = tuple(field.name for field in dataclasses.fields(Endpoint) if field.name != "columns")
_INTENT = ", ".join(f"i.{name}" for name in _ENDPOINT_FIELDS)

# Something of ours is, or may be, on the cluster.
_DEPLOYED = "(d.applied_hash is not null or d.pending is not null or d.stable_spec is not null)"
_OTHER_MODE = f"({_DEPLOYED} and d.deploy_mode is distinct from %(mode)s)"
_CHANGED = f"""(
    i.status in ('CREATING', 'DEPLOYING', 'DELETING')
    or (i.status <> 'DELETED' and (
        d.pending is not null or d.last_error is not null or d.requested_at is not null or (%(force)s and {_OTHER_MODE})
        or %(everything)s or d.applied_hash is distinct from i.intent_hash))
    or (i.status = 'DELETED' and {_DEPLOYED})
)"""
_FREE = "(d.lease_until is null or d.lease_until < now())"
# Each intent once in a run, and after a failure not before its time where the caller is patient. The hash comes last: it
# is what costs, and most rows are decided without it.
_ITS_TURN = """(
    ((%(since)s::float8 is null or d.observed_at is null or extract(epoch from d.observed_at) < %(since)s::float8)
        and (not %(patient)s or d.next_attempt_at is null or d.next_attempt_at <= now()))
    or d.attempted_hash is distinct from {hash}
)"""
_ORPHAN = f"{_DEPLOYED} and not exists (select from endpoints e where e.id = d.endpoint_id)"
_ATTEMPTS_AT_A_NAME = 5


@dataclass(frozen=True)
class Settings:
    """How what is claimed shall be deployed.

    :param everything: also endpoints whose intent is applied already, to look at the cluster again
    :param patient: leave endpoints alone that failed and whose next attempt is not due (a worker's way)
    """

    deploy_mode: str = "simulate"
    namespace_template: str = "mlops-serving"
    name_prefix: str = "isvc"
    force_mode: bool = False
    everything: bool = False
    patient: bool = False


@dataclass(frozen=True)
class Claim:
    """One endpoint that is ours until the lease ends. With ``refused`` it is not ours, and that says why."""

    endpoint: Endpoint
    record: Record
    namespace: str
    name: str
    epoch: int
    serving_mode: str | None
    deploy_mode: str
    refused: str | None = None


class Leases:
    """The part of the store that hands out work."""

    database: Postgres

    def __init__(self, database: Postgres) -> None:
        self.database = database
        self._told: set[str] = set()

    def due(
        self, scope: Scope, *, limit: int | None = None, deploy_mode: str = "simulate", settings: Settings | None = None
    ) -> list[str]:
        """Ids of endpoints whose intent is not what is applied, leased ones included. One query."""
        chosen = settings or Settings(deploy_mode=deploy_mode)
        where, values = scope.sql("i")
        orphan, _same = scope.sql("d", id_column="endpoint_id", name_column="endpoint_name")
        rows = self.database.query(
            f"select i.id from serving.intent i left join serving.deployment d on d.endpoint_id = i.id"
            f" where {where} and {_CHANGED} and {_ITS_TURN.format(hash='i.intent_hash')}"
            f" union all select d.endpoint_id from serving.deployment d where {orphan} and {_ORPHAN} limit %(limit)s",
            {**values, **_values(chosen, None), "limit": limit},
        )
        return [row["id"] for row in rows]

    def claim(
        self,
        owner: str,
        *,
        scope: Scope,
        limit: int,
        ttl: float,
        settings: Settings,
        since: float | None = None,
    ) -> list[Claim]:
        """Take up to ``limit`` due endpoints that nobody holds; an empty list means that nothing is left to take.

        An endpoint that was deployed in another mode comes back once, not leased, with ``refused`` saying so; one whose
        namespace cannot be made from its row too.

        :param ttl: length of the lease in seconds
        :param since: when this run started (``Store.now``): what failed or converged since is not handed out again
        """
        for last in range(_ATTEMPTS_AT_A_NAME, 0, -1):
            try:
                with self.database.transaction():
                    return self._claim(owner, scope, limit, ttl, settings, since)
            except Exception as error:
                # Two workers chose the same free name at once: the second looks again.
                if not is_duplicate(error) or last == 1:
                    raise
        raise AssertionError("not reached")

    def renew(self, claim: Claim, ttl: float) -> str:
        """Keep the lease for ``ttl`` more seconds; returns the current intent hash ('' when the row is gone)."""
        row = self.database.row(
            "with mine as (update serving.deployment set lease_until = now() + make_interval(secs => %(ttl)s)"
            " where endpoint_id = %(id)s and epoch = %(epoch)s returning endpoint_id)"
            " select i.intent_hash from mine left join serving.intent i on i.id = mine.endpoint_id",
            {"ttl": ttl, "id": claim.endpoint.id, "epoch": claim.epoch},
        )
        if row is None:
            raise lost(claim)
        return row["intent_hash"] or ""

    def renew_all(self, claims: t.Iterable[Claim], ttl: float) -> dict[str, str]:
        """``renew`` for many in one statement: intent hash by endpoint id; whoever is not in it has been lost."""
        mine = [{"endpoint_id": claim.endpoint.id, "epoch": claim.epoch} for claim in claims]
        rows = self.database.query(
            "with mine as (update serving.deployment d set lease_until = now() + make_interval(secs => %s)"
            " from jsonb_to_recordset(%s) as m(endpoint_id uuid, epoch bigint)"
            " where d.endpoint_id = m.endpoint_id and d.epoch = m.epoch returning d.endpoint_id)"
            " select mine.endpoint_id, i.intent_hash from mine left join serving.intent i on i.id = mine.endpoint_id",
            (ttl, json.dumps(mine)),
        )
        return {row["endpoint_id"]: row["intent_hash"] or "" for row in rows}

    def reload(self, claim: Claim) -> Claim:
        """The row as it is now, under the same lease."""
        row = self.database.row(
            f"select {_INTENT}, to_jsonb(e) as columns, {_RECORD}"
            " from serving.deployment d left join serving.intent i on i.id = d.endpoint_id left join endpoints e on e.id = i.id"
            " where d.endpoint_id = %s and d.epoch = %s",
            (claim.endpoint.id, claim.epoch),
        )
        if row is None:
            raise lost(claim)
        return _claimed(row if row["id"] is not None else _orphaned(row), row)

    def release(self, claim: Claim) -> None:
        """Give the endpoint back unfinished; it stays due. Releasing what was lost already is no error."""
        self.database.execute(
            "update serving.deployment set lease_owner = null, lease_until = null where endpoint_id = %s and epoch = %s",
            (claim.endpoint.id, claim.epoch),
        )

    def _claim(
        self, owner: str, scope: Scope, limit: int, ttl: float, settings: Settings, since: float | None
    ) -> list[Claim]:
        where, values = scope.sql("i")
        values.update(_values(settings, since), limit=limit, told=list(self._told))
        untold = "and not ((i.id::text || i.intent_hash) = any(%(told)s))" if self._told else ""
        # The inner part locks and limits without computing a hash that is not needed to decide.
        found = self.database.query(
            "with due as materialized ("
            " select e.id, e.updated_at from serving.intent i join endpoints e on e.id = i.id"
            " left join serving.deployment d on d.endpoint_id = i.id"
            f" where {where} and {_FREE} and {_CHANGED} and {_ITS_TURN.format(hash='i.intent_hash')} {untold}"
            " order by e.updated_at limit %(limit)s for update of e skip locked"
            f") select {_INTENT}, to_jsonb(e) as columns, {_RECORD}, coalesce({_OTHER_MODE}, false) as other_mode"
            " from due join serving.intent i on i.id = due.id join endpoints e on e.id = due.id"
            " left join serving.deployment d on d.endpoint_id = due.id order by due.updated_at",
            values,
        )
        if len(found) < limit:
            found += self._orphans(scope, values)
        refused, taken = [], {}
        for row in found:
            why = _other_mode(row, settings)
            if why is None:
                try:
                    row["wanted_namespace"] = row["namespace"] or naming.namespace_for(
                        settings.namespace_template, row["columns"] or {}
                    )
                except ServingError as error:
                    why = str(error.at(row["name"]))
            if why is None:
                taken[row["id"]] = row
            else:
                self._told.add(row["id"] + row["intent_hash"])
                refused.append(_claimed(row, row, refused=why))
        return refused + (self._take(taken, owner, ttl, settings) if taken else [])

    def _orphans(self, scope: Scope, values: Row) -> list[Row]:
        """Deployments whose row was deleted in SQL: what they left on the cluster has to go as well."""
        where, more = scope.sql("d", id_column="endpoint_id", name_column="endpoint_name")
        rows = self.database.query(
            f"select {_RECORD}, coalesce({_OTHER_MODE}, false) as other_mode from serving.deployment d"
            f" where {where} and {_ORPHAN} and {_FREE} and {_ITS_TURN.format(hash=repr('orphan'))}"
            " and not ((d.endpoint_id::text || 'orphan') = any(%(told)s)) limit %(limit)s for update of d skip locked",
            {**values, **more},
        )
        return [_orphaned(row) for row in rows]

    def _take(self, rows: dict[str, Row], owner: str, ttl: float, settings: Settings) -> list[Claim]:
        names = self._free_names([row for row in rows.values() if row["deployment_name"] is None], settings.name_prefix)
        wanted = [
            {
                "endpoint_id": row["id"],
                "tenant_id": row["tenant_id"],
                "project_id": row["project_id"],
                "endpoint_name": row["name"],
                "namespace": row["wanted_namespace"],
                "name": row["deployment_name"] or names[row["id"]],
                "intent_hash": row["intent_hash"],
                "epoch": (row["epoch"] or 0) + 1,
            }
            for row in rows.values()
        ]
        values = {"wanted": json.dumps(wanted), "owner": owner, "ttl": ttl, "mode": settings.deploy_mode}
        return [_claimed(rows[record["id"]], record) for record in self.database.query(_TAKE, values)]

    def _free_names(self, rows: list[Row], prefix: str) -> dict[str, str]:
        """For each endpoint the first of its names that no other endpoint holds in that namespace."""
        chosen: dict[str, str] = {}
        held: set[tuple[str, str]] = set()
        candidates = {row["id"]: naming.candidate_names(prefix, row["id"]) for row in rows}
        waiting = rows
        while waiting:
            tried = []
            for row in waiting:
                name = next(candidates[row["id"]], None)
                if name is None:
                    raise InvalidIntent(
                        "every name that this endpoint could have is taken",
                        endpoint=row["name"],
                        cure="use another name_prefix",
                    )
                tried.append((row, name))
            held |= {
                (found["namespace"], found["name"])
                for found in self.database.query(
                    "select namespace, name from serving.deployment where name = any(%s)",
                    ([name for _row, name in tried],),
                )
            }
            waiting = []
            for row, name in tried:
                key = (row["wanted_namespace"], name)
                if key in held:
                    waiting.append(row)
                else:
                    held.add(key)
                    chosen[row["id"]] = name
        return chosen


_RECORD = (
    "d.endpoint_id, d.endpoint_name, d.tenant_id as deployment_tenant, d.project_id as deployment_project, d.namespace,"
    " d.name as deployment_name, d.deploy_mode, d.serving_mode, d.stable_version_id, d.stable_revision, d.stable_spec,"
    " d.applied_spec, d.pending, d.epoch"
)

_RESET = ", ".join(
    f"{name} = case when d.deploy_mode is distinct from excluded.deploy_mode then null else d.{name} end"
    for name in (
        *(
            "applied_hash",
            "serving_mode",
            "stable_version_id",
            "stable_revision",
            "stable_spec",
            "applied_spec",
            "pending",
            "url",
            "host",
        ),
        *("attempted_hash", "last_error", "next_attempt_at"),
    )
)

# The lease is checked again where it is written: between our read and here another worker may have taken the endpoint, or
# even have finished it. An endpoint whose intent is applied is only looked at, and its row stays as it is.
_WANTED = (
    "endpoint_id uuid, tenant_id uuid, project_id uuid, endpoint_name text, namespace text, name text, intent_hash text,"
    " epoch bigint"
)
_TAKE = f"""
with taken as (
    insert into serving.deployment as d
        (endpoint_id, tenant_id, project_id, endpoint_name, namespace, name, deploy_mode, lease_owner, lease_until, claimed_at, epoch)
    select w.endpoint_id, w.tenant_id, w.project_id, w.endpoint_name, w.namespace, w.name, %(mode)s, %(owner)s,
        now() + make_interval(secs => %(ttl)s), now(), w.epoch
    from jsonb_to_recordset(%(wanted)s) as w({_WANTED})
    on conflict (endpoint_id) do update set
        tenant_id = excluded.tenant_id, project_id = excluded.project_id, endpoint_name = excluded.endpoint_name,
        namespace = coalesce(d.namespace, excluded.namespace), name = coalesce(d.name, excluded.name),
        {_RESET},
        deploy_mode = excluded.deploy_mode, lease_owner = excluded.lease_owner, lease_until = excluded.lease_until,
        claimed_at = excluded.claimed_at, epoch = excluded.epoch
    where {_FREE} and d.epoch = excluded.epoch - 1
    returning d.*
), marked as (
    update endpoints e set status = 'DEPLOYING' from taken join jsonb_to_recordset(%(wanted)s) as w({_WANTED}) using (endpoint_id)
    where e.id = taken.endpoint_id and e.status not in ('DELETING', 'DELETED', 'DEPLOYING')
        and (taken.applied_hash is distinct from w.intent_hash or e.status <> 'READY')
)
select d.endpoint_id as id, {_RECORD} from taken d
"""


def lost(claim: Claim) -> LeaseLost:
    return LeaseLost(
        "another worker has taken it over since this one last looked",
        endpoint=claim.endpoint.name,
        cure="nothing is to be done here, the other worker goes on",
    )


def endpoint_from(row: Row) -> Endpoint:
    """An ``Endpoint`` from a row of ``serving.intent`` with ``columns``."""
    fields = {name: row[name] for name in _ENDPOINT_FIELDS}
    return Endpoint(**{**fields, "columns": row.get("columns") or {}})


def _claimed(row: Row, record: Row, *, refused: str | None = None) -> Claim:
    endpoint = endpoint_from(row)
    if endpoint.status == "DELETED":  # set by hand while its InferenceService is still there
        endpoint = dataclasses.replace(endpoint, status="DELETING")
    pending = record["pending"]
    return Claim(
        endpoint=endpoint,
        record=Record(
            stable_version=record["stable_version_id"],
            stable_revision=record["stable_revision"],
            stable_spec=record["stable_spec"],
            applied_spec=record["applied_spec"],
            pending=Pending(**pending) if pending else None,
        ),
        namespace=record["namespace"] or "",
        name=record["deployment_name"] or "",
        epoch=record["epoch"] or 0,
        serving_mode=record["serving_mode"],
        deploy_mode=record["deploy_mode"] or "",
        refused=refused,
    )


def _orphaned(row: Row) -> Row:
    gone: Row = dict.fromkeys(_ENDPOINT_FIELDS)
    gone.update(
        id=row["endpoint_id"],
        name=row["endpoint_name"],
        tenant_id=row["deployment_tenant"],
        project_id=row["deployment_project"],
        status="DELETING",
        runtime="",
        intent_hash="orphan",
    )
    return {**row, **gone, "columns": {}}


def _other_mode(row: Row, settings: Settings) -> str | None:
    if not row["other_mode"] or settings.force_mode:
        return None
    return (
        f"endpoint {row['name']}: it is deployed in mode {row['deploy_mode']}, and this run is in mode {settings.deploy_mode}. "
        f"Set deploy_mode (DEPLOY_MODE) to {row['deploy_mode']}, or force_mode to move it."
    )


def _values(settings: Settings, since: float | None) -> Row:
    return {
        "mode": settings.deploy_mode,
        "force": settings.force_mode,
        "everything": settings.everything,
        "patient": settings.patient,
        "since": since,
    }


__all__ = ("Claim", "Leases", "Settings", "endpoint_from", "lost")
