# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The SQL of leases: which endpoints are due, and how one is taken.

Aliases: ``i`` is the view serving.intent, ``e`` endpoints, ``d`` serving.deployment.
"""

from __future__ import annotations

from .claims import ENDPOINT_FIELDS

INTENT = ", ".join(f"i.{name}" for name in ENDPOINT_FIELDS)

# Something of ours is, or may be, on the cluster.
DEPLOYED = "(d.applied_hash is not null or d.pending is not null or d.stable_spec is not null)"
OTHER_MODE = f"({DEPLOYED} and d.deploy_mode is distinct from %(mode)s)"
CHANGED = f"""(
    i.status in ('CREATING', 'DEPLOYING', 'DELETING')
    or (i.status <> 'DELETED' and (
        d.pending is not null or d.last_error is not null or d.requested_at is not null or (%(force)s and {OTHER_MODE})
        or %(everything)s or d.applied_hash is distinct from i.intent_hash))
    or (i.status = 'DELETED' and {DEPLOYED})
)"""
FREE = "(d.lease_until is null or d.lease_until < now())"
# Each intent once in a run, and after a failure not before its time where the caller is patient. The hash comes last: it
# is what costs, and most rows are decided without it.
ITS_TURN = """(
    ((%(since)s::float8 is null or d.observed_at is null or extract(epoch from d.observed_at) < %(since)s::float8)
        and (not %(patient)s or d.next_attempt_at is null or d.next_attempt_at <= now()))
    or d.attempted_hash is distinct from {hash}
)"""
# How often the intent of this hash has failed before: another one begins anew.
TRIED = "case when d.attempted_hash = {} then d.attempts else 0 end"
ORPHAN = f"{DEPLOYED} and not exists (select from endpoints e where e.id = d.endpoint_id)"
RECORD = (
    "d.endpoint_id, d.endpoint_name, d.tenant_id as deployment_tenant, d.project_id as deployment_project, d.namespace,"
    " d.name as deployment_name, d.deploy_mode, d.serving_mode, d.stable_version_id, d.stable_revision, d.stable_spec,"
    " d.applied_spec, d.pending, d.epoch, d.attempts,"
    " (select trace.trace_id from serving.trace where trace.endpoint_id = d.endpoint_id) as trace_id"
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
            "observed_version",
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
TAKE = f"""
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
    where {FREE} and d.epoch = excluded.epoch - 1
    returning d.*
), marked as (
    update endpoints e set status = 'DEPLOYING' from taken join jsonb_to_recordset(%(wanted)s) as w({_WANTED}) using (endpoint_id)
    where e.id = taken.endpoint_id and e.status not in ('DELETING', 'DELETED', 'DEPLOYING')
        and (taken.applied_hash is distinct from w.intent_hash or e.status not in ('READY', 'STOPPED'))
)
select d.endpoint_id as id, {RECORD} from taken d
"""

# An endpoint that cannot even be given a place shows why; READY stays where an earlier intent serves.
REFUSE = f"""
with kept as (
    insert into serving.deployment as d
        (endpoint_id, tenant_id, project_id, endpoint_name, attempted_hash, last_error, attempts, observed_at)
    values (%(id)s, %(tenant_id)s, %(project_id)s, %(name)s, %(intent_hash)s, %(why)s, 1, now())
    on conflict (endpoint_id) do update set
        attempted_hash = excluded.attempted_hash, last_error = excluded.last_error, observed_at = now(),
        attempts = {TRIED.format("excluded.attempted_hash")} + 1
    returning d.endpoint_id, {DEPLOYED} as deployed
)
update endpoints e set status = 'ERROR' from kept
where e.id = kept.endpoint_id and not kept.deployed and e.status in ('CREATING', 'DEPLOYING')
"""

__all__ = ("CHANGED", "DEPLOYED", "FREE", "INTENT", "ITS_TURN", "ORPHAN", "OTHER_MODE", "RECORD", "REFUSE", "TAKE", "TRIED")
