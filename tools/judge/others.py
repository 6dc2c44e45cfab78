"""Two usual judges, at one look a minute: a fixed threshold as Flagger has it, and Kayenta's Mann-Whitney test."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from tools.judge.world import PROMOTED, ROLLED_BACK, STEPS, WAY_BACK, End, World

MINUTE = 60.0
# Flagger: so many failed looks in all roll back; each good one raises the share.
MOST_FAILED_LOOKS, THRESHOLD = 5, 0.01
# Kayenta's defaults; a step lasts as many points as its test needs to be able to say anything.
CONFIDENCE_Z, TOLERANCE = 2.3263478740408408, 0.25
POINTS = 5

Minute = tuple[int, int, int, int]


class _Traffic:
    def __init__(self, world: World, random: np.random.Generator) -> None:
        self._world, self._random = world, random
        self.failed = 0

    def minute(self, step: int) -> Minute:
        """(candidate's requests, failed of them, stable's requests, failed of them)"""
        world, share = self._world, STEPS[step] / 100
        own, other = self._random.poisson([world.traffic * MINUTE * share, world.traffic * MINUTE * (1 - share)])
        failed, others = self._random.binomial([own, other], [world.candidate, world.stable])
        self.failed += int(failed)
        return int(own), int(failed), int(other), int(others)

    def back(self, minutes: int, step: int) -> End:
        late = self._random.poisson(self._world.traffic * STEPS[step] / 100 * WAY_BACK * self._world.candidate)
        return End(ROLLED_BACK, minutes * MINUTE + WAY_BACK, self.failed + int(late))


def threshold(world: World, random: np.random.Generator) -> End:
    traffic, bad, step, minutes = _Traffic(world, random), 0, 0, 0
    while True:
        minutes += 1
        own, failed, _, _ = traffic.minute(step)
        if not own or failed / own > THRESHOLD:
            bad += 1
            if bad == MOST_FAILED_LOOKS:
                return traffic.back(minutes, step)
        elif step == len(STEPS) - 1:
            return End(PROMOTED, minutes * MINUTE, traffic.failed)
        else:
            step += 1


def kayenta(world: World, random: np.random.Generator) -> End:
    """Judged at the end of each step, over all points since the beginning."""
    traffic = _Traffic(world, random)
    candidate: list[float] = []
    stable: list[float] = []
    for step in range(len(STEPS)):
        for _ in range(POINTS):
            own, failed, other, others = traffic.minute(step)
            # A minute without requests has no ratio, and is left out.
            if own:
                candidate.append(failed / own)
            if other:
                stable.append(others / other)
        if not candidate or not stable or is_high(np.array(candidate), np.array(stable)):
            return traffic.back((step + 1) * POINTS, step)
    return End(PROMOTED, len(STEPS) * POINTS * MINUTE, traffic.failed)


def is_high(candidate: npt.NDArray[np.float64], stable: npt.NDArray[np.float64]) -> bool:
    """Whether the interval of the shift (normal approximation, with ties and continuity) lies above a quarter of its estimate."""
    n, m = len(candidate), len(stable)
    _, ties = np.unique(np.concatenate([candidate, stable]), return_counts=True)
    spread = n * m / 12 * ((n + m + 1) - float(np.sum(ties**3.0 - ties)) / ((n + m) * (n + m - 1)))
    if spread <= 0 or (n == m and np.array_equal(candidate, stable)):
        return False
    shifts = np.sort(np.subtract.outer(candidate, stable), axis=None)
    place = math.floor(n * m / 2 - 0.5 - CONFIDENCE_Z * math.sqrt(spread))
    lowest, estimate = shifts[max(place, 0)], float(np.median(shifts))
    return bool(place >= 0 and lowest > TOLERANCE * abs(estimate))
