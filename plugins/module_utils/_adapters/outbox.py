# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Events that are to be published, written in the transaction that writes the intent.

So there is no event without its intent, and what a crash left between the two is published by the next relay. An event may
be published twice; its message id is the same then, and the stream keeps one.
"""

from __future__ import annotations

import dataclasses
import json
import typing as t

from .._domain.traces import traceparent
from .postgres import Postgres, json_value

__all__ = ("Event", "Outbox")

# Whoever works on the endpoint before the event has come around tells the trace already.
_PUT = """
with asked as (
    select e.* from endpoints e where e.id = any(%(ids)s::uuid[])
), traced as (
    insert into serving.trace (endpoint_id, trace_id) select id, %(trace)s from asked order by id
    on conflict (endpoint_id) do update set trace_id = excluded.trace_id, asked_at = now()
)
insert into serving.outbox (subject, endpoint_id, payload, headers)
select %(subject)s, e.id, jsonb_build_object('schema_version', 1, 'endpoint_id', e.id, 'tenant_id', e.tenant_id,
    'project_id', e.project_id, 'name', e.name, 'model_id', e.model_id, 'model_version_id', e.model_version_id,
    'trace_id', %(trace)s::text), %(headers)s
from asked e order by e.name
returning id, endpoint_id, message_id
"""
_WAITING = """
select id, subject, endpoint_id, payload, body, headers, message_id from serving.outbox where published_at is null
order by id limit %s for update skip locked
"""


@dataclasses.dataclass(frozen=True)
class Event:
    """
    :param message_id: by which the stream knows a second copy
    """

    subject: str
    payload: bytes
    message_id: str
    headers: t.Mapping[str, str] = dataclasses.field(default_factory=dict)


class Outbox:
    def __init__(self, database: Postgres) -> None:
        self._database = database

    def put(self, subject: str, ids: t.Collection[str], *, trace_id: str) -> dict[str, str]:
        """Within the caller's transaction; the message id by endpoint."""
        if not ids:
            return {}
        headers = json_value({"traceparent": traceparent(trace_id)})
        rows = self._database.query(_PUT, {"subject": subject, "ids": list(ids), "trace": trace_id, "headers": headers})
        return {row["endpoint_id"]: _message_id(row) for row in rows}

    def relay(self, publish: t.Callable[[t.Sequence[Event]], None], *, limit: int = 500) -> int:
        """Publish what waits, the oldest first, and note it; how many there were. What others publish right now is left to them."""
        published = 0
        while True:
            with self._database.transaction():
                rows = self._database.query(_WAITING, (limit,))
                if not rows:
                    return published
                publish([_event(row) for row in rows])
                self._database.execute(
                    "update serving.outbox set published_at = now() where id = any(%s)", ([row["id"] for row in rows],)
                )
            published += len(rows)

    def waiting(self) -> int:
        return int(self._database.one("select count(*) as n from serving.outbox where published_at is null")["n"])


def _event(row: t.Mapping[str, t.Any]) -> Event:
    payload = json.dumps(row["payload"]).encode() if row["body"] is None else bytes(row["body"])
    return Event(row["subject"], payload, _message_id(row), row["headers"])


def _message_id(row: t.Mapping[str, t.Any]) -> str:
    # Two databases may publish into one stream, and count alike.
    return row["message_id"] or f"{row['endpoint_id']}:{row['id']}"
