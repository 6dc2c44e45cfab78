# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cluster adapter against a real API server: ownership, dry runs, conflicts, the fence, the watch, errors.

The InferenceServices here are stopped by annotation: what is tested is how they are written, not what they run.
"""

from __future__ import annotations

import threading
import time
import typing as t

import pytest
from ansible_collections.mlops.serving.plugins.module_utils._adapters import fence
from ansible_collections.mlops.serving.plugins.module_utils._adapters.cluster import KServeCluster
from ansible_collections.mlops.serving.plugins.module_utils._adapters.kubernetes_client import (
    APPLY_PATCH,
    MERGE_PATCH,
    KubernetesClient,
)
from ansible_collections.mlops.serving.plugins.module_utils._domain.errors import (
    Drift,
    Forbidden,
    LeaseLost,
    Refused,
    ServingError,
    StaleWrite,
)

from .waiting import wait_for

pytestmark = pytest.mark.groups("base", "kserve", "knative")

NAME = "adapter"
OWNER = "mlops.platform/endpoint_id"


class Place:
    """One namespace of the real cluster, with another writer's hands in it."""

    def __init__(self, kubeconfig: str, namespace: str) -> None:
        self.kubeconfig, self.namespace = kubeconfig, namespace
        self.client = KubernetesClient.connect({"kubeconfig": kubeconfig})
        self.cluster = KServeCluster(self.client)
        self.path = f"/apis/serving.kserve.io/v1beta1/namespaces/{namespace}/inferenceservices"

    def manifest(self, **predictor: t.Any) -> dict[str, t.Any]:
        return {
            "apiVersion": "serving.kserve.io/v1beta1",
            "kind": "InferenceService",
            "metadata": {
                "name": NAME,
                "namespace": self.namespace,
                "labels": {OWNER: "e1", "mlops.tenancy/tenant_id": "t1"},
                "annotations": {"serving.kserve.io/deploymentMode": "Knative", "serving.kserve.io/stop": "true"},
            },
            "spec": {
                "predictor": {
                    "minReplicas": 1,
                    "model": {
                        "modelFormat": {"name": "triton"},
                        "protocolVersion": "v2",
                        "storageUri": "s3://nowhere/v1/",
                        "env": [{"name": "A", "value": "1"}],
                        "resources": {"requests": {"cpu": "100m"}, "limits": {"cpu": "1"}},
                    },
                    **predictor,
                }
            },
        }

    def live(self) -> dict[str, t.Any]:
        found = self.cluster.get(self.namespace, NAME)
        assert found is not None
        return found

    def quiet(self) -> dict[str, t.Any]:
        """The service once KServe has had its say: its finalizer is there, and it calls the service stopped."""

        def done(service: dict[str, t.Any]) -> bool:
            told = {c["type"]: c["status"] for c in (service.get("status") or {}).get("conditions") or ()}
            return bool(service["metadata"].get("finalizers")) and told.get("Stopped") == "True"

        wait_for(self.live, done, timeout=60, what="KServe to be done writing")
        return self.live()

    def predictor(self) -> dict[str, t.Any]:
        return t.cast(dict[str, t.Any], self.live()["spec"]["predictor"])

    def another_writes(self, manager: str, method: str, body: t.Any, content_type: str = "application/json") -> t.Any:
        path = self.path if method == "POST" else f"{self.path}/{NAME}"
        query = {"fieldManager": manager, "force": True if content_type == APPLY_PATCH else None}
        return self.client.request(
            method, path, action="write as another", query=query, body=body, content_type=content_type
        )


@pytest.fixture
def place(cluster: t.Any, namespace: t.Any) -> t.Iterator[Place]:
    one = Place(str(cluster.kubeconfig), namespace.name)
    yield one
    one.cluster.delete(one.namespace, NAME)
    wait_for(
        lambda: one.cluster.get(one.namespace, NAME),
        lambda seen: seen is None,
        timeout=60,
        what="the service to be gone",
    )
    one.client.request(
        "DELETE",
        f"/apis/coordination.k8s.io/v1/namespaces/{one.namespace}/leases/{NAME}",
        action="delete the Lease",
        absent_ok=True,
    )
    one.cluster.close()


def managers(service: dict[str, t.Any]) -> list[tuple[str, str]]:
    return [(e["manager"], e["operation"]) for e in service["metadata"]["managedFields"] if not e.get("subresource")]


def spec_of(service: dict[str, t.Any]) -> t.Any:
    return service["spec"], service["metadata"].get("annotations"), service["metadata"].get("labels")


def test_what_our_own_post_set_can_be_cleared_and_the_same_again_writes_nothing(place: Place) -> None:
    place.cluster.create(place.manifest(timeout=60, canaryTrafficPercent=20))
    smaller = place.manifest()
    del smaller["spec"]["predictor"]["model"]["env"]
    predicted = place.cluster.apply(smaller, dry_run=True)
    first = place.cluster.apply(smaller)
    assert "timeout" not in first["spec"]["predictor"]
    assert "canaryTrafficPercent" not in first["spec"]["predictor"]
    assert "env" not in first["spec"]["predictor"]["model"]
    assert ("mlops.serving", "Update") not in managers(first)
    assert spec_of(predicted) == spec_of(first)
    settled = place.quiet()
    again = place.cluster.apply(smaller)
    assert again["metadata"]["generation"] == settled["metadata"]["generation"] == first["metadata"]["generation"]
    assert spec_of(again) == spec_of(first)


def test_what_a_worker_that_replaced_whole_objects_set_can_be_cleared(place: Place) -> None:
    place.another_writes("OpenAPI-Generator", "POST", place.manifest())

    def replace() -> bool:
        whole = place.live()
        whole["spec"]["predictor"].update(canaryTrafficPercent=20, timeout=33, nodeSelector={"disk": "ssd"})
        whole["spec"]["predictor"]["model"]["resources"]["limits"]["nvidia.com/gpu"] = "1"
        try:
            return bool(place.another_writes("OpenAPI-Generator", "PUT", whole))
        except StaleWrite:  # KServe's finalizer came in between
            return False

    wait_for(replace, bool, timeout=30, what="the worker's write")
    predictor = place.cluster.apply(place.manifest())["spec"]["predictor"]
    assert "canaryTrafficPercent" not in predictor
    assert "timeout" not in predictor
    assert "nvidia.com/gpu" not in predictor["model"]["resources"]["limits"]
    assert predictor["nodeSelector"] == {"disk": "ssd"}, "what we do not render stays as others set it"


def test_a_hand_edit_of_the_share_is_cleared_and_one_of_other_fields_stays(place: Place) -> None:
    place.cluster.apply(place.manifest())
    edit = {"spec": {"predictor": {"canaryTrafficPercent": 30, "model": {"args": ["--log-verbose=1"]}}}}
    place.another_writes("kubectl-edit", "PATCH", edit, MERGE_PATCH)
    predicted = place.cluster.apply(place.manifest(), dry_run=True)
    assert place.predictor()["canaryTrafficPercent"] == 30, "a dry run writes nothing"
    assert "canaryTrafficPercent" not in predicted["spec"]["predictor"]
    done = place.cluster.apply(place.manifest())
    assert spec_of(done) == spec_of(predicted)
    assert done["spec"]["predictor"]["model"]["args"] == ["--log-verbose=1"]


def test_a_field_that_was_rendered_before_is_cleared_though_somebody_edited_it(place: Place) -> None:
    before = place.manifest(nodeSelector={"disk": "ssd"})
    place.cluster.apply(before)
    place.another_writes(
        "kubectl-edit", "PATCH", {"spec": {"predictor": {"nodeSelector": {"disk": "hdd"}}}}, MERGE_PATCH
    )
    assert "nodeSelector" not in place.cluster.apply(place.manifest(), previous=before)["spec"]["predictor"]


def test_another_tool_that_applies_the_share_is_drift_and_named(place: Place) -> None:
    place.cluster.apply(place.manifest())
    theirs = {"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService", "metadata": {"name": NAME}}
    body = {**theirs, "spec": {"predictor": {"canaryTrafficPercent": 30}}}
    place.another_writes("argocd", "PATCH", body, APPLY_PATCH)
    with pytest.raises(Drift, match="argocd keeps it"):
        place.cluster.apply(place.manifest())


def test_a_write_at_a_stale_version_is_refused_by_the_server(place: Place) -> None:
    stale = place.cluster.apply(place.manifest())["metadata"]["resourceVersion"]
    place.cluster.apply(place.manifest(minReplicas=2))
    body = place.manifest(minReplicas=3)
    body["metadata"]["resourceVersion"] = stale
    with pytest.raises(StaleWrite):
        place.another_writes("mlops.serving", "PATCH", body, APPLY_PATCH)
    with pytest.raises(StaleWrite):
        place.cluster.create(place.manifest())
    assert place.predictor()["minReplicas"] == 2


def test_taking_over_changes_the_version_and_nothing_else(place: Place) -> None:
    place.cluster.apply(place.manifest())
    before = place.quiet()
    for epoch in (1, 2, 3):
        version = place.live()["metadata"]["resourceVersion"]
        place.cluster.take(place.namespace, NAME, epoch)
        after = place.live()
        assert after["metadata"]["resourceVersion"] != version
        assert after["metadata"]["generation"] == before["metadata"]["generation"]
        assert spec_of(after) == spec_of(before)
    with pytest.raises(LeaseLost):
        place.cluster.take(place.namespace, NAME, 2)
    assert place.cluster.apply(place.manifest(minReplicas=2), fence=3)["spec"]["predictor"]["minReplicas"] == 2


@pytest.mark.parametrize("moment", ["before the check", "after the check"])
def test_a_worker_that_was_overtaken_cannot_write(place: Place, moment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    place.cluster.apply(place.manifest())
    place.cluster.take(place.namespace, NAME, 1)
    check = fence.check_epoch

    def overtaken(client: KubernetesClient, namespace: str, name: str, epoch: int) -> None:
        if moment == "before the check":
            place.cluster.take(namespace, name, 2)
        check(client, namespace, name, epoch)
        if moment == "after the check":
            place.cluster.take(namespace, name, 2)

    monkeypatch.setattr(fence, "check_epoch", overtaken)
    expected: type[ServingError] = LeaseLost if moment == "before the check" else StaleWrite
    version = place.quiet()["metadata"]["resourceVersion"]
    with pytest.raises(expected):
        place.cluster.apply(place.manifest(minReplicas=5), resource_version=version, fence=1)
    with pytest.raises(LeaseLost):
        place.cluster.apply(place.manifest(minReplicas=5), fence=1)
    with pytest.raises(LeaseLost):
        place.cluster.delete(place.namespace, NAME, fence=1)
    assert place.predictor()["minReplicas"] == 1


def test_a_create_that_was_overtaken_leaves_nothing(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.cluster.take(place.namespace, NAME, 1)
    request = place.client.request

    def overtaken(method: str, path: str, **more: t.Any) -> t.Any:
        if method == "POST" and path == place.path:
            monkeypatch.setattr(place.client, "request", request)
            place.cluster.take(place.namespace, NAME, 2)
        return request(method, path, **more)

    monkeypatch.setattr(place.client, "request", overtaken)
    with pytest.raises(LeaseLost):
        place.cluster.create(place.manifest(), fence=1)
    wait_for(lambda: place.cluster.get(place.namespace, NAME), lambda seen: seen is None, timeout=30, what="nothing")


def test_forgetting_removes_the_lease_so_that_a_late_worker_is_stopped(place: Place) -> None:
    place.cluster.take(place.namespace, NAME, 7)
    place.cluster.forget(place.namespace, NAME, 6)
    fence.check_epoch(place.client, place.namespace, NAME, 7)
    place.cluster.forget(place.namespace, NAME, 7)
    with pytest.raises(LeaseLost, match="is gone"):
        place.cluster.create(place.manifest(), fence=7)


def test_a_watch_hears_every_change_and_stops_at_once(place: Place) -> None:
    told: list[tuple[str, str]] = []
    stop = threading.Event()
    watching = threading.Thread(
        target=place.cluster.watch, args=(place.namespace, lambda *one: told.append(one), stop), daemon=True
    )
    watching.start()
    place.cluster.apply(place.manifest())
    wait_for(lambda: list(told), lambda seen: (place.namespace, NAME) in seen, timeout=20, what="the new service")
    heard = len(told)
    place.cluster.apply(place.manifest(minReplicas=2))
    wait_for(lambda: len(told), lambda seen: seen > heard, timeout=20, what="the change")
    started = time.monotonic()
    stop.set()
    watching.join(10)
    assert not watching.is_alive()
    assert time.monotonic() - started < 2.0


def test_errors_say_what_the_server_said(place: Place) -> None:
    with pytest.raises(Refused, match="nonsense"):
        place.cluster.create(place.manifest(nonsense=1))
    place.cluster.apply(place.manifest())
    with pytest.raises(Refused, match="nonsense: field not declared in schema"):
        place.cluster.apply(place.manifest(nonsense=1))
    with pytest.raises(Refused, match="supported values"):
        place.cluster.apply(place.manifest(scaleMetric="bogus"))
    elsewhere = place.manifest()
    elsewhere["metadata"]["namespace"] = "no-such-namespace"
    with pytest.raises(Refused, match="kubectl create namespace no-such-namespace"):
        place.cluster.apply(elsewhere)
    foreign = place.manifest()
    foreign["metadata"]["labels"][OWNER] = "e2"
    with pytest.raises(Refused, match="belongs to endpoint e1, not to e2"):
        place.cluster.apply(foreign)


def test_rights_and_credentials_that_are_missing_are_named(place: Place) -> None:
    nobody = KServeCluster.connect({"kubeconfig": place.kubeconfig, "impersonate_user": "nobody"})
    with pytest.raises(Forbidden, match=r'"nobody" cannot get'):
        nobody.get(place.namespace, NAME)
    info = nobody.info()
    assert info["kserve"] is None
    assert '"nobody" cannot get' in info["unread"]["kserve"]
    assert {"verb": "patch", "resource": "inferenceservices.serving.kserve.io", "needed_to": "deploy endpoints"} in (
        nobody.missing_rights(place.namespace)
    )
    assert place.cluster.missing_rights(place.namespace) == []
    stranger = KServeCluster.connect({"host": place.cluster.host, "api_key": "not-a-token", "validate_certs": False})
    with pytest.raises(Forbidden, match="does not accept the credentials") as caught:
        stranger.get(place.namespace, NAME)
    assert "not-a-token" not in str(caught.value)
    nobody.close()
    stranger.close()
