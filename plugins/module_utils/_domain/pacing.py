# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How much must have been seen before a candidate gets more traffic."""

from __future__ import annotations

import math
import typing as t

from .gates import ERRORS, Gate
from .sequential import log_ratio

__all__ = ("expected_harm", "may_raise", "proof_wanted", "required", "tolerated", "upper_bound")

_FEWEST = 20
# A fault that is already there costs about this many failures before the judge is sure of it.
_TO_BE_SURE = 3.0
_CONFIDENCE = 0.95
# How likely a candidate that is clearly beyond a limit may still be promoted.
_MISSED = 0.1


def required(min_requests: int, weight: int) -> int:
    """Candidate requests that must have been seen in all, before the step of this weight (percent) is left.

    Little is at stake at a small weight, and its requests come slowly. Above 50 % no more are asked for.
    """
    return max(_FEWEST, math.ceil(min_requests * min(weight, 50) / 50))


def tolerated(gates: t.Sequence[Gate]) -> float:
    """The ratio of failures that a plan takes for no harm: its limit; 1 % where it states none of its own."""
    for gate in gates:
        if gate.metric == ERRORS:
            return gate.max if gate.max is not None else max(0.01, gate.over_stable or 0.0)
    return 0.01


def upper_bound(requests: int, failed: int, confidence: float = _CONFIDENCE) -> float:
    """The ratio of failures that so few of so many requests leave possible (Clopper and Pearson 1934, one-sided)."""
    if failed >= requests:
        return 1.0
    if failed == 0:
        return float(1 - (1 - confidence) ** (1 / requests))
    low, high = failed / requests, 1.0
    for _unused in range(60):
        middle = (low + high) / 2
        if _at_most(failed, requests, middle) > 1 - confidence:
            low = middle
        else:
            high = middle
    return high


def expected_harm(
    failed: int, requests: int, rate: float, next_weight: float, reaction: float = 3.0, tolerable: float = 0.01
) -> float:
    """Requests failed beyond what is tolerated, if the candidate is as bad as it still may be and takes the next weight.

    :param rate: requests a second to the endpoint; ``next_weight``: percent; ``reaction``: seconds from a failure to the way back
    :param tolerable: ratio of failures that is no harm, see :func:`tolerated`. Else a candidate that keeps it would use up any budget
    """
    beyond = max(0.0, upper_bound(requests, failed) - tolerable)
    return max(0.0, failed - tolerable * requests) + rate * next_weight / 100 * reaction * beyond


def may_raise(
    budget: float,
    failed: int,
    requests: int,
    rate: float,
    next_weight: float,
    reaction: float = 3.0,
    tolerable: float = 0.01,
) -> bool:
    """Whether a plan that is willing to lose ``budget`` requests can afford the next weight now.

    Of the budget a part is left for the failures that the judge needs to be sure. The rest follows :func:`expected_harm`.
    """
    harm = expected_harm(failed, requests, rate, next_weight, reaction, tolerable)
    return harm + min(_TO_BE_SURE, budget / 2) <= budget


def proof_wanted(limit: float, min_requests: int, requests: int, failed: int) -> bool:
    """Whether a candidate has yet to show that it is not clearly beyond a limit, before it gets everything.

    No evidence against it is not enough for that: 300 requests hardly tell 2 % from 1 %. This is the other side of Wald's
    test (1945): one that is at twice the limit, or where that is more at the limit + 3/min_requests, comes through with a
    probability of at most 0.1. One without failures never waits longer than for its min_requests.
    """
    beyond = min(max(2 * limit, limit + 3 / max(min_requests, 1)), (1 + limit) / 2)
    if limit <= 0:
        return failed > 0 or requests * -math.log1p(-beyond) < -math.log(_MISSED)
    return log_ratio(beyond, limit, requests, failed) > math.log(_MISSED)


def _at_most(failed: int, requests: int, ratio: float) -> float:
    """Binomial probability of at most so many failures; 0 < ratio < 1."""
    up, down = math.log(ratio), math.log1p(-ratio)
    whole = math.lgamma(requests + 1)
    return math.fsum(
        math.exp(whole - math.lgamma(k + 1) - math.lgamma(requests - k + 1) + k * up + (requests - k) * down)
        for k in range(failed + 1)
    )
