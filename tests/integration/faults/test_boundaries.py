# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A worker that is killed, ended, cut off or paused at every statement that it sends, one after the other.

Whatever comes first and whoever goes on: the end is the one of an undisturbed worker, and the way there too, as the database's own
history of the InferenceService shows.
"""

from __future__ import annotations

import signal
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from fault_proxy import Statement

from .conftest import Way, Work, climb, until

V1, V2, V3 = (f"s3://models/add_sub/v{number}/" for number in (1, 2, 3))
ROUNDS = 96


@dataclass
class Life:
    """A piece of work, done on many endpoints, each in a project of its own so that a worker sees one of them."""

    world: Any
    history: Any
    what: str
    projects: list[str] = field(default_factory=lambda: [str(uuid.uuid4()) for _round in range(ROUNDS)])
    ids: list[str] = field(default_factory=list)
    versions: list[str] = field(default_factory=list)

    def prepare(self, reconcile: Callable[..., Any]) -> None:
        self.versions = self.world.model(V1, V2, V3)
        self.ids = [
            self.world.endpoint("demo", self.versions[0], project_id=project, status="STOPPED")
            for project in self.projects
        ]
        # Names on the cluster begin with eight digits of the id; the history is read by them.
        assert len({name[:8] for name in self.ids}) == ROUNDS
        if self.what == "first deployment":
            self.world.sql("update endpoints set status = 'DELETED'")
        else:
            self.world.sql("update endpoints set status = 'CREATING'")
            reconcile()

    def ask(self, number: int) -> str:
        """The endpoint of that round gets its new intent; its project."""
        name = self.ids[number]
        if self.what == "first deployment":
            self.world.sql("update endpoints set status = 'CREATING' where id = %s", name)
        elif self.what == "change of model":
            self.world.sql("update endpoints set model_version_id = %s where id = %s", self.versions[1], name)
        else:
            self.world.sql("update endpoints set status = 'DELETING' where id = %s", name)
        return self.projects[number]

    def row(self, number: int) -> dict[str, Any]:
        found: dict[str, Any] = self.world.one(
            "select e.status, d.generation, d.pending, d.lease_owner, d.last_error, d.applied_hash = i.intent_hash as applied"
            " from endpoints e join serving.intent i on i.id = e.id left join serving.deployment d on d.endpoint_id = e.id"
            " where e.id = %s",
            self.ids[number],
        )
        return found

    def settled(self, number: int) -> bool:
        row = self.row(number)
        if self.what == "deletion":
            return bool(row["status"] == "DELETED")
        return bool(row["status"] == "READY" and row["applied"])

    def check(self, number: int) -> None:
        """As an undisturbed worker leaves it."""
        row, name, history = self.row(number), self.ids[number], self.history
        assert (row["pending"], row["lease_owner"], row["last_error"]) == (None, None, None), (number, row)
        if self.what == "first deployment":
            assert (row["status"], row["generation"]) == ("READY", 1), number
            assert history.writes(name) == ["INSERT"], number
            assert history.shares(name, V1) == [0, 100], number
        elif self.what == "change of model":
            assert (row["status"], row["generation"]) == ("READY", 2), number
            assert history.writes(name) == ["INSERT", "UPDATE", "UPDATE"], number
            assert (history.shares(name, V1), history.shares(name, V2)) == ([0, 100, 0], [0, 100]), number
            assert history.always_served(name), number
        else:
            assert (row["status"], row["generation"]) == ("DELETED", 1), number
            assert history.writes(name) == ["INSERT", "DELETE"], number


@pytest.fixture
def life(request: pytest.FixtureRequest, world: Any, history: Any, reconcile: Any) -> Life:
    made = Life(world, history, request.param)
    made.prepare(reconcile)
    return made


LIVES = pytest.mark.parametrize("life", ["first deployment", "change of model", "deletion"], indirect=True)
CHANGE = pytest.mark.parametrize("life", ["change of model"], indirect=True)


def leases_end(world: Any) -> None:
    """A minute later."""
    world.sql("update serving.deployment set lease_until = now() - interval '1 second' where lease_until is not null")


class Strike:
    """At the n-th statement of a worker, before the server has it or after it has done it."""

    def __init__(self, way: Any, number: int, act: Callable[[], str | None], *, done: bool = False) -> None:
        self.came = threading.Event()
        self.worker: Any = None
        self._known = threading.Event()
        self._number, self._act, self._done = number, act, done
        way.fault = self._fault

    def at(self, worker: Any) -> Any:
        self.worker = worker
        self._known.set()
        return worker

    def _fault(self, statement: Statement) -> str | None:
        if (statement.number, statement.done) != (self._number, self._done):
            return None
        self._known.wait()
        self.came.set()
        return self._act()


@LIVES
@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGTERM], ids=["SIGKILL", "SIGTERM"])
def test_ended_before_any_statement(
    life: Life, work: Work, proxy: Way, reconcile: Any, world: Any, sent: signal.Signals
) -> None:
    heard: list[int] = []

    def play(place: int) -> bool:
        way = proxy()

        def act() -> str | None:
            if sent is signal.SIGKILL:
                strike.worker.send(sent)
                return "cut"
            strike.worker.stop()
            # It looks for the signal twice a second; in the meantime it would be at its end. Before it follows it does not look, and the
            # statement between the two is its own.
            end = time.monotonic() + (2 if strike.worker.works() else 0.1)
            while not (strike.worker.stops() or strike.worker.over(0.02)) and time.monotonic() < end:
                pass
            if strike.worker.stops():
                heard.append(place)
            return None

        strike = Strike(way, place, act)
        project = life.ask(place)
        worker = strike.at(work(database_url=way.url(world.url), project_id=project))
        until(lambda: worker.over() or life.settled(place))
        worker.stop()
        assert worker.over(10)
        # Before its first line it does not listen to signals, and does nothing either.
        if not strike.came.is_set() or (sent is signal.SIGTERM and worker.lines()):
            assert "failed" not in worker.answer()
        return strike.came.is_set()

    count = climb(play)
    assert count >= 20
    unsettled = [place for place in range(1, count + 1) if not life.settled(place)]
    if sent is signal.SIGKILL:
        assert len(unsettled) >= 5, "these came in the middle"
        leases_end(world)
    else:
        # A deletion has five such statements, and the others three times as many.
        assert len(heard) >= 3, "these came in the middle: it knew of its end while a statement was on its way"
        assert unsettled
        assert world.sql("select 1 from serving.deployment where lease_owner is not null") == [], "all are given back"
    reconcile()
    for place in range(1, count + 1):
        life.check(place)


@pytest.mark.parametrize(
    ("life", "done"),
    [("first deployment", True), ("change of model", True), ("change of model", False), ("deletion", True)],
    ids=["first deployment, done", "change of model, done", "change of model, not arrived", "deletion, done"],
    indirect=["life"],
)
def test_cut_off_at_any_statement(life: Life, work: Work, proxy: Way, world: Any, done: bool) -> None:
    def play(place: int) -> bool:
        way = proxy()
        strike = Strike(way, place, lambda: "cut", done=done)
        options = {"database_url": way.url(world.url), "project_id": life.ask(place)}
        worker = strike.at(work(**options))
        until(lambda: worker.over() or life.settled(place))
        if not life.settled(place):
            # It had not begun to follow: whatever runs it starts it again.
            assert worker.answer()["failure"]["code"] == "unavailable"
            worker = work(**options)
            until(lambda: life.settled(place))
        assert "failed" not in worker.end()
        return strike.came.is_set()

    count = climb(play)
    assert count >= 20
    for place in range(1, count + 1):
        life.check(place)


@CHANGE
def test_paused_past_its_lease_before_any_statement(life: Life, work: Work, proxy: Way, world: Any) -> None:
    """Another worker finishes its work meanwhile, and the next intent too; then it wakes up with an old statement on its way."""

    def play(place: int) -> bool:
        way, go_on = proxy(), threading.Event()
        gate, paused = threading.Lock(), threading.Event()

        def act() -> None:
            with gate:
                if not go_on.is_set():
                    strike.worker.send(signal.SIGSTOP)
                    paused.set()
            go_on.wait()

        strike = Strike(way, place, act)
        project, name = life.ask(place), life.ids[place]
        url = f"{way.url(world.url)}?application_name=paused-{place}"
        worker = strike.at(work(database_url=url, project_id=project))
        until(lambda: paused.is_set() or life.settled(place))
        with gate:
            if not paused.is_set():
                go_on.set()
        if paused.is_set():
            # What is idle in a transaction is ended by the server after two minutes (idle_in_transaction_session_timeout), and
            # the lease after one: done at once here.
            world.sql(
                "select pg_terminate_backend(pid) from pg_stat_activity where application_name = %s and state like 'idle in%%'",
                f"paused-{place}",
            )
            world.sql(
                "update serving.deployment set lease_until = now() - interval '1 second' where endpoint_id = %s", name
            )
            other = work(project_id=project)
            until(lambda: life.settled(place))
            world.sql("update endpoints set model_version_id = %s where id = %s", life.versions[2], name)
            world.sql("select pg_notify('mlops_serving', %s)", name)
            until(lambda: life.row(place)["generation"] == 3)
            other.end()
            worker.send(signal.SIGCONT)
            go_on.set()
            # It lives, and it has done with the old work when it does something new.
            later = world.endpoint("later", life.versions[0], project_id=project)
            world.sql("select pg_notify('mlops_serving', %s)", later)
            until(lambda: world.one("select status from endpoints where id = %s", later)["status"] == "READY")
        assert "failed" not in worker.end()
        return paused.is_set()

    count = climb(play)
    assert count >= 20
    for place in range(1, count + 1):
        row, name = life.row(place), life.ids[place]
        assert (row["status"], row["generation"]) == ("READY", 3), place
        assert (row["pending"], row["lease_owner"], row["last_error"]) == (None, None, None), place
        assert life.history.writes(name) == ["INSERT"] + 4 * ["UPDATE"], place
        assert life.history.shares(name, V2) == [0, 100, 0], place
        assert life.history.shares(name, V3) == [0, 100], place
        assert life.history.always_served(name), place
