# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Counters as releases of Knative and Triton name them become the same counters."""

from __future__ import annotations

import pytest
from ansible_collections.mlops.serving.plugins.module_utils._domain.evidence import (
    BUSY,
    LATENCY,
    LATENCY_SUM,
    QUEUED,
    REQUESTS,
)
from ansible_collections.mlops.serving.plugins.module_utils._domain.knative_metrics import (
    Sample,
    counters,
    latency_trust,
)

NEW = "kn_serving_invocation_duration_seconds"


def sample(name: str, value: float, **labels: str) -> Sample:
    return Sample(name, labels, value)


@pytest.mark.parametrize("name", [NEW, "kn_queueproxy_app_duration_seconds"])
def test_requests_by_status_and_latencies_over_all_of_them(name: str) -> None:
    found = counters(
        [
            sample(f"{name}_count", 7, http_response_status_code="200"),
            sample(f"{name}_count", 3, http_response_status_code="500"),
            sample(f"{name}_bucket", 5, http_response_status_code="200", le="0.005"),
            sample(f"{name}_bucket", 7, http_response_status_code="200", le="+Inf"),
            sample(f"{name}_bucket", 1, http_response_status_code="500", le="0.005"),
            sample(f"{name}_bucket", 3, http_response_status_code="500", le="+Inf"),
            sample(f"{name}_sum", 0.5, http_response_status_code="200"),
            sample(f"{name}_sum", 0.25, http_response_status_code="500"),
            sample("http_server_request_duration_seconds_count", 99),
        ]
    )
    assert found == {
        (REQUESTS, "200"): 7,
        (REQUESTS, "500"): 3,
        (LATENCY, "0.005"): 6,
        (LATENCY, "+Inf"): 10,
        (LATENCY_SUM, ""): 0.75,
    }


def test_older_releases_count_in_milliseconds() -> None:
    found = counters(
        [
            sample("revision_app_request_count", 4, response_code="200", response_code_class="2xx"),
            sample("revision_app_request_latencies_bucket", 3, response_code="200", le="5"),
            sample("revision_app_request_latencies_bucket", 4, response_code="200", le="1000"),
            sample("revision_app_request_latencies_sum", 250, response_code="200"),
            # Counted one layer further out: the same requests again.
            sample("revision_request_count", 4, response_code="200"),
        ]
    )
    assert found == {(REQUESTS, "200"): 4, (LATENCY, "0.005"): 3, (LATENCY, "1"): 4, (LATENCY_SUM, ""): 0.25}


def test_bounds_have_one_spelling() -> None:
    found = counters([sample(f"{NEW}_count", 1), *(sample(f"{NEW}_bucket", 1, le=le) for le in ("1.0", "0.50", "1e1"))])
    assert {label for counter, label in found if counter == LATENCY} == {"1", "0.5", "10"}


def test_triton_over_all_models_in_seconds() -> None:
    found = counters(
        [
            sample("nv_inference_queue_duration_us", 1_500_000, model="a", version="1"),
            sample("nv_inference_queue_duration_us", 500_000, model="b", version="1"),
            sample("nv_inference_request_duration_us", 8_000_000, model="a", version="1"),
        ]
    )
    assert found == {(QUEUED, ""): pytest.approx(2.0), (BUSY, ""): pytest.approx(8.0)}


def test_what_is_no_number_has_not_counted() -> None:
    assert counters([sample(f"{NEW}_count", float("nan")), sample(f"{NEW}_sum", float("inf"))]) == {}


@pytest.mark.parametrize("version", ["1.19.0", "v1.19.8", "1.20.0", "1.20.1", "1.19.3-distro.1"])
def test_releases_that_round_latencies_away(version: str) -> None:
    why = latency_trust(version)
    assert why is not None
    assert "whole seconds" in why
    assert ("1.19.9" if "1.19" in version else "1.20.2") in why


@pytest.mark.parametrize(
    "version", ["1.18.0", "1.19.9", "1.19.10", "1.20.2", "1.21.0", "1.21.1", "2.19.0", None, "", "main"]
)
def test_releases_that_do_not(version: str | None) -> None:
    assert latency_trust(version) is None
