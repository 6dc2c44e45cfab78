# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lines of a worker as programs read them, and what it puts right on the cluster without being told."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from waiting import until

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


class Log:
    """A worker and the lines that it has written."""

    def __init__(self, process: Any, path: Path) -> None:
        self.process, self._path = process, path

    @property
    def lines(self) -> list[dict[str, Any]]:
        text = self._path.read_text() if self._path.exists() else ""
        return [json.loads(line) for line in text.splitlines()]

    def of(self, event: str) -> list[dict[str, Any]]:
        return [line for line in self.lines if line["event"] == event]

    def end(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        printed, errors = self.process.communicate(timeout=20)
        assert self.process.returncode == 0, printed + errors


@pytest.fixture
def work(start: Any, tmp_path: Path) -> Callable[..., Log]:
    def begin(**options: Any) -> Log:
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.progress"
        given = {"deploy_mode": "simulate", "sweep": 3600, "log_format": "json", **options}
        log = Log(start("reconcile", follow=True, progress_file=str(path), **given), path)
        until(lambda: log.of("worker.started") or log.process.poll() is not None)
        return log

    return begin


@pytest.fixture
def versions(world: Any) -> list[str]:
    found: list[str] = world.model("s3://models/add_sub/1/", "s3://models/add_sub/2/")
    return found


def status(world: Any, name: str) -> str:
    return str(world.row(name)["status"])


def service(world: Any, name: str) -> dict[str, Any]:
    found = world.service(name)
    assert found is not None
    return dict(found["object"])


def edit(world: Any, name: str, uri: str) -> None:
    """As `kubectl edit` does."""
    world.sql(
        "update serving.simulated_service set resource_version = resource_version + 1, generation = generation + 1,"
        " object = jsonb_set(object, '{spec,predictor,model,storageUri}', to_jsonb(%s::text)) where name = %s",
        *(uri, world.deployment(name)["name"]),
    )


def uri(world: Any, name: str) -> str:
    return str(service(world, name)["spec"]["predictor"]["model"]["storageUri"])


class TestLines:
    def test_each_tells_when_what_whose_and_of_which_request(
        self, world: Any, work: Any, run: Any, versions: Any
    ) -> None:
        log = work()
        where = {"tenant_id": world.tenant, "project_id": world.project, "nats_servers": []}
        first = run("deploy_request", name="demo", model="add_sub", model_version=1, **where)
        until(lambda: len(log.of("endpoint.ready")) == 1)
        second = run("deploy_request", name="demo", model_version=2, **where)
        until(lambda: len(log.of("endpoint.ready")) == 2)
        third = run("deploy_request", name="demo", state="absent", **where)
        until(lambda: log.of("endpoint.deleted"))
        log.end()
        told = [line for line in log.lines if line["event"].startswith("endpoint.")]
        assert [line["trace_id"] for line in told] == [one["trace_id"] for one in (first, second, third)]
        made = told[0]
        assert made["endpoint"] == "demo"
        assert made["endpoint_id"] == world.row("demo")["id"]
        assert made["tenant_id"] == world.tenant
        assert (made["level"], made["status"]) == ("info", "READY")
        assert made["url"].startswith("http://isvc-")
        assert made["seconds"] >= 0
        assert made["writes"]
        assert made["message"].startswith("demo ")
        assert "error" not in made
        assert all(TIME.fullmatch(line["time"]) for line in log.lines)
        assert len({line["worker"] for line in log.lines}) == 1
        assert [line["event"] for line in log.lines if line["event"].startswith("worker.")] == [
            "worker.started",
            "worker.cluster",
            "worker.stopping",
            "worker.stopped",
        ]

    def test_a_failure_has_its_code_and_its_cure(self, world: Any, work: Any, versions: Any) -> None:
        world.endpoint("bad", versions[0], traffic={"canaryTrafficPercent": 150})
        log = work()
        until(lambda: log.of("endpoint.failed"))
        (line,) = log.of("endpoint.failed")
        assert (line["level"], line["status"], line["endpoint"]) == ("error", "ERROR", "bad")
        assert "trace_id" not in line
        assert line["error"]["code"] == "invalid_intent"
        assert line["error"]["field"] == "traffic.canaryTrafficPercent"
        assert "150" in line["error"]["message"]
        assert line["error"]["cure"]

    def test_that_the_database_was_away_is_a_warning(self, world: Any, work: Any, versions: Any) -> None:
        log = work()
        until(lambda: log.of("worker.cluster"))
        world.sql(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
        )
        until(lambda: log.of("worker.interrupted"))
        line = log.of("worker.interrupted")[0]
        assert line["level"] == "warning"
        assert "Trying again in" in line["message"]
        assert world.url.partition("@")[0].rpartition(":")[2] not in json.dumps(log.lines)

    def test_the_environment_asks_for_it_and_one_run_does_it_too(
        self, world: Any, reconcile: Any, versions: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world.endpoint("demo", versions[0])
        path = tmp_path / "lines"
        monkeypatch.setenv("MLOPS_SERVING_LOG_FORMAT", "json")
        reconcile(progress_file=str(path))
        assert [json.loads(line)["event"] for line in path.read_text().splitlines()] == ["endpoint.ready"]
        world.endpoint("other", versions[0])
        reconcile(progress_file=str(path), log_format="text")
        assert " other " in path.read_text().splitlines()[-1]


class TestDrift:
    def test_what_somebody_edits_is_put_right_and_told(self, world: Any, work: Any, versions: Any) -> None:
        for name in ("demo", "other"):
            world.endpoint(name, versions[0])
        log = work(drift=True, drift_every=1)
        until(lambda: len(log.of("endpoint.ready")) == 2)
        edit(world, "demo", "s3://models/somebodys/own/")
        until(lambda: len(log.of("endpoint.ready")) == 3)
        assert uri(world, "demo") == "s3://models/add_sub/1/"
        assert [line["endpoint"] for line in log.of("endpoint.ready")[2:]] == ["demo"]
        assert log.of("endpoint.ready")[2]["writes"]

    def test_what_somebody_deletes_comes_back(self, world: Any, work: Any, versions: Any) -> None:
        world.endpoint("demo", versions[0])
        log = work(drift=True, drift_every=1)
        until(lambda: status(world, "demo") == "READY")
        world.sql("delete from serving.simulated_service")
        until(lambda: world.service("demo") is not None)
        until(lambda: len(log.of("endpoint.ready")) == 2)

    def test_without_it_a_worker_leaves_it_alone(self, world: Any, work: Any, versions: Any) -> None:
        world.endpoint("demo", versions[0])
        log = work(sweep=1, address="127.0.0.1:0")
        until(lambda: status(world, "demo") == "READY")
        edit(world, "demo", "s3://models/somebodys/own/")
        seen = world.deployment("demo")["observed_at"]
        world.endpoint("later", versions[0])  # whose end tells that there was another sweep
        until(lambda: status(world, "later") == "READY")
        assert uri(world, "demo") == "s3://models/somebodys/own/"
        assert world.deployment("demo")["observed_at"] == seen
        log.end()

    def test_what_was_found_right_is_not_looked_at_again(self, world: Any, work: Any, versions: Any) -> None:
        world.many(20, versions[0])
        log = work(drift=True, drift_every=1, address="127.0.0.1:0")
        until(lambda: len(log.of("endpoint.ready")) == 20)
        until(lambda: looks(log) >= 3)
        before = world.sql("select endpoint_id, epoch from serving.deployment order by 1")
        looked = looks(log)
        until(lambda: looks(log) >= looked + 3)
        assert world.sql("select endpoint_id, epoch from serving.deployment order by 1") == before
        assert len(log.of("endpoint.ready")) == 20


def looks(log: Log) -> float:
    import urllib.request

    (line,) = log.of("worker.address")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"http://{line['address']}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    name = "mlops_serving_worker_drift_looks_total "
    return float(next(line for line in text.splitlines() if line.startswith(name)).removeprefix(name))
