# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Draws for the simulator: exact for small numbers, by the normal approximation for large ones, so that any rate is cheap."""

from __future__ import annotations

import math
import random
import typing as t

__all__ = ("binomial", "multinomial", "poisson")

# Above this mean the normal approximation is used; it is off by less than anybody sees.
_LARGE = 30.0


def poisson(chance: random.Random, mean: float) -> int:
    """How many events, where ``mean`` are expected."""
    if mean <= 0:
        return 0
    if mean > _LARGE:
        return max(0, round(chance.gauss(mean, math.sqrt(mean))))
    # Knuth: as many factors as it takes to fall below e^-mean.
    limit, product, count = math.exp(-mean), chance.random(), 0
    while product > limit:
        product *= chance.random()
        count += 1
    return count


def binomial(chance: random.Random, number: int, probability: float) -> int:
    """How many of ``number`` have it, where each has it with this probability."""
    if number <= 0 or probability <= 0:
        return 0
    if probability >= 1:
        return number
    if probability > 0.5:
        return number - binomial(chance, number, 1 - probability)
    mean = number * probability
    if mean > _LARGE:
        drawn = round(chance.gauss(mean, math.sqrt(mean * (1 - probability))))
        return min(max(0, drawn), number)
    # From one that has it to the next: the gaps are geometric.
    count, at, step = 0, 0, math.log1p(-probability)
    while True:
        at += int(math.log(1 - chance.random()) / step) + 1
        if at > number:
            return count
        count += 1


def multinomial(chance: random.Random, number: int, parts: t.Sequence[float]) -> list[int]:
    """``number`` spread over places with these probabilities, which add up to 1."""
    found, left, rest = [], number, 1.0
    for part in parts:
        drawn = binomial(chance, left, min(1.0, part / rest)) if rest > 1e-12 else 0
        found.append(drawn)
        left, rest = left - drawn, rest - part
    found[-1] += left
    return found
