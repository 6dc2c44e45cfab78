# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From an older KServe to ours by the collection's playbook, while endpoints serve under constant load (`make test-upgrade`)."""

from __future__ import annotations

import contextlib
import json
import threading
import time
import typing as t
from collections import Counter
from pathlib import Path

import pytest
from ansible_collections.mlops.serving.plugins.module_utils._adapters.cluster import KServeCluster
from ansible_collections.mlops.serving.plugins.module_utils._domain.errors import ServingError

from tools.cluster import previous, versions
from tools.cluster.access import Access, make_space
from tools.cluster.inference import Load

from .desk import INPUTS, Desk
from .installation import GROUPS, ROOT, Installation, Shown
from .waiting import wait_for

pytestmark = pytest.mark.groups("kserve", "triton", "keda", "kyverno", previous.GROUP)

TENANT = {"mlops-saas.io/tenant": "true"}
OLD, NEW = (version.removeprefix("v") for version in (previous.VERSION, versions.KSERVE))
MODES = {"demo": "Knative", "plain": "Standard"}
RATE = 25.0  # requests a second, of each endpoint
ASKED_EVERY = 0.1  # seconds
AFTERWARDS = 20  # seconds of load after the new controller has begun
CONTROLLER = "/apis/apps/v1/namespaces/kserve/deployments/kserve-controller-manager"


@pytest.fixture
def installation(bare_cluster: Access, tmp_path: Path) -> Installation:
    return Installation(bare_cluster, tmp_path, (*GROUPS, previous.GROUP))


def endpoint(name: str, mode: str, version: int = 1, **more: t.Any) -> dict[str, t.Any]:
    return {
        "name": name,
        "model": "add_sub",
        "model_version": version,
        "runtime": "kserve-triton",
        "autoscaling": {"minReplicas": 1, "maxReplicas": 1},
        "runtime_config": {"modelFormat": "triton", "runtimeVersion": "24.08-py3", "deploymentMode": mode},
        **more,
    }


@pytest.fixture
def desk(installation: Installation, database: str) -> t.Iterator[Desk]:
    """One endpoint in each mode, deployed on the older KServe."""
    first = installation.play("install_kserve", kserve_mode="knative", kserve_version=OLD)
    assert first.changed > 0
    assert image(installation.cluster) == f"kserve/kserve-controller:v{OLD}"
    installation.models()
    space = make_space(installation.cluster, "models", TENANT)
    with Desk(installation.cluster, space, database) as desk:
        desk.version(1, space.storage_uri)
        desk.version(2, space.storage_uri_v2)
        endpoints = [endpoint(name, mode) for name, mode in MODES.items()]
        desk.playbook("deploy", endpoints=endpoints)
        assert {name: desk.row(name)["status"] for name in MODES} == dict.fromkeys(MODES, "READY")
        yield desk


def test_an_upgrade_under_load(installation: Installation, desk: Desk) -> None:
    assert desk.module("serving_info")["kserve"] == OLD
    before = state(desk)
    with loads(desk) as load, Asking(plainly(desk)) as plain, Asking(as_we_do(desk)) as ours:
        upgrade = installation.play("install_kserve", "-v", kserve_mode="knative")
        leads(installation.cluster)
        time.sleep(AFTERWARDS)  # it looks at every InferenceService now
    after = state(desk)
    told(upgrade, load, {"plainly": plain, "as we do": ours}, before, after)
    assert {name: (one.failed, one.errors) for name, one in load.items()} == {name: (0, {}) for name in MODES}
    assert ours.refused == Counter()
    # A request on a connection that the old controller closes in this instant is lost; the next one is not.
    assert plain.in_a_row <= 1, str(plain)
    assert min(plain.asked, ours.asked) > upgrade.seconds, "it was not asked"
    assert all(one.sent > RATE * upgrade.seconds * 0.8 for one in load.values()), "the load was not there"
    assert "go one minor version at a time" in upgrade.output
    assert after == before, "nothing that serves was started anew"

    again = installation.play("install_kserve", "-v", kserve_mode="knative")
    assert again.changed == 0, again.output
    assert desk.module("serving_info")["kserve"] == NEW
    assert not desk.module("reconcile", drift=True)["changed"]
    # What starts from now on is the new release's.
    settings = installation.cluster.kube.get("/api/v1/namespaces/kserve/configmaps/inferenceservice-config")["data"]
    assert {json.loads(settings[key])["image"].rpartition(":")[2] for key in ("storageInitializer", "agent")} == {
        f"v{NEW}"
    }

    with loads(desk) as load:
        desk.playbook("deploy", endpoints=[endpoint("fresh", "Knative")])
        desk.module("endpoint", name="demo", model_version=2, traffic={"canaryTrafficPercent": 20})
        desk.module("reconcile")
        assert sorted(desk.shares("demo").values()) == [20, 80]
        time.sleep(100 / RATE)
    assert load["demo"].failed == 0, load["demo"].errors
    assert set(load["demo"].versions) == {"1", "2"}
    assert desk.infer("fresh")["model_version"] == "1"
    desk.module("endpoint", name="demo", traffic={})
    desk.module("endpoint", name="plain", model_version=2)
    desk.module("reconcile")
    assert desk.infer("demo")["model_version"] == "2"
    assert desk.infer_standard("plain")["model_version"] == "2"

    back = installation.play("install_kserve", kserve_mode="knative", kserve_version=OLD, fails=True)
    assert f"{NEW} is newer" in back.output
    assert f"Ask for {NEW} or newer" in back.output
    assert desk.module("serving_info")["kserve"] == NEW


class Asking:
    """Asks all the time whether an InferenceService would be taken, as a deploy does that falls into the upgrade.

    :param ask: returns why not, or nothing
    """

    def __init__(self, ask: t.Callable[[], str]) -> None:
        self.asked = self.in_a_row = 0
        self.refused: Counter[str] = Counter()
        self._ask = ask
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._go_on, daemon=True)

    def __enter__(self) -> Asking:
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stop.set()
        self._thread.join()

    def _go_on(self) -> None:
        row = 0
        while not self._stop.wait(ASKED_EVERY):
            self.asked += 1
            why = self._ask()
            row = row + 1 if why else 0
            self.in_a_row = max(self.in_a_row, row)
            if why:
                self.refused[why] += 1

    def __str__(self) -> str:
        return f"asked {self.asked} times, {sum(self.refused.values())} refused, {self.in_a_row} in a row {dict(self.refused)}"


def to_ask(desk: Desk) -> dict[str, t.Any]:
    model = {"modelFormat": {"name": "triton"}, "protocolVersion": "v2", "storageUri": desk.namespace.storage_uri}
    annotations = {"serving.kserve.io/deploymentMode": "Knative"}
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"name": "asked", "namespace": desk.namespace.name, "annotations": annotations},
        "spec": {"predictor": {"model": model}},
    }


def plainly(desk: Desk) -> t.Callable[[], str]:
    """One request, whatever comes of it."""
    path = f"/apis/serving.kserve.io/v1beta1/namespaces/{desk.namespace.name}/inferenceservices?dryRun=All"
    body = json.dumps(to_ask(desk)).encode()

    def ask() -> str:
        status, answer = desk.cluster.kube.raw("POST", path, body)
        return "" if status == 201 else f"{status}: {answer.decode(errors='replace')}"

    return ask


def as_we_do(desk: Desk) -> t.Callable[[], str]:
    """By the collection's own client, which sends again what failed for want of a webhook."""
    client, manifest = KServeCluster.connect({"kubeconfig": str(desk.cluster.kubeconfig)}), to_ask(desk)

    def ask() -> str:
        try:
            client.apply(manifest, dry_run=True)
        except ServingError as error:
            return str(error)
        return ""

    return ask


@contextlib.contextmanager
def loads(desk: Desk) -> t.Iterator[dict[str, Load]]:
    """Constant load on the endpoint of each mode: through the gateway, and at the address of the predictor's Service."""
    row = desk.row("plain")
    service = f"{row['service']}-predictor"
    spec = desk.cluster.kube.get(f"/api/v1/namespaces/{row['namespace']}/services/{service}")["spec"]
    address = f"{spec['clusterIP']}:{spec['ports'][0]['port']}"
    with desk.load("demo", rate=RATE) as demo, Load(address, service, "add_sub", INPUTS, RATE) as plain:
        yield {"demo": demo, "plain": plain}


def image(cluster: Access) -> str:
    """Of KServe's controller."""
    containers = cluster.kube.get(CONTROLLER)["spec"]["template"]["spec"]["containers"]
    return str(next(one["image"] for one in containers if one["name"] == "manager"))


def state(desk: Desk) -> dict[str, t.Any]:
    """What serves: revisions and their shares, and each pod with the restarts of its containers."""
    pods = desk.cluster.kube.items(f"/api/v1/namespaces/{desk.namespace.name}/pods")
    restarts = {
        pod["metadata"]["name"]: sum(one["restartCount"] for one in pod["status"].get("containerStatuses", []))
        for pod in pods
    }
    return {"pods": restarts, "shares": desk.shares("demo"), "ready": {name: ready(desk, name) for name in MODES}}


def ready(desk: Desk, name: str) -> bool:
    service = desk.service(name)
    assert service is not None
    return any(one["type"] == "Ready" and one["status"] == "True" for one in service["status"]["conditions"])


def leads(cluster: Access) -> None:
    """The controller that runs is the one that leads: the old one's lease has run out."""

    def look() -> tuple[str, list[str]]:
        pods = cluster.kube.items(
            "/api/v1/namespaces/kserve/pods", labelSelector="control-plane=kserve-controller-manager"
        )
        lease = cluster.kube.get(
            "/apis/coordination.k8s.io/v1/namespaces/kserve/leases/kserve-controller-manager-leader-lock"
        )
        return lease["spec"]["holderIdentity"], [pod["metadata"]["name"] for pod in pods]

    wait_for(look, lambda seen: [seen[0].rpartition("_")[0]] == seen[1], timeout=120, what="the new controller leads")


def told(
    upgrade: Shown,
    load: dict[str, Load],
    asking: dict[str, Asking],
    before: dict[str, t.Any],
    after: dict[str, t.Any],
) -> None:
    """Figures for whoever looks into .build/install-figures.txt."""
    line = (
        f"upgrade {OLD} to {NEW}: {upgrade.seconds:.0f} s, {upgrade.tasks} tasks, {upgrade.requests} requests; "
        + "; ".join(
            f"{name}: {one.sent} sent, {one.failed} failed {dict(one.errors)}, p50 {one.quantile(0.5) * 1000:.0f} ms,"
            f" p99 {one.quantile(0.99) * 1000:.0f} ms, slowest {one.quantile(1) * 1000:.0f} ms"
            for name, one in load.items()
        )
    )
    asked = "; ".join(f"admission, {how}: {one}" for how, one in asking.items())
    with (ROOT / ".build" / "install-figures.txt").open("a") as file:
        file.write(f"{line}; {asked}; before {before}; after {after}\n")
