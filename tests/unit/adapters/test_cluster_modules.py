# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module inferenceservice over KServe's simulated rules: safe steps, true `changed`, one bad manifest stops no other."""

from __future__ import annotations

import copy
import re
import threading
from typing import Any

import pytest
from ansible_collections.mlops.serving.plugins.module_utils._ansible import inferenceservices
from ansible_collections.mlops.serving.plugins.module_utils._domain import simulation
from ansible_collections.mlops.serving.plugins.module_utils._domain.readiness import Observed

STANDARD = {"serving.kserve.io/deploymentMode": "Standard"}
OWNER = "mlops.platform/endpoint_id"
Key = tuple[str, str]


class SimulatedCluster:
    """The part of a cluster that the module uses; each look lets the controllers do one pass."""

    host = "https://simulated.test"

    def __init__(self) -> None:
        self.states: dict[Key, simulation.State] = {}
        self.shares: list[dict[str, int]] = []
        self.writes = 0
        self.warnings = ["something is deprecated"]

    @staticmethod
    def load_error(model: dict[str, Any]) -> str | None:
        return "config.pbtxt is missing" if "broken" in model["storageUri"] else None

    def observe(self, namespace: str, name: str) -> Observed:
        key = (namespace, name)
        if key not in self.states:
            return Observed()
        self.states[key] = simulation.tick(self.states[key], self.load_error)
        seen = simulation.look(self.states[key])
        self.shares.append(seen.shares)
        return seen

    def get(self, namespace: str, name: str) -> dict[str, Any] | None:
        state = self.states.get((namespace, name))
        return state["object"] if state else None

    def create(self, manifest: dict[str, Any], *, dry_run: bool = False) -> dict[str, Any]:
        return self.apply(manifest, dry_run=dry_run)

    def apply(
        self, manifest: dict[str, Any], *, resource_version: str | None = None, dry_run: bool = False
    ) -> dict[str, Any]:
        key = (manifest["metadata"]["namespace"], manifest["metadata"]["name"])
        state, written = self.states.get(key), copy.deepcopy(manifest)
        simulation.admit(state["object"] if state else None, written)
        if state:
            written["status"] = state["object"].get("status", {})
        if not dry_run:
            self.writes += 1
            self.states[key] = {**(state or {}), "object": written}
        return written

    def delete(self, namespace: str, name: str, *, dry_run: bool = False, **_conditions: Any) -> None:
        if not dry_run:
            self.writes += 1
            del self.states[(namespace, name)]

    def info(self) -> dict[str, Any]:
        return {"default_mode": "Knative"}

    def watch(self, namespace: str, on_change: Any, stop: threading.Event) -> None:
        stop.wait()

    def close(self) -> None:
        """Nothing is open."""


class FakeModule:
    def __init__(self, services: list[dict[str, Any]], **options: Any) -> None:
        self.check_mode = options.pop("check_mode", False)
        self._diff = True
        self.warned: list[str] = []
        self.params = {
            "inferenceservices": services,
            "state": "present",
            "namespace": "models",
            "wait": True,
            "timeout": 30,
            **options,
        }

    def warn(self, text: str) -> None:
        self.warned.append(text)


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> SimulatedCluster:
    simulated = SimulatedCluster()
    monkeypatch.setattr(inferenceservices.KServeCluster, "connect", lambda options: simulated)
    monkeypatch.setattr(inferenceservices, "cluster_parameters", lambda module: {})
    monkeypatch.setattr(inferenceservices, "_POLL_SECONDS", 0.01)
    return simulated


def service(uri: str = "s3://b/v1/", name: str = "demo", percent: int | None = None, **metadata: Any) -> dict[str, Any]:
    predictor: dict[str, Any] = {"model": {"modelFormat": {"name": "triton"}, "storageUri": uri}}
    if percent is not None:
        predictor["canaryTrafficPercent"] = percent
    return {"metadata": {"name": name, **metadata}, "spec": {"predictor": predictor}}


def change(*services: dict[str, Any], **options: Any) -> dict[str, Any]:
    result: dict[str, Any] = {"changed": False}
    module = FakeModule(list(services), **options)
    inferenceservices.change(module, result)  # type: ignore[arg-type]
    result["warned"] = module.warned
    return result


def test_it_deploys_once_and_finds_nothing_to_do_then(cluster: SimulatedCluster) -> None:
    first = change(service())
    assert first["changed"] is True
    assert "failed_endpoints" not in first
    entry = first["inferenceservices"][0]
    assert (entry["ready"], entry["url"], entry["writes"]) == (True, "http://demo.example.local", ["first deployment"])
    assert first["warned"] == ["something is deprecated"]
    writes = cluster.writes
    second = change(service())
    assert (second["changed"], second["inferenceservices"][0]["writes"], cluster.writes) == (False, [], writes)
    assert "diff" not in second


def test_a_changed_model_is_staged_before_it_gets_traffic(cluster: SimulatedCluster) -> None:
    change(service())
    result = change(service("s3://b/v2/"))
    assert result["inferenceservices"][0]["writes"] == [
        "stage at 0 %; changed: spec.predictor.model.storageUri",
        "demo-predictor-00002 is ready: give it all traffic",
    ]
    assert all(sum(shares.values()) == 100 for shares in cluster.shares[-3:])
    assert cluster.shares[-1] == {"demo-predictor-00002": 100}
    (diff,) = result["diff"]
    assert diff["before"]["spec"]["predictor"]["model"]["storageUri"] == "s3://b/v1/"
    assert diff["after"]["spec"]["predictor"]["model"]["storageUri"] == "s3://b/v2/"
    assert set(diff["after"]) == {"metadata", "spec"}
    assert set(diff["after"]["metadata"]) == {"labels", "annotations"}


def test_a_canary_gets_its_share_and_keeps_it(cluster: SimulatedCluster) -> None:
    change(service())
    result = change(service("s3://b/v2/", percent=10))
    assert cluster.shares[-1] == {"demo-predictor-00002": 10, "demo-predictor-00001": 90}
    assert result["inferenceservices"][0]["traffic"][0]["percent"] == 10
    assert change(service("s3://b/v2/", percent=10))["changed"] is False


def test_a_model_that_does_not_load_takes_nothing_down_and_stops_no_other(cluster: SimulatedCluster) -> None:
    change(service(), service(name="other"))
    result = change(service("s3://b/broken/"), service("s3://b/v2/", name="other"))
    (failure,) = result["failed_endpoints"]
    assert failure["name"] == "models/demo"
    assert "config.pbtxt is missing" in failure["msg"]
    assert cluster.observe("models", "demo").shares == {"demo-predictor-00001": 100}
    assert cluster.observe("models", "other").shares == {"other-predictor-00002": 100}


def test_check_mode_asks_and_writes_nothing(cluster: SimulatedCluster) -> None:
    result = change(service(), service(name="bad", percent=0), check_mode=True)
    assert (result["changed"], cluster.writes) == (True, 0)
    assert result["diff"][0]["before"] == ""
    assert result["failed_endpoints"][0]["name"] == "models/bad"
    change(service())
    assert change(service(), check_mode=True)["changed"] is False
    removal = change(service(), check_mode=True, state="absent")
    assert removal["changed"] is True
    assert removal["diff"][0]["after"] == ""
    assert ("models", "demo") in cluster.states


def test_without_waiting_it_ends_with_what_is_left_to_wait_for(cluster: SimulatedCluster) -> None:
    result = change(service(), wait=False)
    entry = result["inferenceservices"][0]
    assert entry["writes"] == ["first deployment"]
    assert entry["waits_for"]
    assert entry["ready"] is False


def test_absent_removes_and_is_then_true(cluster: SimulatedCluster) -> None:
    change(service())
    assert change({"metadata": {"name": "demo"}}, state="absent")["changed"] is True
    assert cluster.states == {}
    assert change({"metadata": {"name": "demo"}}, state="absent")["changed"] is False


@pytest.mark.parametrize("state", ["present", "absent"])
@pytest.mark.parametrize("labels", [{}, {OWNER: "e2"}])
def test_another_endpoints_service_is_not_touched(
    cluster: SimulatedCluster, state: str, labels: dict[str, str]
) -> None:
    change(service(labels={OWNER: "e1"}))
    writes = cluster.writes
    result = change(service("s3://b/v2/", labels=labels), state=state)
    assert "belongs to endpoint e1" in result["failed_endpoints"][0]["msg"]
    assert (result["changed"], cluster.writes) == (False, writes)


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        ({"metadata": {}, "spec": {}}, "metadata.name: is missing"),
        ({"kind": "Pod", "metadata": {"name": "x"}}, "kind = 'Pod': is not an InferenceService. Use InferenceService"),
        (
            {"metadata": {"name": "x"}, "spec": {"predictor": {"triton": {}}}},
            r"write predictor\.model with modelFormat\.name",
        ),
        ({"metadata": {"name": "x"}, "predictor": {}}, "predictor: is not a field of an InferenceService"),
        (service(annotations={"serving.kserve.io/deploymentMode": "Raww"}), "Use Knative or Standard"),
        (
            service(f"s3://b/models/add_sub/{'5f' * 32}/add_sub/1/"),
            rf"storageUri = .* is a version folder .* Use s3://b/models/add_sub/{'5f' * 32}/\.",
        ),
        (service(percent=150), r"canaryTrafficPercent = 150: is no percentage"),
        (service(percent=10, annotations=STANDARD), "Standard mode does not split traffic"),
    ],
)
def test_what_is_no_manifest_is_refused_with_its_field(
    cluster: SimulatedCluster, manifest: dict[str, Any], words: str
) -> None:
    result = change(manifest)
    assert re.search(words, result["failed_endpoints"][0]["msg"], re.IGNORECASE), result["failed_endpoints"][0]["msg"]
    assert cluster.writes == 0


def test_what_only_an_api_server_says_is_left_out_of_a_manifest(cluster: SimulatedCluster) -> None:
    exported = service(resourceVersion="5", uid="u", managedFields=[], creationTimestamp="2026-01-01T00:00:00Z")
    exported["status"] = {"url": "http://old"}
    change({**exported, "apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService"})
    written = cluster.states[("models", "demo")]["object"]["metadata"]
    assert set(written) == {"name", "namespace", "labels", "annotations"}


def test_in_standard_mode_the_deployment_is_waited_for(cluster: SimulatedCluster) -> None:
    first = change(service(annotations=STANDARD))
    assert first["inferenceservices"][0]["writes"] == ["first deployment"]
    second = change(service("s3://b/v2/", annotations=STANDARD))
    assert second["inferenceservices"][0]["mode"] == "Standard"
    assert second["inferenceservices"][0]["writes"] == ["changed: spec.predictor.model.storageUri"]
    assert change(service("s3://b/v2/", annotations=STANDARD))["changed"] is False


def test_a_service_is_described_flat() -> None:
    state = simulation.settled({"object": {**service(labels={OWNER: "e1"}), "status": {}}})
    state["object"]["metadata"].update(namespace="models", managedFields=[{}])
    found = inferenceservices.describe(state["object"], full=True)
    assert (found["endpoint_id"], found["ready"], found["not_ready_because"]) == ("e1", True, None)
    assert found["revisions"]["latest_rolled_out"] == "demo-predictor-00001"
    target = {"revision": "demo-predictor-00001", "percent": 100, "tag": None, "latest": True, "url": None}
    assert found["traffic"] == [target]
    assert "managedFields" not in found["resource"]["metadata"]
    assert "managedFields" in state["object"]["metadata"]
