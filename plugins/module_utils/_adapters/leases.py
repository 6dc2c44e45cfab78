# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who works on which endpoint: finding what is due, taking it, keeping it.

A lease ends by the database's clock. Its epoch is a fencing token that only grows: every later write says
``epoch = mine``, and no row means that somebody else has the endpoint now.
"""

from __future__ import annotations

import json
import typing as t

from .._domain import naming
from .._domain.errors import InvalidIntent, ServingError
from .claims import Claim, Settings, claimed, lost, orphaned, other_mode
from .lease_sql import CHANGED, FREE, INTENT, ITS_TURN, ORPHAN, OTHER_MODE, RECORD, REFUSE, TAKE
from .postgres import Postgres, Row, is_duplicate
from .scope import Scope

_ATTEMPTS = 5


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
            f" where {where} and {CHANGED} and {ITS_TURN.format(hash='i.intent_hash')}"
            f" union all select d.endpoint_id from serving.deployment d where {orphan} and {ORPHAN} limit %(limit)s",
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
        for last in range(_ATTEMPTS, 0, -1):
            try:
                with self.database.transaction():
                    claims, found = self._claim(owner, scope, limit, ttl, settings, since)
            except Exception as error:
                # Two workers chose the same free name at once: the second looks again.
                if not is_duplicate(error) or last == 1:
                    raise
            else:
                # All that was found went to others between our read and our write: there may be more.
                if claims or not found:
                    return claims
        return []

    def held(self, owner: str, *, scope: Scope, settings: Settings) -> list[Claim]:
        """Endpoints in scope that are due and that others work on right now; ``refused`` says who."""
        where, values = scope.sql("i")
        rows = self.database.query(
            f"select {INTENT}, {RECORD}, d.lease_owner from serving.deployment d join serving.intent i on i.id = d.endpoint_id"
            f" where d.lease_until >= now() and d.lease_owner <> %(owner)s and {where} and {CHANGED}"
            f" and not coalesce({OTHER_MODE}, false)",
            {**values, **_values(settings, None), "owner": owner},
        )
        return [claimed(row, row, refused=f"{row['lease_owner']} works on it, and has not ended in time") for row in rows]

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
            f"select {INTENT}, to_jsonb(e) as columns, {RECORD}"
            " from serving.deployment d left join serving.intent i on i.id = d.endpoint_id left join endpoints e on e.id = i.id"
            " where d.endpoint_id = %s and d.epoch = %s",
            (claim.endpoint.id, claim.epoch),
        )
        if row is None:
            raise lost(claim)
        return claimed(row if row["id"] is not None else orphaned(row), row)

    def release(self, claim: Claim) -> None:
        """Give the endpoint back unfinished; it stays due. Releasing what was lost already is no error."""
        self.database.execute(
            "update serving.deployment set lease_owner = null, lease_until = null where endpoint_id = %s and epoch = %s",
            (claim.endpoint.id, claim.epoch),
        )

    def release_all(self, owner: str) -> None:
        """Give back whatever ``owner`` holds, for one that knows to have nothing in hand.

        A connection that broke at a commit leaves it with endpoints that it was never told of.
        """
        self.database.execute(
            "update serving.deployment set lease_owner = null, lease_until = null where lease_owner = %s", (owner,)
        )

    def _claim(
        self, owner: str, scope: Scope, limit: int, ttl: float, settings: Settings, since: float | None
    ) -> tuple[list[Claim], int]:
        """What was taken (and refused), and how many endpoints were looked at."""
        where, values = scope.sql("i")
        values.update(_values(settings, since), limit=limit, told=list(self._told))
        untold = "and not ((i.id::text || i.intent_hash) = any(%(told)s))" if self._told else ""
        # The inner part locks and limits without computing a hash that is not needed to decide.
        found = self.database.query(
            "with due as materialized ("
            " select e.id, e.updated_at from serving.intent i join endpoints e on e.id = i.id"
            " left join serving.deployment d on d.endpoint_id = i.id"
            f" where {where} and {FREE} and {CHANGED} and {ITS_TURN.format(hash='i.intent_hash')} {untold}"
            " order by e.updated_at limit %(limit)s for update of e skip locked"
            f") select {INTENT}, to_jsonb(e) as columns, {RECORD}, coalesce({OTHER_MODE}, false) as other_mode"
            " from due join serving.intent i on i.id = due.id join endpoints e on e.id = due.id"
            " left join serving.deployment d on d.endpoint_id = due.id order by due.updated_at",
            values,
        )
        if len(found) < limit:
            found += self._orphans(scope, values)
        refused, taken = [], {}
        for row in found:
            why = other_mode(row, settings)
            if why is None:
                try:
                    row["wanted_namespace"] = row["namespace"] or naming.namespace_for(
                        settings.namespace_template, row["columns"] or {}
                    )
                except ServingError as error:
                    why = str(error.at(row["name"]))
                    self.database.execute(REFUSE, {**row, "why": why})
            if why is None:
                taken[row["id"]] = row
            else:
                self._told.add(row["id"] + row["intent_hash"])
                refused.append(claimed(row, row, refused=why))
        return refused + (self._take(taken, owner, ttl, settings) if taken else []), len(found)

    def _orphans(self, scope: Scope, values: Row) -> list[Row]:
        """Deployments whose row was deleted in SQL: what they left on the cluster has to go as well."""
        where, more = scope.sql("d", id_column="endpoint_id", name_column="endpoint_name")
        rows = self.database.query(
            f"select {RECORD}, coalesce({OTHER_MODE}, false) as other_mode from serving.deployment d"
            f" where {where} and {ORPHAN} and {FREE} and {ITS_TURN.format(hash=repr('orphan'))}"
            " and not ((d.endpoint_id::text || 'orphan') = any(%(told)s)) limit %(limit)s for update of d skip locked",
            {**values, **more},
        )
        return [orphaned(row) for row in rows]

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
        return [claimed(rows[record["id"]], record) for record in self.database.query(TAKE, values)]

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


def _values(settings: Settings, since: float | None) -> Row:
    return {
        "mode": settings.deploy_mode,
        "force": settings.force_mode,
        "everything": settings.everything,
        "patient": settings.patient,
        "since": since,
    }


__all__ = ("Leases",)
