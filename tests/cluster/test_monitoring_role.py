# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role monitoring on a real cluster: a real Prometheus mounts what it makes, as its README says, and counts what the client counts."""

from __future__ import annotations

import copy
import http.client
import json
import re
import typing as t
import uuid
from pathlib import Path
from urllib.parse import urlencode

import pytest
import yaml
from ansible_collections.mlops.serving.plugins.module_utils._adapters.prometheus import Prometheus
from ansible_runs import Shown, ansible_playbook, write_play

from tools.cluster import monitoring, operatorcrds
from tools.cluster.access import Access, objects_of
from tools.cluster.kube import ApiError, Json

from . import test_metrics
from .test_metrics import CANDIDATE, NAME, STABLE, Canary
from .test_serving import INPUTS, example, ready
from .waiting import wait_for

canary = test_metrics.canary
pytestmark = pytest.mark.groups("triton", "prometheus")

# Thirty scrapes: one that comes late on a busy machine makes little difference.
WINDOW = 60
# As quick as the test's own Prometheus; alerts at once.
QUICK = {
    "monitoring_create_namespace": True,
    "monitoring_scrape_interval": "2s",
    "monitoring_rule_interval": "2s",
    "monitoring_window": f"{WINDOW}s",
    "monitoring_alert_for": "0s",
    "monitoring_down_for": "1h",
}
# There is no GPU here, and no Knative before 1.19.
NOT_HERE = {
    "revision:triton_gpu_utilization:mean",
    "revision:triton_gpu_memory:ratio",
    "revision:serving_latency_milliseconds_bucket:rate",
}


class Role:
    """Runs the role against the cluster, into a namespace of its own."""

    def __init__(self, cluster: Access, folder: Path) -> None:
        self.cluster = cluster
        self.namespace = f"mon-{uuid.uuid4().hex[:8]}"
        self._folder = folder

    def __call__(self, *arguments: str, fails: bool = False, **variables: t.Any) -> Shown:
        return ansible_playbook(
            write_play(self._folder, "monitoring"),
            *arguments,
            own={"KUBECONFIG": str(self.cluster.kubeconfig)},
            fails=fails,
            timeout=180,
            **{**QUICK, "monitoring_namespace": self.namespace, **variables},
        )

    def config(self, name: str = "mlops-serving") -> Json:
        return self.cluster.kube.get(f"/api/v1/namespaces/{self.namespace}/configmaps/{name}")

    def exists(self) -> bool:
        return self.cluster.kube.raw("GET", f"/api/v1/namespaces/{self.namespace}")[0] == 200


class Watcher:
    """A Prometheus of one's own in the role's namespace, set up as the README of the role says."""

    def __init__(self, role: Role) -> None:
        self.role = role
        self._kube = role.cluster.kube
        for manifest in self.objects():
            self._kube.apply(manifest)
        path = f"/apis/apps/v1/namespaces/{role.namespace}/deployments/prometheus"
        wait_for(
            lambda: self._kube.get(path).get("status", {}).get("readyReplicas", 0), bool, timeout=90, what="Prometheus"
        )
        service = self._kube.get(f"/api/v1/namespaces/{role.namespace}/services/prometheus")
        self.address = service["spec"]["clusterIP"]

    def objects(self) -> list[Json]:
        """The cluster tool's Prometheus, with another configuration and the role's ConfigMap."""
        made = []
        for manifest in copy.deepcopy(monitoring.objects()):
            kind, metadata = manifest["kind"], manifest["metadata"]
            if kind == "ClusterRole":
                continue
            if kind == "ClusterRoleBinding":
                metadata["name"] = self.role.namespace
                manifest["subjects"][0]["namespace"] = self.role.namespace
            else:
                metadata["namespace"] = self.role.namespace
            if kind == "ConfigMap":
                configuration = {
                    "global": {"scrape_interval": "2s", "evaluation_interval": "2s"},
                    "scrape_config_files": ["/etc/mlops-serving/scrape.yml"],
                    "rule_files": ["/etc/mlops-serving/rules.yml"],
                }
                manifest["data"]["prometheus.yml"] = json.dumps(configuration)
            if kind == "Deployment":
                pod = manifest["spec"]["template"]["spec"]
                pod["containers"][0]["args"].append("--web.enable-lifecycle")
                pod["containers"][0]["readinessProbe"].update(periodSeconds=1)
                pod["containers"][0]["volumeMounts"].append(
                    {"name": "mlops-serving", "mountPath": "/etc/mlops-serving"}
                )
                pod["volumes"].append({"name": "mlops-serving", "configMap": {"name": "mlops-serving"}})
            made.append(manifest)
        return made

    def _ask(self, method: str, path: str) -> str:
        connection = http.client.HTTPConnection(self.address, monitoring.PORT, timeout=30)
        try:
            connection.request(method, path)
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        assert answer.status == 200, f"{path}: {answer.status} {text[:500]}"
        return text

    def get(self, path: str) -> t.Any:
        return json.loads(self._ask("GET", f"/api/v1/{path}"))["data"]

    def query(self, text: str) -> list[tuple[dict[str, str], float]]:
        result = self.get(f"query?{urlencode({'query': text})}")["result"]
        return [(one["metric"], float(one["value"][1])) for one in result]

    def values(self, text: str) -> dict[str, float]:
        """By revision."""
        return {labels.get("revision", ""): value for labels, value in self.query(text)}

    def reload(self) -> None:
        self._ask("POST", "/-/reload")

    def poke(self) -> None:
        """A change of the pod makes the kubelet bring its ConfigMaps at once, not within its minute."""
        (pod,) = self._kube.items(f"/api/v1/namespaces/{self.role.namespace}/pods", labelSelector="app=prometheus")
        path = f"/api/v1/namespaces/{self.role.namespace}/pods/{pod['metadata']['name']}"
        self._kube.merge(path, {"metadata": {"annotations": {"poked": uuid.uuid4().hex}}})


@pytest.fixture(scope="module")
def role(cluster: Access, tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Role]:
    made = Role(cluster, tmp_path_factory.mktemp("role"))
    yield made
    made(monitoring_state="absent")
    assert not made.exists()


@pytest.fixture(scope="module")
def watcher(role: Role) -> t.Iterator[Watcher]:
    assert role("--check").changed == 1
    assert not role.exists()
    assert role().changed == 1
    assert role().changed == 0, "a second run changes nothing"
    made = Watcher(role)
    yield made
    for manifest in made.objects():
        if manifest["kind"] == "ClusterRoleBinding":
            role.cluster.kube.delete(role.cluster.kube.path_of(manifest))


def rules_of(text: str) -> list[Json]:
    return [rule for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]


def test_prometheus_loads_scrape_configuration_and_rules(watcher: Watcher) -> None:
    loaded = yaml.safe_load(watcher.get("status/config")["yaml"])
    assert loaded["scrape_config_files"] == ["/etc/mlops-serving/scrape.yml"]
    wait_for(
        lambda: sorted(watcher.get("scrape_pools")["scrapePools"]),
        lambda seen: seen == ["mlops-serving-model", "mlops-serving-queue-proxy"],
        timeout=30,
        what="both jobs",
    )
    wanted = len(rules_of(watcher.role.config()["data"]["rules.yml"]))

    def evaluated() -> list[Json]:
        return [rule for group in watcher.get("rules")["groups"] for rule in group["rules"]]

    found = wait_for(
        evaluated,
        lambda seen: len(seen) == wanted and all(rule["health"] != "unknown" for rule in seen),
        timeout=30,
        what="all rules are evaluated",
    )
    assert {rule["name"]: rule.get("lastError") for rule in found if rule["health"] != "ok"} == {}


def test_rules_tell_what_the_client_saw(watcher: Watcher, canary: Canary) -> None:
    where = f'namespace="{canary.space.name}",inferenceservice="{NAME}"'
    count = f"kn_serving_invocation_duration_seconds_count{{{where}}}"
    canary.load()
    # Each series has a first sample, which is no increase, and then nothing happens for a whole window.
    wait_for(
        lambda: watcher.query(f"revision:serving_requests:rate{{{where}}} == 0"),
        lambda seen: len(seen) == 2,
        timeout=3 * WINDOW,
        what="a window without requests",
    )
    assert watcher.query(f"revision:serving_errors:ratio{{{where}}}") == [], "of no traffic nothing is known"

    def totals() -> dict[str, float]:
        return watcher.values(f"sum by (revision) ({count})")

    before = totals()
    client = canary.load()
    sent = {revision: sum(statuses.values()) for revision, statuses in client.items()}
    wait_for(
        totals,
        lambda seen: {revision: seen[revision] - before[revision] for revision in seen} == sent,
        timeout=20,
        what=f"the client's counts {sent}",
    )

    def figures() -> dict[str, dict[str, float]]:
        names = ("requests:rate", "requests:share", "errors:ratio", "latency_seconds:mean")
        return {name: watcher.values(f"revision:serving_{name}{{{where}}}") for name in names}

    def near(rates: dict[str, float]) -> bool:
        """Prometheus extrapolates from the scrapes in a window to all of it: up to a tenth too much, more if one is late."""
        return set(rates) == set(sent) and all(
            sent[one] * 0.97 <= rates[one] * WINDOW <= sent[one] * 1.2 for one in sent
        )

    seen = wait_for(
        figures, lambda seen: near(seen["requests:rate"]), timeout=20, what=f"rates of {sent} in {WINDOW} s"
    )
    all_sent = sum(sent.values())
    failed = client[CANDIDATE]["500"]
    assert seen["errors:ratio"][STABLE] == 0
    # What is extrapolated differs by series: a status that is new in a window is not taken back to before its first request.
    assert seen["errors:ratio"][CANDIDATE] == pytest.approx(failed / sent[CANDIDATE], rel=0.2)
    assert seen["requests:share"][CANDIDATE] == pytest.approx(sent[CANDIDATE] / all_sent, rel=0.2)
    ratio = watcher.query(f"inferenceservice:serving_errors:ratio{{{where}}}")[0][1]
    assert ratio == pytest.approx(failed / all_sent, rel=0.2)
    for quantile in ("0.5", "0.99"):
        found = watcher.values(f'revision:serving_latency_seconds:quantile{{{where},quantile="{quantile}"}}')
        assert set(found) == set(sent)
        assert all(0.0005 < value < 2.5 for value in found.values()), found
    # Scraped at another moment.
    triton = wait_for(
        lambda: watcher.values(f"revision:triton_requests:rate{{{where}}}"),
        near,
        timeout=10,
        what=f"Triton's rates of {sent} in {WINDOW} s",
    )
    # The pods that the rules count are those that there are.
    assert set(watcher.values(f"revision:serving_pods_up:count{{{where}}}").values()) == {1.0}
    print(f"client {client}; rules {seen}; triton {triton}")

    rules = rules_of(watcher.role.config()["data"]["rules.yml"])
    without = {
        rule["record"] for rule in rules if "record" in rule and not watcher.query(f"{rule['record']}{{{where}}}")
    }
    assert without == NOT_HERE
    # Of the other alerts some may be right to fire on a machine as busy as this one may be.
    firing = {
        (labels["alertname"], labels.get("revision"))
        for labels, _one in watcher.query(f'ALERTS{{{where},alertstate="firing",alertname=~"Serving.+Errors"}}')
    }
    assert firing == {("ServingRevisionErrors", CANDIDATE), ("ServingEndpointErrors", None)}

    # A roll-out with evidence from this Prometheus reads what the pods say themselves.
    revisions, pods = [STABLE, CANDIDATE], canary.kserve.metrics(canary.space.name, NAME)
    ours = Prometheus(f"http://{watcher.address}:{monitoring.PORT}", namespace=canary.space.name, service=NAME)
    try:
        direct = pods.read(revisions)
        assert direct
        wait_for(
            lambda: {series: value for series, value in ours.read(revisions).items() if series in direct},
            lambda seen: seen == direct,
            timeout=10,
            what="the pods' counters",
        )
    finally:
        ours.close()
        pods.close()


def test_standard_mode_is_counted_by_triton(watcher: Watcher, canary: Canary) -> None:
    cluster, space = canary.cluster, canary.space
    manifest = example("triton-canary", space)
    manifest["metadata"].update(name="raw", annotations={"serving.kserve.io/deploymentMode": "Standard"})
    manifest["spec"]["predictor"].pop("canaryTrafficPercent", None)
    manifest["spec"]["predictor"]["model"]["storageUri"] = space.storage_uri
    cluster.kube.apply(manifest)
    ready(cluster, manifest)
    where = f'namespace="{space.name}",inferenceservice="raw"'
    wait_for(lambda: watcher.query(f"nv_inference_request_success{{{where}}}"), bool, timeout=30, what="a scrape")
    for _request in range(50):
        cluster.infer_service(space.name, "raw-predictor", "add_sub", INPUTS)
    wait_for(
        lambda: watcher.query(f"sum(nv_inference_request_success{{{where}}})")[0][1],
        lambda seen: seen == 50,
        timeout=20,
        what="50 requests",
    )
    # The fewer scrapes of a new series there are, the more is extrapolated.
    wait_for(
        lambda: [
            value * WINDOW for _labels, value in watcher.query(f"inferenceservice:serving_requests:rate{{{where}}}")
        ],
        lambda seen: len(seen) == 1 and 48 <= seen[0] <= 60,
        timeout=2 * WINDOW,
        what="the rate of 50 requests",
    )
    assert [value for _labels, value in watcher.query(f"inferenceservice:serving_errors:ratio{{{where}}}")] == [0]
    (batch,) = watcher.query(f"revision:triton_batch_size:mean{{{where}}}")
    assert batch[1] >= 1
    assert "revision" not in batch[0]


def test_the_dashboard_is_found_by_its_label_and_its_panels_show_something(
    watcher: Watcher,
    canary: Canary,
) -> None:
    role = watcher.role
    path = f"/api/v1/namespaces/{role.namespace}/configmaps"
    (found,) = role.cluster.kube.items(path, labelSelector="grafana_dashboard=1")
    dashboard = json.loads(found["data"]["mlops-serving.json"])
    with canary.cluster.load(canary.space.host(NAME), "add_sub", INPUTS, rate=20) as load:
        wait_for(lambda: load.sent, lambda sent: sent > 100, timeout=60, what="some traffic")
    empty = set()
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            text = target["expr"].replace("$namespace", canary.space.name).replace("$endpoint", NAME)
            try:
                wait_for(lambda text=text: watcher.query(text), bool, timeout=6, what=text)
            except AssertionError:
                empty.add(panel["title"])
    assert empty == {"GPU: utilization", "GPU: memory"}


def test_a_change_is_reloaded_without_a_restart(watcher: Watcher) -> None:
    role = watcher.role
    assert role(monitoring_error_ratio=0.9).changed == 1
    assert role(monitoring_error_ratio=0.9).changed == 0
    watcher.poke()

    def objective() -> str:
        watcher.reload()
        rules = [rule for group in watcher.get("rules")["groups"] for rule in group["rules"]]
        return str(
            [rule["query"] for rule in rules if rule["name"] == "inferenceservice:serving_objective_errors:ratio"]
        )

    wait_for(objective, lambda seen: "0.9" in seen, timeout=120, what="the new threshold", every=1)
    (pod,) = role.cluster.kube.items(f"/api/v1/namespaces/{role.namespace}/pods", labelSelector="app=prometheus")
    assert pod["status"]["containerStatuses"][0]["restartCount"] == 0


@pytest.fixture
def other(cluster: Access, tmp_path: Path) -> t.Iterator[Role]:
    """The role in another namespace, of which nothing is left."""
    made = Role(cluster, tmp_path)
    yield made
    if made.exists():
        cluster.kube.delete(f"/api/v1/namespaces/{made.namespace}")


@pytest.fixture
def operator(cluster: Access) -> t.Iterator[None]:
    """The operator's definitions without the operator: the API server judges objects of its kinds."""
    definitions = [yaml.safe_load(file.read_text()) for file in operatorcrds.files(cluster.cluster.home)]
    there = {
        one["metadata"]["name"]
        for one in objects_of(cluster.kube, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions")
    }
    ours = [one for one in definitions if one["metadata"]["name"] not in there]
    cluster.apply(ours)
    for one in ours:
        wait_for(
            lambda one=one: cluster.kube.get(cluster.kube.path_of(one)).get("status", {}).get("conditions") or [],
            lambda seen: any(c["type"] == "Established" and c["status"] == "True" for c in seen),
            timeout=30,
            what=f"{one['metadata']['name']} is established",
        )
    yield
    for one in ours:
        cluster.kube.delete(cluster.kube.path_of(one))


def test_the_operators_objects_are_chosen_and_accepted(cluster: Access, operator: None, other: Role) -> None:
    role = other
    labels = {"release": "prometheus"}
    assert role("--check", monitoring_labels=labels).changed == 1
    assert role(monitoring_labels=labels).changed == 1
    assert role(monitoring_labels=labels).changed == 0
    base = f"/apis/monitoring.coreos.com/v1/namespaces/{role.namespace}"
    monitors = {one["metadata"]["name"]: one for one in cluster.kube.items(f"{base}/podmonitors")}
    (rule,) = cluster.kube.items(f"{base}/prometheusrules")
    assert sorted(monitors) == ["mlops-serving-model", "mlops-serving-queue-proxy"]
    assert all(one["metadata"]["labels"]["release"] == "prometheus" for one in (rule, *monitors.values()))
    with pytest.raises(ApiError, match="not found"):
        role.config()

    # The same rules and the same relabelling as without the operator.
    assert role(monitoring_kind="plain", monitoring_labels=labels).changed == 1
    data = role.config()["data"]
    assert rule["spec"] == yaml.safe_load(data["rules.yml"])
    for job in yaml.safe_load(data["scrape.yml"])["scrape_configs"]:
        (endpoint,) = monitors[job["job_name"]]["spec"]["podMetricsEndpoints"]
        snake = [
            {re.sub(r"[A-Z]", lambda m: f"_{m[0].lower()}", key): value for key, value in one.items()}
            for one in endpoint["relabelings"]
        ]
        # The operator leaves out pods that have ended by itself; the API server writes the default action down.
        plain = [{"action": "replace", **one} for one in job["relabel_configs"] if "phase" not in str(one)]
        assert [{"action": "replace", **one} for one in snake] == plain

    wrong = [{"target": {"kind": "PodMonitor"}, "patch": {"spec": {"podMetricsEndpoints": [{"interval": "soon"}]}}}]
    assert "podMetricsEndpoints" in role("--check", monitoring_patches=wrong, fails=True).output

    assert role("--check", monitoring_state="absent").changed == 1
    assert role(monitoring_state="absent").changed == 1
    assert role(monitoring_state="absent").changed == 0
    assert not role.exists()
