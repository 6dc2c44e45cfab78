# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Endpoints that were deployed and that nobody works on: where somebody else may have changed something."""

from __future__ import annotations

import typing as t

from .lease_sql import DEPLOYED, FREE
from .postgres import Postgres
from .scope import Scope

__all__ = ("Place", "at_rest")


class Place(t.NamedTuple):
    endpoint_id: str
    namespace: str
    name: str
    version: str | None


def at_rest(database: Postgres, scope: Scope, deploy_mode: str) -> list[Place]:
    """One query, which computes no hash: what is due besides is claimed for that."""
    where, values = scope.sql("d", id_column="endpoint_id", name_column="endpoint_name")
    rows = database.query(
        f"select d.endpoint_id, d.namespace, d.name, d.observed_version as version from serving.deployment d where {where} and {DEPLOYED} and {FREE}"
        " and d.deploy_mode = %(mode)s and d.namespace is not null and d.name is not null",
        {**values, "mode": deploy_mode},
    )
    return [Place(**row) for row in rows]
