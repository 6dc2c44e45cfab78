# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Events that could not be taken in: which there are, and what became of them.

A letter stays where it is when it is replayed or discarded, with the time, so that there is a history of what went wrong.
"""

from __future__ import annotations

import json
import typing as t
from dataclasses import dataclass

from .._domain.traces import traceparent
from .postgres import Postgres, Row

__all__ = ("Choice", "DeadLetters", "State")

State = t.Literal["open", "replayed", "discarded", "any"]

# Whoever takes the event in once more, and cannot, refers to this letter.
HEADER = "Mlops-Serving-Dead-Letter"

_STATE = "case when l.discarded_at is not null then 'discarded' when l.replayed_at is not null then 'replayed' else 'open' end"
_COLUMNS = f"""
    l.id, {_STATE} as state, l.stream, l.stream_sequence, l.subject, l.reason, l.endpoint_id, e.name as endpoint, l.trace_id,
    l.first_seen, l.last_seen, l.times_seen, l.replay_of, l.replayed_at, l.replays, l.discarded_at, coalesce(l.size, 0) as size,
    coalesce(octet_length(l.payload), 0) as kept
"""
_FROM = "from serving.dead_letter l left join endpoints e on e.id = l.endpoint_id"
# A letter of a replay refers to the first of them. The row's lock is what two replays at once wait for.
_REPLAY = """
with sent as (
    update serving.dead_letter l set replayed_at = now(), replays = l.replays + 1, discarded_at = null
    from jsonb_to_recordset(%(letters)s) as a(id bigint, parent text) where l.id = a.id
    returning l.*, a.parent
), put as (
    insert into serving.outbox (subject, endpoint_id, body, headers, message_id)
    select subject, endpoint_id, coalesce(payload, ''),
        jsonb_strip_nulls(jsonb_build_object(%(header)s::text, coalesce(replay_of, id)::text, 'traceparent', parent)),
        'replay:' || stream || ':' || stream_sequence || ':' || replays
    from sent order by id
)
select id from sent
"""


@dataclass(frozen=True)
class Choice:
    """Conditions that hold together; an empty one does not restrict.

    :param endpoint: an endpoint's id, or a name that some endpoint has
    :param reason: is somewhere in the reason, in whatever case
    :param since: last seen then or later, and ``before``: earlier; times as Postgres reads them
    """

    ids: tuple[int, ...] | None = None
    subject: str | None = None
    endpoint: str | None = None
    reason: str | None = None
    since: str | None = None
    before: str | None = None
    state: State = "any"

    def sql(self) -> tuple[str, Row]:
        conditions = ["true"]
        for name, condition in (
            ("ids", "l.id = any(%(ids)s)"),
            ("subject", "l.subject = %(subject)s"),
            ("endpoint", "(l.endpoint_id::text = lower(%(endpoint)s) or e.name = %(endpoint)s::citext)"),
            ("reason", "strpos(lower(l.reason), lower(%(reason)s)) > 0"),
            ("since", "l.last_seen >= %(since)s::timestamptz"),
            ("before", "l.last_seen < %(before)s::timestamptz"),
        ):
            if getattr(self, name) is not None:
                conditions.append(condition)
        if self.state != "any":
            conditions.append(f"{_STATE} = %(state)s")
        values = {name: getattr(self, name) for name in ("subject", "endpoint", "reason", "since", "before", "state")}
        return " and ".join(conditions), {**values, "ids": list(self.ids or ())}


class DeadLetters:
    def __init__(self, database: Postgres) -> None:
        self._database = database

    def count(self, choice: Choice) -> int:
        where, values = choice.sql()
        return int(self._database.one(f"select count(*) as n {_FROM} where {where}", values)["n"])

    def find(self, choice: Choice, *, limit: int) -> list[Row]:
        """The newest first; ``payload`` as bytes, of which there are ``kept`` of ``size``; times as Postgres gives them."""
        where, values = choice.sql()
        rows = self._database.query(
            f"select {_COLUMNS}, coalesce(l.payload, '') as payload {_FROM} where {where}"
            " order by l.last_seen desc, l.id desc limit %(limit)s",
            {**values, "limit": limit},
        )
        return [{**row, "payload": bytes(row["payload"])} for row in rows]

    def take(self, choice: Choice) -> list[Row]:
        """All of them, the oldest first and without payloads; nobody else changes them before the caller's transaction ends."""
        where, values = choice.sql()
        return self._database.query(f"select {_COLUMNS} {_FROM} where {where} order by l.id for update of l", values)

    def replay(self, letters: t.Sequence[Row]) -> None:
        """Put them into the outbox and note it, in the caller's transaction. Each replay of a letter has a message id of its own."""
        sent = [{"id": row["id"], "parent": traceparent(row["trace_id"] or "")} for row in letters]
        self._database.execute(_REPLAY, {"letters": json.dumps(sent), "header": HEADER})

    def discard(self, letters: t.Sequence[Row]) -> None:
        self._database.execute(
            "update serving.dead_letter set discarded_at = now() where id = any(%s)", ([row["id"] for row in letters],)
        )
