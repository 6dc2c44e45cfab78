# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A worker that looks for drift on a real cluster: it puts right what a person edits, and leaves alone what is at rest."""

from __future__ import annotations

import json
import subprocess
import sys
import typing as t
import urllib.request
from pathlib import Path

import pytest
from ansible_collections.mlops.serving.plugins.module_utils._adapters.kubernetes_client import (
    MERGE_PATCH,
    KubernetesClient,
)

from .desk import RUNNER, Desk
from .test_deploy import KNATIVE, ONE, STANDARD
from .waiting import wait_for

pytestmark = pytest.mark.groups("base", "kserve", "knative", "triton")

READY_SECONDS = 240


class Worker:
    """The module as a process, its lines and its metrics."""

    def __init__(self, desk: Desk, folder: Path, **options: t.Any) -> None:
        self._lines = folder / "lines"
        given = {"progress_file": str(self._lines), "address": "127.0.0.1:0", "log_format": "json", **options}
        environment = {**desk.environment, "PYTHONPATH": ":".join(path for path in sys.path if path)}
        command = [sys.executable, str(RUNNER), "reconcile"]
        output = (folder / "output").open("w")
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=output, stderr=output, env=environment, text=True
        )
        assert self.process.stdin is not None
        self.process.stdin.write(
            json.dumps({"ANSIBLE_MODULE_ARGS": {"follow": True, "_ansible_remote_tmp": "/tmp", **given}})
        )
        self.process.stdin.close()

    def of(self, event: str) -> list[dict[str, t.Any]]:
        text = self._lines.read_text() if self._lines.exists() else ""
        lines = [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]
        return [line for line in lines if line["event"] == event]

    def looks(self) -> int:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://{self.of('worker.address')[0]['address']}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        name = "mlops_serving_worker_drift_looks_total "
        return int(next(line for line in text.splitlines() if line.startswith(name)).removeprefix(name))

    def end(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(timeout=60)
        finally:
            self.process.kill()
            self.process.wait()


@pytest.fixture
def desk(cluster: t.Any, namespace: t.Any, database: str) -> t.Iterator[Desk]:
    with Desk(cluster, namespace, database) as desk:
        yield desk


def test_what_is_edited_is_put_right_and_what_is_at_rest_is_left_alone(desk: Desk, tmp_path: Path) -> None:
    desk.version(1, desk.namespace.storage_uri)
    for name, config in (("demo", KNATIVE), ("standard", STANDARD)):
        more = {"model": "add_sub", "model_version": 1, "runtime": "kserve-triton", "autoscaling": ONE}
        desk.module("endpoint", name=name, runtime_config=config, **more)
    worker = Worker(desk, tmp_path, sweep=5, drift=True, drift_every=1)
    client = KubernetesClient.connect({"kubeconfig": str(desk.cluster.kubeconfig)})
    try:
        ready = wait_for(
            lambda: {line["endpoint"] for line in worker.of("endpoint.ready")},
            lambda seen: seen == {"demo", "standard"},
            timeout=READY_SECONDS,
            what="both serve",
        )
        assert ready

        def rest() -> None:
            """Several looks in a row in which nothing is claimed: each was one list, and no endpoint was touched."""
            before, looked = epochs(desk), worker.looks()

            def look() -> int:
                nonlocal before, looked
                now = epochs(desk)
                if now != before:  # KServe writes statuses for a moment after READY
                    before, looked = now, worker.looks()
                return worker.looks() - looked

            wait_for(look, lambda looks: looks >= 5, timeout=60, what="five looks in which nothing is claimed")

        rest()
        told = len(worker.of("endpoint.ready"))
        service = desk.service("demo")
        assert service is not None
        where = service["metadata"]
        path = f"/apis/serving.kserve.io/v1beta1/namespaces/{where['namespace']}/inferenceservices/{where['name']}"
        edited = {"spec": {"predictor": {"maxReplicas": 3}}}
        client.request("PATCH", path, action="edit", body=edited, content_type=MERGE_PATCH)

        def replicas() -> t.Any:
            found = desk.service("demo")
            return found and found["spec"]["predictor"]["maxReplicas"]

        wait_for(replicas, lambda seen: seen == 1, timeout=60, what="it is put right")
        lines = wait_for(
            lambda: worker.of("endpoint.ready")[told:], bool, timeout=READY_SECONDS, what="a line about it"
        )
        assert [line["endpoint"] for line in lines] == ["demo"]
        assert lines[0]["writes"]
        rest()
        assert worker.of("endpoint.failed") == []
    finally:
        client.close()
        worker.end()


def epochs(desk: Desk) -> dict[str, int]:
    """Each claim of an endpoint is a further epoch."""
    return {
        row["endpoint_name"]: row["epoch"] for row in desk._rows("select endpoint_name, epoch from serving.deployment")
    }
