# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Workers and event sources whose ways to Postgres and NATS can be broken, and a history of what came of it.

- ``proxy()``: a new way to the database, ``before.url`` its address
- ``work()``: a worker in a process of its own, which follows
- ``history``: every state that any simulated InferenceService was in
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import pytest
from events.conftest import Loop, Source, Stream, jetstream, loop, source, stream, versions
from fault_proxy import StatementProxy, TcpProxy
from fault_workers import Nursery, Worker
from waiting import until
from world import World, reconcile, run, start, world

__all__ = (
    "Loop",
    "Source",
    "Stream",
    "Way",
    "Work",
    "climb",
    "jetstream",
    "loop",
    "reconcile",
    "run",
    "source",
    "start",
    "stream",
    "until",
    "versions",
    "world",
)

Work = Callable[..., Worker]
Way = Callable[[], StatementProxy]


@pytest.fixture(scope="session")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    made = Nursery(tmp_path_factory.mktemp("workers"))
    yield made
    made.close()


@pytest.fixture
def work(nursery: Nursery, database: str) -> Iterator[Work]:
    """A worker; its sweep would come an hour later."""
    begun: list[Worker] = []

    def begin(**options: Any) -> Worker:
        given = {"database_url": database, "deploy_mode": "simulate", "follow": True, "sweep": 3600, **options}
        begun.append(nursery.start("reconcile", **given))
        return begun[-1]

    yield begin
    for worker in begun:
        worker.close()


@pytest.fixture
def proxy(database: str) -> Iterator[Way]:
    made: list[StatementProxy] = []
    parts = urlsplit(database)

    def make() -> StatementProxy:
        made.append(StatementProxy((parts.hostname or "", parts.port or 0)))
        return made[-1]

    yield make
    for each in made:
        each.close()


class History:
    """What every simulated InferenceService went through, written down by the database itself."""

    def __init__(self, world: World) -> None:
        self._world = world
        world.sql(
            "create table history (id bigserial, how text, name text, generation bigint, object jsonb, state jsonb);"
            " create function note_history() returns trigger language plpgsql as $$ begin"
            " if tg_op = 'DELETE' then insert into history (how, name) values (tg_op, old.name);"
            " else insert into history (how, name, generation, object, state)"
            " values (tg_op, new.name, new.generation, new.object, new.state); end if; return null; end $$;"
            " create trigger note_history after insert or update or delete on serving.simulated_service"
            " for each row execute function note_history()"
        )

    def of(self, endpoint: str) -> list[dict[str, Any]]:
        """By the endpoint's id: its name on the cluster begins with it, also after it is gone."""
        return self._world.sql("select * from history where name = %s order by id", f"isvc-{endpoint[:8]}")

    def writes(self, endpoint: str) -> list[str]:
        """What a worker wrote: INSERT, UPDATE for each other specification, DELETE. The controllers' writes are not among them."""
        found, generation = [], 0
        for row in self.of(endpoint):
            if row["how"] != "UPDATE" or row["generation"] != generation:
                found.append(row["how"])
            generation = row["generation"]
        return found

    def shares(self, endpoint: str, uri: str) -> list[int]:
        """Percent of the traffic for one artifact, each time that it changed."""
        found = [0]
        for row in self.of(endpoint):
            share = _shares(row).get(uri, 0)
            if share != found[-1]:
                found.append(share)
        return found

    def always_served(self, endpoint: str) -> bool:
        """Whether all traffic had somewhere to go from the first answer to the end."""
        totals = [sum(_shares(row).values()) for row in self.of(endpoint) if row["how"] != "DELETE"]
        return 100 in totals and set(totals[totals.index(100) :]) == {100}


def _shares(row: dict[str, Any]) -> dict[str, int]:
    if row["how"] == "DELETE":
        return {}
    uris = {r["name"]: r["template"]["predictor"]["model"]["storageUri"] for r in row["state"].get("revisions", ())}
    predictor = row["object"].get("status", {}).get("components", {}).get("predictor", {})
    shares: dict[str, int] = {}
    for target in predictor.get("traffic", ()):
        uri = uris[target["revisionName"]]
        shares[uri] = shares.get(uri, 0) + target["percent"]
    return shares


@pytest.fixture
def history(world: World) -> History:
    return History(world)


def climb(play: Callable[[int], bool], *, at_a_time: int = 8, most: int = 88) -> int:
    """Plays with a fault at the 1st, 2nd, 3rd ... place, until a play ends before its fault comes.

    :param play: gets the place; whether its fault came
    :returns: how many faults there were, all places up to that one
    """
    with ThreadPoolExecutor(at_a_time) as pool:
        for first in range(1, most, at_a_time):
            came = list(pool.map(play, range(first, first + at_a_time)))
            if not all(came):
                return first + came.index(False) - 1
    raise AssertionError(f"no end after {most} places")


@pytest.fixture
def nats_proxy(nats_url: str) -> Iterator[TcpProxy]:
    made = TcpProxy.of(nats_url)
    yield made
    made.close()
