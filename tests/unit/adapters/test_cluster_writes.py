# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The order of requests that keeps writes safe: read, check the epoch, write at what was read."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.mlops.serving.plugins.module_utils._adapters.cluster import KServeCluster
from ansible_collections.mlops.serving.plugins.module_utils._adapters.kubernetes_client import KubernetesClient
from ansible_collections.mlops.serving.plugins.module_utils._domain.errors import Drift, LeaseLost, Refused, StaleWrite
from ansible_collections.mlops.serving.tests.unit.adapters.api_server_stub import StubApiServer, status

ALL = "/apis/serving.kserve.io/v1beta1/namespaces/ns/inferenceservices"
ONE = f"{ALL}/demo"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/ns/leases"
LEASE = f"{LEASES}/demo"
PODS = "/api/v1/namespaces/ns/pods"
DEPLOYMENT = "/apis/apps/v1/namespaces/ns/deployments/demo-predictor"
OWNER = "mlops.platform/endpoint_id"
ABSENT = status(404, "NotFound", "not found", name="demo", kind="inferenceservices")
NO_LEASE = status(404, "NotFound", "not found", name="demo", kind="leases")


def manifest(endpoint: str = "e1", **predictor: Any) -> dict[str, Any]:
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"name": "demo", "namespace": "ns", "labels": {OWNER: endpoint}, "annotations": {}},
        "spec": {"predictor": {"minReplicas": 1, **predictor}},
    }


def live(version: str = "7", endpoint: str | None = "e1", fields: Any = None, **more: Any) -> dict[str, Any]:
    found = manifest()
    found["metadata"].update({"resourceVersion": version, "uid": "u1", "generation": 3, "managedFields": fields or []})
    found["metadata"]["labels"] = {OWNER: endpoint} if endpoint else {}
    return {**found, **more}


def lease(epoch: int, version: str = "3") -> dict[str, Any]:
    return {
        "metadata": {
            "name": "demo",
            "uid": "l1",
            "resourceVersion": version,
            "annotations": {"serving.mlops/epoch": str(epoch)},
        }
    }


@pytest.fixture
def server() -> Iterator[StubApiServer]:
    stub = StubApiServer()
    yield stub
    stub.close()


@pytest.fixture
def cluster(server: StubApiServer) -> Iterator[KServeCluster]:
    connected = KServeCluster(KubernetesClient.connect({"host": server.host}, sleep=lambda seconds: None))
    yield connected
    connected.close()


def test_an_apply_is_forced_named_and_at_the_version_that_was_read(
    server: StubApiServer, cluster: KServeCluster
) -> None:
    server.on("GET", ONE, live("7"))
    server.on("PATCH", ONE, live("8"))
    assert cluster.apply(manifest())["metadata"]["resourceVersion"] == "8"
    patch = server.asked[-1]
    assert patch.headers["Content-Type"] == "application/apply-patch+yaml"
    assert patch.query == {"fieldManager": "mlops.serving", "force": "true", "fieldValidation": "Strict"}
    assert patch.body["metadata"]["resourceVersion"] == "7"


def test_a_fenced_apply_reads_before_it_checks_the_epoch(server: StubApiServer, cluster: KServeCluster) -> None:
    server.on("GET", ONE, live("7"))
    server.on("GET", LEASE, lease(4))
    server.on("PATCH", ONE, live("8"))
    cluster.apply(manifest(), resource_version="7", fence=4)
    assert server.requests() == [("GET", ONE), ("GET", LEASE), ("PATCH", ONE)]


@pytest.mark.parametrize("found", [lease(5), lease(3), NO_LEASE])
def test_whoever_lost_the_lease_writes_nothing(server: StubApiServer, cluster: KServeCluster, found: Any) -> None:
    server.on("GET", ONE, live("7"))
    server.on("GET", LEASE, found)
    for write in (
        lambda: cluster.apply(manifest(), fence=4),
        lambda: cluster.create(manifest(), fence=4),
        lambda: cluster.delete("ns", "demo", fence=4),
    ):
        with pytest.raises(LeaseLost):
            write()
    assert {asked.method for asked in server.asked} == {"GET"}


def test_a_state_that_is_stale_already_is_not_sent(server: StubApiServer, cluster: KServeCluster) -> None:
    server.on("GET", ONE, live("9"))
    with pytest.raises(StaleWrite):
        cluster.apply(manifest(), resource_version="7")
    with pytest.raises(StaleWrite):
        cluster.delete("ns", "demo", uid="another")
    server.on("GET", ONE, ABSENT)
    with pytest.raises(StaleWrite, match="deleted meanwhile"):
        cluster.apply(manifest(), resource_version="7")
    assert {asked.method for asked in server.asked} == {"GET"}


def test_without_a_version_a_conflict_is_read_and_written_again(server: StubApiServer, cluster: KServeCluster) -> None:
    conflict = status(409, "Conflict", "the object has been modified", name="demo")
    server.on("GET", ONE, live("7"), live("8"))
    server.on("PATCH", ONE, conflict, live("9"))
    server.on("DELETE", ONE, conflict, {})
    assert cluster.apply(manifest())["metadata"]["resourceVersion"] == "9"
    assert server.asked[-1].body["metadata"]["resourceVersion"] == "8"
    cluster.delete("ns", "demo")
    assert [asked.method for asked in server.asked[-4:]] == ["GET", "DELETE", "GET", "DELETE"]
    server.on("PATCH", ONE, conflict)
    with pytest.raises(StaleWrite):
        cluster.apply(manifest(), resource_version="8")
    assert [asked.method for asked in server.asked[-2:]] == ["GET", "PATCH"]


def test_another_endpoints_service_is_never_touched(server: StubApiServer, cluster: KServeCluster) -> None:
    server.on("GET", ONE, live(endpoint="other"))
    with pytest.raises(Refused, match="belongs to endpoint other, not to e1"):
        cluster.apply(manifest())
    unlabelled = manifest()
    del unlabelled["metadata"]["labels"]
    with pytest.raises(Refused, match="belongs to endpoint other"):
        cluster.apply(unlabelled, dry_run=True)
    assert {asked.method for asked in server.asked} == {"GET"}


def test_a_dry_run_asks_the_server_and_writes_nothing(server: StubApiServer, cluster: KServeCluster) -> None:
    worker = {
        "manager": "worker",
        "operation": "Update",
        "fieldsV1": {"f:spec": {"f:predictor": {"f:canaryTrafficPercent": {}}}},
    }
    answer = live("7")
    answer["spec"]["predictor"]["canaryTrafficPercent"] = 20
    server.on("GET", ONE, live("7", fields=[worker]))
    server.on("PATCH", ONE, answer)
    result = cluster.apply(manifest(), dry_run=True)
    assert [asked.query.get("dryRun") for asked in server.asked if asked.method == "PATCH"] == ["All"]
    assert "canaryTrafficPercent" not in result["spec"]["predictor"], "the real run would clear it"


def test_a_dry_run_of_a_deletion_is_in_its_body(server: StubApiServer, cluster: KServeCluster) -> None:
    """The API server reads no query of a DELETE that has a body, and would delete."""
    server.on("GET", ONE, live("7"))
    server.on("DELETE", ONE, {})
    cluster.delete("ns", "demo", dry_run=True)
    assert server.asked[-1].body["dryRun"] == ["All"]
    cluster.delete("ns", "demo")
    assert "dryRun" not in server.asked[-1].body


def test_on_first_contact_ownership_is_taken_over_first(server: StubApiServer, cluster: KServeCluster) -> None:
    worker = {
        "manager": "worker",
        "operation": "Update",
        "fieldsV1": {"f:spec": {"f:predictor": {"f:minReplicas": {}}}},
    }
    server.on("GET", ONE, live("7", fields=[worker]))
    server.on("PATCH", ONE, live("8"), live("9"))
    cluster.apply(manifest(), resource_version="7")
    first, second = server.asked[1:]
    assert first.headers["Content-Type"] == "application/json-patch+json"
    assert {"op": "replace", "path": "/metadata/resourceVersion", "value": "7"} in first.body
    assert second.body["metadata"]["resourceVersion"] == "8"


def test_a_field_that_another_applier_keeps_alive_is_drift(server: StubApiServer, cluster: KServeCluster) -> None:
    argocd = {
        "manager": "argocd",
        "operation": "Apply",
        "fieldsV1": {"f:spec": {"f:predictor": {"f:canaryTrafficPercent": {}}}},
    }
    server.on("GET", ONE, live("7", fields=[argocd]))
    server.on("PATCH", ONE, live("8", fields=[argocd]))
    with pytest.raises(Drift, match=r"spec\.predictor\.canaryTrafficPercent.*argocd keeps it"):
        cluster.apply(manifest())


def test_an_apply_of_what_is_absent_is_a_post(server: StubApiServer, cluster: KServeCluster) -> None:
    server.on("GET", ONE, ABSENT)
    server.on("POST", ALL, live("1"))
    cluster.apply(manifest())
    assert server.requests()[-1] == ("POST", ALL)
    server.on("POST", ALL, status(409, "AlreadyExists", "exists", name="demo"))
    with pytest.raises(StaleWrite):
        cluster.create(manifest())


def test_a_create_that_was_overtaken_takes_its_object_back(server: StubApiServer, cluster: KServeCluster) -> None:
    server.on("GET", LEASE, lease(4), lease(5))
    server.on("POST", ALL, live("1"))
    server.on("GET", ONE, live("1"))
    server.on("DELETE", ONE, {})
    with pytest.raises(LeaseLost):
        cluster.create(manifest(), fence=4)
    assert server.asked[-1].method == "DELETE"
    assert server.asked[-1].body["preconditions"] == {"uid": "u1", "resourceVersion": "1"}


def test_a_late_object_goes_over_the_controllers_writes_but_not_over_the_new_holders(
    server: StubApiServer, cluster: KServeCluster
) -> None:
    conflict = status(409, "Conflict", "the object has been modified", name="demo")
    server.on("GET", LEASE, lease(4), lease(5))
    server.on("POST", ALL, live("1"))
    server.on("GET", ONE, live("2"), live("3"))
    server.on("DELETE", ONE, conflict, {})
    with pytest.raises(LeaseLost):
        cluster.create(manifest(), fence=4)
    assert [asked.body["preconditions"]["resourceVersion"] for asked in server.asked if asked.method == "DELETE"] == [
        "3",
        "3",
    ]

    server.asked.clear()
    server.on("GET", LEASE, lease(4), lease(5))
    server.on("GET", ONE, live("4", fields=[{"manager": "mlops.serving-fence", "operation": "Apply", "fieldsV1": {}}]))
    with pytest.raises(LeaseLost):
        cluster.create(manifest(), fence=4)
    assert server.requests("DELETE") == []


def test_a_delete_names_uid_and_version_and_absence_is_fine(server: StubApiServer, cluster: KServeCluster) -> None:
    server.on("GET", ONE, live("7"))
    server.on("DELETE", ONE, {})
    cluster.delete("ns", "demo", uid="u1", resource_version="7")
    assert server.asked[-1].body["preconditions"] == {"uid": "u1", "resourceVersion": "7"}
    server.on("GET", ONE, ABSENT)
    cluster.delete("ns", "demo")
    assert server.asked[-1].method == "GET"


def test_take_raises_the_epoch_before_it_touches(server: StubApiServer, cluster: KServeCluster) -> None:
    server.on("GET", LEASE, lease(3))
    server.on("PUT", LEASE, lease(4))
    server.on("GET", ONE, live("7"))
    server.on("PATCH", ONE, {**healthy(), "metadata": live("8")["metadata"]})
    seen = cluster.take("ns", "demo", 4)
    assert server.requests() == [("GET", LEASE), ("PUT", LEASE), ("GET", ONE), ("PATCH", ONE)]
    assert (seen.resource_version, seen.ready) == ("8", True), "as it is after the touch"
    assert server.asked[1].body["metadata"]["annotations"] == {"serving.mlops/epoch": "4"}
    assert server.asked[1].body["metadata"]["resourceVersion"] == "3"
    touch = server.asked[3]
    assert touch.query["fieldManager"] == "mlops.serving-fence"
    assert touch.body["metadata"] == {
        "name": "demo",
        "namespace": "ns",
        "resourceVersion": "7",
        "labels": {OWNER: "e1"},
    }
    assert "spec" not in touch.body


def test_the_touch_is_given_up_again_only_where_others_own_the_label_too(
    server: StubApiServer, cluster: KServeCluster
) -> None:
    label = {"f:metadata": {"f:labels": {f"f:{OWNER}": {}}}}
    fence = {"manager": "mlops.serving-fence", "operation": "Apply", "fieldsV1": label}
    mine = {"manager": "mlops.serving", "operation": "Apply", "fieldsV1": label}
    server.on("GET", LEASE, lease(4))
    server.on("PATCH", ONE, {**healthy(), "metadata": live("8")["metadata"]})
    server.on("GET", ONE, live("7", fields=[fence, mine]))
    cluster.take("ns", "demo", 4)
    assert "labels" not in server.asked[-1].body["metadata"]
    server.on("GET", ONE, live("7", fields=[fence]))
    cluster.take("ns", "demo", 4)
    assert server.asked[-1].body["metadata"].get("labels") == {OWNER: "e1"}, "the only owner would delete it"


def test_take_is_tried_again_over_status_writes_and_lost_to_a_higher_epoch(
    server: StubApiServer, cluster: KServeCluster
) -> None:
    conflict = status(409, "Conflict", "the object has been modified", name="demo")
    server.on("GET", LEASE, NO_LEASE, lease(4))
    server.on("POST", LEASES, conflict, lease(4))
    server.on("GET", ONE, live("7"), live("8"))
    server.on("PATCH", ONE, conflict, {**healthy(), "metadata": live("9")["metadata"]})
    cluster.take("ns", "demo", 4)
    assert server.asked[-1].body["metadata"]["resourceVersion"] == "8"
    server.on("GET", LEASE, lease(5))
    with pytest.raises(LeaseLost, match="its epoch is 5, this run's is 4"):
        cluster.take("ns", "demo", 4)


def test_who_takes_it_first_asks_for_no_lease(server: StubApiServer, cluster: KServeCluster) -> None:
    conflict = status(409, "AlreadyExists", "it exists", name="demo", kind="leases")
    server.on("POST", LEASES, lease(1), conflict)
    server.on("GET", ONE, ABSENT)
    assert cluster.take("ns", "demo", 1).live is None
    assert server.requests() == [("POST", LEASES), ("GET", ONE)]
    server.on("GET", LEASE, lease(2))
    with pytest.raises(LeaseLost, match="its epoch is 2, this run's is 1"):
        cluster.take("ns", "demo", 1)


def test_what_is_to_be_stopped_is_waited_for_without_its_pods(server: StubApiServer, cluster: KServeCluster) -> None:
    asked = live(status={"conditions": [{"type": "Ready", "status": "False"}]})
    asked["metadata"]["annotations"] = {"serving.kserve.io/stop": "true"}
    server.on("GET", ONE, asked)
    assert not cluster.observe("ns", "demo").stopped
    assert server.requests() == [("GET", ONE)]


def test_forget_removes_only_its_own_epochs_lease(server: StubApiServer, cluster: KServeCluster) -> None:
    server.on("DELETE", LEASE, {})
    server.on("GET", LEASE, lease(5))
    cluster.forget("ns", "demo", 4)
    assert server.requests("DELETE") == []
    server.on("GET", LEASE, lease(4))
    cluster.forget("ns", "demo", 4)
    assert server.asked[-1].body["preconditions"] == {"uid": "l1", "resourceVersion": "3"}


def healthy(mode: str = "Knative") -> dict[str, Any]:
    return live(
        status={
            "deploymentMode": mode,
            "url": "http://demo.ns.example.com",
            "conditions": [{"type": "Ready", "status": "True"}],
            "components": {"predictor": {"latestCreatedRevision": "r1", "latestReadyRevision": "r1"}}
            if mode == "Knative"
            else {},
        }
    )


def test_a_healthy_service_costs_one_request(server: StubApiServer, cluster: KServeCluster) -> None:
    server.on("GET", ONE, healthy())
    assert cluster.observe("ns", "demo").ready is True
    assert server.requests() == [("GET", ONE)]


def test_pods_are_looked_at_while_a_revision_is_not_ready(server: StubApiServer, cluster: KServeCluster) -> None:
    waiting = healthy()
    waiting["status"]["components"]["predictor"]["latestCreatedRevision"] = "r2"
    pod = {
        "metadata": {"name": "p", "namespace": "ns", "labels": {"serving.knative.dev/revision": "r2"}},
        "status": {
            "containerStatuses": [
                {
                    "name": "kserve-container",
                    "state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}},
                }
            ]
        },
    }
    server.on("GET", ONE, waiting)
    server.on("GET", PODS, {"metadata": {}, "items": [pod]})
    seen = cluster.observe("ns", "demo")
    assert [failure.reason for failure in seen.failures] == ["ImagePullBackOff"]
    assert server.asked[-1].query["labelSelector"] == "serving.kserve.io/inferenceservice=demo"


def test_in_standard_mode_the_deployment_is_always_looked_at(server: StubApiServer, cluster: KServeCluster) -> None:
    rolling = {
        "metadata": {"generation": 2},
        "spec": {"replicas": 1},
        "status": {"observedGeneration": 2, "replicas": 2, "updatedReplicas": 1, "availableReplicas": 1},
    }
    done = copy.deepcopy(rolling)
    done["status"]["replicas"] = 1
    server.on("GET", ONE, healthy("Standard"))
    server.on("GET", PODS, {"metadata": {}, "items": []})
    server.on("GET", DEPLOYMENT, rolling)
    assert cluster.observe("ns", "demo").deployment == rolling
    assert server.requests()[-1] == ("GET", PODS)
    server.on("GET", DEPLOYMENT, done)
    assert cluster.observe("ns", "demo").deployment == done
    assert server.requests()[-1] == ("GET", DEPLOYMENT)


def test_without_the_right_to_read_pods_it_goes_on_and_says_so(server: StubApiServer, cluster: KServeCluster) -> None:
    waiting = healthy()
    waiting["status"]["conditions"] = [{"type": "Ready", "status": "False"}]
    server.on("GET", ONE, waiting)
    server.on("GET", PODS, status(403, "Forbidden", 'pods is forbidden: User "x" cannot list resource "pods"'))
    for _time in range(2):
        assert cluster.observe("ns", "demo").ready is False
    assert len(cluster.warnings) == 1
    assert "pods in namespace ns cannot be read" in cluster.warnings[0]


def test_a_list_follows_pages(server: StubApiServer, cluster: KServeCluster) -> None:
    one, two = live(), live()
    two["metadata"]["name"] = "aaa"
    server.on("GET", ALL, {"metadata": {"continue": "next"}, "items": [one]}, {"metadata": {}, "items": [two]})
    assert [item["metadata"]["name"] for item in cluster.list("ns", "team=a")] == ["aaa", "demo"]
    assert server.asked[0].query == {"limit": "500", "labelSelector": "team=a"}
    assert server.asked[1].query["continue"] == "next"


def test_a_list_whose_place_is_forgotten_starts_again(server: StubApiServer, cluster: KServeCluster) -> None:
    expired = status(410, "Expired", "The provided continue parameter is too old to display a consistent list result.")
    first = {"metadata": {"continue": "next"}, "items": [live()]}
    server.on("GET", ALL, first, expired, first, {"metadata": {}, "items": []})
    assert len(cluster.list("ns")) == 1
    assert [asked.query.get("continue") for asked in server.asked] == [None, "next", None, "next"]


def test_nothing_is_observed_where_nothing_is(server: StubApiServer, cluster: KServeCluster) -> None:
    server.on("GET", ONE, ABSENT)
    assert cluster.observe("ns", "demo").live is None
