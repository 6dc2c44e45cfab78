"""The collection's own judge and pacing, called as the engine calls them, for one roll-out whose requests are known."""

from __future__ import annotations

import typing as t

from ansible_collections.mlops.serving.plugins.module_utils._domain import pacing
from ansible_collections.mlops.serving.plugins.module_utils._domain.counters import Counts
from ansible_collections.mlops.serving.plugins.module_utils._domain.gates import parse_gates
from ansible_collections.mlops.serving.plugins.module_utils._domain.judgement import judge
from ansible_collections.mlops.serving.plugins.module_utils._domain.verdict import Verdict

from tools.judge.world import HELD, PROMOTED, ROLLED_BACK, STEPS

# Seconds between two looks; the plan's default is 1, and not every cluster answers so fast.
INTERVAL = 2.0
# The plan's defaults.
GATES = parse_gates(None)
ALPHA = 0.01
MIN_REQUESTS = 300
STEP_TIMEOUT, TIMEOUT = 1800.0, 7200.0

# The candidate's requests and how many of them failed, then stable's.
Look = tuple[int, int, int, int]


def replay(looks: t.Iterable[Look], traffic: float, budget: float | None) -> tuple[str, float, list[int]]:
    """What comes of a roll-out: its outcome, after how many seconds, and the step at each look."""
    state: dict[str, t.Any] | None = None
    candidate, stable = Counts(), Counts()
    step, since, now = 0, 0.0, 0.0
    steps: list[int] = []
    for own, failed, other, others in looks:
        now += INTERVAL
        steps.append(step)
        blocks = Counts(own, failed), Counts(other, others)
        candidate, stable = candidate + blocks[0], stable + blocks[1]
        state, verdict = judge(GATES, ALPHA, state, *blocks, (candidate, stable), {}, min_requests=MIN_REQUESTS)
        if verdict.outcome == "fail":
            return ROLLED_BACK, now, steps
        if _may_go_on(verdict, candidate, step, traffic, budget):
            if step == len(STEPS) - 1:
                return PROMOTED, now, steps
            step, since = step + 1, now
        elif now - since >= STEP_TIMEOUT or now >= TIMEOUT:
            return HELD, now, steps
    raise ValueError("the roll-out goes on where its looks end")


def _may_go_on(verdict: Verdict, seen: Counts, step: int, traffic: float, budget: float | None) -> bool:
    """As the engine does: no data passes nothing; the promotion needs the plan's requests, and no doubt left."""
    if verdict.outcome != "ok":
        return False
    if step == len(STEPS) - 1:
        return seen.requests >= pacing.required(MIN_REQUESTS, 50) and not verdict.doubts
    if budget is not None:
        return pacing.may_raise(budget, seen.failed, seen.requests, traffic, STEPS[step + 1])
    return seen.requests >= pacing.required(MIN_REQUESTS, STEPS[step])
