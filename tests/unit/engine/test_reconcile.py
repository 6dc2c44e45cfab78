# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many endpoints at once: each is carried to its end once, and one worker's trouble ends the run."""

from __future__ import annotations

import collections
import signal
import threading
import time
import typing as t
import uuid

import pytest
from ansible_collections.mlops.serving.plugins.module_utils._domain.errors import Unavailable
from ansible_collections.mlops.serving.plugins.module_utils._engine.deployment import Result, Settings
from ansible_collections.mlops.serving.plugins.module_utils._engine.reconcile import Reconciler
from ansible_collections.mlops.serving.tests.unit.domain.samples import NAMESPACE, endpoint
from ansible_collections.mlops.serving.tests.unit.engine.fakes import Cluster, Database, Store

# Longer than any test waits, and short enough for a broken one to end.
SELDOM = 7.0
SETTINGS = Settings(timeout=15.0)


class Run:
    """Some endpoints, and one run over them."""

    def __init__(self, count: int, *, poll_seconds: float = 0.001, **fields: t.Any) -> None:
        self.database = Database()
        self.cluster = Cluster(poll_seconds=poll_seconds)
        self.results: list[Result] = []
        for number in range(count):
            self.database.add(endpoint(id=str(uuid.UUID(int=number << 96 | 1)), name=f"e{number:04}", **fields))

    @property
    def rows(self) -> list[t.Any]:
        return list(self.database.rows.values())

    def reconciler(self, **options: t.Any) -> Reconciler:
        given = {"workers": 8, "on_result": self.results.append, **options}
        return Reconciler(lambda: Store(self.database), self.cluster, self.database.claim, SETTINGS, **given)

    def start(self, **options: t.Any) -> threading.Thread:
        thread = threading.Thread(target=self.reconciler(**options).run, daemon=True)
        thread.start()
        return thread


def test_200_endpoints_with_8_workers_converge_exactly_once() -> None:
    run = Run(200)
    run.reconciler().run()
    assert sorted(result.name for result in run.results) == [f"e{number:04}" for number in range(200)]
    assert all(result.done and result.error is None and result.status == "READY" for result in run.results)
    counts = collections.Counter(run.database.log)
    assert counts == {"record_pending": 200, "record_converged": 200}
    assert collections.Counter(line.split(" ")[0] for line in run.cluster.log) == {"take": 200, "create": 200}
    assert all(len(state["revisions"]) == 1 for state in run.cluster.services.values())
    assert run.database.open == 0
    assert run.cluster.watched == [NAMESPACE]


def test_nothing_due() -> None:
    run = Run(0)
    run.reconciler().run()
    assert run.results == []
    assert run.cluster.watched == []
    assert run.database.open == 0


def test_a_failing_endpoint_stops_no_other() -> None:
    run = Run(6)
    ids = list(run.database.rows)
    run.database.change(ids[1], artifact_uri="s3://models/bad/")
    run.database.change(ids[3], traffic={"canary_percent": 150})
    run.reconciler(workers=2).run()
    failed = {result.name for result in run.results if result.error}
    assert failed == {"e0001", "e0003"}
    assert {row.endpoint.status for row in run.rows if row.endpoint.name not in failed} == {"READY"}
    assert len(run.results) == 6


def test_a_claim_that_is_refused_is_a_result() -> None:
    run = Run(2)
    run.rows[
        0
    ].refused = "endpoint e0000: it is deployed in mode kserve, and this run is in mode simulate. Set deploy_mode."
    run.reconciler().run()
    refused = next(result for result in run.results if result.name == "e0000")
    assert refused.done
    assert refused.error is not None
    assert refused.error.code == "refused"
    assert str(refused.error) == run.rows[0].refused
    assert {row.endpoint.status for row in run.rows} == {"CREATING", "READY"}


def test_an_intent_that_changes_again_is_taken_again() -> None:
    run = Run(1)
    (row,) = run.rows

    def again(result: Result) -> None:
        run.results.append(result)
        if len(run.results) == 1:
            run.database.change(row.endpoint.id, artifact_uri="s3://models/m2/", intent_hash="h2")

    run.reconciler(on_result=again).run()
    assert len(run.results) == 2
    assert row.applied_hash == "h2"


def test_what_another_run_gives_back_at_the_last_moment_is_done() -> None:
    run = Run(1)
    (row,) = run.rows
    row.leased = True

    def others() -> list[t.Any]:
        row.leased = False  # after the last claim, and before this look
        return []

    run.reconciler(others=others, workers=1).run()
    assert row.endpoint.status == "READY"


def test_what_is_given_back_after_that_is_done_too() -> None:
    run = Run(2)
    held = list(run.rows)
    for row in held:
        row.leased = True

    def others() -> list[t.Any]:
        """Each look finds that one more was given back since the last claim."""
        if held:
            held.pop().leased = False
        return []

    run.reconciler(others=others, workers=1).run()
    assert {row.endpoint.status for row in run.rows} == {"READY"}


@pytest.mark.parametrize("in_flight", [1, 3])
def test_no_more_than_asked_are_carried_at_a_time(in_flight: int) -> None:
    run = Run(12)
    most = 0

    def claim(room: int, only: t.Collection[str] | None) -> t.Any:
        nonlocal most
        claims = run.database.claim(room, only)
        most = max(most, sum(row.leased for row in run.rows))
        return claims

    reconciler = Reconciler(
        lambda: Store(run.database),
        run.cluster,
        claim,
        Settings(),
        workers=4,
        in_flight=in_flight,
        on_result=run.results.append,
    )
    reconciler.run()
    assert len(run.results) == 12
    assert most == in_flight


def until(condition: t.Callable[[], bool], seconds: float = 5.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.002)
    return condition()


class TestWatch:
    def test_a_change_wakes_the_endpoint_that_waits(self) -> None:
        run = Run(1, poll_seconds=SELDOM)
        key = (NAMESPACE, run.rows[0].name)
        run.cluster.ticking = False
        thread = run.start()
        assert run.cluster.observed.acquire(timeout=5)
        assert run.cluster.observed.acquire(timeout=5)
        run.cluster.ticking = True
        assert until(lambda: run.cluster.touch(*key) or not thread.is_alive())
        assert run.rows[0].endpoint.status == "READY"

    def test_a_change_of_another_wakes_nobody(self) -> None:
        run = Run(1, poll_seconds=SELDOM)
        run.cluster.ticking = False
        thread = run.start()
        assert run.cluster.observed.acquire(timeout=5)
        assert run.cluster.observed.acquire(timeout=5)
        run.cluster.touch(NAMESPACE, "isvc-ffffffff")
        run.cluster.touch("elsewhere", run.rows[0].name)
        assert not run.cluster.observed.acquire(timeout=0.05)
        run.cluster.ticking = True
        assert until(lambda: run.cluster.touch(NAMESPACE, run.rows[0].name) or not thread.is_alive())

    def test_a_change_that_comes_while_it_is_looked_at_is_not_lost(self) -> None:
        run = Run(1, poll_seconds=SELDOM)
        key = (NAMESPACE, run.rows[0].name)
        look = run.cluster.observe

        def observe(namespace: str, name: str) -> t.Any:
            seen = look(namespace, name)
            assert until(lambda: bool(run.cluster.watched))
            run.cluster.touch(namespace, name)
            return seen

        run.cluster.observe = observe  # type: ignore[method-assign]
        thread = run.start()
        assert until(lambda: not thread.is_alive()), run.cluster.services.get(key)
        assert run.rows[0].endpoint.status == "READY"

    def test_without_one_the_poll_is_enough(self) -> None:
        run = Run(3, poll_seconds=0.002)
        run.cluster.watch = lambda *_: None  # type: ignore[assignment]
        run.reconciler().run()
        assert [row.endpoint.status for row in run.rows] == ["READY"] * 3


class TestTrouble:
    @pytest.mark.parametrize("workers", [1, 8])
    def test_what_nobody_expected_ends_the_run_and_is_raised(self, workers: int) -> None:
        run = Run(30)
        run.cluster.trouble.next("create", None, None, ZeroDivisionError("surprise"))
        with pytest.raises(ZeroDivisionError, match="surprise"):
            run.reconciler(workers=workers).run()
        assert run.database.open == 0
        assert not any(row.leased for row in run.rows), (
            "endpoints stay taken, and the next run would find nothing to do"
        )
        run.results.clear()
        run.reconciler().run()
        assert {row.endpoint.status for row in run.rows} == {"READY"}

    def test_endpoints_that_wait_do_not_keep_it_from_ending(self) -> None:
        run = Run(3, poll_seconds=SELDOM)
        run.cluster.ticking = False
        run.cluster.trouble.next("observe", None, None, None, None, ZeroDivisionError("surprise"))
        began = time.monotonic()
        with pytest.raises(ZeroDivisionError):
            run.reconciler(workers=3).run()
        assert time.monotonic() - began < 5

    def test_in_claiming(self) -> None:
        run = Run(3)
        run.database.trouble.always("claim", Unavailable("the database is away"))
        with pytest.raises(Unavailable, match="the database is away"):
            run.reconciler().run()

    def test_in_opening_the_store(self) -> None:
        run = Run(3)
        run.database.trouble.always("open", Unavailable("too many connections"))
        with pytest.raises(Unavailable, match="too many connections"):
            run.reconciler().run()

    def test_in_the_report(self) -> None:
        run = Run(3)

        def report(result: Result) -> None:
            raise OSError("disk full")

        with pytest.raises(OSError, match="disk full"):
            run.reconciler(on_result=report).run()

    def test_an_interrupt_ends_it_and_gives_the_endpoints_back(self) -> None:
        run = Run(3, poll_seconds=SELDOM)
        run.cluster.ticking = False

        def interrupt() -> None:
            for _turn in range(6):
                run.cluster.observed.acquire(timeout=5)
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

        # A shell's background jobs are started with the signal ignored.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        threading.Thread(target=interrupt, daemon=True).start()
        began = time.monotonic()
        try:
            with pytest.raises(KeyboardInterrupt):
                run.reconciler(workers=2).run()
        finally:
            signal.signal(signal.SIGINT, before)
        assert time.monotonic() - began < 5
        assert not any(row.leased for row in run.rows)
        assert run.database.open == 0


class TestFollow:
    """A run that goes on until it is stopped."""

    @staticmethod
    def following(run: Run, **options: t.Any) -> tuple[Reconciler, threading.Thread]:
        reconciler = run.reconciler(follow=True, **options)
        thread = threading.Thread(target=reconciler.run, daemon=True)
        thread.start()
        return reconciler, thread

    @staticmethod
    def end(reconciler: Reconciler, thread: threading.Thread) -> None:
        reconciler.stop()
        thread.join(timeout=5)
        assert not thread.is_alive()

    def test_what_comes_later_is_done_when_it_is_named_and_only_that_is_looked_at(self) -> None:
        run = Run(3)
        reconciler, thread = self.following(run)
        assert until(lambda: len(run.results) == 3)
        late = run.database.add(endpoint(id=str(uuid.UUID(int=77 << 96 | 1)), name="late"))
        asked = len(run.database.asked)
        reconciler.wake([late.endpoint.id])
        assert until(lambda: late.applied_hash is not None)
        assert run.database.asked[asked:][0] == [late.endpoint.id]
        assert None not in run.database.asked[asked:]
        self.end(reconciler, thread)

    def test_a_look_at_all_finds_what_nobody_has_named(self) -> None:
        run = Run(1)
        reconciler, thread = self.following(run)
        assert until(lambda: len(run.results) == 1)
        late = run.database.add(endpoint(id=str(uuid.UUID(int=77 << 96 | 1)), name="late"))
        reconciler.wake(["somebody-else"])
        reconciler.wake()
        assert until(lambda: late.applied_hash is not None)
        self.end(reconciler, thread)

    def test_one_that_loads_slowly_delays_no_other(self) -> None:
        run = Run(1, poll_seconds=SELDOM)
        run.cluster.ticking = False
        reconciler, thread = self.following(run)
        assert until(lambda: len(run.cluster.services) == 1)
        late = run.database.add(endpoint(id=str(uuid.UUID(int=77 << 96 | 1)), name="late"))
        reconciler.wake([late.endpoint.id])
        assert until(lambda: len(run.cluster.services) == 2)
        self.end(reconciler, thread)

    def test_a_row_that_changes_while_it_is_carried_is_followed_at_once(self) -> None:
        run = Run(1, poll_seconds=SELDOM)
        (row,) = run.rows
        run.cluster.ticking = False
        reconciler, thread = self.following(run)
        assert run.cluster.observed.acquire(timeout=5)
        assert run.cluster.observed.acquire(timeout=5)
        run.database.change(row.endpoint.id, artifact_uri="s3://models/m2/", intent_hash="h2")
        run.cluster.ticking = True
        reconciler.wake([row.endpoint.id])
        assert until(lambda: run.cluster.touch(NAMESPACE, row.name) or row.applied_hash == "h2")
        self.end(reconciler, thread)

    def test_a_row_that_changes_at_the_last_moment_is_taken_again(self) -> None:
        run = Run(1)
        (row,) = run.rows

        def again(result: Result) -> None:
            run.results.append(result)
            if len(run.results) == 1:
                run.database.change(row.endpoint.id, artifact_uri="s3://models/m2/", intent_hash="h2")

        reconciler, thread = self.following(run, on_result=again)
        assert until(lambda: row.applied_hash == "h2")
        self.end(reconciler, thread)

    def test_stopped_it_gives_back_what_is_unfinished(self) -> None:
        run = Run(3, poll_seconds=SELDOM)
        run.cluster.ticking = False
        reconciler, thread = self.following(run)
        assert until(lambda: len(run.cluster.services) == 3)
        self.end(reconciler, thread)
        assert not any(row.leased for row in run.rows)
        assert run.database.open == 0


def test_leases_are_kept_for_all_that_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(5, poll_seconds=SELDOM)
    run.cluster.ticking = False
    reconciler = Reconciler(
        lambda: Store(run.database),
        run.cluster,
        run.database.claim,
        Settings(timeout=15.0, ttl=0.03),
        workers=2,
        on_result=run.results.append,
        follow=True,
    )
    thread = threading.Thread(target=reconciler.run, daemon=True)
    thread.start()
    assert until(lambda: 5 in run.database.renewed)
    # A row that was changed is seen by the same statement.
    run.database.trouble.next("renew_all", Unavailable("away for once"))
    assert until(lambda: run.database.renewed.count(5) > 2)
    reconciler.stop()
    thread.join(timeout=5)
    assert not thread.is_alive()
    assert run.database.open == 0
