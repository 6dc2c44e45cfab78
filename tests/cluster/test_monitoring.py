# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prometheus in the cluster counts what clients count, by revision and status; metrics-server measures the pods."""

from __future__ import annotations

import copy
import http.client
import typing as t

import pytest

from tools.cluster.access import Access, Space
from tools.cluster.inference import request_body, send

from .test_serving import INPUTS, example, ready, shares
from .waiting import wait_for

REQUESTS = 300
REFUSED = 20
NAME = "counted"


def counted(cluster: Access, namespace: str) -> dict[tuple[str, str], float]:
    """Requests by revision and status, as the queue-proxies' counters stand."""
    name = "kn_serving_invocation_duration_seconds_count"
    query = f'sum by (revision, http_response_status_code) ({name}{{namespace="{namespace}"}})'
    return {
        (labels["revision"], labels["http_response_status_code"]): value for labels, value in cluster.prometheus(query)
    }


def model_counted(cluster: Access, namespace: str) -> dict[str, float]:
    """Good inferences by revision, as Triton's counters stand."""
    query = f'sum by (revision) (nv_inference_request_success{{namespace="{namespace}"}})'
    return {labels["revision"]: value for labels, value in cluster.prometheus(query)}


def refused(cluster: Access, host: str, number: int) -> list[int]:
    """Statuses of that many requests for a model that is not there."""
    connection = http.client.HTTPConnection(cluster.gateway, timeout=30)
    try:
        return [send(connection, host, "nobody", request_body(INPUTS))[0] for _unused in range(number)]
    finally:
        connection.close()


@pytest.mark.groups("triton", "prometheus")
def test_prometheus_counts_what_the_client_counts(cluster: Access, namespace: Space) -> None:
    canary = example("triton-canary", namespace)
    canary["metadata"]["name"] = NAME
    canary["spec"]["predictor"]["canaryTrafficPercent"] = 40
    stable = copy.deepcopy(canary)
    del stable["spec"]["predictor"]["canaryTrafficPercent"]
    stable["spec"]["predictor"]["model"]["storageUri"] = namespace.storage_uri
    cluster.kube.apply(stable)
    ready(cluster, stable)
    cluster.kube.apply(canary)
    path = cluster.kube.path_of(canary)
    wait_for(
        lambda: shares(cluster.kube.get(path)), lambda seen: sorted(seen) == [40, 60], timeout=90, what="two revisions"
    )
    host = namespace.host(NAME)
    first, second = f"{NAME}-predictor-00001", f"{NAME}-predictor-00002"

    # The status may run ahead of Envoy; what is asked meanwhile counts too.
    asked: list[str] = []

    def ask() -> str:
        asked.append(cluster.infer(host, "add_sub", INPUTS)["model_version"])
        return asked[-1]

    wait_for(ask, lambda version: version == "2", timeout=60, what="the first answer of the canary", every=0.05)
    with cluster.load(host, "add_sub", INPUTS, rate=60) as load:
        wait_for(lambda: load.sent, lambda sent: sent >= REQUESTS, timeout=60, what=f"{REQUESTS} requests")
    assert load.failed == 0, load.errors
    good = {version: load.versions[version] + asked.count(version) for version in ("1", "2")}
    statuses = refused(cluster, host, REFUSED)
    (status,) = set(statuses)
    assert 400 <= status < 500

    def totals(seen: dict[tuple[str, str], float]) -> tuple[t.Any, ...]:
        bad = sum(value for (_unused, code), value in seen.items() if code == str(status))
        return seen.get((first, "200")), seen.get((second, "200")), bad, sum(seen.values())

    expected = (good["1"], good["2"], REFUSED, load.sent + len(asked) + REFUSED)
    # A scrape is two seconds away. What was counted too much would stay.
    wait_for(
        lambda: counted(cluster, namespace.name), lambda seen: totals(seen) == expected, timeout=20, what=f"{expected}"
    )
    wait_for(
        lambda: model_counted(cluster, namespace.name),
        lambda seen: seen == {first: good["1"], second: good["2"]},
        timeout=20,
        what=f"Triton's counts are {good}",
    )


@pytest.mark.groups("metrics")
def test_metrics_server_measures_pods(cluster: Access) -> None:
    path = "/apis/metrics.k8s.io/v1beta1/namespaces/kube-system/pods"

    def used() -> dict[str, str]:
        return {c["name"]: c["usage"]["memory"] for item in cluster.kube.items(path) for c in item["containers"]}

    seen = wait_for(used, lambda seen: "coredns" in seen, timeout=60, what="CoreDNS is measured")
    assert int(seen["coredns"].removesuffix("Ki")) > 1000
