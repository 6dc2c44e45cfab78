"""What is changed in upstream's manifests, and what is set on top."""

from __future__ import annotations

import copy
import json
from typing import cast

import pytest

from tools.cluster import corefiles, order, render, serving, settings, versions
from tools.cluster.addresses import Plan
from tools.cluster.apply import missing_namespaces, phases
from tools.cluster.errors import ClusterError
from tools.cluster.kube import ApiError, Json, Kube
from tools.cluster.manifests import flat
from tools.cluster.modules import version_of

PLAN = Plan("main", 0)


def _named(kind: str, name: str, namespace: str | None = None, **rest: object) -> Json:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata, **rest}


def test_import_paths_and_digests_become_release_tags() -> None:
    text = "image: ko://knative.dev/serving/cmd/queue\n"
    assert (
        render.release_images(text)
        == f"image: gcr.io/knative-releases/knative.dev/serving/cmd/queue:{versions.KNATIVE}\n"
    )
    pinned = f"gcr.io/knative-nightly/knative.dev/net-kourier/cmd/kourier@sha256:{'0' * 64}"
    assert (
        render.release_images(pinned)
        == f"gcr.io/knative-releases/knative.dev/net-kourier/cmd/kourier:{versions.KOURIER}"
    )


def test_other_text_stays_as_it_is() -> None:
    text = "image: docker.io/envoyproxy/envoy:v1.36-latest\n"
    assert render.release_images(text) == text


@pytest.mark.parametrize("name", ["llminferenceservices.serving.kserve.io", "kserve-localmodel-controller-manager"])
def test_parts_that_nobody_runs_are_left_out(name: str) -> None:
    assert render.left_out(_named("Deployment", name))
    assert not render.left_out(_named("Deployment", "kserve-controller-manager"))


def test_settings_keep_what_upstream_set() -> None:
    given = _named("ConfigMap", "config-network", "knative-serving", data={"_example": "text"})
    before = copy.deepcopy(given)
    (adjusted,) = settings.adjust([given], PLAN)
    assert adjusted["data"] == {"_example": "text", "ingress-class": settings.INGRESS_CLASS}
    assert given == before


def test_a_map_of_the_same_name_elsewhere_is_not_touched() -> None:
    given = _named("ConfigMap", "config-network", "elsewhere", data={})
    assert settings.adjust([given], PLAN) == [given]


def test_kserve_uses_knative_and_kourier() -> None:
    data = {"ingress": json.dumps({"ingressDomain": "example.com"}), "deploy": "{}"}
    (adjusted,) = settings.adjust([_named("ConfigMap", "inferenceservice-config", "kserve", data=data)], PLAN)
    ingress = json.loads(adjusted["data"]["ingress"])
    assert ingress == {
        "ingressDomain": "example.com",
        "disableIstioVirtualHost": True,
        "ingressClassName": settings.INGRESS_CLASS,
    }
    assert json.loads(adjusted["data"]["deploy"]) == {"defaultDeploymentMode": "Knative"}


def test_gateway_has_its_planned_address() -> None:
    (adjusted,) = settings.adjust([_named("Service", "kourier", "kourier-system", spec={"ports": []})], PLAN)
    assert adjusted["spec"] == {"ports": [], "clusterIP": PLAN.gateway_ip}


@pytest.mark.parametrize(("given", "most"), [({"minReplicas": 2, "maxReplicas": 20}, 2), ({"maxReplicas": 5}, 1)])
def test_the_parts_do_not_grow(given: dict[str, int], most: int) -> None:
    (adjusted,) = settings.adjust([_named("HorizontalPodAutoscaler", "activator", "knative-serving", spec=given)], PLAN)
    assert adjusted["spec"] == {**given, "maxReplicas": most}


def test_only_readiness_is_probed_sooner_and_both_are_patient() -> None:
    container = {
        "name": "c",
        "readinessProbe": {"httpGet": {}, "initialDelaySeconds": 30},
        "livenessProbe": {"initialDelaySeconds": 30, "timeoutSeconds": 15},
    }
    spec = {"template": {"spec": {"containers": [container, {"name": "d"}]}}}
    (adjusted,) = settings.adjust([_named("Deployment", "x", "y", spec=spec)], PLAN)
    first, second = adjusted["spec"]["template"]["spec"]["containers"]
    assert first["readinessProbe"] == {
        "httpGet": {},
        "initialDelaySeconds": 1,
        "periodSeconds": 1,
        "timeoutSeconds": 10,
    }
    assert first["livenessProbe"] == {"initialDelaySeconds": 30, "timeoutSeconds": 15}
    assert second == {"name": "d"}


def test_phases_put_definitions_before_what_they_define() -> None:
    mixed = [
        _named("Certificate", "c"),
        _named("CustomResourceDefinition", "d"),
        _named("Deployment", "e"),
        _named("Namespace", "n"),
    ]
    order = [m["kind"] for _, chosen in phases(mixed) for m in chosen]
    assert order == ["Namespace", "CustomResourceDefinition", "Deployment", "Certificate"]


def test_small_definitions_come_first() -> None:
    big, small = (
        _named("CustomResourceDefinition", "big", spec="x" * 1000),
        _named("CustomResourceDefinition", "small", spec="x"),
    )
    assert [m["metadata"]["name"] for _, chosen in phases([big, small]) for m in chosen] == ["small", "big"]


def test_a_workload_waits_for_the_secret_that_its_certificate_becomes() -> None:
    certificate = {
        **_named("Certificate", "c", "kserve", spec={"secretName": "cert"}),
        "apiVersion": "cert-manager.io/v1",
    }
    volumes = [{"name": "v", "secret": {"secretName": "cert"}}, {"name": "w", "configMap": {"name": "x"}}]
    manager = _named("Deployment", "manager", "kserve", spec={"template": {"spec": {"volumes": volumes}}})
    other = _named("Deployment", "other", "elsewhere", spec={"template": {"spec": {"volumes": volumes}}})
    late = order.checks([certificate, manager, other])
    assert list(late) == ["manager"]
    by_phase = {
        title: [m["metadata"]["name"] for m in chosen] for title, chosen in phases([certificate, manager, other], late)
    }
    assert by_phase["workloads"] == ["other"]
    assert by_phase["custom resources"] == ["c", "manager"]


class Answers:
    """A server that knows some paths."""

    def __init__(self, known: dict[str, Json]) -> None:
        self._known = known

    def raw(self, _method: str, path: str) -> tuple[int, bytes]:
        return (200, b"{}") if path in self._known else (404, b"")

    def get(self, path: str) -> Json:
        if path not in self._known:
            raise ApiError("GET", path, 404, "not found")
        return self._known[path]


def _check(check: order.Check, known: dict[str, Json]) -> str:
    return check(cast(Kube, Answers(known)))


def test_a_secret_is_waited_for() -> None:
    check = order.secret_there("kserve", "cert")
    assert _check(check, {}) == "Secret kserve/cert is not there"
    assert _check(check, {"/api/v1/namespaces/kserve/secrets/cert": {}}) == ""


def test_a_kind_is_waited_for_until_it_is_listed() -> None:
    spec = {
        "group": "g.io",
        "names": {"plural": "things"},
        "versions": [{"name": "v1", "served": True}, {"name": "v2", "served": False}],
    }
    check = order.kind_served(_named("CustomResourceDefinition", "things.g.io", spec=spec))
    assert _check(check, {}) == "things.g.io is not served"
    assert _check(check, {"/apis/g.io/v1": {"resources": [{"name": "others"}]}}) == "things.g.io is not served"
    assert _check(check, {"/apis/g.io/v1": {"resources": [{"name": "things"}]}}) == ""


def test_envoy_waits_for_who_configures_it() -> None:
    gateway = _named("Deployment", "3scale-kourier-gateway", "kourier-system", spec={"template": {"spec": {}}})
    (check,) = order.checks([gateway])["3scale-kourier-gateway"]
    path = "/api/v1/namespaces/knative-serving/endpoints/net-kourier-controller"
    assert "no endpoints" in _check(check, {path: {"subsets": [{"notReadyAddresses": [{}]}]}})
    assert _check(check, {path: {"subsets": [{"addresses": [{}]}]}}) == ""


def test_namespaces_that_nobody_makes_are_made() -> None:
    given = [
        _named("Namespace", "a"),
        _named("Pod", "p", "a"),
        _named("Pod", "q", "b"),
        _named("Pod", "r", "kube-system"),
    ]
    assert [m["metadata"]["name"] for m in missing_namespaces(given)] == ["b"]


def test_lists_are_opened_and_empty_documents_dropped() -> None:
    one = _named("Pod", "p")
    assert flat([None, one, {"kind": "List", "items": [one, one]}]) == [one, one, one]


def test_dns_has_the_planned_address() -> None:
    services = [m for m in corefiles.objects(PLAN) if m["kind"] == "Service"]
    assert [s["spec"]["clusterIP"] for s in services] == [PLAN.dns_ip]


def test_requests_of_tenants_and_of_envoy_are_left_alone() -> None:
    policy = corefiles.small_requests()[0]
    selector = policy["spec"]["matchConstraints"]["namespaceSelector"]["matchExpressions"]
    assert {"key": corefiles.TENANT_LABEL, "operator": "DoesNotExist"} in selector
    assert any(rule.get("values") == ["kourier-system"] for rule in selector)


def test_reader_of_the_bucket_may_not_write() -> None:
    reader = next(i for i in serving.identities()["identities"] if i["name"] == "reader")
    assert reader["actions"] == ["Read:mlops-artifacts", "List:mlops-artifacts"]


def test_serving_namespace_hangs_the_keys_on_the_default_account() -> None:
    accounts = [m for m in serving.serving_namespace("t") if m["kind"] == "ServiceAccount"]
    assert {a["metadata"]["name"] for a in accounts} == {serving.ACCESS, "default"}
    assert all(a["secrets"] == [{"name": serving.ACCESS}] for a in accounts)


GO_MOD = """module x

require example.org/one v1.2.3

require (
	example.org/two v0.1.0 // indirect
	example.org/two/sub v0.9.0
)

replace (
	example.org/one => example.org/one v1.0.0
)
"""


def test_version_of_a_module_is_that_of_the_build() -> None:
    assert version_of(GO_MOD, "example.org/two") == "v0.1.0"
    assert version_of(GO_MOD, "example.org/one") == "v1.0.0"
    with pytest.raises(ClusterError, match=r"does not require example\.org/three"):
        version_of(GO_MOD, "example.org/three")
