# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The traffic that the simulator makes up has the shape that a queue-proxy would report."""

from __future__ import annotations

import math
from typing import Any

import pytest
from ansible_collections.mlops.serving.plugins.module_utils._domain.errors import InvalidIntent
from ansible_collections.mlops.serving.plugins.module_utils._domain.evidence import (
    BUSY,
    LATENCY,
    LATENCY_SUM,
    QUEUED,
    REQUESTS,
)
from ansible_collections.mlops.serving.plugins.module_utils._domain.knative_metrics import BUCKETS
from ansible_collections.mlops.serving.plugins.module_utils._domain.simulated_load import (
    Load,
    Profile,
    profile,
    simulated_pods,
)


def test_what_is_not_said_is_as_usual() -> None:
    assert profile(None) == profile({}) == profile({"load_error": "x"}) == Profile(50, 0, 20)
    assert profile({"rps": 5, "error_ratio": 0.3, "crash": True}) == Profile(5, 0.3, 20, crash=True)


@pytest.mark.parametrize(
    ("name", "value"),
    [("rps", -1), ("rps", 1e6), ("error_ratio", 30), ("latency_ms", 0), ("rps", "fast"), ("rps", True)],
)
def test_a_number_that_cannot_be_is_named(name: str, value: Any) -> None:
    with pytest.raises(InvalidIntent, match=f"metrics.simulate.{name}"):
        profile({name: value})


@pytest.mark.parametrize("latency_ms", [0.01, 3, 20, 400, 20_000])
def test_buckets_hold_all_requests_and_their_means(latency_ms: float) -> None:
    buckets = Profile(latency_ms=latency_ms).buckets()
    assert len(buckets) == len(BUCKETS) + 1
    assert sum(part for part, _mean in buckets) == pytest.approx(1)
    low = 0.0
    for bound, (part, mean) in zip((*BUCKETS, math.inf), buckets, strict=True):
        if part > 1e-9:
            assert low <= mean <= bound
        low = bound
    # The mean of a log-normal distribution is exp(sigma^2 / 2) times its median.
    overall = sum(part * mean for part, mean in buckets)
    assert overall == pytest.approx(latency_ms / 1000 * math.exp(0.35**2 / 2), rel=1e-6)


def test_counters_of_a_load() -> None:
    load = Load()
    assert load.counters(triton=True) == {}
    counts = [0, 0, 8, 2, *[0] * 11]
    load.add(Profile(queue_share=0.5), 3, counts)
    load.add(Profile(queue_share=0.5), 0, counts)
    found = load.counters(triton=False)
    assert (found[REQUESTS, "200"], found[REQUESTS, "500"]) == (17, 3)
    assert (found[LATENCY, "0.01"], found[LATENCY, "0.025"], found[LATENCY, "0.05"], found[LATENCY, "+Inf"]) == (
        0,
        16,
        20,
        20,
    )
    assert 16 * 0.01 + 4 * 0.025 < found[LATENCY_SUM, ""] < 16 * 0.025 + 4 * 0.05
    assert QUEUED not in {counter for counter, _label in found}
    inside = load.counters(triton=True)
    assert inside[QUEUED, ""] == pytest.approx(inside[BUSY, ""] / 2)


def test_pods_of_revisions() -> None:
    revisions = [
        {"name": "x-00001", "ready": True, "error": None},
        {"name": "x-00002", "ready": True, "error": None},
        {"name": "x-00003", "ready": False, "error": "no such file"},
    ]
    good, crashed, broken = simulated_pods(revisions, {"x-00002"})
    assert (good.ready, good.restarts, good.failing) == (True, 0, "")
    assert (crashed.ready, crashed.restarts) == (False, 1)
    assert "metrics.simulate.crash" in crashed.failing
    assert (broken.ready, broken.failing) == (False, "container kserve-container: CrashLoopBackOff: no such file")
