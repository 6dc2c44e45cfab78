# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What became of a claimed endpoint, written where its epoch is still ours; one statement each."""

from __future__ import annotations

import dataclasses
import typing as t

from .._domain.convergence import Pending
from .claims import Claim, lost
from .lease_sql import TRIED
from .leases import Leases
from .postgres import json_value

_TRIED = TRIED.format("%(hash)s")
# After a failure the next attempt of a patient worker: 15 s, 30 s, 1 min ... at most an hour later.
_BACKOFF = f"make_interval(secs => least(3600, 15 * 2 ^ least({_TRIED}, 10)))"
# A rollout keeps its endpoint between one intent and the next.
_DONE = """
    lease_owner = case when %(keep)s then d.lease_owner end, lease_until = case when %(keep)s then d.lease_until end, observed_at = now(),
    requested_at = case when d.requested_at > d.claimed_at then d.requested_at end
"""
_MINE = "where d.endpoint_id = %(id)s and d.epoch = %(epoch)s returning d.endpoint_id"

_PENDING = f"update serving.deployment d set pending = %(pending)s, serving_mode = %(serving_mode)s {_MINE}"

# An intent that changed meanwhile keeps the endpoint DEPLOYING; a deletion that was asked for meanwhile stays asked for.
_STATUS = """case
        when e.status in ('DELETING', 'DELETED') then e.status
        when i.intent_hash = %(hash)s then %(status)s else 'DEPLOYING' end"""
# Whoever applies an intent that a rollout has not written ends that rollout, in the same statement.
_SUPERSEDED = """, superseded as (
    update serving.rollout r set state = 'finished', outcome = 'superseded', finished_at = now(), updated_at = now(),
        reason = 'another intent was written and applied'
    from mine where r.endpoint_id = mine.endpoint_id and r.finished_at is null and r.expected_hash is distinct from %(hash)s
    returning r.id, r.step
), told as (
    insert into serving.rollout_event (rollout_id, who, kind, step, message)
    select id, 'reconcile', 'superseded', step, 'another intent was written and applied' from superseded
)"""
# A look that found nothing to do counts no generation and leaves the row alone.
_CONVERGED = f"""
with mine as (
    update serving.deployment d set
        applied_hash = %(hash)s, attempted_hash = %(hash)s,
        generation = d.generation + (d.applied_hash is distinct from %(hash)s)::int,
        stable_version_id = case when %(promoted)s then %(version_id)s else d.stable_version_id end,
        stable_revision = %(revision)s,
        stable_spec = case when %(promoted)s then %(spec)s else d.stable_spec end,
        applied_spec = %(spec)s, pending = null,
        url = %(url)s, serving_mode = %(serving_mode)s, warnings = %(warnings)s, host = %(host)s,
        observed_version = %(observed_version)s, last_error = null, attempts = 0, next_attempt_at = null, {_DONE}
    {_MINE}
), shown as (
    update endpoints e set url = %(url)s, status = {_STATUS}
    from mine, serving.intent i
    where e.id = mine.endpoint_id and i.id = e.id and (e.url, e.status) is distinct from (%(url)s, {_STATUS})
){_SUPERSEDED}
select endpoint_id from mine
"""

_FAILED = f"""
with mine as (
    update serving.deployment d set
        attempted_hash = %(hash)s, last_error = %(message)s, attempts = {_TRIED} + 1, next_attempt_at = now() + {_BACKOFF},
        warnings = coalesce(%(warnings)s, d.warnings), {_DONE}
    {_MINE}
), shown as (
    update endpoints e set status = case
        when e.status in ('DELETING', 'DELETED') then e.status
        when i.intent_hash <> %(hash)s then 'DEPLOYING'
        when %(serving)s then 'READY' else 'ERROR' end
    from mine, serving.intent i where e.id = mine.endpoint_id and i.id = e.id
){_SUPERSEDED}
select endpoint_id from mine
"""

# The name becomes free: the InferenceService that held it is gone.
_DELETED = f"""
with mine as (
    update serving.deployment d set
        applied_hash = null, attempted_hash = null, stable_version_id = null, stable_revision = null, stable_spec = null,
        applied_spec = null, pending = null, warnings = null, url = null, serving_mode = null, deploy_mode = null,
        namespace = null, name = null, observed_version = null,
        last_error = null, attempts = 0, next_attempt_at = null, {_DONE}
    {_MINE}
), shown as (
    update endpoints e set url = null, status = case when e.status = 'DELETING' then 'DELETED' else e.status end
    from mine where e.id = mine.endpoint_id
){_SUPERSEDED}
select endpoint_id from mine
"""


class Records(Leases):
    """The part of the store that keeps results. Every method raises LeaseLost when the endpoint is somebody else's."""

    def record_pending(self, claim: Claim, pending: Pending | None, serving_mode: str | None) -> None:
        """Write down what is about to be written to the cluster, before it is."""
        value = None if pending is None else dataclasses.asdict(pending)
        self._write(_PENDING, claim, pending=json_value(value), serving_mode=serving_mode)

    def record_converged(
        self,
        claim: Claim,
        *,
        intent_hash: str,
        version_id: str | None,
        revision: str | None,
        spec: dict[str, t.Any] | None,
        promoted: bool = True,
        url: str | None,
        serving_mode: str | None,
        warnings: t.Sequence[str] = (),
        host: str | None = None,
        keep: bool = False,
        status: str = "READY",
        observed_version: str | None = None,
    ) -> None:
        """The cluster serves this intent, or nothing where it is to be STOPPED, and the lease ends unless it is to be kept.

        :param spec: the template that was applied; ``promoted``: it is the stable one now, and not a canary beside it
        :param observed_version: of the InferenceService that was looked at
        """
        self._write(
            _CONVERGED,
            claim,
            hash=intent_hash,
            version_id=version_id,
            revision=revision,
            spec=json_value(spec),
            promoted=promoted,
            url=url,
            serving_mode=serving_mode,
            warnings=json_value(list(warnings)),
            host=host,
            keep=keep,
            status=status,
            observed_version=observed_version,
        )

    def record_failed(
        self,
        claim: Claim,
        message: str,
        *,
        serving: bool,
        warnings: t.Sequence[str] | None = None,
        keep: bool = False,
    ) -> None:
        """Note the reason; READY while the stable model serves, else ERROR. The lease ends unless it is to be kept."""
        self._write(
            _FAILED,
            claim,
            hash=claim.endpoint.intent_hash,
            message=message,
            serving=serving,
            warnings=json_value(None if warnings is None else list(warnings)),
            keep=keep,
        )

    def record_deleted(self, claim: Claim) -> None:
        """Nothing of it is on the cluster any more: DELETED, and the lease ends."""
        self._write(_DELETED, claim, keep=False, hash="deleted")

    def _write(self, sql: str, claim: Claim, **values: t.Any) -> None:
        row = self.database.row(sql, {**values, "id": claim.endpoint.id, "epoch": claim.epoch})
        if row is None:
            raise lost(claim)


__all__ = ("Records",)
