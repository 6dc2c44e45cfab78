# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A worker over a real Postgres: told by notifications, by its sweep, and ended by SIGTERM."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from waiting import until

SECONDS = 20.0


class Worker:
    def __init__(self, process: subprocess.Popen[str], lines: Path) -> None:
        self.process = process
        self._lines = lines

    def lines(self) -> list[str]:
        return self._lines.read_text().splitlines() if self._lines.exists() else []

    @property
    def address(self) -> str:
        return next(line.rpartition(" ")[2] for line in self.lines() if "metrics and health on" in line)

    def page(self, path: str) -> tuple[int, str]:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(f"http://{self.address}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refused:
            return refused.code, refused.read().decode()

    def figure(self, name: str) -> float:
        _status, text = self.page("/metrics")
        return float(next(line.rpartition(" ")[2] for line in text.splitlines() if line.startswith(name)))

    def end(self) -> dict[str, Any]:
        self.process.send_signal(signal.SIGTERM)
        printed, errors = self.process.communicate(timeout=SECONDS)
        assert self.process.returncode == 0, printed + errors
        answer: dict[str, Any] = json.loads(printed)
        return answer


@pytest.fixture
def work(start: Any, tmp_path: Path) -> Callable[..., Worker]:
    count = 0

    def begin(**options: Any) -> Worker:
        nonlocal count
        count += 1
        lines = tmp_path / f"{count}.progress"
        given = {"deploy_mode": "simulate", "sweep": 3600, "address": "127.0.0.1:0", **options}
        worker = Worker(start("reconcile", follow=True, progress_file=str(lines), **given), lines)
        until(lambda: any("looks for work" in line for line in worker.lines()) or worker.process.poll() is not None)
        return worker

    return begin


def status(world: Any, name: str) -> str:
    return str(world.one("select status from endpoints where name = %s", name)["status"])


@pytest.fixture
def versions(world: Any) -> list[str]:
    found: list[str] = world.model("s3://models/add_sub/1/", "s3://models/add_sub/2/")
    return found


def test_what_is_there_what_is_told_and_what_is_found(world: Any, work: Any, run: Any, versions: list[str]) -> None:
    world.endpoint("first", versions[0])
    worker = work()
    until(lambda: status(world, "first") == "READY")
    # Our own modules tell; nothing else would within the hour.
    run("endpoint", name="first", tenant_id=world.tenant, project_id=world.project, model_version=2)
    until(lambda: world.one("select generation from serving.deployment")["generation"] == 2)
    run("endpoint", name="first", tenant_id=world.tenant, project_id=world.project, state="absent")
    until(lambda: status(world, "first") == "DELETED")
    answer = worker.end()
    assert answer["worked"] == {"ready": 2, "deleted": 1, "failed": 0, "refused": 0, "superseded": 0}
    told = [line.split()[1:3] for line in worker.lines() if "first " in line]
    assert told == [["first", "READY"], ["first", "READY"], ["first", "DELETED"]]


def test_a_row_changed_by_hand_is_found_by_the_sweep(world: Any, work: Any, versions: list[str]) -> None:
    work(sweep=1)
    world.endpoint("by-hand", versions[0])
    until(lambda: status(world, "by-hand") == "READY")


def test_a_failure_is_tried_again_when_it_is_due_and_not_before(world: Any, work: Any, versions: list[str]) -> None:
    world.endpoint("bad", versions[0], traffic={"canaryTrafficPercent": 150})
    worker = work(sweep=1)
    until(lambda: status(world, "bad") == "ERROR")
    swept = worker.figure("mlops_serving_worker_sweeps_total")
    until(lambda: worker.figure("mlops_serving_worker_sweeps_total") >= swept + 2)
    assert worker.figure('mlops_serving_worker_endpoints_total{outcome="failed"}') == 1
    assert worker.figure("mlops_serving_worker_endpoints_failed") == 1
    world.sql("update serving.deployment set next_attempt_at = now(), attempted_hash = attempted_hash")
    until(lambda: worker.figure('mlops_serving_worker_endpoints_total{outcome="failed"}') == 2)
    assert world.one("select attempts from serving.deployment")["attempts"] == 2
    assert worker.figure("mlops_serving_worker_retries_total") == 1


def test_two_workers_share_the_work_and_each_endpoint_is_done_once(world: Any, work: Any, versions: list[str]) -> None:
    workers = [work(), work()]
    world.many(200, versions[0])
    world.sql("select pg_notify('mlops_serving', '')")
    until(lambda: world.one("select count(*)::int as n from endpoints where status = 'READY'")["n"] == 200)
    answers = [worker.end() for worker in workers]
    assert sum(answer["worked"]["ready"] for answer in answers) == 200
    held = world.sql("select distinct generation, epoch, lease_owner from serving.deployment")
    assert held == [{"generation": 1, "epoch": 1, "lease_owner": None}]


def test_health_metrics_and_other_addresses(world: Any, work: Any, versions: list[str]) -> None:
    world.endpoint("demo", versions[0])
    world.sql("insert into serving.intake (stream, requested, dead) values ('A', 3, 1), ('B', 4, 0)")
    worker = work()
    until(lambda: status(world, "demo") == "READY")
    assert worker.page("/healthz") == (200, "ok\n")
    code, text = worker.page("/metrics")
    assert code == 200
    assert 'mlops_serving_worker_endpoints_total{outcome="ready"} 1\n' in text
    assert "mlops_serving_worker_endpoints_due 0\n" in text
    assert "mlops_serving_worker_retries_total 0\n" in text
    events = dict(re.findall(r'worker_events_total\{result="(\w+)"\} (\d+)', text))
    assert events == {"requested": "7", "stale": "0", "dead": "1", "early": "0"}
    assert 'mlops_serving_worker_endpoint_seconds_bucket{le="+Inf"} 1\n' in text
    assert worker.page("/elsewhere") == (404, "There is /healthz, /metrics.\n")


def test_a_connection_that_is_cut_is_made_again(world: Any, work: Any, versions: list[str]) -> None:
    worker = work()
    until(lambda: worker.figure("mlops_serving_worker_sweeps_total") >= 1)
    world.sql(
        "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
    )
    world.endpoint("late", versions[0])
    until(lambda: status(world, "late") == "READY")
    assert any("Trying again in" in line for line in worker.lines())
    assert worker.page("/healthz")[0] == 200


def test_an_address_that_is_taken_is_said(world: Any, work: Any, start: Any) -> None:
    first = work()
    second = start("reconcile", deploy_mode="simulate", follow=True, address=first.address)
    printed, _errors = second.communicate(timeout=SECONDS)
    answer = json.loads(printed)
    assert answer["failed"]
    assert f"cannot listen on {first.address}" in answer["msg"]


def test_a_worker_for_some_endpoints_only_is_refused(world: Any, reconcile: Any, versions: list[str]) -> None:
    answer = reconcile(fails=True, follow=True, endpoints=["demo"])
    assert "endpoints" in answer["msg"]
    assert "cannot go with follow" in answer["msg"]


def test_in_check_mode_it_says_what_it_would_do_and_ends(world: Any, reconcile: Any, versions: list[str]) -> None:
    world.endpoint("demo", versions[0])
    answer = reconcile(follow=True, check=True)
    assert [found["name"] for found in answer["endpoints"]] == ["demo"]
    assert status(world, "demo") == "CREATING"
