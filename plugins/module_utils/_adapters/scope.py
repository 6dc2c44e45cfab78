# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which endpoints are meant. A tenant, where given, fences everything: no other row is seen or touched."""

from __future__ import annotations

import typing as t
import uuid
from dataclasses import dataclass

from .._domain.errors import InvalidIntent


@dataclass(frozen=True)
class Scope:
    """Conditions that hold together; an empty one does not restrict."""

    tenant_id: str | None = None
    project_id: str | None = None
    names: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for field in ("tenant_id", "project_id"):
            check_uuid(field, getattr(self, field))
        for endpoint_id in self.ids:
            check_uuid("endpoint id", endpoint_id)

    def sql(self, alias: str, *, id_column: str = "id", name_column: str = "name") -> tuple[str, dict[str, t.Any]]:
        """A condition over the table ``alias`` and its values."""
        conditions: list[str] = []
        values: dict[str, t.Any] = {}
        if self.tenant_id:
            conditions.append(f"{alias}.tenant_id = %(scope_tenant)s::uuid")
            values["scope_tenant"] = self.tenant_id
        if self.project_id:
            conditions.append(f"{alias}.project_id = %(scope_project)s::uuid")
            values["scope_project"] = self.project_id
        if self.names:
            conditions.append(f"{alias}.{name_column} = any(%(scope_names)s::citext[])")
            values["scope_names"] = list(self.names)
        if self.ids:
            conditions.append(f"{alias}.{id_column} = any(%(scope_ids)s::uuid[])")
            values["scope_ids"] = list(self.ids)
        return " and ".join(conditions) or "true", values


def check_uuid(field: str, value: str | None) -> str | None:
    """``value`` as Postgres writes it; an error names the field, which Postgres' own would not."""
    if value is None:
        return None
    try:
        return str(uuid.UUID(value))
    except (ValueError, AttributeError, TypeError):
        cure = "give the id as the platform shows it"
        raise InvalidIntent("is not a UUID", field=field, value=value, cure=cure) from None


__all__ = ("Scope", "check_uuid")
