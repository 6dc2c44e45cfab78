# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Counters read off the pods: all at once, whoever does not answer is left out, and what is wrong is said with its cure."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ansible_collections.mlops.serving.plugins.module_utils._adapters.cluster import KServeCluster
from ansible_collections.mlops.serving.plugins.module_utils._adapters.pod_metrics import PodMetrics
from ansible_collections.mlops.serving.plugins.module_utils._domain.errors import Forbidden, Unavailable
from ansible_collections.mlops.serving.plugins.module_utils._domain.evidence import (
    BUSY,
    LATENCY,
    LATENCY_SUM,
    QUEUED,
    REQUESTS,
    Series,
)
from ansible_collections.mlops.serving.tests.unit.adapters.web_stub import Asked, Told, WebStub

STABLE, CANDIDATE = "demo-predictor-00001", "demo-predictor-00002"
LIST = "/api/v1/namespaces/ns/pods"

# As a queue-proxy of Knative 1.21 gives it out, other families included.
PAGE = b"""# HELP go_goroutines Number of goroutines that currently exist.
# TYPE go_goroutines gauge
go_goroutines 34
# HELP kn_serving_invocation_duration_seconds The duration of task execution.
# TYPE kn_serving_invocation_duration_seconds histogram
kn_serving_invocation_duration_seconds_bucket{http_response_status_code="200",otel_scope_name="q",le="0.005"} 2
kn_serving_invocation_duration_seconds_bucket{http_response_status_code="200",otel_scope_name="q",le="0.01"} 40
kn_serving_invocation_duration_seconds_bucket{http_response_status_code="200",otel_scope_name="q",le="+Inf"} 41
kn_serving_invocation_duration_seconds_sum{http_response_status_code="200",otel_scope_name="q"} 0.25
kn_serving_invocation_duration_seconds_count{http_response_status_code="200",otel_scope_name="q"} 41
kn_serving_invocation_duration_seconds_bucket{http_response_status_code="500",otel_scope_name="q",le="0.005"} 1
kn_serving_invocation_duration_seconds_bucket{http_response_status_code="500",otel_scope_name="q",le="0.01"} 1
kn_serving_invocation_duration_seconds_bucket{http_response_status_code="500",otel_scope_name="q",le="+Inf"} 3
kn_serving_invocation_duration_seconds_sum{http_response_status_code="500",otel_scope_name="q"} 1.5
kn_serving_invocation_duration_seconds_count{http_response_status_code="500",otel_scope_name="q"} 3
# TYPE target_info gauge
target_info{k8s_pod_name="p",kn_revision_name="demo-predictor-00001"} 1
"""
TRITON = b"""# TYPE nv_inference_queue_duration_us counter
nv_inference_queue_duration_us{model="add_sub",version="1"} 2000000
# TYPE nv_inference_request_duration_us counter
nv_inference_request_duration_us{model="add_sub",version="1"} 5000000
nv_inference_request_success{model="add_sub",version="1"} 44
"""


def pod(name: str, revision: str, phase: str = "Running", **metadata: Any) -> dict[str, Any]:
    labels = {"serving.knative.dev/revision": revision}
    return {"metadata": {"name": name, "namespace": "ns", "labels": labels, **metadata}, "status": {"phase": phase}}


def refused(asked: Asked, code: int, reason: str, message: str) -> Told:
    status = {"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": message, "details": {}}
    return Told(code, status)


def unreachable(asked: Asked) -> Told:
    return refused(asked, 503, "ServiceUnavailable", "error trying to reach service: connection refused")


class Cluster:
    """Pods and what each of their ports answers."""

    def __init__(self, *pods: dict[str, Any]) -> None:
        self.pods = list(pods)
        self.pages: dict[str, Callable[[Asked], Told]] = {}
        self.list: Callable[[Asked], Told] = lambda asked: Told(200, {"metadata": {}, "items": self.pods})

    def answer(self, asked: Asked) -> Told:
        if asked.path == LIST:
            return self.list(asked)
        door = asked.path.removeprefix(f"{LIST}/").removesuffix("/proxy/metrics")
        made = self.pages.get(door)
        if made is not None:
            return made(asked)
        return Told(200, TRITON if door.endswith(":8002") else PAGE)


Reading = Callable[..., PodMetrics]


@pytest.fixture
def reader() -> Iterator[Callable[..., tuple[PodMetrics, WebStub]]]:
    opened: list[Any] = []

    def make(cluster: Cluster, **options: Any) -> tuple[PodMetrics, WebStub]:
        stub = WebStub(cluster.answer)
        kserve = KServeCluster.connect({"host": stub.host, "api_key": "s3cr3t"})
        metrics = kserve.metrics("ns", "demo", **options)
        opened.extend([metrics.close, kserve.close, stub.__exit__])
        return metrics, stub

    yield make
    for close in opened:
        close()


def test_one_list_and_one_page_a_pod(reader: Any) -> None:
    metrics, stub = reader(Cluster(pod("s", STABLE), pod("c", CANDIDATE), pod("old", "demo-predictor-00000")))
    reading = metrics.read([STABLE, CANDIDATE])
    assert {key: value for key, value in reading.items() if key.pod == "s"} == {
        Series(STABLE, "s", REQUESTS, "200"): 41,
        Series(STABLE, "s", REQUESTS, "500"): 3,
        Series(STABLE, "s", LATENCY, "0.005"): 3,
        Series(STABLE, "s", LATENCY, "0.01"): 41,
        Series(STABLE, "s", LATENCY, "+Inf"): 44,
        Series(STABLE, "s", LATENCY_SUM): 1.75,
    }
    assert {key.revision for key in reading if key.pod == "c"} == {CANDIDATE}
    assert sorted(asked.path for asked in stub.asked) == [
        LIST,
        f"{LIST}/c:9091/proxy/metrics",
        f"{LIST}/s:9091/proxy/metrics",
    ]
    assert stub.asked[0].query["labelSelector"] == "serving.kserve.io/inferenceservice=demo"
    assert (metrics.answered, metrics.missing) == (["c", "s"], [])
    assert [found.name for found in metrics.pods] == ["old", "s", "c"]


def test_triton_is_read_only_where_asked_for(reader: Any) -> None:
    metrics, _stub = reader(Cluster(pod("s", STABLE)), triton=True)
    reading = metrics.read([STABLE])
    assert (reading[Series(STABLE, "s", QUEUED)], reading[Series(STABLE, "s", BUSY)]) == (2.0, 5.0)
    assert reading[Series(STABLE, "s", REQUESTS, "500")] == 3


def test_a_silent_triton_does_not_hide_the_requests(reader: Any) -> None:
    cluster = Cluster(pod("s", STABLE))
    cluster.pages["s:8002"] = unreachable
    metrics, _stub = reader(cluster, triton=True)
    reading = metrics.read([STABLE])
    assert reading[Series(STABLE, "s", REQUESTS, "200")] == 41
    assert Series(STABLE, "s", QUEUED) not in reading
    assert metrics.answered == ["s"]
    assert "port 8002" in metrics.missing[0]


def test_pods_are_asked_at_the_same_time(reader: Any) -> None:
    together = threading.Barrier(3)
    cluster = Cluster(*(pod(f"s{i}", STABLE) for i in range(3)))

    def wait_for_the_others(_asked: Asked) -> Told:
        together.wait(10)  # breaks where they come one after the other
        return Told(200, PAGE)

    cluster.pages = {f"s{i}:9091": wait_for_the_others for i in range(3)}
    metrics, _stub = reader(cluster)
    assert len({series.pod for series in metrics.read([STABLE])}) == 3


@pytest.mark.parametrize(
    "answer",
    [
        unreachable,
        lambda asked: refused(asked, 404, "NotFound", 'pods "c" not found'),
        lambda asked: Told(200, PAGE[:900], cut=True),
        lambda asked: Told(200, b'kn_serving_invocation_duration_seconds_count{http_response_status_code="200" oops\n'),
    ],
    ids=["refused", "gone", "cut", "garbage"],
)
def test_a_pod_that_does_not_answer_is_left_out_as_a_whole(reader: Any, answer: Callable[[Asked], Told]) -> None:
    cluster = Cluster(pod("s", STABLE), pod("c", CANDIDATE))
    cluster.pages["c:9091"] = answer
    metrics, _stub = reader(cluster)
    assert {series.pod for series in metrics.read([STABLE, CANDIDATE])} == {"s"}
    assert metrics.answered == ["s"]
    (missing,) = metrics.missing
    assert "pod ns/c at port 9091" in missing


def test_a_pod_without_requests_has_answered(reader: Any) -> None:
    cluster = Cluster(pod("s", STABLE))
    cluster.pages["s:9091"] = lambda asked: Told(200, b"go_goroutines 34\n")
    metrics, _stub = reader(cluster)
    assert metrics.read([STABLE]) == {}
    assert metrics.answered == ["s"]


def test_pods_that_do_not_run_are_not_asked(reader: Any) -> None:
    metrics, stub = reader(Cluster(pod("s", STABLE, phase="Pending"), pod("e", STABLE, phase="Failed")))
    assert metrics.read([STABLE]) == {}
    assert [asked.path for asked in stub.asked] == [LIST]
    assert (metrics.answered, metrics.missing) == ([], [])


def test_one_that_is_about_to_end_counts_while_it_answers(reader: Any) -> None:
    leaving = pod("s", STABLE, deletionTimestamp="2026-01-01T00:00:00Z")
    cluster = Cluster(leaving)
    metrics, _stub = reader(cluster)
    assert metrics.read([STABLE])
    cluster.pages["s:9091"] = unreachable
    assert metrics.read([STABLE]) == {}
    assert metrics.missing == []


def test_no_pod_answers(reader: Any) -> None:
    cluster = Cluster(pod("s1", STABLE), pod("s2", STABLE))
    cluster.pages = {"s1:9091": unreachable, "s2:9091": unreachable}
    metrics, _stub = reader(cluster)
    with pytest.raises(Unavailable, match="none of 2 pods") as raised:
        metrics.read([STABLE])
    assert "request-metrics-protocol: prometheus" in str(raised.value)


@pytest.mark.parametrize(("what", "verb"), [("pods/proxy", "get"), ("pods", "list")])
def test_a_missing_right_is_told_as_the_rule_to_add(reader: Any, what: str, verb: str) -> None:
    cluster = Cluster(pod("s", STABLE))
    words = f'pods is forbidden: User "u" cannot {verb} resource "{what}" in API group "" in the namespace "ns"'

    def forbid(asked: Asked) -> Told:
        return refused(asked, 403, "Forbidden", words)

    if what == "pods":
        cluster.list = forbid
    else:
        cluster.pages["s:9091"] = forbid
    metrics, _stub = reader(cluster)
    with pytest.raises(Forbidden) as raised:
        metrics.read([STABLE])
    assert f'{{apiGroups: [""], resources: [{what}], verbs: [{verb}]}}' in str(raised.value)
    assert "namespace ns" in str(raised.value)
    assert "s3cr3t" not in str(raised.value)


def test_the_cluster_lists_pods_too() -> None:
    with WebStub(Cluster(pod("c", CANDIDATE), pod("s", STABLE)).answer) as stub:
        kserve = KServeCluster.connect({"host": stub.host})
        assert [(found.revision, found.name) for found in kserve.pods("ns", "demo")] == [
            (STABLE, "s"),
            (CANDIDATE, "c"),
        ]
        kserve.close()
