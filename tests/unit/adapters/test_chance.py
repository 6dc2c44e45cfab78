# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Draws of the simulator have the right mean and spread, small or large."""

from __future__ import annotations

import math
import random
import statistics
import time
from collections.abc import Callable

import pytest
from ansible_collections.mlops.serving.plugins.module_utils._adapters.chance import binomial, multinomial, poisson

DRAWS = 4000


def check(draw: Callable[[random.Random], int], mean: float, variance: float) -> None:
    chance = random.Random("a fixed seed")
    drawn = [draw(chance) for _unused in range(DRAWS)]
    # Five standard errors: with the seed fixed, nothing is left to luck but its choice.
    assert statistics.fmean(drawn) == pytest.approx(mean, abs=5 * math.sqrt(variance / DRAWS) + 1e-9)
    assert statistics.pvariance(drawn) == pytest.approx(variance, rel=0.15, abs=1e-9)
    assert min(drawn) >= 0


@pytest.mark.parametrize("mean", [0, 0.01, 0.7, 5, 29, 31, 5000])
def test_poisson(mean: float) -> None:
    check(lambda chance: poisson(chance, mean), mean, mean)


@pytest.mark.parametrize(
    ("number", "probability"),
    [(0, 0.5), (10, 0), (10, 1), (1, 0.3), (20, 0.02), (20, 0.9), (1000, 0.01), (1000, 0.3), (10**6, 0.999)],
)
def test_binomial(number: int, probability: float) -> None:
    check(
        lambda chance: binomial(chance, number, probability),
        number * probability,
        number * probability * (1 - probability),
    )


def test_multinomial_keeps_the_number() -> None:
    chance = random.Random(7)
    parts = [0.0, 0.2, 0.5, 0.3, 0.0]
    drawn = [multinomial(chance, 1000, parts) for _unused in range(500)]
    assert {sum(one) for one in drawn} == {1000}
    means = [statistics.fmean(column) for column in zip(*drawn, strict=True)]
    assert means == pytest.approx([0, 200, 500, 300, 0], abs=5)


def test_a_million_requests_cost_nothing() -> None:
    chance = random.Random(1)
    begun = time.process_time()
    for _unused in range(100):
        multinomial(chance, poisson(chance, 1e6), [0.001, 0.999])
    assert time.process_time() - begun < 0.5
