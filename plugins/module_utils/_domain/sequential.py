# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tests that stay valid however often one looks.

Each is a game against the hypothesis that the candidate is fine: money is put on ways of being worse, each bet pays its
likelihood ratio, and as long as the hypothesis is true nobody can expect to win. To own 1/alpha times the stake at any time
has then at most the probability alpha (Ville 1939). The money at a moment is the evidence at that moment.

Absolute limits: Wald's likelihood ratios (1945) mixed over fixed alternatives (Robbins 1970). Candidate against stable:
e-values for two proportions (Turner, Ly and Gruenwald 2021). Means: bets on bounded-below values (Waudby-Smith and Ramdas 2024).
"""

from __future__ import annotations

import math
import typing as t
from dataclasses import dataclass

__all__ = (
    "ODDS",
    "Wealth",
    "alternatives",
    "log_ratio",
    "mean_factors",
    "projection",
    "proportion_factors",
    "running_estimate",
    "two_proportion_factors",
)

# How many times the limit's odds the candidate's may be. Close together where it takes long to tell them apart.
ODDS = (2.0, 4.0, 8.0, 16.0, 64.0, 256.0)
# Shares of each request that are bet on a mean being too high.
_STAKES = (1 / 64, 1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2)

# A candidate that turns bad late would first have to win back what was lost on its good time. So a part of the money is kept
# and bet bit by bit: this part of it, half of which is bet when so many requests have been seen, two thirds at twice that.
_KEPT = 0.25
_HALF_BET_AT = 300.0

# exp() of more than about 709 is no float; a plan's alpha is never that small.
_LARGEST = 600.0


@dataclass(frozen=True)
class Wealth:
    """:param bets: log of the money on each alternative; ``seen``: requests so far, which say how much of the rest has been bet"""

    bets: tuple[float, ...]
    seen: float = 0.0

    @classmethod
    def start(cls, count: int) -> Wealth:
        return cls((math.log((1 - _KEPT) / count),) * count)

    def after(self, factors: t.Sequence[float], requests: int) -> Wealth:
        """:param factors: log of what each bet pays for a block of so many requests; chosen before the block was seen"""
        newly = math.log(_released(self.seen, requests) / len(self.bets)) if requests else -math.inf
        bets = tuple(_log_add(bet, newly) + factor for bet, factor in zip(self.bets, factors, strict=True))
        return Wealth(bets, self.seen + requests)

    @property
    def evidence(self) -> float:
        """1.0 is none."""
        top = max(self.bets)
        if top > _LARGEST:
            return math.exp(_LARGEST)
        return _kept(self.seen) + sum(math.exp(bet) for bet in self.bets)

    def to_json(self) -> dict[str, t.Any]:
        return {"bets": list(self.bets), "seen": self.seen}

    @classmethod
    def from_json(cls, data: t.Mapping[str, t.Any]) -> Wealth:
        return cls(tuple(map(float, data["bets"])), float(data["seen"]))


def alternatives(limit: float) -> tuple[float, ...]:
    """Ratios above a limit between 0 and 1: :data:`ODDS` times its odds, so that none reaches 1."""
    odds = limit / (1 - limit)
    return tuple(times * odds / (1 + times * odds) for times in ODDS)


def log_ratio(alternative: float, null: float, requests: int, failed: int) -> float:
    """log of (probability of what was seen under the alternative / under the null), both between 0 and 1."""
    return failed * math.log(alternative / null) + (requests - failed) * math.log((1 - alternative) / (1 - null))


def proportion_factors(limit: float, requests: int, failed: int) -> list[float]:
    """What bets against "at most ``limit`` of the requests fail" pay, in logs."""
    return [log_ratio(alternative, limit, requests, failed) for alternative in alternatives(limit)]


def projection(above: float, below: float, n_above: int, n_below: int, shift: float) -> tuple[float, float]:
    """The pair (a, b) with a <= b + shift that is nearest to (above, below).

    Nearest: the least n_above * KL(above, a) + n_below * KL(below, b). Where the pair breaks the rule, a = b + shift.
    The ratio of likelihoods to it is an e-value for every pair that keeps the rule, as that set is convex.
    """
    low, high = below + shift, above
    if above <= low:
        return above, below
    # The derivative's sign is that of a cubic, which falls through 0 once between low and high. Exact at once without a shift.
    a = (n_above * above + n_below * low) / (n_above + n_below)
    for _unused in range(200):
        b = a - shift
        spread_a, spread_b = a * (1 - a), b * (1 - b)
        value = n_above * (above - a) * spread_b + n_below * (below - b) * spread_a
        if value > 0:
            low = a
        else:
            high = a
        slope = n_above * ((above - a) * (1 - 2 * b) - spread_b) + n_below * ((below - b) * (1 - 2 * a) - spread_a)
        following = a - value / slope if slope < 0 else (low + high) / 2
        if not low <= following <= high:
            following = (low + high) / 2
        if abs(following - a) <= 1e-14 * a:
            break
        a = following
    return a, a - shift


def running_estimate(requests: int, failed: int) -> float:
    """A ratio of failures from what was seen before, never 0 or 1; 1 % where nothing was."""
    return (failed + 0.5) / (requests + 50.0)


def two_proportion_factors(
    candidate: tuple[int, int], stable: tuple[int, int], before: tuple[int, int], shift: float
) -> list[float]:
    """What bets against "the candidate fails at most ``shift`` more often than stable" pay, in logs.

    :param candidate: (requests, failed) of the block; ``stable``: the same
    :param before: (requests, failed) of stable before the block: each bet is chosen by it alone
    """
    (n_a, x_a), (n_b, x_b) = candidate, stable
    if not n_a or not n_b:
        # With one side alone the nearest fair pair explains it as well as the alternative does.
        return [0.0] * len(ODDS)
    b1 = running_estimate(*before)
    limit = min(b1 + shift, 0.999)
    factors = []
    for a1 in alternatives(limit):
        a0, b0 = projection(a1, b1, n_a, n_b, shift)
        factors.append(log_ratio(a1, a0, n_a, x_a) + log_ratio(b1, b0, n_b, x_b))
    return factors


def mean_factors(limit: float, blocks: t.Sequence[tuple[float, int]]) -> list[float]:
    """What bets against "the mean is at most ``limit``" pay, in logs.

    :param blocks: (a value that none of them is below, how many); values of at least 0. Below the truth is the safe side
    """
    factors = []
    for stake in _STAKES:
        factors.append(sum(n * math.log1p(stake * (value / limit - 1)) for value, n in blocks if n))
    return factors


def _kept(seen: float) -> float:
    return _KEPT * _HALF_BET_AT / (_HALF_BET_AT + seen)


def _released(seen: float, requests: int) -> float:
    """The difference of what is kept before and after; written so that it is never lost in rounding."""
    return _kept(seen) * requests / (_HALF_BET_AT + seen + requests)


def _log_add(one: float, other: float) -> float:
    high, low = (one, other) if one >= other else (other, one)
    return high if low == -math.inf else high + math.log1p(math.exp(low - high))
