# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A worker hears what is named, sweeps, outlives its store, and stops."""

from __future__ import annotations

import queue
import threading
import time
import typing as t
import uuid

import pytest
from ansible_collections.mlops.serving.plugins.module_utils._domain.errors import Unavailable
from ansible_collections.mlops.serving.plugins.module_utils._engine.worker import Worker
from ansible_collections.mlops.serving.tests.unit.domain.samples import endpoint
from ansible_collections.mlops.serving.tests.unit.engine.test_reconcile import Run, until


class Listener:
    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        bench.opened += 1
        if bench.away:
            raise Unavailable("nobody answers")

    def listen(self) -> None:
        self._bench.listening += 1

    def wait(self, seconds: float) -> list[str]:
        if self._bench.away:
            raise Unavailable("the connection was lost")
        try:
            return self._bench.told.get(timeout=0.01)
        except queue.Empty:
            return []

    def close(self) -> None:
        self._bench.closed += 1


class Bench:
    """A worker over some endpoints, and what its listener is told."""

    def __init__(self, count: int, *, sweep: float = 3600.0) -> None:
        self.world = Run(count)
        self.told: queue.Queue[list[str]] = queue.Queue()
        self.opened = self.closed = self.listening = 0
        self.away = False
        self.said: list[str] = []
        self.stops = 0
        self.error: BaseException | None = None
        self.worker = Worker(
            lambda: Listener(self),
            lambda: self.world.reconciler(follow=True),
            sweep=sweep,
            say=self.said.append,
            on_stop=self._stops,
            first_pause=0.01,
        )
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        try:
            self.worker.run()
        except BaseException as error:
            self.error = error

    def _stops(self) -> None:
        self.stops += 1

    def __enter__(self) -> Bench:
        self.thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.worker.stop()
        self.thread.join(timeout=5)
        assert not self.thread.is_alive()
        assert self.closed == self.listening
        assert self.world.database.open == 0

    def add(self) -> t.Any:
        return self.world.database.add(endpoint(id=str(uuid.UUID(int=99 << 96 | 1)), name="late"))


def test_what_is_there_at_the_start_and_what_is_told_of_later() -> None:
    with Bench(3) as bench:
        assert until(lambda: len(bench.world.results) == 3)
        late = bench.add()
        bench.told.put([late.endpoint.id])
        assert until(lambda: late.applied_hash is not None)
        assert bench.worker.notifications == 1
        assert bench.worker.sweeps == 1
        assert bench.worker.healthy(time.monotonic())


def test_a_notification_without_a_name_means_all() -> None:
    with Bench(1) as bench:
        assert until(lambda: len(bench.world.results) == 1)
        late = bench.add()
        bench.told.put([""])
        assert until(lambda: late.applied_hash is not None)


def test_a_lost_notification_is_made_up_for_by_the_sweep() -> None:
    with Bench(0, sweep=0.05) as bench:
        assert until(lambda: bench.worker.sweeps > 1)
        late = bench.add()
        assert until(lambda: late.applied_hash is not None)


def test_it_waits_for_a_store_that_is_away_and_then_looks_at_all() -> None:
    with Bench(1) as bench:
        assert until(lambda: len(bench.world.results) == 1)
        bench.away = True
        assert until(lambda: bench.worker.interruptions > 2)
        late = bench.add()
        bench.away = False
        assert until(lambda: late.applied_hash is not None)
        assert "the connection was lost" in bench.said[0]
        assert "Trying again in" in bench.said[0]
        assert bench.listening == 2
        assert bench.stops == 0
    assert bench.stops == 1


def test_a_run_that_loses_the_store_is_followed_by_another() -> None:
    with Bench(1) as bench:
        assert until(lambda: len(bench.world.results) == 1)
        bench.world.database.trouble.next("claim", Unavailable("the database is away"))
        late = bench.add()
        bench.told.put([late.endpoint.id])
        assert until(lambda: late.applied_hash is not None)
        assert bench.worker.interruptions == 1


def test_what_nobody_expected_ends_it() -> None:
    bench = Bench(1)
    bench.world.database.trouble.next("claim", ZeroDivisionError("surprise"))
    with bench:
        assert until(lambda: not bench.thread.is_alive())
    assert isinstance(bench.error, ZeroDivisionError)


@pytest.mark.parametrize("late", [False, True])
def test_its_health_is_that_of_its_last_look(late: bool) -> None:
    worker = Bench(0, sweep=10.0).worker
    assert not worker.healthy(time.monotonic())
    worker.swept_at = 1000.0
    assert worker.healthy(1000.0 + (91.0 if late else 89.0)) is not late
