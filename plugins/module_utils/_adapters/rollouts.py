# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rollouts in the store: at most one active an endpoint, every decision an event, each written with what it decided.

Whoever drives a rollout holds its endpoint's lease. Every statement here that changes one says ``epoch = mine``, and an
intent, the rollout's state and the event about it are one transaction: a process killed anywhere leaves all or nothing.
"""

from __future__ import annotations

import json
import typing as t
from dataclasses import dataclass

from .._domain.errors import NotFound, Refused
from .claims import Claim, lost
from .postgres import Postgres, Row, is_duplicate, json_value
from .scope import Scope
from .store import CHANNEL

__all__ = ("Event", "Rollouts", "Superseded")

_ROLLOUT = """
    r.id, r.endpoint_id, coalesce(r.endpoint_name, e.name::text) as endpoint, r.tenant_id, r.strategy, r.plan, r.state, r.step,
    r.progress, r.evidence, r.stable_version_id, r.candidate_version_id, sv.version as stable_version,
    cv.version as candidate_version, r.expected_hash, r.command, r.outcome, r.reason, r.simulated, r.created_by,
    r.created_at, r.updated_at, r.finished_at, extract(epoch from r.created_at)::float8 as started,
    d.lease_owner, d.lease_until >= now() as held
"""
_FROM = """
    from serving.rollout r left join endpoints e on e.id = r.endpoint_id
    left join model_versions sv on sv.id = r.stable_version_id left join model_versions cv on cv.id = r.candidate_version_id
    left join serving.deployment d on d.endpoint_id = r.endpoint_id
"""
_EVENT = "(rollout_id, who, kind, step, written, observed, samples, verdict, message)"

# The heartbeat of a driver: keeps the lease and what was learned, and hears what others want.
_KEEP = f"""
with mine as (
    update serving.deployment set lease_until = now() + make_interval(secs => %(ttl)s)
    where endpoint_id = %(endpoint)s and epoch = %(epoch)s returning endpoint_id
), kept as (
    update serving.rollout r set progress = %(progress)s, evidence = coalesce(%(evidence)s, r.evidence), state = %(state)s,
        step = %(step)s, updated_at = now(), command = case when r.command is distinct from %(taken)s then r.command end
    from mine where r.id = %(id)s and r.finished_at is null returning r.id, r.command
), told as (
    insert into serving.rollout_event {_EVENT}
    select kept.id, w.who, w.kind, w.step, w.written, w.observed, w.samples, w.verdict, w.message
    from kept, jsonb_to_recordset(%(events)s) as
        w(who text, kind text, step int, written jsonb, observed jsonb, samples jsonb, verdict jsonb, message text)
)
select mine.endpoint_id, kept.id, kept.command, extract(epoch from clock_timestamp())::float8 as now,
    case when i.status in ('DELETING', 'DELETED') then 'deleted' else i.intent_hash end as intent_hash
from mine left join kept on true left join serving.intent i on i.id = mine.endpoint_id
"""


class Superseded(Exception):
    """The row is not what this rollout has written last."""


@dataclass(frozen=True)
class Event:
    kind: str
    message: str = ""
    who: str = ""
    step: int | None = None
    written: t.Mapping[str, t.Any] | None = None
    observed: t.Mapping[str, t.Any] | None = None
    samples: t.Mapping[str, t.Any] | None = None
    verdict: t.Mapping[str, t.Any] | None = None

    def to_row(self) -> Row:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


class Rollouts:
    def __init__(self, database: Postgres) -> None:
        self.database = database

    def find(
        self, scope: Scope | None = None, *, ids: t.Sequence[str] | None = None, active: bool = False, limit: int = 20
    ) -> list[Row]:
        """Rollouts, the newest first."""
        where, values = ["true"], dict[str, t.Any](limit=limit)
        if scope is not None:
            text, values = scope.sql("r", id_column="endpoint_id", name_column="endpoint_name::citext")
            where.append(text)
        if ids is not None:
            where.append("r.id = any(%(ids)s::uuid[])")
        if active:
            where.append("r.finished_at is null")
        return self.database.query(
            f"select {_ROLLOUT} {_FROM} where {' and '.join(where)} order by r.created_at desc limit %(limit)s",
            {**values, "ids": list(ids or ()), "limit": limit},
        )

    def get(self, rollout_id: str) -> Row:
        rows = self.find(ids=[rollout_id])
        if not rows:
            raise NotFound(f"there is no rollout {rollout_id}")
        return rows[0]

    def active(self, endpoint_id: str) -> Row | None:
        return self.database.row(
            f"select {_ROLLOUT} {_FROM} where r.endpoint_id = %s and r.finished_at is null", (endpoint_id,)
        )

    def promoted(self, endpoint_id: str) -> Row | None:
        """The last rollout that changed what is stable: it knows what was served before."""
        return self.database.row(
            f"select {_ROLLOUT} {_FROM} where r.endpoint_id = %s and r.outcome = 'promoted'"
            " order by r.finished_at desc limit 1",
            (endpoint_id,),
        )

    def events(self, rollout_id: str, *, after: int = 0, samples: bool = True) -> list[Row]:
        """In the order in which they were decided."""
        return self.database.query(
            "select id, at, extract(epoch from at)::float8 as time, who, kind, step, written, observed, samples, verdict, message"
            " from serving.rollout_event where rollout_id = %s and id > %s and (%s or kind <> 'sample') order by id",
            (rollout_id, after, samples),
        )

    def latest(self, rollout_ids: t.Sequence[str]) -> list[Row]:
        """Of each rollout the last event with numbers and the last with shares, in their order."""
        return self.database.query(
            "select rollout_id, samples, observed from serving.rollout_event where id in ("
            " select max(id) from serving.rollout_event where rollout_id = any(%(ids)s::uuid[]) and samples is not null"
            " group by rollout_id union select max(id) from serving.rollout_event where rollout_id = any(%(ids)s::uuid[])"
            " and observed -> 'shares' <> '{}' group by rollout_id) order by id",
            {"ids": list(rollout_ids)},
        )

    def applied(self, endpoint_id: str) -> Row | None:
        """Whether the row's intent is on the cluster, and which version is stable there."""
        return self.database.row(
            "select d.applied_hash = i.intent_hash as applied, d.last_error, d.stable_version_id, v.version as stable_version,"
            " d.deploy_mode, d.serving_mode, i.intent_hash, i.status"
            " from serving.intent i left join serving.deployment d on d.endpoint_id = i.id"
            " left join model_versions v on v.id = d.stable_version_id where i.id = %s",
            (endpoint_id,),
        )

    def create(
        self,
        claim: Claim,
        *,
        strategy: str,
        plan: t.Mapping[str, t.Any],
        progress: t.Mapping[str, t.Any],
        stable: str | None,
        candidate: str,
        simulated: bool,
        who: str,
        traffic: t.Mapping[str, t.Any],
        message: str,
    ) -> str:
        """The rollout and its first intent: the candidate at 0 %.

        :raises Refused: another rollout of this endpoint is active
        """
        try:
            with self.database.transaction():
                made = self.database.one(
                    "insert into serving.rollout (endpoint_id, endpoint_name, tenant_id, strategy, plan, state, progress,"
                    " stable_version_id, candidate_version_id, simulated, created_by, expected_hash)"
                    " values (%s, %s, %s, %s, %s, 'staging', %s, %s, %s, %s, %s, %s) returning id",
                    (
                        *(claim.endpoint.id, claim.endpoint.name, claim.endpoint.tenant_id, strategy, json_value(plan)),
                        *(json_value(progress), stable, candidate, simulated, who, claim.endpoint.intent_hash),
                    ),
                )
                event = Event("started", message, who, written={"model_version_id": candidate, **traffic})
                self.move(claim, made["id"], candidate, traffic, progress, event)
        except Exception as error:
            if is_duplicate(error):
                raise Refused(
                    "another rollout of this endpoint is active",
                    endpoint=claim.endpoint.name,
                    cure="let it end, or abort it with action: abort",
                ) from None
            raise
        return str(made["id"])

    def move(
        self,
        claim: Claim,
        rollout_id: str,
        version_id: str | None,
        traffic: t.Mapping[str, t.Any],
        progress: t.Mapping[str, t.Any],
        event: Event,
        evidence: t.Mapping[str, t.Any] | None = None,
    ) -> str:
        """Write the next intent, what comes of it and the event, together; the intent's hash.

        :raises Superseded: the row is not what the rollout has written last
        :raises LeaseLost: somebody else drives
        """
        endpoint = claim.endpoint.id
        with self.database.transaction():
            self._check_mine(claim)
            row = self.database.row(
                "select i.intent_hash = r.expected_hash and i.status not in ('DELETING', 'DELETED') as ours"
                " from endpoints e join serving.intent i on i.id = e.id, serving.rollout r"
                " where e.id = %s and r.id = %s and r.finished_at is null for update of e, r",
                (endpoint, rollout_id),
            )
            if row is None or not row["ours"]:
                raise Superseded
            self.database.execute(
                "update endpoints set model_version_id = %s, traffic = %s, status = 'DEPLOYING' where id = %s",
                (version_id, json_value(dict(traffic)), endpoint),
            )
            moved = self.database.one(
                "update serving.rollout set state = %s, step = %s, progress = %s, command = null, updated_at = now(),"
                " evidence = coalesce(%s, evidence),"
                " expected_hash = (select intent_hash from serving.intent where id = %s) where id = %s returning expected_hash",
                (progress["state"], progress["step"], json_value(progress), json_value(evidence), endpoint, rollout_id),
            )
            self._tell(rollout_id, event)
        return str(moved["expected_hash"])

    def keep(
        self,
        claim: Claim,
        rollout_id: str,
        ttl: float,
        progress: t.Mapping[str, t.Any],
        *,
        evidence: t.Mapping[str, t.Any] | None = None,
        events: t.Sequence[Event] = (),
        taken: str | None = None,
    ) -> Row:
        """One beat: keeps the lease, the state and the events.

        :param taken: the command that has been followed, so that it is not followed again
        :returns: id (None: the rollout has been ended by somebody), command, intent_hash (of the row, or ``deleted``), now
        :raises LeaseLost: somebody else drives
        """
        row = self.database.row(
            _KEEP,
            {
                "ttl": ttl,
                "endpoint": claim.endpoint.id,
                "epoch": claim.epoch,
                "id": rollout_id,
                "progress": json_value(progress),
                "evidence": json_value(evidence),
                "state": "paused" if progress.get("hold") else progress["state"],
                "step": progress["step"],
                "taken": taken,
                "events": json.dumps([event.to_row() for event in events]),
            },
        )
        if row is None:
            raise lost(claim)
        return row

    def finish(
        self, claim: Claim, rollout_id: str, outcome: str, reason: str, progress: t.Mapping[str, t.Any], event: Event
    ) -> None:
        """Ends it once; a rollout that has ended stays as it is."""
        with self.database.transaction():
            self._check_mine(claim)
            ended = self.database.execute(
                "update serving.rollout set state = 'finished', outcome = %s, reason = %s, progress = %s, command = null,"
                " finished_at = now(), updated_at = now() where id = %s and finished_at is null",
                (outcome, reason, json_value(progress), rollout_id),
            )
            if ended:
                self._tell(rollout_id, event)

    def ask(self, rollout_id: str, command: str, who: str) -> bool:
        """Leave a command for whoever drives; False where the rollout has ended."""
        with self.database.transaction():
            asked = self.database.execute(
                "update serving.rollout set command = %s where id = %s and finished_at is null and command is distinct from %s",
                (command, rollout_id, command),
            )
            if asked:
                self._tell(rollout_id, Event("command", command, who))
                self.database.query("select pg_notify(%s, %s)", (CHANNEL, rollout_id))
        return bool(asked)

    def _check_mine(self, claim: Claim) -> None:
        held = self.database.row(
            "select 1 from serving.deployment where endpoint_id = %s and epoch = %s for update",
            (claim.endpoint.id, claim.epoch),
        )
        if held is None:
            raise lost(claim)

    def _tell(self, rollout_id: str, event: Event) -> None:
        row = event.to_row()
        self.database.execute(
            f"insert into serving.rollout_event {_EVENT} values (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
            (
                *(rollout_id, row["who"], row["kind"], row["step"]),
                *(json_value(row[name]) for name in ("written", "observed", "samples", "verdict")),
                row["message"],
            ),
        )
