# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tests behind the judge: their arithmetic against scipy, and what they promise by simulation and by exact sums."""

from __future__ import annotations

import itertools
import json
import math
import os
import random
import typing as t

import pytest
from ansible_collections.mlops.serving.plugins.module_utils._domain import sequential
from ansible_collections.mlops.serving.plugins.module_utils._domain.sequential import Wealth
from hypothesis import given
from hypothesis import strategies as st

if os.environ.get("CI") != "true":
    pytest.importorskip("scipy", reason="scipy is not there: make venv")

import numpy as np
import numpy.typing as npt
from scipy import optimize, stats

ratios = st.floats(0.0005, 0.995)
sizes = st.integers(1, 3000)


@given(ratios, ratios, sizes, st.data())
def test_the_likelihood_ratio_is_that_of_two_binomials(one: float, other: float, n: int, data: st.DataObject) -> None:
    x = data.draw(st.integers(0, n))
    expected = stats.binom.logpmf(x, n, one) - stats.binom.logpmf(x, n, other)
    assert sequential.log_ratio(one, other, n, x) == pytest.approx(expected, rel=1e-7, abs=1e-6)


@given(ratios)
def test_alternatives_are_multiples_of_the_odds(limit: float) -> None:
    found = sequential.alternatives(limit)
    assert [p / (1 - p) / (limit / (1 - limit)) for p in found] == pytest.approx(list(sequential.ODDS), rel=1e-6)
    assert all(limit < p < 1 for p in found)


def divergence(p: float, q: float) -> float:
    return float(stats.entropy([p, 1 - p], [q, 1 - q]))


@given(ratios, ratios, sizes, sizes, st.sampled_from([0.0, 0.005, 0.01, 0.1]))
def test_the_projection_is_the_nearest_fair_pair(above: float, below: float, n_a: int, n_b: int, shift: float) -> None:
    a, b = sequential.projection(above, below, n_a, n_b, shift)
    if above <= below + shift:
        assert (a, b) == (above, below)
        return
    assert b == pytest.approx(a - shift)

    def distance(x: float) -> float:
        return n_a * divergence(above, x) + n_b * divergence(below, x - shift)

    found = optimize.minimize_scalar(
        distance, bounds=(below + shift, above), method="bounded", options={"xatol": 1e-12}
    )
    assert distance(a) <= found.fun + 1e-9 * (1 + found.fun)


@pytest.mark.parametrize("shift", [0.0, 0.01, 0.2])
@pytest.mark.parametrize("before", [(0, 0), (400, 1), (50, 20)])
def test_no_fair_pair_lets_a_bet_win_on_average(shift: float, before: tuple[int, int]) -> None:
    """Exact: the expectation over all outcomes of a block, at many pairs on the border of what is fair and within it."""
    n_a, n_b = 5, 12
    outcomes = list(itertools.product(range(n_a + 1), range(n_b + 1)))
    pays = np.array([sequential.two_proportion_factors((n_a, x), (n_b, y), before, shift) for x, y in outcomes])
    for stable, gap in itertools.product((0.001, 0.01, 0.05, 0.2, 0.5, 0.75), (shift, shift / 2, 0.0, -0.0005)):
        candidate = stable + gap
        chance = [stats.binom.pmf(x, n_a, candidate) * stats.binom.pmf(y, n_b, stable) for x, y in outcomes]
        assert np.max(np.exp(pays).T @ chance) <= 1 + 1e-9


@given(st.floats(0.001, 0.5), st.integers(1, 12))
def test_no_kept_limit_lets_a_bet_win_on_average(limit: float, n: int) -> None:
    pays = np.array([sequential.proportion_factors(limit, n, x) for x in range(n + 1)])
    for share in (1.0, 0.7, 0.1):
        chance = stats.binom.pmf(range(n + 1), n, limit * share)
        assert np.max(np.exp(pays).T @ chance) <= 1 + 1e-9


@given(st.floats(0.05, 2), st.lists(st.tuples(st.floats(0, 10), st.integers(1, 5)), min_size=2, max_size=6))
def test_bets_on_a_mean_that_keeps_its_limit_do_not_win(limit: float, values: list[tuple[float, int]]) -> None:
    """One request at a time, drawn from a distribution whose mean is at most the limit."""
    weights = np.array([n for _unused, n in values], dtype=float)
    points = np.array([value for value, _unused in values])
    weights /= weights.sum()
    mean = float(points @ weights)
    if mean > limit:
        points = points * (limit / mean)
    pays = np.exp(np.array([sequential.mean_factors(limit, [(float(value), 1)]) for value in points]))
    assert np.max(pays.T @ weights) <= 1 + 1e-9


def test_evidence_is_one_before_anything_is_seen() -> None:
    wealth = Wealth.start(6)
    assert wealth.evidence == pytest.approx(1.0)
    assert wealth.after([0.0] * 6, 500).evidence == pytest.approx(1.0)
    assert wealth.after([0.0] * 6, 0) == wealth


def test_evidence_does_not_overflow_and_survives_json() -> None:
    wealth = Wealth.start(2)
    for _unused in range(5):
        wealth = wealth.after([500.0, -5000.0], 10)
    assert math.isfinite(wealth.evidence)
    assert Wealth.from_json(json.loads(json.dumps(wealth.to_json(), allow_nan=False))) == wealth


def test_three_failures_of_ten_requests_are_enough() -> None:
    factors = sequential.proportion_factors(0.01, 10, 3)
    assert Wealth.start(len(factors)).after(factors, 10).evidence > 300


def test_two_failures_of_two_requests_are_enough_and_one_is_not() -> None:
    enough = sequential.proportion_factors(0.01, 2, 2)
    assert Wealth.start(len(enough)).after(enough, 2).evidence > 300
    single = sequential.proportion_factors(0.01, 1, 1)
    assert Wealth.start(len(single)).after(single, 1).evidence < 100


def test_a_candidate_that_turns_bad_late_is_found_out_soon() -> None:
    """1,000 good requests, then one of five fails. Without money kept back it would take twice as many."""

    def needed(wealth: Wealth) -> int:
        for block in range(50):
            factors = sequential.proportion_factors(0.01, 50, 0)
            wealth = wealth.after(factors, 50) if block < 20 else wealth
        for count in itertools.count(1):
            wealth = wealth.after(sequential.proportion_factors(0.01, 5, 1), 5)
            if wealth.evidence >= 200:
                return count * 5
        raise AssertionError

    assert needed(Wealth.start(6)) <= 50
    # All of it bet at once: seen so much already that next to nothing is left to bet.
    assert needed(Wealth((math.log(1 / 6),) * 6, seen=1e12)) >= 60


def false_alarms(
    blocks: t.Callable[[np.random.Generator], npt.NDArray[np.int64]], pays: t.Callable[..., list[float]]
) -> float:
    """The share of runs in which the evidence ever reaches 1/0.05, looking after every block."""
    rng = np.random.default_rng(20)
    alarms, runs = 0, 1000
    for _unused in range(runs):
        wealth = Wealth.start(6)
        for block in blocks(rng):
            wealth = wealth.after(pays(*map(int, block)), int(block[0]))
            if wealth.evidence >= 20:
                alarms += 1
                break
    return alarms / runs


@pytest.mark.parametrize("limit", [0.01, 0.2])
def test_alarms_stay_rare_although_every_block_is_looked_at(limit: float) -> None:
    """At the very limit; alpha is 0.05 so that so few runs can show it. The bound is that of 1,000 runs at 0.05."""

    def blocks(rng: np.random.Generator) -> npt.NDArray[np.int64]:
        n = rng.integers(1, 30, 80)
        return np.stack([n, rng.binomial(n, limit)], axis=1)

    share = false_alarms(blocks, lambda n, x: sequential.proportion_factors(limit, n, x))
    assert share <= stats.binom.ppf(0.999, 1000, 0.05) / 1000
    # It must not be that nothing ever fails either.
    assert false_alarms(blocks, lambda n, x: sequential.proportion_factors(limit / 3, n, x)) > 0.5


@pytest.mark.parametrize("shift", [0.0, 0.01])
def test_comparisons_alarm_rarely_whatever_the_split(shift: float) -> None:
    stable = 0.02
    seen = [0, 0]

    def blocks(rng: np.random.Generator) -> npt.NDArray[np.int64]:
        seen[:] = [0, 0]
        n, m = rng.integers(1, 60, 40), rng.integers(1, 600, 40)
        return np.stack([n, rng.binomial(n, stable + shift), m, rng.binomial(m, stable)], axis=1)

    def pays(n: int, x: int, m: int, y: int) -> list[float]:
        found = sequential.two_proportion_factors((n, x), (m, y), (seen[0], seen[1]), shift)
        seen[0] += m
        seen[1] += y
        return found

    assert false_alarms(blocks, pays) <= stats.binom.ppf(0.999, 1000, 0.05) / 1000


def test_a_worse_candidate_is_told_from_stable() -> None:
    generator = random.Random(5)
    seen, wealth = [0, 0], Wealth.start(6)
    for _unused in range(60):
        block = (10, sum(generator.random() < 0.06 for _unused in range(10)))
        stable = (90, sum(generator.random() < 0.005 for _unused in range(90)))
        wealth = wealth.after(sequential.two_proportion_factors(block, stable, (seen[0], seen[1]), 0.005), 10)
        seen = [seen[0] + stable[0], seen[1] + stable[1]]
    assert wealth.evidence > 1e4


def test_one_side_alone_is_no_evidence() -> None:
    assert set(sequential.two_proportion_factors((10, 10), (0, 0), (100, 0), 0.0)) == {0.0}
    assert set(sequential.two_proportion_factors((0, 0), (10, 10), (100, 0), 0.0)) == {0.0}
