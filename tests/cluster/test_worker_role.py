# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role deploy_worker on a real cluster: its account may do what a worker has to, and nothing else."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import http.client
import json
import signal
import ssl
import subprocess
import time
import typing as t
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml
from ansible_runs import PROGRAMS, ROOT, Shown, ansible_playbook, environment
from integration_servers import nats_url

from tools.cluster.access import Access, Space

from . import worker_image
from .desk import Desk
from .waiting import wait_for

__all__ = ("nats_url",)
pytestmark = pytest.mark.groups("base", "kserve", "knative", "triton")

NAME = "deploy-worker"
ENDPOINT = {
    "name": "demo",
    "model": "add_sub",
    "runtime": "kserve-triton",
    "autoscaling": {"minReplicas": 1, "maxReplicas": 1},
    "runtime_config": {"modelFormat": "triton", "runtimeVersion": "24.08-py3", "deploymentMode": "Knative"},
}
READY_SECONDS = 240
RBAC = "/apis/rbac.authorization.k8s.io/v1"
# Where no pod is wanted, no image is pulled.
ACCOUNT_ONLY = {"deploy_worker_replicas": 0, "deploy_worker_image": "registry.example/none:1"}


class Role:
    """Runs the role into a test's namespace, for endpoints in the same one unless it is told otherwise."""

    def __init__(self, cluster: Access, space: Space, database: str) -> None:
        self.kube, self.space = cluster.kube, space
        self.kubeconfig = cluster.kubeconfig
        self._database = database

    def __call__(self, *flags: str, **variables: t.Any) -> Shown:
        given = {
            "deploy_worker_run_as": "kubernetes",
            "deploy_worker_namespace": self.space.name,
            "deploy_worker_namespaces": [self.space.name],
            "deploy_worker_kserve_namespace": self.space.name,
            **variables,
        }
        own = {"K8S_AUTH_KUBECONFIG": str(self.kubeconfig), "DATABASE_URL": self._database}
        return ansible_playbook("mlops.serving.deploy_worker", *flags, own=own, timeout=300, **given)

    def found(self) -> set[str]:
        """What is there of it, in all namespaces that are concerned."""
        name, full = self.space.name, f"{self.space.name}-{NAME}"
        paths = {
            "account": f"/api/v1/namespaces/{name}/serviceaccounts/{NAME}",
            "secret": f"/api/v1/namespaces/{name}/secrets/{NAME}",
            "config": f"/api/v1/namespaces/{name}/configmaps/{NAME}",
            "deployment": f"/apis/apps/v1/namespaces/{name}/deployments/{NAME}",
            "rights": f"{RBAC}/namespaces/{name}/roles/{full}",
            "binding": f"{RBAC}/namespaces/{name}/rolebindings/{full}",
            "kserve rights": f"{RBAC}/namespaces/kserve/roles/{full}",
            "kserve binding": f"{RBAC}/namespaces/kserve/rolebindings/{full}",
            "all rights": f"{RBAC}/clusterroles/{full}",
            "all binding": f"{RBAC}/clusterrolebindings/{full}",
        }
        return {what for what, path in paths.items() if self.kube.raw("GET", path)[0] == 200}

    def account(self, folder: Path) -> Account:
        path = f"/api/v1/namespaces/{self.space.name}/serviceaccounts/{NAME}/token"
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}}
        return Account(self.kubeconfig, self.kube.post(path, body)["status"]["token"], folder)


class Account:
    """The worker's account, from outside of the cluster: `kubectl create token` gives such a token too."""

    def __init__(self, kubeconfig: Path, token: str, folder: Path) -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        (self._cluster,) = [one["cluster"] for one in config["clusters"]]
        for user in config["users"]:
            user["user"] = {"token": token}
        self.kubeconfig = folder / "account.yml"
        self.kubeconfig.write_text(json.dumps(config))
        self._token = token

    def __call__(self, method: str, path: str, body: t.Any = None) -> int:
        """Status of the answer."""
        authority = base64.b64decode(self._cluster["certificate-authority-data"]).decode()
        context = ssl.create_default_context(cadata=authority)
        host = self._cluster["server"].removeprefix("https://")
        connection = http.client.HTTPSConnection(host, context=context, timeout=30)
        try:
            headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            return connection.getresponse().status
        finally:
            connection.close()


@pytest.fixture
def role(cluster: Access, namespace: Space, database: str) -> t.Iterator[Role]:
    made = Role(cluster, namespace, database)
    yield made
    made(deploy_worker_state="absent")
    made(deploy_worker_state="absent", deploy_worker_namespaces=[])
    assert made.found() == set()


@pytest.fixture
def desk(cluster: Access, namespace: Space, database: str) -> t.Iterator[Desk]:
    with Desk(cluster, namespace, database) as desk:
        yield desk


@contextlib.contextmanager
def working(folder: Path, **own: str) -> t.Iterator[t.Callable[[], str]]:
    """The worker's playbook, until the end of the block; gives what it has said."""
    log = folder / "worker.log"
    with log.open("w") as file:
        process = subprocess.Popen(
            [str(PROGRAMS / "ansible-playbook"), "mlops.serving.worker"],
            cwd=ROOT,
            env=environment(own),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        yield log.read_text
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=60)
        finally:
            process.kill()
            process.wait()


def test_it_is_brought_and_taken_away(role: Role) -> None:
    shown = role("--check", **ACCOUNT_ONLY)
    assert shown.changed > 0
    assert role.found() == set()
    shown = role("-vvv", "--diff", **ACCOUNT_ONLY, deploy_worker_secrets={"FURTHER": "further-s3cret"})
    assert "further-s3cret" not in shown.output
    everything = {"account", "secret", "config", "deployment", "rights", "binding", "kserve rights", "kserve binding"}
    assert role.found() == everything
    assert role(**ACCOUNT_ONLY, deploy_worker_secrets={"FURTHER": "further-s3cret"}).changed == 0
    assert role("--check", deploy_worker_state="absent").changed > 0
    assert role.found() == everything
    assert role(deploy_worker_state="absent").changed > 0
    assert role.found() == set()
    assert role(deploy_worker_state="absent").changed == 0


def test_its_account_deploys_changes_and_deletes(role: Role, desk: Desk, tmp_path: Path, database: str) -> None:
    role(**ACCOUNT_ONLY)
    account = role.account(tmp_path)
    desk.version(1, desk.namespace.storage_uri)
    desk.version(2, desk.namespace.storage_uri_v2)

    def row(said: t.Callable[[], str], status: str) -> None:
        def look() -> tuple[str, str]:
            found = desk.row("demo")
            return found["status"], f"{found['last_error']}\n{said()}"

        wait_for(look, lambda seen: seen[0] == status, timeout=READY_SECONDS, what=f"demo is {status}")

    own = {
        "DATABASE_URL": database,
        "DEPLOY_MODE": "k8s",
        "K8S_AUTH_KUBECONFIG": str(account.kubeconfig),
        "KSERVE_NAMESPACE": desk.namespace.name,
        "WORKER_SWEEP": "5",
    }
    with working(tmp_path, **own) as said:
        desk.module("endpoint", **ENDPOINT, model_version=1)
        row(said, "READY")
        assert desk.infer("demo")["model_version"] == "1"
        desk.module("endpoint", name="demo", model_version=2)
        wait_for(
            lambda: (desk.infer("demo")["model_version"], said()),
            lambda seen: seen[0] == "2",
            timeout=READY_SECONDS,
            what="version 2 serves",
        )
        row(said, "READY")
    assert "rbac" not in said()
    assert "Forbidden" not in said()

    # Somebody changes it by hand, and one run with the same account puts it right.
    service = desk.service("demo")
    assert service is not None
    path = role.kube.path_of(service)
    role.kube.merge(path, {"spec": {"predictor": {"maxReplicas": 3}}})
    put_right = desk.module("reconcile", drift=True, kubeconfig=str(account.kubeconfig))
    assert put_right["changed"]
    assert put_right.get("warnings", []) == []
    assert role.kube.get(path)["spec"]["predictor"]["maxReplicas"] == 1
    known = desk.module("serving_info", kubeconfig=str(account.kubeconfig))
    assert known["kserve"]
    assert known["default_mode"]

    with working(tmp_path, **own) as said:
        desk.module("endpoint", name="demo", state="absent")
        row(said, "DELETED")
    assert desk.service("demo") is None


def pod(name: str) -> dict[str, t.Any]:
    spec = {"containers": [{"name": "c", "image": "registry.example/none:1"}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


def test_its_account_is_refused_everything_else(role: Role, tmp_path: Path) -> None:
    role(**ACCOUNT_ONLY)
    account, name = role.account(tmp_path), role.space.name
    services = "inferenceservices"
    kserve = "/apis/serving.kserve.io/v1beta1"
    allowed = [
        ("GET", f"{kserve}/namespaces/{name}/{services}"),
        ("GET", f"/api/v1/namespaces/{name}/pods"),
        ("GET", "/api/v1/namespaces/kserve/configmaps/inferenceservice-config"),
        ("GET", "/apis/apps/v1/namespaces/kserve/deployments/kserve-controller-manager"),
    ]
    assert {(method, path): account(method, path) for method, path in allowed} == dict.fromkeys(allowed, 200)
    refused = [
        ("GET", f"/api/v1/namespaces/{name}/secrets"),
        ("GET", f"/api/v1/namespaces/{name}/secrets/{NAME}"),
        ("GET", f"/api/v1/namespaces/{name}/configmaps"),
        ("GET", f"/api/v1/namespaces/{name}/pods/some-pod/log"),
        ("GET", f"/api/v1/namespaces/{name}/serviceaccounts"),
        ("POST", f"/api/v1/namespaces/{name}/pods"),
        ("DELETE", f"/api/v1/namespaces/{name}/pods/some-pod"),
        ("POST", f"/apis/apps/v1/namespaces/{name}/deployments"),
        ("GET", f"/apis/apps/v1/namespaces/{name}/deployments"),
        ("DELETE", f"{kserve}/namespaces/{name}/{services}"),
        ("GET", f"{kserve}/{services}"),
        ("GET", f"{kserve}/namespaces/default/{services}"),
        ("DELETE", f"{kserve}/namespaces/default/{services}/some-service"),
        ("GET", "/apis/coordination.k8s.io/v1/namespaces/default/leases/some-lease"),
        ("GET", "/api/v1/namespaces/default/pods"),
        ("GET", "/api/v1/namespaces"),
        ("GET", "/api/v1/nodes"),
        ("GET", "/api/v1/namespaces/kserve/configmaps"),
        ("GET", "/api/v1/namespaces/kserve/secrets"),
        ("GET", "/apis/apps/v1/namespaces/kserve/deployments"),
        ("POST", f"{RBAC}/namespaces/{name}/rolebindings"),
    ]
    answers = {
        (method, path): account(method, path, pod("p") if method == "POST" else None) for method, path in refused
    }
    assert answers == dict.fromkeys(refused, 403)


def test_without_namespaces_it_works_in_all_of_them(role: Role, tmp_path: Path) -> None:
    role(**ACCOUNT_ONLY, deploy_worker_namespaces=[], deploy_worker_kserve_namespace="tenant-{tenant_id}")
    assert {"all rights", "all binding", "kserve rights", "kserve binding"} <= role.found()
    account = role.account(tmp_path)
    services = "/apis/serving.kserve.io/v1beta1/inferenceservices"
    assert (account("GET", services), account("GET", "/api/v1/secrets")) == (200, 403)
    assert account("GET", "/apis/apps/v1/deployments") == 403


def publish(url: str, **event: t.Any) -> None:
    async def send() -> None:
        import nats

        connection = await nats.connect(url)
        await connection.jetstream().publish("mlops.serving.deploy_requested", json.dumps(event).encode())
        await connection.close()

    asyncio.run(send())


def test_a_pod_takes_an_event_in_and_carries_it_out(
    role: Role, desk: Desk, cluster: Access, database: str, nats_url: str
) -> None:
    """The whole of it: image, probes, account, secrets, a root that cannot be written to; an event goes in, a model serves."""
    image = worker_image.push(cluster)
    desk.version(1, desk.namespace.storage_uri)
    desk.version(2, desk.namespace.storage_uri_v2)
    servers = {name: urlsplit(url) for name, url in (("database", database), ("nats", nats_url))}
    with contextlib.ExitStack() as relays:
        reached = {}
        for name, url in servers.items():
            address = relays.enter_context(worker_image.relay(cluster, url.port or 0))
            user = url.netloc.rpartition("@")[0]
            reached[f"deploy_worker_{name}_url"] = url._replace(netloc=f"{user}@{address}").geturl()
        given = {
            **reached,
            "deploy_worker_image": image,
            "deploy_worker_nats_create": True,
            # Nothing is found by looking: only the event tells.
            "deploy_worker_sweep": 3600,
        }
        role(**given)
        path = f"/apis/apps/v1/namespaces/{role.space.name}/deployments/{NAME}"
        assert role.kube.get(path)["status"]["readyReplicas"] == 1
        assert role(**given).changed == 0

        desk.module("endpoint", **ENDPOINT, model_version=1)
        wait_for(lambda: desk.row("demo"), lambda row: row["status"] == "READY", timeout=READY_SECONDS, what="READY")
        desk.sql(
            "update endpoints e set model_version_id = v.id from model_versions v where e.name = 'demo' and v.version = 2"
        )
        (ids,) = desk._rows("select id::text as endpoint_id, tenant_id::text from endpoints where name = 'demo'")
        publish(nats_url, **ids)
        wait_for(
            lambda: desk.infer("demo")["model_version"],
            lambda version: version == "2",
            timeout=READY_SECONDS,
            what="version 2 serves",
        )
        wait_for(lambda: desk.row("demo"), lambda row: row["status"] == "READY", timeout=60, what="READY again")
        (pod,) = role.kube.items(
            f"/api/v1/namespaces/{role.space.name}/pods", labelSelector="app.kubernetes.io/name=deploy-worker"
        )
        assert pod["status"]["containerStatuses"][0]["restartCount"] == 0
        metrics = f"/api/v1/namespaces/{role.space.name}/pods/{pod['metadata']['name']}:9464/proxy/metrics"
        assert 'mlops_serving_worker_endpoints_total{outcome="ready"} 2' in role.kube.text(metrics)
        log = role.kube.text(f"/api/v1/namespaces/{role.space.name}/pods/{pod['metadata']['name']}/log")
        assert "deploys to https://" in log
        assert "ERROR" not in log
        assert [url for url in reached.values() if url in log] == []

        # Another password, or here another way to write the same, is read by a new pod only.
        assert role(**{**given, "deploy_worker_database_url": reached["deploy_worker_database_url"] + "?"}).changed == 2
        assert role(**{**given, "deploy_worker_database_url": reached["deploy_worker_database_url"] + "?"}).changed == 0
        asked = time.monotonic()
        role(deploy_worker_state="absent")
        wait_for(
            lambda: role.kube.items(
                f"/api/v1/namespaces/{role.space.name}/pods", labelSelector="app.kubernetes.io/name=deploy-worker"
            ),
            lambda pods: pods == [],
            timeout=60,
            what="the pod ends when it is asked to",
        )
        assert time.monotonic() - asked < 45, "it was killed, and did not end by itself"
