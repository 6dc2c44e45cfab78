# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Endpoints with all that is known of their deployment, for people; one query."""

from __future__ import annotations

import typing as t

from .postgres import Postgres, Row
from .scope import Scope

_DEPLOYMENT = (
    "namespace",
    "service",
    "deploy_mode",
    "serving_mode",
    "generation",
    "stable_version",
    "stable_version_id",
    "stable_revision",
    "host",
    "warnings",
    "last_error",
    "attempts",
    "next_attempt_at",
    "lease_owner",
    "lease_until",
    "observed_at",
)
_TIMES = ("created_at", "updated_at", "next_attempt_at", "lease_until", "observed_at")
_SQL = """
select
    i.id, i.name, i.tenant_id, i.project_id, i.status, i.url, i.runtime, i.model_id, m.name as model, i.model_version_id,
    i.version as model_version, i.artifact_uri, i.traffic, i.autoscaling, i.runtime_config, e.created_by, e.created_at, e.updated_at,
    case when i.status = 'DELETED' then true else coalesce(d.applied_hash = i.intent_hash, false) end as applied,
    d.endpoint_id, d.namespace, d.name as service, d.deploy_mode, d.serving_mode, coalesce(d.generation, 0) as generation,
    s.version as stable_version, d.stable_version_id, d.stable_revision, d.host, coalesce(d.warnings, '[]') as warnings,
    d.last_error, coalesce(d.attempts, 0) as attempts, d.next_attempt_at,
    case when d.lease_until > now() then d.lease_owner end as lease_owner,
    case when d.lease_until > now() then d.lease_until end as lease_until, d.observed_at
from serving.intent i
join endpoints e on e.id = i.id
left join models m on m.id = i.model_id
left join serving.deployment d on d.endpoint_id = i.id
left join model_versions s on s.id = d.stable_version_id
"""


def overview(
    database: Postgres, scope: Scope, *, statuses: t.Collection[str] | None = None, applied: bool | None = None
) -> list[Row]:
    """Rows by name; times in ISO 8601.

    :param statuses: only these
    :param applied: only endpoints whose intent is (is not) what was last brought to the cluster
    """
    where, values = scope.sql("i")
    rows = database.query(
        f"select * from ({_SQL} where {where}) found"
        " where (%(statuses)s::text[] is null or status = any(%(statuses)s)) and (%(applied)s is null or applied = %(applied)s)"
        " order by name, tenant_id, project_id",
        {**values, "statuses": None if statuses is None else list(statuses), "applied": applied},
    )
    return [_nested(row) for row in rows]


def _nested(row: Row) -> Row:
    for name in _TIMES:
        row[name] = row[name].isoformat() if row[name] is not None else None
    deployment = {name: row.pop(name) for name in _DEPLOYMENT}
    known = row.pop("endpoint_id") is not None
    row["deployment"] = deployment if known else None
    return row


__all__ = ("overview",)
