"""Thousands of roll-outs at once: the arithmetic of the collection's judge over arrays.

A copy could go wrong, so the first roll-outs of every batch are played again through the plugins' own code, look by look:
one that ends otherwise, or that is at another step at any look, ends the whole simulation.
"""

from __future__ import annotations

import math
import typing as t

import numpy as np
import numpy.typing as npt
from ansible_collections.mlops.serving.plugins.module_utils._domain import pacing, sequential
from scipy import special

from tools.judge import ours
from tools.judge.world import HELD, PROMOTED, ROLLED_BACK, STEPS, WAY_BACK, End, World

Floats: t.TypeAlias = npt.NDArray[np.float64]
Ints: t.TypeAlias = npt.NDArray[np.int64]
Bools: t.TypeAlias = npt.NDArray[np.bool_]

LIMIT, SHIFT = t.cast(float, ours.GATES[0].max), t.cast(float, ours.GATES[0].over_stable)
NEEDED = ours.GATES[0].tests / ours.ALPHA
ODDS = np.array(sequential.ODDS)
WEIGHTS = np.array(STEPS)
REQUIRED = np.array([pacing.required(ours.MIN_REQUESTS, weight) for weight in STEPS])
KEPT, HALF_BET_AT = 0.25, 300.0


class Bets:
    """Of many roll-outs, what Wealth is of one."""

    def __init__(self, runs: int) -> None:
        self.bets = np.full((runs, len(ODDS)), math.log((1 - KEPT) / len(ODDS)))
        self.seen = np.zeros(runs)

    def pay(self, which: Ints, factors: Floats, requests: Ints) -> None:
        newly = np.log((_kept(self.seen[which]) - _kept(self.seen[which] + requests)) / len(ODDS))
        self.bets[which] = np.logaddexp(self.bets[which], newly[:, None]) + factors
        self.seen[which] += requests

    def evidence(self, which: Ints) -> Floats:
        found: Floats = _kept(self.seen[which]) + np.exp(np.minimum(self.bets[which], 600)).sum(axis=1)
        return found


class Batch:
    """:param replayed: so many of the runs are played again through the plugins' own code"""

    def __init__(
        self, world: World, budget: float | None, runs: int, replayed: int, random: np.random.Generator
    ) -> None:
        self._world, self._budget, self._random = world, budget, random
        self._step = np.zeros(runs, dtype=np.int64)
        self._since = np.zeros(runs)
        self._seen = np.zeros((4, runs), dtype=np.int64)
        self._absolute, self._relative = Bets(runs), Bets(runs)
        self._ends: dict[int, End] = {}
        self._looks: list[list[ours.Look]] = [[] for _ in range(replayed)]
        self._steps: list[list[int]] = [[] for _ in range(replayed)]

    def run(self) -> list[End]:
        alive, now = np.arange(len(self._step)), 0.0
        while len(alive):
            now += ours.INTERVAL
            before = self._seen[2:, alive].copy()
            look = self._requests(alive)
            self._record(alive, look)
            self._seen[:, alive] += look
            self._bet(alive, look, before)
            alive = self._decide(alive, now)
        self._replay()
        return list(self._ends.values())

    def _requests(self, alive: Ints) -> Ints:
        world, share = self._world, WEIGHTS[self._step[alive]] / 100
        own = self._random.poisson(world.traffic * ours.INTERVAL * share)
        other = self._random.poisson(world.traffic * ours.INTERVAL * (1 - share))
        failed, others = self._random.binomial(own, world.candidate), self._random.binomial(other, world.stable)
        return np.stack([own, failed, other, others])

    def _bet(self, alive: Ints, look: Ints, before: Ints) -> None:
        some = look[0] > 0
        own, failed = look[0][some], look[1][some]
        worse = _times_odds(np.full(len(own), LIMIT))
        self._absolute.pay(alive[some], _log_ratio(worse, np.full_like(worse, LIMIT), own, failed), own)

        both = some & (look[2] > 0)
        own, failed, other, others = (row[both][:, None] for row in look)
        stable = ((before[1][both] + 0.5) / (before[0][both] + 50.0))[:, None]
        worse = _times_odds(np.minimum(stable[:, 0] + SHIFT, 0.999))
        a, b = _projection(worse, stable, own, other)
        factors = _log_ratio(worse, a, own[:, 0], failed[:, 0])
        factors += _log_ratio(np.broadcast_to(stable, worse.shape), b, other[:, 0], others[:, 0])
        self._relative.pay(alive[both], factors, own[:, 0])

    def _decide(self, alive: Ints, now: float) -> Ints:
        own, failed, other, others = self._seen[:, alive]
        compared = (own > 0) & (other > 0)
        bad = self._absolute.evidence(alive) >= NEEDED
        bad |= compared & (self._relative.evidence(alive) >= NEEDED)
        step = self._step[alive]
        last = step == len(STEPS) - 1
        with_limit = (others + 0.5) / (other + 50.0) + SHIFT
        proven = ~(_doubted(np.full(len(own), LIMIT), own, failed) | _doubted(with_limit, own, failed))
        enough = np.where(last, (own >= REQUIRED[-1]) & proven, self._may_rise(own, failed, step))
        on = ~bad & compared & enough
        late = ~bad & ~on & ((now - self._since[alive] >= ours.STEP_TIMEOUT) | (now >= ours.TIMEOUT))
        for where in np.flatnonzero(bad):
            share = STEPS[step[where]] / 100
            further = int(self._random.poisson(self._world.traffic * share * WAY_BACK * self._world.candidate))
            self._ends[int(alive[where])] = End(ROLLED_BACK, now + WAY_BACK, int(failed[where]) + further)
        for outcome, which in ((PROMOTED, on & last), (HELD, late)):
            for where in np.flatnonzero(which):
                self._ends[int(alive[where])] = End(outcome, now, int(failed[where]))
        risen = alive[on & ~last]
        self._step[risen] += 1
        self._since[risen] = now
        remaining: Ints = alive[~(bad | (on & last) | late)]
        return remaining

    def _may_rise(self, own: Ints, failed: Ints, step: Ints) -> Bools:
        if self._budget is None:
            enough: Bools = own >= REQUIRED[step]
            return enough
        # scipy's inverse is the bound that pacing finds by halving.
        bound = np.where(failed >= own, 1.0, special.betaincinv(failed + 1, np.maximum(own - failed, 1), 0.95))
        following = WEIGHTS[np.minimum(step + 1, len(STEPS) - 1)]
        harm = self._world.traffic * following / 100 * 3.0 * np.maximum(0, bound - 0.01)
        rising: Bools = np.maximum(0, failed - 0.01 * own) + harm + min(3.0, self._budget / 2) <= self._budget
        return rising

    def _record(self, alive: Ints, look: Ints) -> None:
        for where in range(int(np.searchsorted(alive, len(self._looks)))):
            run = int(alive[where])
            self._looks[run].append(t.cast(ours.Look, tuple(map(int, look[:, where]))))
            self._steps[run].append(int(self._step[run]))

    def _replay(self) -> None:
        for run, looks in enumerate(self._looks):
            end = self._ends[run]
            seconds = end.seconds - (WAY_BACK if end.outcome == ROLLED_BACK else 0.0)
            if ours.replay(looks, self._world.traffic, self._budget) != (end.outcome, seconds, self._steps[run]):
                raise AssertionError(
                    f"the plugins' own code comes to another end than the arrays: {self._world}, run {run}"
                )


def _kept(seen: Floats) -> Floats:
    kept: Floats = KEPT * HALF_BET_AT / (HALF_BET_AT + seen)
    return kept


def _times_odds(limit: Floats) -> Floats:
    odds = (limit / (1 - limit))[:, None] * ODDS
    ratio: Floats = odds / (1 + odds)
    return ratio


def _log_ratio(alternative: Floats, null: Floats, requests: Ints, failed: Ints) -> Floats:
    x, n = failed[:, None], requests[:, None]
    found: Floats = x * np.log(alternative / null) + (n - x) * np.log((1 - alternative) / (1 - null))
    return found


def _projection(above: Floats, below: Floats, n_above: Ints, n_below: Ints) -> tuple[Floats, Floats]:
    """The nearest fair pairs: Newton's steps, halved where they leave what is known to hold the answer."""
    low, high = np.broadcast_to(below + SHIFT, above.shape).copy(), above.copy()
    a = (n_above * above + n_below * low) / (n_above + n_below)
    for _ in range(12):
        b = a - SHIFT
        spread_a, spread_b = a * (1 - a), b * (1 - b)
        value = n_above * (above - a) * spread_b + n_below * (below - b) * spread_a
        low, high = np.where(value > 0, a, low), np.where(value > 0, high, a)
        slope = n_above * ((above - a) * (1 - 2 * b) - spread_b) + n_below * ((below - b) * (1 - 2 * a) - spread_a)
        following = a - value / np.where(slope < 0, slope, -np.inf)
        a = np.where((slope < 0) & (following >= low) & (following <= high), following, (low + high) / 2)
    return a, a - SHIFT


def _doubted(limit: Floats, own: Ints, failed: Ints) -> Bools:
    beyond = np.minimum(np.maximum(2 * limit, limit + 3 / ours.MIN_REQUESTS), (1 + limit) / 2)
    found: Bools = _log_ratio(beyond[:, None], limit[:, None], own, failed)[:, 0] > math.log(0.1)
    return found
