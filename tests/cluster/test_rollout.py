# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rollouts on a real KServe, under constant load through Envoy: what becomes of good, bad and unlucky candidates."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import typing as t
from pathlib import Path

import pytest

from .characters import publish
from .desk import Desk
from .waiting import wait_for as wait_until

pytestmark = pytest.mark.groups("base", "kserve", "knative", "triton")

# Three revisions at a time have to fit beside all else on two cores.
SMALL = {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"cpu": "1", "memory": "1Gi"}}
KNATIVE = {"modelFormat": "triton", "runtimeVersion": "24.08-py3", "deploymentMode": "Knative", "resources": SMALL}
ONE = {"minReplicas": 1, "maxReplicas": 1}
RATE = 40


def wait_for(look: t.Callable[[], t.Any], what: str, *, timeout: float = 60) -> None:
    wait_until(look, bool, timeout=timeout, what=what)


QUICK = {"endpoint": "demo", "interval": "1s", "harm_budget": 10, "min_requests": 100}
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def desk(cluster: t.Any, namespace: t.Any, database: str, tmp_path: Path) -> t.Iterator[Desk]:
    with Desk(cluster, namespace, database) as desk:
        desk.folder = tmp_path
        yield desk


def serve(desk: Desk, **character: t.Any) -> None:
    """Endpoint demo with version 1."""
    desk.version(1, publish(desk.cluster, 1, **character))
    desk.module(
        "endpoint",
        name="demo",
        model="add_sub",
        model_version=1,
        runtime="kserve-triton",
        autoscaling=ONE,
        runtime_config=KNATIVE,
    )
    desk.module("reconcile")


def candidate(desk: Desk, **character: t.Any) -> None:
    desk.version(2, publish(desk.cluster, 2, **character))


def events(desk: Desk) -> list[dict[str, t.Any]]:
    return desk._rows(
        "select kind, step, message, observed from serving.rollout_event where kind <> 'sample' order by id"
    )


def rollout(desk: Desk, *, fails: bool = False, **options: t.Any) -> dict[str, t.Any]:
    return desk.module("rollout", fails=fails, **{**QUICK, **options})


def of_stable(load: t.Any) -> int:
    """Requests that failed and that version 2 did not answer with its own fault."""
    return sum(count for said, count in load.errors.items() if "a fault of this version" not in said)


def test_a_good_candidate_is_promoted_and_no_request_fails(desk: Desk) -> None:
    serve(desk)
    candidate(desk)
    with desk.load("demo", rate=RATE) as load:
        done = rollout(desk, model_version=2)
    assert done["outcome"] == "promoted", done
    assert load.failed == 0, load.errors
    assert desk.infer("demo")["model_version"] == "2"
    assert list(desk.shares("demo").values()) == [100]
    assert [e["kind"] for e in events(desk)] == [
        "started",
        "staged",
        *["raised", "passed"] * 5,
        "promoting",
        "finished",
    ]

    back = rollout(desk, action="rollback", model_version=None)
    assert back["outcome"] == "promoted", back
    assert back["rollout"]["strategy"] == "rollback"
    assert desk.infer("demo")["model_version"] == "1"


def test_a_candidate_that_fails_is_sent_back(desk: Desk) -> None:
    serve(desk)
    candidate(desk, fails=0.3)
    with desk.load("demo", rate=RATE) as load:
        done = rollout(desk, fails=True, model_version=2)
        # What comes after the rollout's end meets the stable version alone.
        ended = len(load.shots)
        wait_for(lambda: len(load.shots) > ended + RATE, "another second of load")
    assert done["outcome"] == "rolled_back"
    assert "failed" in done["msg"], done["msg"]
    assert of_stable(load) == 0, load.errors
    assert all(shot.status == 200 and shot.version == "1" for shot in load.shots[ended:])
    assert load.failed <= 30, load.errors
    assert desk.infer("demo")["model_version"] == "1"


def test_a_slow_candidate_is_sent_back(desk: Desk) -> None:
    serve(desk)
    candidate(desk, seconds=0.7)
    with desk.load("demo", rate=RATE) as load:
        done = rollout(desk, fails=True, model_version=2, gates=[{"metric": "latency", "p99": "500ms"}])
    assert done["outcome"] == "rolled_back"
    assert "500 ms" in done["msg"], done["msg"]
    assert load.failed == 0, load.errors


def test_a_candidate_that_never_becomes_ready_gets_nothing(desk: Desk) -> None:
    serve(desk)
    desk.version(2, desk.namespace.storage_uri.replace("add_sub", "nothing-here"))
    with desk.load("demo", rate=RATE) as load:
        done = rollout(desk, fails=True, model_version=2)
    assert done["outcome"] == "rolled_back"
    assert "No model found in triton/nothing-here/" in done["msg"], done["msg"]
    assert set(load.versions) == {"1"}
    assert load.failed == 0, load.errors


def test_a_candidate_that_crashes_is_sent_back_at_once(desk: Desk) -> None:
    serve(desk)
    candidate(desk, dies_after=15)
    # Enough is asked for that it cannot pass before it dies, and nothing is said of errors: the restart alone speaks.
    plan = {"steps": [10, 50], "harm_budget": 0, "min_requests": 1000, "gates": [{"metric": "latency", "p99": "5s"}]}
    with desk.load("demo", rate=RATE):
        done = rollout(desk, fails=True, model_version=2, **plan)
    assert done["outcome"] == "rolled_back"
    assert any(words in done["msg"] for words in ("restarted", "does not run", "not ready any more")), done["msg"]
    assert desk.infer("demo")["model_version"] == "1"


def test_without_traffic_it_holds_and_golden_requests_help(desk: Desk) -> None:
    serve(desk)
    candidate(desk)
    held = rollout(desk, model_version=2, step_timeout="5s", steps=[10])
    assert held["state"] == "paused", held
    assert held["rollout"]["hold"] == "inconclusive", held
    assert sorted(desk.shares("demo").values()) == [10, 90]
    assert rollout(desk, action="abort")["outcome"] == "aborted"

    tensors = [
        {"name": n, "shape": [1, 1], "datatype": "FP32", "data": [v]} for n, v in (("INPUT0", 2.0), ("INPUT1", 1.0))
    ]
    golden = {
        "requests": [
            {
                "path": "/v2/models/add_sub/infer",
                "body": {"inputs": tensors},
                "expect": {"status": 200, "json": {"outputs": [{"name": "OUTPUT0", "data": [3.0]}, {"data": [1.0]}]}},
            }
        ],
        "gateway_url": f"http://{desk.cluster.gateway}",
    }
    done = rollout(desk, model_version=2, steps=[10], min_requests=50, request_rate=20, **golden)
    assert done["outcome"] == "promoted", done

    desk.version(3, publish(desk.cluster, 3, wrong=1.0))
    refused = rollout(desk, fails=True, model_version=3, **golden)
    assert refused["outcome"] == "rolled_back"
    assert "smoke test" in refused["msg"], refused["msg"]
    assert "raised" not in [e["kind"] for e in events(desk)[-4:]]


def test_stable_that_is_worse_is_not_gone_back_to_blindly(desk: Desk) -> None:
    serve(desk, fails=0.6)
    candidate(desk, fails=0.1)
    gates = [{"metric": "errors", "max": "1%"}]
    with desk.load("demo", rate=RATE):
        held = rollout(desk, model_version=2, steps=[50], gates=gates)
    assert held["state"] == "paused", held
    assert "stable fails more" in held["rollout"]["reason"]
    assert sorted(desk.shares("demo").values()) == [50, 50]
    assert rollout(desk, action="promote")["outcome"] == "promoted"


def test_an_edit_stops_it_and_a_second_rollout_is_refused(desk: Desk) -> None:
    serve(desk)
    candidate(desk)
    with desk.load("demo", rate=RATE):
        held = rollout(desk, model_version=2, steps=[20, 50], until=20)
        assert held["state"] == "paused"
        assert held["rollout"]["share"] == 20
        desk.version(3, publish(desk.cluster, 3))
        refused = rollout(desk, fails=True, model_version=3)
        assert "another rollout is active" in refused["msg"]
        row = desk.row("demo")
        path = f"/apis/serving.kserve.io/v1beta1/namespaces/{row['namespace']}/inferenceservices/{row['service']}"
        desk.cluster.kube.merge(path, {"metadata": {"labels": {"edited": "by-hand"}}})
        before = desk.service("demo")["status"]["components"]["predictor"]["latestCreatedRevision"]
        wait_for(
            lambda: (
                desk.service("demo")["status"]["components"]["predictor"]["latestReadyRevision"]
                != held["rollout"]["candidate"]["revision"]
            ),
            f"a revision after {before}",
        )
        stopped = rollout(desk)
    assert stopped["state"] == "paused", stopped
    assert stopped["rollout"]["hold"] == "drift", stopped
    assert "somebody changed the InferenceService" in stopped["rollout"]["reason"]
    assert rollout(desk, action="abort")["outcome"] == "aborted"
    assert desk.infer("demo")["model_version"] == "1"


def test_a_new_intent_supersedes_it(desk: Desk) -> None:
    serve(desk)
    candidate(desk)
    desk.version(3, publish(desk.cluster, 3))
    with desk.load("demo", rate=RATE) as load:
        rollout(desk, model_version=2, until=10)
        desk.module("endpoint", name="demo", model_version=3, traffic={})
        desk.module("reconcile")
    assert desk._rows("select outcome from serving.rollout")[0]["outcome"] == "superseded"
    assert load.failed == 0, load.errors
    assert desk.infer("demo")["model_version"] == "3"


@pytest.mark.groups("prometheus")
def test_prometheus_that_goes_away_passes_nothing(desk: Desk) -> None:
    serve(desk)
    candidate(desk)
    service = desk.cluster.kube.get("/api/v1/namespaces/monitoring/services/prometheus")
    url = f"http://{service['spec']['clusterIP']}:9090"
    plan = {
        "model_version": 2,
        "evidence": "prometheus",
        "prometheus_url": url,
        "steps": [20, 50],
        "step_timeout": "15s",
    }
    with desk.load("demo", rate=RATE) as load:
        first = rollout(desk, **plan, until=20)
        assert first["rollout"]["hold"] == "until", first
        scale(desk, 0)
        try:
            held = rollout(desk)
        finally:
            scale(desk, 1)
        assert held["state"] == "paused", held
        assert held["rollout"]["hold"] == "inconclusive", held
        wait_for(lambda: answers(url), "Prometheus answers again", timeout=90)
        done = rollout(desk, action="resume")
    assert done["outcome"] == "promoted", done
    assert load.failed == 0, load.errors


def test_blue_green_and_ab(desk: Desk) -> None:
    serve(desk)
    candidate(desk)
    with desk.load("demo", rate=RATE) as load:
        staged = rollout(desk, model_version=2, strategy="blue_green", watch="5s", harm_budget=0)
        assert staged["state"] == "paused"
        assert list(desk.shares("demo").values()) == [100]
        assert desk.infer("demo")["model_version"] == "1"
        assert rollout(desk, action="resume")["outcome"] == "promoted"
        assert desk.infer("demo")["model_version"] == "2"
        desk.version(3, publish(desk.cluster, 3))
        ended = rollout(desk, model_version=3, strategy="ab", duration="10s", winner="stable", harm_budget=0)
        assert ended["outcome"] == "returned", ended
    assert load.failed == 0, load.errors
    answers_of_3 = load.versions.get("3", 0)
    assert answers_of_3 > 0
    assert desk.infer("demo")["model_version"] == "2"


def test_killed_at_many_boundaries_it_ends_the_same(desk: Desk, database: str) -> None:
    """Processes die by SIGKILL one after the other, each a few outside calls further; weight never goes back."""
    serve(desk)
    candidate(desk)
    options = {**QUICK, "model_version": "2", "steps": ["10", "50"], "min_requests": 60}
    deaths = 0
    with desk.load("demo", rate=RATE) as load, watched(desk) as shares:
        for number in range(1, 60):
            code, said = killed_run(desk, database, 3 + number * 5 % 17, "before" if number % 2 else "after", options)
            desk.sql("update serving.deployment set lease_until = now() - interval '1 second'")
            if desk._rows("select 1 from serving.rollout where finished_at is not null"):
                break
            assert code == -signal.SIGKILL, said
            deaths += 1
    assert deaths >= 5
    assert desk._rows("select outcome from serving.rollout") == [{"outcome": "promoted"}]
    assert [e["kind"] for e in events(desk)] == [
        "started",
        "staged",
        "raised",
        "passed",
        "raised",
        "passed",
        "promoting",
        "finished",
    ]
    assert load.failed == 0, load.errors
    assert shares == sorted(shares), shares


def test_the_five_playbooks(desk: Desk) -> None:
    """As people type them, one after the other, under load."""
    serve(desk)
    candidate(desk)
    desk.version(3, publish(desk.cluster, 3))
    common = {
        "endpoint": "demo",
        "rollout_interval": "1s",
        "rollout_min_requests": 60,
        "report": str(desk.folder / "report.html"),
    }
    with desk.load("demo", rate=RATE) as load:
        output = desk.playbook("rollout_canary", model_version=2, steps=[10, 50], **common)
        assert "promoted" in output
        output = desk.playbook("rollout_ab", model_version=3, duration="5s", winner="stable", **common)
        assert desk.infer("demo")["model_version"] == "2", output
        desk.playbook("rollout_blue_green_stage", model_version=3, watch="3s", **common)
        assert desk.infer("demo")["model_version"] == "2"
        desk.playbook("rollout_blue_green_promote", **common)
        assert desk.infer("demo")["model_version"] == "3"
        desk.playbook("rollback", **common)
        assert desk.infer("demo")["model_version"] == "2"
    assert load.failed == 0, load.errors
    report = (desk.folder / "report.html").read_text()
    assert "http://" not in report.replace("http://www.w3.org/", "")
    assert "SIMULATED" not in report


@contextlib.contextmanager
def watched(desk: Desk) -> t.Iterator[list[int]]:
    """The candidate's share as KServe reports it, each value once as it changes."""
    seen: list[int] = [0]
    stop = threading.Event()

    def look() -> None:
        stable = desk.row("demo")["stable_revision"]
        while not stop.wait(0.2):
            share = sum(percent for name, percent in desk.shares("demo").items() if name != stable)
            if share != seen[-1]:
                seen.append(share)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        stop.set()
        thread.join()


def killed_run(desk: Desk, database: str, number: int, when: str, options: dict[str, t.Any]) -> tuple[int, str]:
    given = json.dumps({"ANSIBLE_MODULE_ARGS": {**options, "database_url": database, "_ansible_remote_tmp": "/tmp"}})
    environment = {**desk.environment, "PYTHONPATH": os.pathsep.join([str(ROOT / ".build"), *sys.path])}
    command = [sys.executable, str(ROOT / "tests" / "integration" / "kill_rollout.py"), str(number), when]
    answer = subprocess.run(command, input=given, env=environment, capture_output=True, text=True, check=False)
    return answer.returncode, answer.stdout + answer.stderr


def scale(desk: Desk, replicas: int) -> None:
    path = "/apis/apps/v1/namespaces/monitoring/deployments/prometheus"
    desk.cluster.kube.merge(path, {"spec": {"replicas": replicas}})
    wait_for(
        lambda: int(desk.cluster.kube.get(path)["status"].get("readyReplicas") or 0) == replicas,
        f"{replicas} Prometheus",
        timeout=90,
    )


def answers(url: str) -> bool:
    import urllib.request

    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{url}/-/ready", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def test_a_candidate_without_room_for_its_gpus_is_refused_before_anything_is_written(desk: Desk) -> None:
    """The version that serves was deployed without a GPU; the row asks for one from the next version on."""
    serve(desk)
    candidate(desk)
    desk.sql("update endpoints set runtime_config = runtime_config || '{\"gpu\": true}'")
    # As if it had been applied: what is looked at here is the room, and one node without a GPU could not serve it.
    desk.sql(
        "update serving.deployment d set applied_hash = i.intent_hash from serving.intent i where i.id = d.endpoint_id"
    )
    refused = rollout(desk, fails=True, model_version=2)
    assert "there is no room for the candidate: 1 pod(s) with 1 GPU(s) each, and 0 GPU(s) are free" in refused["msg"]
    assert desk._rows("select count(*) as n from serving.rollout") == [{"n": 0}]
    waited = rollout(desk, fails=True, model_version=2, on_no_capacity="wait", timeout=5)
    assert "there is no room" in waited["msg"]
