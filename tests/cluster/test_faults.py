# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A worker whose way to a real API server breaks. What counts is what the server was asked to write, and what it has then.

The endpoints are stopped by their rows, so that no pod runs and nothing but the worker decides how long it takes until they are.
"""

from __future__ import annotations

import itertools
import signal
import threading
import time
import typing as t
import uuid
from pathlib import Path

import pytest
from ansible_collections.mlops.serving.plugins.module_utils._adapters.cluster import KServeCluster
from ansible_collections.mlops.serving.plugins.module_utils._adapters.kubernetes_client import (
    MERGE_PATCH,
    KubernetesClient,
)
from ansible_collections.mlops.serving.plugins.module_utils._adapters.migrations import migrate
from ansible_collections.mlops.serving.plugins.module_utils._adapters.postgres import Postgres
from fault_workers import Nursery, Worker

from .fault_api import ApiProxy, Request
from .waiting import wait_for

pytestmark = pytest.mark.groups("base", "kserve", "knative", "triton")

TENANT, PROJECT = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
STOPPED = '{"modelFormat": "triton", "deploymentMode": "Standard", "stopped": true, "env": {"RELEASE": "1"}}'
SERVED = (
    '{"modelFormat": "triton", "runtimeVersion": "24.08-py3", "deploymentMode": "Standard", "env": {"RELEASE": "1"}}'
)
SERVICES = "/apis/serving.kserve.io/v1beta1/namespaces/{}/inferenceservices"
POLICIES = "/apis/admissionregistration.k8s.io/v1"


@pytest.fixture(scope="module")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Nursery]:
    made = Nursery(tmp_path_factory.mktemp("workers"))
    yield made
    made.close()


class Scene:
    """One endpoint in a store of its own, one namespace, and a worker's breakable way to the cluster."""

    def __init__(self, cluster: t.Any, namespace: str, database: str, nursery: Nursery, folder: Path) -> None:
        self.namespace, self._database, self._nursery = namespace, database, nursery
        self.kubeconfig = str(cluster.kubeconfig)
        self.proxy = ApiProxy(cluster.kubeconfig)
        self._proxied = self.proxy.kubeconfig(folder)
        self.kube = KubernetesClient.connect({"kubeconfig": self.kubeconfig})
        self.kserve = KServeCluster(self.kube)
        self.store = Postgres({"dsn": database}).open()
        migrate(self.store)
        self.id = str(uuid.uuid4())
        self.name = f"isvc-{self.id[:8]}"
        self._workers: list[Worker] = []

    def ask(self, release: str = "1", *, served_from: str | None = None) -> None:
        """The endpoint is wanted with this value in its environment; those that follow are told.

        :param served_from: address of a model that is to be served; without, it is stopped
        """
        config = (SERVED if served_from else STOPPED).replace('"RELEASE": "1"', f'"RELEASE": "{release}"')
        self.store.execute(
            "insert into models (id, tenant_id, project_id, name) values (%(id)s, %(tenant)s, %(project)s, 'm') on conflict do nothing;"
            " insert into model_versions (id, tenant_id, project_id, model_id, version, artifact_uri)"
            " values (%(id)s, %(tenant)s, %(project)s, %(id)s, 1, %(uri)s) on conflict do nothing;"
            " insert into endpoints (id, tenant_id, project_id, name, runtime, model_id, model_version_id, runtime_config)"
            " values (%(id)s, %(tenant)s, %(project)s, 'demo', 'kserve-triton', %(id)s, %(id)s, %(config)s)"
            " on conflict (id) do update set runtime_config = excluded.runtime_config, status = 'DEPLOYING';"
            " select pg_notify('mlops_serving', %(id)s)",
            {
                "id": self.id,
                "tenant": TENANT,
                "project": PROJECT,
                "config": config,
                "uri": served_from or "s3://nowhere/m/",
            },
        )

    def work(self, *, broken: bool = True) -> Worker:
        worker = self._nursery.start(
            "reconcile",
            database_url=self._database,
            deploy_mode="kserve",
            kubeconfig=self._proxied if broken else self.kubeconfig,
            namespace=self.namespace,
            follow=True,
            sweep=1,
            workers=2,
            timeout=120,
        )
        self._workers.append(worker)
        return worker

    def live(self) -> dict[str, t.Any] | None:
        return self.kserve.get(self.namespace, self.name)

    def release(self) -> str | None:
        """What the cluster has."""
        live = self.live()
        return None if live is None else str(live["spec"]["predictor"]["model"]["env"][0]["value"])

    def arrives(self, release: str) -> None:
        wait_for(
            self.release, lambda seen: seen == release, timeout=40, what=f"release {release} on the cluster", every=0.1
        )

    def row(self) -> dict[str, t.Any]:
        return self.store.one(
            "select e.status, d.last_error, d.attempts, d.epoch, d.lease_owner from endpoints e"
            " left join serving.deployment d on d.endpoint_id = e.id"
        )

    def ends(self) -> None:
        """The endpoint is what its row says: KServe has the release, and keeps it stopped."""
        wait_for(lambda: self.row()["status"], lambda seen: seen == "STOPPED", timeout=40, what="STOPPED", every=0.1)

    def leases_end(self) -> None:
        """A minute later."""
        self.store.execute(
            "update serving.deployment set lease_until = now() - interval '1 second' where lease_until is not null"
        )

    def close(self) -> None:
        for worker in self._workers:
            worker.close()
        self.proxy.close()
        self.kserve.delete(self.namespace, self.name)
        self.kserve.close()
        self.store.close()


@pytest.fixture
def scene(cluster: t.Any, namespace: t.Any, database: str, nursery: Nursery, tmp_path: Path) -> t.Iterator[Scene]:
    made = Scene(cluster, namespace.name, database, nursery, tmp_path)
    yield made
    made.close()


def first(times: int, verdict: t.Any) -> t.Callable[[Request], t.Any]:
    """For the first so many writes to an InferenceService."""
    count = 0

    def fault(request: Request) -> t.Any:
        nonlocal count
        if not request.writes_service or count >= times:
            return None
        count += 1
        return verdict(request) if callable(verdict) else verdict

    return fault


def without_failure(worker: Worker) -> None:
    """It has not given the endpoint up in between, to take it once more."""
    worked = worker.end()["worked"]
    assert (worked["failed"], worked["refused"], worked["superseded"]) == (0, 0, 0), worked


@pytest.mark.parametrize("what", ["create", "change"])
@pytest.mark.parametrize(
    ("fault", "tries"),
    [(429, 3), (500, 3), (503, 3), ("cut", 2), ("lost", 2)],
    ids=["429", "500", "503", "cut off before the write", "answer lost after the write"],
)
def test_a_write_that_fails_on_its_way_is_done_once(scene: Scene, what: str, fault: t.Any, tries: int) -> None:
    scene.ask("1")
    before = 1
    if what == "change":
        scene.work(broken=False)
        scene.arrives("1")
        before = scene.live()["metadata"]["generation"] + 1  # type: ignore[index]
        for worker in scene._workers:
            worker.end()
        scene.ask("2")
    scene.proxy.retry_after = 2 if fault == 429 else None
    refuse, came = first(tries - 1, fault), []

    def noting(request: Request) -> t.Any:
        if request.writes_service:
            came.append(time.monotonic())
        return refuse(request)

    scene.proxy.fault = noting
    worker = scene.work()
    scene.arrives("2" if what == "change" else "1")
    scene.ends()
    if fault == 429:
        pauses = [later - earlier for earlier, later in itertools.pairwise(came[:tries])]
        assert len(pauses) == tries - 1
        assert min(pauses) >= 2, "it waits as it was told"
    assert scene.row()["last_error"] is None
    without_failure(worker)
    live = scene.live()
    assert live is not None
    assert live["metadata"]["generation"] == before, "the specification was written once"
    landed = [status for _method, status in scene.proxy.writes if 200 <= status < 300]
    assert len(landed) == (0 if fault == "lost" else 1), scene.proxy.writes
    assert len(scene.proxy.writes) <= tries + 1, scene.proxy.writes


def test_somebody_writes_between_reading_and_writing(scene: Scene) -> None:
    """A conflict of the real server, twice: read again, and the other's field stays."""
    scene.ask("1")
    worker = scene.work()
    scene.arrives("1")

    def meddle(_request: Request) -> None:
        body = {"metadata": {"annotations": {"example.org/by": uuid.uuid4().hex}}}
        path = f"{SERVICES.format(scene.namespace)}/{scene.name}"
        scene.kube.request(
            "PATCH",
            path,
            action="write as another",
            query={"fieldManager": "kubectl-edit"},
            body=body,
            content_type=MERGE_PATCH,
        )

    scene.proxy.fault = first(2, meddle)
    scene.ask("2")
    scene.arrives("2")
    scene.ends()
    assert [status for method, status in scene.proxy.writes if method == "PATCH"].count(409) == 2
    live = scene.live()
    assert live is not None
    assert "example.org/by" in live["metadata"]["annotations"]
    assert scene.row()["last_error"] is None
    without_failure(worker)


def test_what_admission_refuses_is_told_and_not_tried_again_and_again(scene: Scene) -> None:
    name = f"refuse-{scene.namespace}"
    rules = [
        {
            "apiGroups": ["serving.kserve.io"],
            "apiVersions": ["*"],
            "operations": ["*"],
            "resources": ["inferenceservices"],
        }
    ]
    only = {"matchLabels": {"kubernetes.io/metadata.name": scene.namespace}}
    policy = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": name},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {"resourceRules": rules, "namespaceSelector": only},
            "validations": [{"expression": "false", "message": "not on a Sunday"}],
        },
    }
    binding = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": name},
        "spec": {"policyName": name, "validationActions": ["Deny"]},
    }
    kinds = {"validatingadmissionpolicies": policy, "validatingadmissionpolicybindings": binding}
    try:
        for plural, body in kinds.items():
            scene.kube.request("POST", f"{POLICIES}/{plural}", action=f"make {plural}", body=body)
        wait_for(lambda: _denied(scene), bool, timeout=30, what="the policy to be in force")
        scene.ask("1")
        worker = scene.work()
        wait_for(lambda: scene.row()["status"], lambda seen: seen == "ERROR", timeout=30, what="the refusal")
        assert "not on a Sunday" in scene.row()["last_error"]
        # Its sweep comes every second; the next attempt is due after 15 s at the earliest.
        old = "select observed_at < now() - interval '4 seconds' as old from serving.deployment"
        wait_for(lambda: scene.store.one(old)["old"], bool, timeout=10, what="four sweeps")
        assert len(scene.proxy.writes) == 1, scene.proxy.writes
        assert scene.row()["attempts"] == 1
        assert scene.live() is None
        assert worker.end()["worked"]["failed"] + worker.end()["worked"]["refused"] == 1
    finally:
        for plural in reversed(kinds):
            scene.kube.request("DELETE", f"{POLICIES}/{plural}/{name}", action="remove the policy", absent_ok=True)


def _denied(scene: Scene) -> bool:
    from ansible_collections.mlops.serving.plugins.module_utils._domain.errors import Refused

    body = {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"name": "probe", "namespace": scene.namespace},
        "spec": {"predictor": {"model": {"modelFormat": {"name": "triton"}, "storageUri": "s3://nowhere/"}}},
    }
    try:
        scene.kserve.create(body, dry_run=True)
    except Refused as refused:
        return "not on a Sunday" in str(refused)
    return False


def killing(
    worker: list[Worker], end: int, known: threading.Event, came: threading.Event
) -> t.Callable[[Request], str | None]:
    """Kills the worker before the request of this number, as soon as it is known."""

    def fault(request: Request) -> str | None:
        # The watch is a thread's own, and decides nothing.
        if request.number < end or came.is_set():
            return "cut" if came.is_set() else None
        known.wait()
        worker[0].send(signal.SIGKILL)
        came.set()
        return "cut"

    return fault


def test_killed_before_any_request(scene: Scene) -> None:
    """Each worker lives for one more request than the one before; together they write what one would have written."""
    release, kills = "1", 0
    scene.ask(release)
    for place in range(1, 40):
        worker: list[Worker] = []
        known, came = threading.Event(), threading.Event()
        begun = len(scene.proxy.seen)

        fault = killing(worker, begun + place, known, came)

        scene.proxy.fault = fault
        worker.append(scene.work())
        known.set()
        wait_for(
            lambda came=came: (came.is_set(), scene.row()["status"]),
            lambda seen: seen[0] or seen[1] == "STOPPED",
            timeout=30,
            what="an end",
            every=0.05,
        )  # type: ignore[misc]
        if came.is_set():
            kills += 1
            worker[0].over(10)
        else:
            break
        scene.leases_end()
    scene.proxy.fault = lambda request: None
    assert scene.release() == release
    assert kills >= 5
    landed = [one for one in scene.proxy.writes if 200 <= one[1] < 300]
    assert [method for method, _status in landed] == ["POST"], scene.proxy.writes
    live = scene.live()
    assert live is not None
    assert live["metadata"]["generation"] == 1
    assert scene.row()["last_error"] is None


@pytest.mark.parametrize("what", ["create", "change"])
def test_paused_past_its_lease_with_a_write_on_its_way(scene: Scene, what: str) -> None:
    """Another worker takes over and goes further; the old write arrives after that, and must not count."""
    scene.ask("1")
    if what == "change":
        early = scene.work(broken=False)
        scene.arrives("1")
        early.end()
        scene.ask("2")
    worker: list[Worker] = []
    known, held, go_on = threading.Event(), threading.Event(), threading.Event()

    def hold(_request: Request) -> None:
        known.wait()
        worker[0].send(signal.SIGSTOP)
        held.set()
        go_on.wait(60)

    scene.proxy.fault = first(1, hold)
    worker.append(scene.work())
    known.set()
    assert held.wait(30)
    scene.leases_end()
    other = scene.work(broken=False)
    scene.arrives("2" if what == "change" else "1")
    scene.ask("3")
    scene.arrives("3")
    scene.ends()
    live = scene.live()
    assert live is not None
    uid, generation, epoch = live["metadata"]["uid"], live["metadata"]["generation"], scene.row()["epoch"]
    worker[0].send(signal.SIGCONT)
    go_on.set()
    wait_for(
        worker[0].lines,
        lambda lines: any("another" in line or "somebody else" in line for line in lines),
        timeout=30,
        what="the late one to notice",
    )
    assert scene.proxy.writes[0][1] == 409, scene.proxy.writes
    assert all(status >= 400 for _method, status in scene.proxy.writes), scene.proxy.writes
    live = scene.live()
    assert live is not None
    assert (live["metadata"]["uid"], live["metadata"]["generation"], scene.release()) == (uid, generation, "3")
    assert scene.row()["epoch"] == epoch
    assert worker[0].end()["worked"]["superseded"] == 1
    other.end()


def test_a_model_is_served_over_a_server_that_fails_every_fifth_request(
    scene: Scene, cluster: t.Any, namespace: t.Any
) -> None:
    """Reads, writes and watches alike; some are refused, some cut off, and of some the answer is lost."""
    turns: list[t.Any] = [503, "cut", "lost"]

    def fault(request: Request) -> t.Any:
        return None if request.number % 5 else turns[request.number // 5 % 3]

    scene.proxy.fault = fault
    scene.ask("1", served_from=namespace.storage_uri)
    worker = scene.work()
    told = "READY after all"
    wait_for(lambda: scene.row()["status"], lambda seen: seen == "READY", timeout=120, what=told)
    inputs = {"INPUT0": [10.0, 20.0], "INPUT1": [1.0, 2.0]}
    answer = cluster.infer_service(scene.namespace, f"{scene.name}-predictor", "add_sub", inputs)
    assert {output["name"]: output["data"] for output in answer["outputs"]}["OUTPUT0"] == [11.0, 22.0]
    assert scene.row()["last_error"] is None
    live = scene.live()
    assert live is not None
    assert live["metadata"]["generation"] == 1
    assert worker.end()["worked"]["ready"] == 1
