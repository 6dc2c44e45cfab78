# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The platform's own tables: endpoints, models and their versions. Many rows a statement."""

from __future__ import annotations

import json
import typing as t

from .postgres import Postgres, Row, json_value
from .scope import Scope

_ENDPOINT = (
    "e.id, e.tenant_id, e.project_id, e.name, e.status, e.url, e.runtime, e.model_id, e.model_version_id, e.traffic,"
    " e.autoscaling, e.runtime_config"
)
_VERSION = "v.id, v.tenant_id, v.project_id, v.model_id, v.version, v.artifact_uri, v.metrics, v.stage"
_WRITTEN = (
    "w(id uuid, tenant_id uuid, project_id uuid, name text, status text, url text, runtime text, model_id uuid,"
    " model_version_id uuid, traffic jsonb, autoscaling jsonb, runtime_config jsonb, created_by text)"
)


class Intents:
    """Reads and writes what is wanted. Whoever writes after reading does both in one transaction."""

    def __init__(self, database: Postgres) -> None:
        self.database = database

    def endpoints(self, scope: Scope, *, lock: bool = False) -> list[Row]:
        """Rows of ``endpoints``, whatever their status; with ``lock`` nobody changes them before the transaction ends."""
        where, values = scope.sql("e")
        return self.database.query(
            f"select {_ENDPOINT} from endpoints e where {where} order by e.name, e.tenant_id, e.project_id"
            + (" for update" if lock else ""),
            values,
        )

    def models(self, *, tenant_id: str | None, names: t.Collection[str], ids: t.Collection[str]) -> list[Row]:
        """Models by name or id, of one tenant where it is given."""
        return self.database.query(
            "select m.id, m.tenant_id, m.project_id, m.name from models m"
            " where (m.name = any(%(names)s::citext[]) or m.id = any(%(ids)s::uuid[]))"
            " and (%(tenant)s::uuid is null or m.tenant_id = %(tenant)s::uuid) order by m.name, m.tenant_id, m.project_id",
            {"names": list(names), "ids": list(ids), "tenant": tenant_id},
        )

    def versions(self, *, model_ids: t.Collection[str], ids: t.Collection[str]) -> list[Row]:
        """Versions by id, and all versions of the models."""
        return self.database.query(
            f"select {_VERSION} from model_versions v where v.model_id = any(%s::uuid[]) or v.id = any(%s::uuid[])"
            " order by v.model_id, v.version",
            (list(model_ids), list(ids)),
        )

    def create_endpoints(self, rows: t.Sequence[Row]) -> list[Row]:
        """Insert; returns the rows with their ids, in any order."""
        return self.database.query(
            "insert into endpoints (tenant_id, project_id, name, status, runtime, model_id, model_version_id, traffic,"
            " autoscaling, runtime_config, created_by)"
            " select tenant_id, project_id, name, 'CREATING', runtime, model_id, model_version_id, traffic, autoscaling,"
            f" runtime_config, created_by from jsonb_to_recordset(%s) as {_WRITTEN}"
            " returning id, tenant_id, project_id, name, status, url",
            (json.dumps(list(rows)),),
        )

    def update_endpoints(self, rows: t.Sequence[Row]) -> int:
        """Write status, url and intent of rows that exist."""
        return self.database.execute(
            "update endpoints e set status = w.status, url = w.url, runtime = w.runtime, model_id = w.model_id,"
            " model_version_id = w.model_version_id, traffic = w.traffic, autoscaling = w.autoscaling,"
            f" runtime_config = w.runtime_config from jsonb_to_recordset(%s) as {_WRITTEN} where e.id = w.id",
            (json.dumps(list(rows)),),
        )

    def create_model(self, *, tenant_id: str, project_id: str, name: str, created_by: str | None) -> str:
        """Id of the new model, or of the one that another run has made meanwhile."""
        row = self.database.one(
            "insert into models (tenant_id, project_id, name, created_by) values (%s, %s, %s, %s)"
            " on conflict (tenant_id, project_id, name) do update set name = models.name returning id",
            (tenant_id, project_id, name, created_by),
        )
        return str(row["id"])

    def lock_model(self, model_id: str) -> None:
        """Two runs that want the next version number wait for one another."""
        self.database.query("select 1 from models where id = %s for update", (model_id,))

    def create_version(self, row: Row) -> str:
        created = self.database.one(
            "insert into model_versions (tenant_id, project_id, model_id, version, artifact_uri, metrics, stage, created_by)"
            " values (%(tenant_id)s, %(project_id)s, %(model_id)s, %(version)s, %(artifact_uri)s, %(metrics)s, %(stage)s,"
            " %(created_by)s) returning id",
            {**row, "metrics": json_value(row["metrics"] or {})},
        )
        return str(created["id"])

    def update_version(self, row: Row) -> None:
        self.database.execute(
            "update model_versions set artifact_uri = %(artifact_uri)s, metrics = %(metrics)s, stage = %(stage)s,"
            " updated_at = now() where id = %(id)s",
            {**row, "metrics": json_value(row["metrics"] or {})},
        )

    def delete_version(self, version_id: str) -> None:
        self.database.execute("delete from model_versions where id = %s", (version_id,))

    def users_of_version(self, version_id: str) -> list[str]:
        """Names of the endpoints that want this version, or that have it as the one to come back to."""
        rows = self.database.query(
            "select distinct e.name from endpoints e left join serving.deployment d on d.endpoint_id = e.id"
            " where e.status <> 'DELETED' and (e.model_version_id = %(id)s or d.stable_version_id = %(id)s) order by 1",
            {"id": version_id},
        )
        return [str(row["name"]) for row in rows]


__all__ = ("Intents",)
