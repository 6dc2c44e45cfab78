# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A real Prometheus takes the queries, and they find the same counters however the revisions are labelled."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from ansible_collections.mlops.serving.plugins.module_utils._adapters.prometheus import Prometheus
from ansible_collections.mlops.serving.plugins.module_utils._domain.counters import Ledger
from ansible_collections.mlops.serving.plugins.module_utils._domain.errors import InvalidIntent, Unavailable
from ansible_collections.mlops.serving.plugins.module_utils._domain.evidence import (
    BUSY,
    LATENCY,
    LATENCY_SUM,
    QUEUED,
    REQUESTS,
    Reading,
)

from .conftest import Pages, Server, scraping

# One namespace for each way in which revisions are labelled.
LABELLED, JOINED, OLD, ELSEWHERE, QUIET = "labelled", "joined", "old", "elsewhere", "quiet"
STABLE, CANDIDATE = "x-predictor-00001", "x-predictor-00002"
PODS = {STABLE: f"{STABLE}-deployment-aa-1", CANDIDATE: f"{CANDIDATE}-deployment-bb-2"}
NUMBER = {STABLE: 1, CANDIDATE: 2}


def histogram(name: str, label: str, status: str, number: float, *, bounds: tuple[str, str], seconds: float) -> str:
    labels = f'{label}="{status}",otel_scope_name="q"'
    return "".join(
        f"{name}_{kind} {value}\n"
        for kind, value in (
            (f'bucket{{{labels},le="{bounds[0]}"}}', number - 1),
            (f'bucket{{{labels},le="{bounds[1]}"}}', number),
            (f'bucket{{{labels},le="+Inf"}}', number),
            (f"sum{{{labels}}}", seconds),
            (f"count{{{labels}}}", number),
        )
    )


def new_page(good: float, bad: float, revision: str, namespace: str) -> str:
    """As queue-proxy gives it out since OpenTelemetry: the revision stands in target_info alone."""
    name, label, bounds = "kn_serving_invocation_duration_seconds", "http_response_status_code", ("0.5", "1")
    failed = histogram(name, label, "500", bad, bounds=bounds, seconds=1.5) if bad else ""
    info = f'target_info{{kn_revision_name="{revision}",k8s_namespace_name="{namespace}",k8s_pod_name="{PODS[revision]}"}} 1\n'
    return f"# TYPE {name} histogram\n{histogram(name, label, '200', good, bounds=bounds, seconds=2.5)}{failed}{info}"


def old_page(good: float, bad: float, revision: str, namespace: str) -> str:
    """As queue-proxy gives it out up to Knative 1.18: milliseconds, and the revision on each series."""
    page = ""
    for status, number, milliseconds in (("200", good, 2500), ("500", bad, 1500)):
        labels = (
            f'response_code="{status}",response_code_class="{status[0]}xx",namespace_name="{namespace}",'
            f'revision_name="{revision}",pod_name="{PODS[revision]}",container_name="queue-proxy"'
        )
        name = "revision_app_request_latencies"
        page += "".join(
            f'{name}_bucket{{{labels},le="{le}"}} {value}\n'
            for le, value in (("500", number - 1), ("1000", number), ("+Inf", number))
        )
        page += f"{name}_sum{{{labels}}} {milliseconds}\nrevision_app_request_count{{{labels}}} {number}\n"
    return page


TRITON = 'nv_inference_queue_duration_us{model="m",version="1"} 2e6\nnv_inference_request_duration_us{model="m",version="1"} 5e6\n'


def jobs() -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for revision, number in NUMBER.items():
        pod = {"pod": PODS[revision]}
        labels = {"namespace": LABELLED, "revision": revision, **pod}
        found[f"/labelled-queue-{number}"] = labels
        # Scraped a second time by another rule, as annotations on the pods make happen.
        found[f"/labelled-again-{number}"] = labels
        found[f"/labelled-triton-{number}"] = labels
        found[f"/joined-queue-{number}"] = {"job": "pods"}
        found[f"/joined-triton-{number}"] = {"namespace": JOINED, **pod}
        found[f"/old-queue-{number}"] = {}
        # The same revision names in another namespace.
        found[f"/elsewhere-queue-{number}"] = {"namespace": ELSEWHERE, "revision": revision, **pod}
        found[f"/elsewhere-joined-{number}"] = {"job": "pods"}
        found[f"/elsewhere-old-{number}"] = {}
    found["/quiet-triton"] = {"namespace": QUIET, "revision": STABLE, "pod": PODS[STABLE]}
    found["/labelled-dead"] = {"namespace": LABELLED, "revision": CANDIDATE, "pod": "dead"}
    return found


def pages_of(good: float, bad: float) -> dict[str, str]:
    """Stable has that many, the candidate ten times as many good ones and twice as many bad ones."""
    found: dict[str, str] = {"/quiet-triton": TRITON}
    for revision, number in NUMBER.items():
        counts = (good * 10, bad * 2) if revision == CANDIDATE else (good, bad)
        found[f"/labelled-queue-{number}"] = new_page(*counts, revision, LABELLED)
        found[f"/labelled-again-{number}"] = new_page(*counts, revision, LABELLED)
        found[f"/joined-queue-{number}"] = new_page(*counts, revision, JOINED)
        found[f"/old-queue-{number}"] = old_page(*counts, revision, OLD)
        found[f"/elsewhere-queue-{number}"] = new_page(1000, 1000, revision, ELSEWHERE)
        found[f"/elsewhere-joined-{number}"] = new_page(1000, 1000, revision, ELSEWHERE)
        found[f"/elsewhere-old-{number}"] = old_page(1000, 1000, revision, ELSEWHERE)
        found[f"/labelled-triton-{number}"] = found[f"/joined-triton-{number}"] = TRITON
    return found


@pytest.fixture(scope="module")
def server(pages: Pages, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    pages.pages.update(pages_of(7, 3))
    started = Server(tmp_path_factory.mktemp("prometheus"), scraping(pages, jobs()))
    try:
        started.wait_for("up == 1", len(jobs()) - 1)
        started.wait_for("up == 0", 1)
        yield started
    finally:
        started.close()


def of(reading: Reading, revision: str, *, triton: bool) -> None:
    """The reading has exactly what the revision's page says, once."""
    factor, failures = (10, 2) if revision == CANDIDATE else (1, 1)
    good, bad = 7 * factor, 3 * failures
    expected = {
        (REQUESTS, "200"): good,
        (REQUESTS, "500"): bad,
        (LATENCY, "0.5"): good + bad - 2,
        (LATENCY, "1"): good + bad,
        (LATENCY, "+Inf"): good + bad,
        (LATENCY_SUM, ""): pytest.approx(4.0),
        **({(QUEUED, ""): pytest.approx(2.0), (BUSY, ""): pytest.approx(5.0)} if triton else {}),
    }
    found = {(s.counter, s.label): value for s, value in reading.items() if s.revision == revision}
    assert found == expected
    assert {s.pod for s in reading if s.revision == revision} == {PODS[revision]}


def wait_for_requests(server: Server, number: int) -> None:
    """Until both jobs have scraped pages with that many requests."""
    server.wait_for(f'sum(kn_serving_invocation_duration_seconds_count{{namespace="{LABELLED}"}}) == {2 * number}', 1)


def connect(server: Server, namespace: str) -> Prometheus:
    return Prometheus(server.url, namespace=namespace, service="x")


@pytest.mark.parametrize(("namespace", "triton"), [(LABELLED, True), (JOINED, True), (OLD, False)])
def test_counters_by_revision(server: Server, namespace: str, triton: bool) -> None:
    prometheus = connect(server, namespace)
    reading = prometheus.read([STABLE, CANDIDATE])
    of(reading, STABLE, triton=triton)
    of(reading, CANDIDATE, triton=triton)
    assert prometheus.answered == sorted(PODS.values())
    assert prometheus.missing == (["dead (labelled-dead)"] if namespace == LABELLED else [])
    assert {series.revision for series in prometheus.read([CANDIDATE])} == {CANDIDATE}


def test_what_nobody_scrapes_is_said(server: Server) -> None:
    with pytest.raises(Unavailable, match="has no series of y-predictor-00001 in namespace labelled"):
        connect(server, LABELLED).read(["y-predictor-00001"])
    with pytest.raises(Unavailable, match="but not their queue-proxy"):
        connect(server, QUIET).read([STABLE])


def test_increments_of_a_new_status_are_seen(server: Server, pages: Pages) -> None:
    """What a rate would miss: the first sample of a series is its first increment."""
    prometheus = connect(server, LABELLED)
    before = pages.pages.copy()
    try:
        pages.pages.update(pages_of(7, 0))
        wait_for_requests(server, 7 + 70)
        ledger = Ledger.start(prometheus.read([STABLE, CANDIDATE]))
        pages.pages.update(pages_of(9, 4))
        wait_for_requests(server, 9 + 4 + 90 + 8)
        _ledger, increments = ledger.take(prometheus.read([STABLE, CANDIDATE]))
        assert (increments[CANDIDATE].requests, increments[CANDIDATE].failed) == (28, 8)
        assert (increments[STABLE].requests, increments[STABLE].failed) == (6, 4)
    finally:
        pages.pages.update(before)
        wait_for_requests(server, 7 + 3 + 70 + 6)


def test_own_queries(server: Server) -> None:
    prometheus = connect(server, LABELLED)
    assert prometheus.value(f'count(up{{namespace="{LABELLED}"}})') == 7
    assert prometheus.value("vector(1) > 2") is None
    assert prometheus.value("0 / vector(0)") is None
    assert prometheus.value("scalar(vector(3))") == 3
    # Too long for an address.
    assert prometheus.value(" + ".join(["vector(1)"] * 500)) == 500
    with pytest.raises(InvalidIntent, match="parse error"):
        prometheus.value("sum(up")
    with pytest.raises(InvalidIntent, match="series"):
        prometheus.value("up")
    with pytest.raises(InvalidIntent, match="matrix"):
        prometheus.value("up[1m]")
