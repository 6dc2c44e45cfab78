# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The store: endpoint intents as the platform wrote them, and what the collection knows about their deployment."""

from __future__ import annotations

import contextlib
import select
import typing as t

from .._domain.intent import Endpoint
from . import migrations
from .claims import Claim, Settings, endpoint_from
from .postgres import Parameters, Postgres
from .records import Records
from .scope import Scope

# Workers in follow mode listen here; the payload is an endpoint's id or empty.
CHANNEL = "mlops_serving"
# One look at all rows is cheaper than more notifications than this.
_MOST_TOLD = 500


class Store(Records):
    """Open it with ``connect``; one store may be shared by threads."""

    @classmethod
    def connect(cls, target: str | Parameters) -> Store:
        """
        :param target: a libpq connection string, or its parameters (``host``, ``port``, ``user``, ``password``, ``dbname`` ...)
        :raises Unavailable: nobody answers
        :raises Forbidden: the credential is refused
        """
        parameters = {"dsn": target} if isinstance(target, str) else target
        return cls(Postgres(parameters).open())

    def close(self) -> None:
        self.database.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def transaction(self) -> contextlib.AbstractContextManager[None]:
        return self.database.transaction()

    def ready(self) -> None:
        """Raise, with the role that cures it, unless the schema is what this version of the collection needs."""
        migrations.check(self.database)

    def now(self) -> float:
        """The database's clock in seconds since the epoch; workers' clocks decide nothing."""
        return float(self.database.one("select extract(epoch from clock_timestamp())::float8 as now")["now"])

    def endpoints(self, scope: Scope) -> list[Endpoint]:
        """The rows in scope, whatever their status, by name."""
        where, values = scope.sql("i")
        rows = self.database.query(
            f"select i.*, to_jsonb(e) as columns from serving.intent i join endpoints e on e.id = i.id where {where}"
            " order by i.name, i.tenant_id, i.project_id",
            values,
        )
        return [endpoint_from(row) for row in rows]

    def notify(self, ids: t.Collection[str] = ()) -> None:
        """Wake workers that follow; within a transaction, when it commits. Without ids, or with very many, they look at all."""
        told = list(ids) if len(ids) <= _MOST_TOLD else []
        self.database.query("select pg_notify(%s, name) from unnest(%s::text[]) as name", (CHANNEL, told or [""]))

    def listen(self) -> None:
        """Receive ``notify`` from now on, see ``wait``. A connection that had to be made again does not listen any more."""
        self.database.execute(f"listen {CHANNEL}")

    def wait(self, seconds: float) -> list[str]:
        """Payloads of notifications, as soon as there are any; empty after ``seconds`` without one."""
        received = self.database.notifications()
        if not received:
            select.select([self.database.fileno()], [], [], seconds)
            received = self.database.notifications()
        return received


__all__ = ("CHANNEL", "Claim", "Scope", "Settings", "Store")
