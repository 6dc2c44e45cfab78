# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much is waiting in the store, for those who watch a worker; one query."""

from __future__ import annotations

from .claims import Settings
from .lease_sql import CHANGED
from .postgres import Postgres, Row
from .scope import Scope

__all__ = ("backlog",)

_SQL = f"""
with due as (
    select e.updated_at, d.lease_until > now() as held, d.last_error is not null as failed
    from serving.intent i join endpoints e on e.id = i.id left join serving.deployment d on d.endpoint_id = i.id
    where <scope> and {CHANGED}
)
select
    (select count(*) from due) as due,
    (select count(*) from due where held) as in_hand,
    (select count(*) from due where failed) as failed,
    coalesce((select extract(epoch from now() - min(updated_at)) from due where not failed), 0)::float8 as oldest_seconds,
    (select count(*) from serving.dead_letter where replayed_at is null and discarded_at is null) as dead_letters,
    (select count(*) from serving.outbox where published_at is null) as unpublished,
    taken.*
from (
    select coalesce(sum(requested), 0)::float8 as requested, coalesce(sum(stale), 0)::float8 as stale,
        coalesce(sum(dead), 0)::float8 as dead, coalesce(sum(early), 0)::float8 as early
    from serving.intake
) taken
"""


def backlog(database: Postgres, scope: Scope, settings: Settings) -> Row:
    """``due`` endpoints whose intent is not applied, ``in_hand`` of them with a worker, ``failed`` and waiting for their next
    attempt; ``oldest_seconds`` since the oldest that has not failed was written; ``dead_letters`` that nobody has replayed or
    discarded; ``unpublished`` events; and events by what became of them: ``requested``, ``stale``, ``dead``, ``early``."""
    where, values = scope.sql("i")
    values.update(mode=settings.deploy_mode, force=settings.force_mode, everything=False)
    return database.one(_SQL.replace("<scope>", where), values)
