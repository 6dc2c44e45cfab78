# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a candidate may get more traffic."""

from __future__ import annotations

import math
import os
import typing as t

import pytest
from ansible_collections.mlops.serving.plugins.module_utils._domain import pacing
from ansible_collections.mlops.serving.plugins.module_utils._domain.gates import parse_gates
from hypothesis import given
from hypothesis import strategies as st

if os.environ.get("CI") != "true":
    pytest.importorskip("scipy", reason="scipy is not there: make venv")

import numpy as np
from scipy import stats


@pytest.mark.parametrize(
    ("min_requests", "weight", "needed"),
    [
        (300, 1, 20),
        (300, 5, 30),
        (300, 10, 60),
        (300, 25, 150),
        (300, 50, 300),
        (300, 99, 300),
        (301, 25, 151),
        (10, 50, 20),
    ],
)
def test_more_requests_are_asked_for_where_more_is_at_stake(min_requests: int, weight: int, needed: int) -> None:
    assert pacing.required(min_requests, weight) == needed


@given(st.integers(1, 5000), st.data(), st.sampled_from([0.9, 0.95, 0.99]))
def test_the_bound_is_clopper_and_pearsons(requests: int, data: st.DataObject, confidence: float) -> None:
    failed = data.draw(st.integers(0, min(requests, 60)))
    expected = 1.0 if failed == requests else stats.beta.ppf(confidence, failed + 1, requests - failed)
    assert pacing.upper_bound(requests, failed, confidence) == pytest.approx(expected, rel=1e-6)


def test_nothing_seen_leaves_everything_possible() -> None:
    assert pacing.upper_bound(0, 0) == 1.0


def test_a_budget_opens_step_by_step() -> None:
    """10 requests a second, 10 failures to lose: 5 and 10 % can be dared at once, 25 and 50 % after a few requests."""
    assert [pacing.may_raise(10, 0, 0, 10, weight) for weight in (5, 10, 25)] == [True, True, False]
    first = [next(n for n in range(99) if pacing.may_raise(10, 0, n, 10, weight)) for weight in (10, 25, 50, 100)]
    assert first == [0, 2, 5, 11]


def test_failures_that_the_limit_allows_use_up_no_budget() -> None:
    """20 of 2,000 are 1 %: the plan has said that this is fine."""
    assert pacing.may_raise(10, 20, 2000, 100, 50)
    assert not pacing.may_raise(10, 60, 2000, 100, 50)
    assert not pacing.may_raise(10, 20, 2000, 100, 50, tolerable=0.0)


@pytest.mark.parametrize(
    ("gates", "ratio"),
    [
        (None, 0.01),
        ([{"metric": "latency", "p99": 1}], 0.01),
        ([{"metric": "latency", "p99": 1}, {"metric": "errors", "max": "5%"}], 0.05),
        ([{"metric": "errors", "over_stable": "3%"}], 0.03),
        ([{"metric": "errors", "over_stable": 0}], 0.01),
    ],
)
def test_a_plans_limit_is_what_it_tolerates(gates: list[dict[str, t.Any]] | None, ratio: float) -> None:
    assert pacing.tolerated(parse_gates(gates)) == pytest.approx(ratio)


def test_the_smallest_budget_still_gets_on() -> None:
    assert any(pacing.may_raise(1, 0, n, 100, 50) for n in range(400))


@given(st.integers(0, 5), st.integers(5, 400), st.floats(0.1, 300), st.floats(1, 50))
def test_more_of_anything_bad_never_opens_a_step(failed: int, requests: int, rate: float, weight: float) -> None:
    harm = pacing.expected_harm(failed, requests, rate, weight)
    assert harm >= failed - 0.01 * requests
    assert pacing.expected_harm(failed + 1, requests + 1, rate, weight) >= harm
    assert pacing.expected_harm(failed, requests, rate * 2, weight) >= harm
    assert pacing.expected_harm(failed, requests * 2, rate, weight) <= harm
    assert pacing.expected_harm(failed, requests, rate, weight, tolerable=0.0) >= max(harm, failed)


@given(st.floats(0, 0.6), st.integers(1, 5000))
def test_a_candidate_without_failures_never_waits_longer_than_its_plan_says(limit: float, min_requests: int) -> None:
    assert not pacing.proof_wanted(limit, min_requests, pacing.required(min_requests, 50), 0)


def test_what_lies_beyond_the_limit_is_not_proven() -> None:
    assert pacing.proof_wanted(0.01, 300, 300, 6)
    assert not pacing.proof_wanted(0.01, 300, 300, 1)
    assert pacing.proof_wanted(0.0, 300, 10**6, 1)


@pytest.mark.parametrize(("ratio", "most"), [(0.02, 0.1), (0.03, 0.1)])
def test_twice_the_limit_comes_through_once_in_ten_at_most(ratio: float, most: float) -> None:
    """Looking after every 10 of 6,000 requests; the bound is that of 1,000 runs."""
    rng = np.random.default_rng(3)
    failed = np.cumsum(rng.binomial(10, ratio, (1000, 600)), axis=1)
    through = [
        any(not pacing.proof_wanted(0.01, 300, 10 * (i + 1), int(row[i])) for i in range(29, 600)) for row in failed
    ]
    assert np.mean(through) <= stats.binom.ppf(0.999, 1000, most) / 1000


def test_what_keeps_its_limit_gets_through() -> None:
    """At the very limit it takes a while: half of them within 600 requests, nearly all within 3,000."""
    rng = np.random.default_rng(4)
    failed = np.cumsum(rng.binomial(10, 0.01, (500, 300)), axis=1)
    through = [
        next(
            (10 * (i + 1) for i in range(29, 300) if not pacing.proof_wanted(0.01, 300, 10 * (i + 1), int(row[i]))),
            math.inf,
        )
        for row in failed
    ]
    assert np.median(through) <= 700
    assert np.mean(np.isfinite(through)) >= 0.99
