# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The simulator's counters in a real Postgres: at the rate and the share asked for, and never lost or doubled."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from ansible_collections.mlops.serving.plugins.module_utils._adapters.migrations import migrate
from ansible_collections.mlops.serving.plugins.module_utils._adapters.postgres import Postgres
from ansible_collections.mlops.serving.plugins.module_utils._adapters.simulated_metrics import SimulatedMetrics
from ansible_collections.mlops.serving.plugins.module_utils._adapters.simulator import Simulator
from ansible_collections.mlops.serving.plugins.module_utils._domain.counters import Counts, Ledger
from ansible_collections.mlops.serving.plugins.module_utils._domain.errors import InvalidIntent, Unavailable
from ansible_collections.mlops.serving.plugins.module_utils._domain.evidence import REQUESTS, Reading

STABLE, CANDIDATE = "demo-predictor-00001", "demo-predictor-00002"


@dataclass
class World:
    """One simulated endpoint, ``ns/demo``, whose versions' artifacts are s3://m/1/ and s3://m/2/."""

    url: str
    postgres: Postgres
    simulator: Simulator
    model: str = field(default="")

    def version(self, number: int, **simulate: Any) -> None:
        self.postgres.execute(
            "insert into model_versions (tenant_id, project_id, model_id, version, artifact_uri, metrics)"
            " select tenant_id, project_id, id, %s, %s, %s from models where id = %s on conflict (model_id, version)"
            " do update set metrics = excluded.metrics",
            (number, f"s3://m/{number}/", json.dumps({"simulate": simulate}), self.model),
        )

    def apply(self, number: int, percent: int | None = None) -> None:
        """Bring a version to the cluster and let its controllers finish."""
        predictor: dict[str, Any] = {"model": {"modelFormat": {"name": "triton"}, "storageUri": f"s3://m/{number}"}}
        if percent is not None:
            predictor["canaryTrafficPercent"] = percent
        self.simulator.apply({"metadata": {"namespace": "ns", "name": "demo"}, "spec": {"predictor": predictor}})
        for _pass in range(4):
            self.simulator.observe("ns", "demo")

    def metrics(self, **options: Any) -> SimulatedMetrics:
        return self.simulator.metrics("ns", "demo", **options)

    def pass_time(self, seconds: float) -> None:
        """The last reading was that long ago."""
        self.postgres.execute(
            "update serving.simulated_metrics set read_at = read_at - make_interval(secs => %s)", (seconds,)
        )


@pytest.fixture
def world(database: str) -> Iterator[World]:
    postgres = Postgres({"dsn": database})
    migrate(postgres)
    made = World(database, postgres, Simulator(postgres))
    made.model = str(
        postgres.one(
            "insert into models (tenant_id, project_id, name) values (%s, %s, 'm') returning id",
            (str(uuid.uuid4()), str(uuid.uuid4())),
        )["id"]
    )
    made.apply(1)
    yield made
    postgres.close()


def total(reading: Reading, revision: str) -> Counts:
    return Ledger.start({}).take(reading)[1].get(revision, Counts())


def test_rate_share_errors_and_latency_are_as_asked(world: World) -> None:
    world.version(1, rps=1000)
    world.version(2, rps=1000, error_ratio=0.3, latency_ms=300)
    world.apply(2, 10)
    metrics = world.metrics()
    assert metrics.read([STABLE, CANDIDATE]) == {}  # nothing has come before somebody looked
    world.pass_time(100)
    reading = metrics.read([STABLE, CANDIDATE])
    stable, candidate = total(reading, STABLE), total(reading, CANDIDATE)
    assert stable.requests == pytest.approx(90_000, rel=0.05)
    assert candidate.requests == pytest.approx(10_000, rel=0.1)
    assert stable.failed == 0
    assert candidate.error_ratio() == pytest.approx(0.3, abs=0.03)
    assert stable.quantile(0.5) == pytest.approx(0.02, abs=0.004)
    assert candidate.quantile(0.5) == pytest.approx(0.3, abs=0.06)
    assert candidate.mean() == pytest.approx(0.319, abs=0.02)
    assert candidate.measured == candidate.requests
    assert metrics.answered == [f"{STABLE}-deployment-simulated", f"{CANDIDATE}-deployment-simulated"]


def test_by_default_fifty_good_requests_a_second(world: World) -> None:
    metrics = world.metrics(triton=True)
    metrics.read([STABLE])
    world.pass_time(100)
    counts = total(metrics.read([STABLE]), STABLE)
    assert counts.requests == pytest.approx(5000, abs=400)
    assert counts.failed == 0
    assert counts.queued == pytest.approx(counts.busy * 0.1)


def test_time_is_counted_at_the_share_that_it_had(world: World) -> None:
    world.version(1, rps=1000)
    world.version(2, rps=1000)
    world.apply(2, 10)
    metrics = world.metrics()
    metrics.read([STABLE, CANDIDATE])
    world.pass_time(10)
    world.apply(2, 0)
    first = total(metrics.read([STABLE, CANDIDATE]), CANDIDATE)
    assert first.requests == pytest.approx(1000, abs=250)
    world.pass_time(1000)
    # Back at 0: not one more, to the last digit.
    assert total(metrics.read([STABLE, CANDIDATE]), CANDIDATE) == first


def test_counters_only_grow_and_tell_of_every_request_once(world: World) -> None:
    world.version(1, rps=5000, error_ratio=0.1)
    metrics = world.metrics()
    ledger = Ledger.start(metrics.read([STABLE]))
    seen = Counts()
    reading: Reading = {}
    for _look in range(20):
        before, reading = reading, metrics.read([STABLE])
        assert all(reading[series] >= value for series, value in before.items())
        ledger, increments = ledger.take(reading)
        seen += increments.get(STABLE, Counts())
    assert (seen.requests, seen.failed, seen.buckets) == (
        total(reading, STABLE).requests,
        total(reading, STABLE).failed,
        total(reading, STABLE).buckets,
    )


def test_processes_that_read_at_once_neither_lose_nor_double(world: World) -> None:
    """Each second of the database's clock is counted by one of them: together they see the rate, not a multiple."""
    world.version(1, rps=100_000)
    rate, readers, looks = 100_000, 4, 25
    world.metrics().read([STABLE])
    begun = time.monotonic()
    failures: list[BaseException] = []
    lasts: list[float] = []

    def read() -> None:
        connection = Postgres({"dsn": world.url})
        try:
            metrics = SimulatedMetrics(connection, "ns", "demo")
            seen = 0.0
            for _look in range(looks):
                now = sum(v for s, v in metrics.read([STABLE]).items() if s.counter == REQUESTS)
                assert now >= seen
                seen = now
            lasts.append(seen)
        except BaseException as error:
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=read) for _unused in range(readers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    elapsed = time.monotonic() - begun
    assert failures == []
    row = world.postgres.one("select looks, counters from serving.simulated_metrics")
    assert row["looks"] == readers * looks + 1
    kept = row["counters"][STABLE]
    assert kept["good"] == max(lasts)
    assert sum(kept["buckets"]) == kept["good"]
    # Two that count the same second would have twice as many.
    assert kept["good"] == pytest.approx(rate * elapsed, rel=0.25)


def test_a_reading_waits_for_the_one_that_is_under_way(world: World) -> None:
    world.version(1, rps=1000)
    world.metrics().read([STABLE])
    world.pass_time(100)
    counted, go_on = threading.Event(), threading.Event()

    class Slow(Postgres):
        """Stops before it writes down what it has counted."""

        def execute(self, sql: str, values: Any = None) -> int:
            if sql.startswith("update serving.simulated_metrics set looks"):
                counted.set()
                assert go_on.wait(60)
            return super().execute(sql, values)

    readings: dict[str, Counts] = {}

    def read(name: str, connection: Postgres) -> None:
        readings[name] = total(SimulatedMetrics(connection, "ns", "demo").read([STABLE]), STABLE)
        connection.close()

    first = threading.Thread(target=read, args=("first", Slow({"dsn": world.url})))
    second = threading.Thread(target=read, args=("second", Postgres({"dsn": world.url, "application_name": "second"})))
    first.start()
    assert counted.wait(30)
    second.start()
    waiting = "select 1 from pg_stat_activity where application_name = 'second' and wait_event_type = 'Lock'"
    deadline = time.monotonic() + 30
    while not world.postgres.query(waiting) and "second" not in readings and time.monotonic() < deadline:
        time.sleep(0.01)
    assert "second" not in readings
    go_on.set()
    first.join(30)
    second.join(30)
    # The hundred seconds are counted once.
    assert readings["first"].requests == pytest.approx(100_000, rel=0.05)
    assert readings["first"].requests <= readings["second"].requests < readings["first"].requests * 1.5


def test_a_reading_is_cheap_at_any_rate(world: World) -> None:
    world.version(1, rps=100_000, error_ratio=0.01)
    metrics = world.metrics()
    metrics.read([STABLE])
    world.pass_time(3600)
    begun = time.monotonic()
    counts = total(metrics.read([STABLE]), STABLE)
    assert time.monotonic() - begun < 1
    assert counts.requests == pytest.approx(3.6e8, rel=0.01)


def test_no_metrics_is_no_data(world: World) -> None:
    world.version(2, no_metrics=True)
    world.apply(2, 50)
    metrics = world.metrics()
    metrics.read([STABLE, CANDIDATE])
    world.pass_time(100)
    reading = metrics.read([STABLE, CANDIDATE])
    assert {series.revision for series in reading} == {STABLE}
    assert [CANDIDATE in missing for missing in metrics.missing] == [True]
    with pytest.raises(Unavailable, match="no_metrics"):
        metrics.read([CANDIDATE])


def test_a_number_that_cannot_be_is_told(world: World) -> None:
    world.version(1, rps=-5)
    with pytest.raises(InvalidIntent, match=r"metrics\.simulate\.rps = -5"):
        world.metrics().read([STABLE])


def test_pods_and_the_crash_of_one(world: World) -> None:
    world.version(2, crash=True)
    world.apply(2, 0)
    metrics = world.metrics()
    metrics.read([STABLE, CANDIDATE])
    world.pass_time(100)
    metrics.read([STABLE, CANDIDATE])
    stable, candidate = world.simulator.pods("ns", "demo")
    # Without a request it stays up.
    assert [(pod.revision, pod.ready, pod.restarts) for pod in (stable, candidate)] == [(STABLE, True, 0), (CANDIDATE, True, 0)]
    world.apply(2, 10)
    metrics.read([STABLE, CANDIDATE])
    world.pass_time(100)
    metrics.read([STABLE, CANDIDATE])
    stable, candidate = world.simulator.pods("ns", "demo")
    assert (stable.ready, stable.restarts) == (True, 0)
    assert (candidate.ready, candidate.restarts) == (False, 1)
    assert "crash" in candidate.failing


def test_a_revision_out_of_the_traffic_has_no_pod(world: World) -> None:
    world.apply(2)
    assert [pod.revision for pod in world.simulator.pods("ns", "demo")] == [CANDIDATE]
    assert world.simulator.pods("ns", "other") == ()


def test_a_service_that_is_made_again_starts_from_nothing(world: World) -> None:
    metrics = world.metrics()
    metrics.read([STABLE])
    world.pass_time(100)
    assert metrics.read([STABLE])
    world.simulator.delete("ns", "demo")
    assert world.postgres.query("select * from serving.simulated_metrics") == []
    with pytest.raises(Unavailable, match="no simulated InferenceService ns/demo"):
        metrics.read([STABLE])
    world.apply(1)
    assert metrics.read([STABLE]) == {}


def test_counters_of_another_uid_are_forgotten(world: World) -> None:
    metrics = world.metrics()
    metrics.read([STABLE])
    world.pass_time(100)
    assert metrics.read([STABLE])
    world.postgres.execute("update serving.simulated_service set uid = 'another'")
    assert metrics.read([STABLE]) == {}
