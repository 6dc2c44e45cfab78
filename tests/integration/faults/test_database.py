# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A database that is away for a while, clocks that are wrong, and workers that meet at one endpoint."""

from __future__ import annotations

import os
import socket
import threading
from typing import Any

import pytest
from ansible_collections.mlops.serving.plugins.module_utils._adapters.postgres import Postgres
from fault_proxy import Statement

from .conftest import Way, Work, until

V1, V2 = "s3://models/add_sub/1/", "s3://models/add_sub/2/"
FIRST, LATER = "select pg_notify('mlops_serving', '')", "select pg_notify('mlops_serving', %s)"

MOMENTS = {
    "at the claim": ("insert into serving.deployment", False),
    "before the intent is written down": ("set pending =", False),
    "between writing down and writing": ("update serving.simulated_service", False),
    "after a write that nobody heard of": ("update serving.simulated_service", True),
    "at the last commit": ("set applied_hash", False),
    "after the last commit": ("set applied_hash", True),
}


def ready(world: Any, name: str) -> bool:
    row = world.one(
        "select e.status, d.applied_hash = i.intent_hash as applied from endpoints e join serving.intent i on i.id = e.id"
        " left join serving.deployment d on d.endpoint_id = e.id where e.name = %s",
        name,
    )
    return bool(row["status"] == "READY" and row["applied"])


@pytest.mark.parametrize("moment", MOMENTS)
def test_away_in_the_middle_of_a_change(
    world: Any, work: Work, proxy: Way, history: Any, versions: Any, moment: str
) -> None:
    """Until the database is back the traffic stays where it was, and then the work goes on from what is there."""
    words, done = MOMENTS[moment]
    name = world.endpoint("demo", versions[0])
    way, away = proxy(), threading.Event()
    worker = work(database_url=way.url(world.url))
    until(lambda: ready(world, "demo"))
    before = history.shares(name, V1)

    def fault(statement: Statement) -> str | None:
        if words not in statement.sql or statement.done != done or away.is_set():
            return None
        away.set()
        way.refuse()
        return "cut"

    way.fault = fault
    world.sql("update endpoints set model_version_id = %s", versions[1])
    world.sql(LATER, name)
    until(away.is_set)
    until(lambda: any("refused" in line and "Trying again" in line for line in worker.lines()))
    if moment != "after the last commit":
        assert (history.shares(name, V1), history.shares(name, V2)) in ((before, [0]), ([0, 100, 0], [0, 100]))
        assert not ready(world, "demo")
    way.accept()
    until(lambda: ready(world, "demo"), told=lambda: f"{worker.lines()}")
    assert history.writes(name) == ["INSERT", "UPDATE", "UPDATE"]
    assert (history.shares(name, V1), history.shares(name, V2)) == ([0, 100, 0], [0, 100])
    assert history.always_served(name)
    assert world.deployment("demo")["generation"] == 2
    worker.end()


def test_away_before_the_claim(world: Any, work: Work, proxy: Way, history: Any, versions: Any) -> None:
    """What is asked for meanwhile by others is done when the worker finds its way back, though nobody tells it again."""
    way = proxy()
    worker = work(database_url=way.url(world.url))
    until(worker.works)
    way.away()
    names = [world.endpoint(f"demo-{number}", versions[0]) for number in range(20)]
    world.sql(FIRST)
    until(lambda: any("refused" in line and "Trying again" in line for line in worker.lines()))
    assert world.sql("select 1 from serving.deployment") == []
    way.accept()
    until(lambda: all(ready(world, f"demo-{number}") for number in range(20)))
    assert [history.writes(name) for name in names] == [["INSERT"]] * 20
    assert worker.end()["worked"]["ready"] == 20


def test_a_partition(world: Any, work: Work, proxy: Way, history: Any, versions: Any) -> None:
    """Nothing arrives, and no connection breaks; what was on its way arrives later, and counts once."""
    name = world.endpoint("demo", versions[0])
    way, held = proxy(), threading.Event()
    worker = work(database_url=way.url(world.url))
    until(lambda: ready(world, "demo"))

    def fault(statement: Statement) -> None:
        if "set pending =" in statement.sql and not statement.done and not held.is_set():
            way.silence()
            held.set()

    way.fault = fault
    world.sql("update endpoints set model_version_id = %s", versions[1])
    world.sql(LATER, name)
    until(held.is_set)
    other = world.endpoint("other", versions[0])
    second = work()  # it has its own way, and delays nobody
    until(lambda: ready(world, "other"))
    assert history.shares(name, V2) == [0]
    way.speak()
    until(lambda: ready(world, "demo"))
    assert history.writes(name) == ["INSERT", "UPDATE", "UPDATE"]
    assert history.writes(other) == ["INSERT"]
    worker.end()
    second.end()


def test_a_server_that_vanishes_is_noticed(database: str) -> None:
    """What is sent into nowhere would otherwise be sent again for a quarter of an hour."""
    opened = Postgres({"dsn": database}).open()
    with socket.socket(fileno=os.dup(opened.fileno())) as used:
        assert 0 < used.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) <= 60000
        assert used.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    opened.close()


@pytest.mark.parametrize("wrong", [300.0, -300.0], ids=["five minutes fast", "five minutes slow"])
def test_a_wrong_clock_decides_nothing(world: Any, work: Work, history: Any, versions: Any, wrong: float) -> None:
    name = world.endpoint("demo", versions[0])
    bad = world.endpoint("bad", versions[0], traffic={"canaryTrafficPercent": 150})
    worker = work(clock=wrong, timeout=60)
    until(lambda: ready(world, "demo") and world.row("bad")["status"] == "ERROR")
    world.sql("update endpoints set model_version_id = %s where id = %s", versions[1], name)
    world.sql(LATER, name)
    until(lambda: world.deployment("demo")["generation"] == 2)
    assert history.writes(name) == ["INSERT", "UPDATE", "UPDATE"]
    assert history.writes(bad) == []
    waits = world.one(
        "select extract(epoch from next_attempt_at - now())::float8 as seconds, attempts from serving.deployment where endpoint_id = %s",
        bad,
    )
    assert waits["attempts"] == 1
    assert 0 < waits["seconds"] <= 15
    worker.end()


def test_leases_end_by_the_databases_clock(world: Any, work: Work, proxy: Way, history: Any, versions: Any) -> None:
    """One worker is five minutes slow and holds the endpoint; the other is five minutes fast and must not take it."""
    name = world.endpoint("demo", versions[0])
    way, held, go_on = proxy(), threading.Event(), threading.Event()

    def fault(statement: Statement) -> None:
        if "insert into serving.simulated_service" in statement.sql and not statement.done and not held.is_set():
            held.set()
            go_on.wait()

    way.fault = fault
    slow = work(database_url=way.url(world.url), clock=-300.0)
    until(held.is_set)
    lease = world.one("select extract(epoch from lease_until - now())::float8 as left, epoch from serving.deployment")
    assert 50 < lease["left"] <= 60
    fast = work(clock=300.0)
    until(fast.works)
    world.endpoint("later", versions[0])
    world.sql(FIRST)
    until(lambda: ready(world, "later"))
    assert world.deployment("demo")["epoch"] == lease["epoch"]
    world.sql("update serving.deployment set lease_until = now() - interval '1 second' where endpoint_id = %s", name)
    world.sql(FIRST)
    until(lambda: ready(world, "demo"))
    go_on.set()
    assert fast.end()["worked"]["ready"] == 2
    until(lambda: any("another worker" in line for line in slow.lines()))
    assert slow.end()["worked"]["superseded"] == 1
    assert history.writes(name) == ["INSERT"]
    assert world.deployment("demo")["epoch"] == lease["epoch"] + 1


def test_two_workers_and_one_endpoint(world: Any, work: Work, history: Any, versions: Any) -> None:
    """Both hear of every change; each change is one generation, whoever does it."""
    name = world.endpoint("demo", versions[0])
    workers = [work(), work()]
    until(lambda: ready(world, "demo"))
    for change in range(1, 21):
        world.sql("update endpoints set model_version_id = %s", versions[change % 2])
        world.sql(LATER, name)
        until(lambda: ready(world, "demo"))
    assert world.deployment("demo")["generation"] == 21
    assert history.writes(name) == ["INSERT"] + 40 * ["UPDATE"]
    assert history.shares(name, V2) == [0, *(10 * [100, 0])]
    assert history.always_served(name)
    answers = [worker.end()["worked"] for worker in workers]
    assert sum(answer["failed"] + answer["refused"] for answer in answers) == 0


def test_one_that_fails_delays_nobody(world: Any, work: Work, history: Any, versions: Any) -> None:
    """Bad rows and models that do not load, among many good ones: each is tried once, and the others are done."""
    broken = world.version(
        world.one("select id from models")["id"], 3, "s3://models/add_sub/3/", simulate={"load_error": "no such file"}
    )
    for number in range(10):
        world.endpoint(f"a-bad-{number}", versions[0], traffic={"canaryTrafficPercent": 150})
        world.endpoint(f"a-broken-{number}", broken)
    world.many(100, versions[0])
    worker = work()
    count = "select status, count(*)::int as n from endpoints group by 1 order by 1"
    until(lambda: world.sql(count) == [{"status": "ERROR", "n": 20}, {"status": "READY", "n": 100}])
    assert worker.end()["worked"] == {"ready": 100, "failed": 20, "deleted": 0, "refused": 0, "superseded": 0}
    tried = world.sql("select distinct attempts from serving.deployment where last_error is not null")
    assert tried == [{"attempts": 1}]
