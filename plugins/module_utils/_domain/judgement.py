# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The judge: what speaks against a candidate, however often it is asked.

All tests of a plan's gates together send a candidate that keeps its limits back with a probability of at most alpha, over
the whole rollout. A verdict of ``ok`` says that nothing speaks against it; whether that is enough to go on is pacing's.
"""

from __future__ import annotations

import math
import typing as t
from dataclasses import dataclass

from . import gates as known
from .counters import Counts
from .gates import Answer, Gate
from .pacing import proof_wanted
from .sequential import Wealth, mean_factors, proportion_factors, running_estimate, two_proportion_factors
from .verdict import FAIL, NO_DATA, OK, PASS, UNDECIDED, Finding, Json, Verdict, odds, percent, seconds, silent, span

__all__ = ("Answer", "Finding", "Verdict", "judge")
# A single failure breaks a limit of 0: no bet can pay more than that.
_PROOF = 1e9


@dataclass(frozen=True)
class _Side:
    """One revision in one proportion: (requests, those of them that count against it) of the block and in all."""

    block: tuple[int, int]
    total: tuple[int, int]

    @property
    def ratio(self) -> float | None:
        return self.total[1] / self.total[0] if self.total[0] else None


def judge(
    gates: t.Sequence[Gate],
    alpha: float,
    state: Json | None,
    candidate: Counts,
    stable: Counts,
    totals: tuple[Counts, Counts],
    outside: t.Mapping[str, Answer],
    *,
    history: Counts | None = None,
    min_requests: int = 300,
) -> tuple[Json, Verdict]:
    """One look.

    :param state: what this gave at the look before, None at the first
    :param candidate: what was counted since the look before; ``stable``: the same
    :param totals: (candidate, stable) since the candidate's first share, this block included
    :param outside: answers of the gates that ask somebody else, by name
    :param history: of stable before the rollout, where known; only looked at at the first look
    :param min_requests: of the plan; only for how fine a proof is wanted before all traffic is given
    """
    return _Look(gates, alpha, state or {}, (candidate, stable), totals, outside, history, min_requests).verdict()


class _Look:
    def __init__(
        self,
        gates: t.Sequence[Gate],
        alpha: float,
        state: Json,
        block: tuple[Counts, Counts],
        totals: tuple[Counts, Counts],
        outside: t.Mapping[str, Answer],
        history: Counts | None,
        min_requests: int,
    ) -> None:
        self._gates = gates
        self._tests: dict[str, Json] = state.get("tests", {})
        self._before: dict[str, list[int]] = state.get("before", {})
        self._beyond: dict[str, int] = state.get("beyond", {})
        self._block, self._totals, self._outside = block, totals, outside
        self._history = history if not state else None
        self._min_requests = min_requests
        self._needed = max(1, sum(gate.tests for gate in gates)) / alpha
        self._next: Json = {"tests": {}, "before": {}, "beyond": {}}

    def verdict(self) -> tuple[Json, Verdict]:
        findings = tuple(finding for gate in self._gates for finding in self._findings(gate))
        worse = self._stable_worse()
        outcomes = {finding.outcome for finding in findings}
        outcome = FAIL if FAIL in outcomes else NO_DATA if NO_DATA in outcomes else OK
        return self._next, Verdict(outcome, findings, worse)

    def _findings(self, gate: Gate) -> t.Iterator[Finding]:
        if gate.metric == known.ERRORS:
            sides = self._failed()
            if gate.max is not None:
                yield self._absolute(gate, gate.max, sides[0], f"at most {percent(gate.max)}", "failed")
            if gate.over_stable is not None:
                before = (self._history.requests, self._history.failed) if self._history else None
                yield self._relative(gate, sides, before)
        elif gate.metric == known.LATENCY:
            yield from self._latency(gate)
        elif gate.metric == known.MEAN_LATENCY:
            yield self._mean(gate, t.cast(float, gate.max))
        elif gate.metric == known.QUEUE_SHARE:
            yield self._queue(gate, t.cast(float, gate.max))
        else:
            yield self._outsider(gate)

    # Proportions

    def _failed(self) -> tuple[_Side, _Side]:
        one, other = (
            _Side((block.requests, block.failed), (total.requests, total.failed))
            for block, total in zip(self._block, self._totals, strict=True)
        )
        return one, other

    def _latency(self, gate: Gate) -> t.Iterator[Finding]:
        limit, share = t.cast(float, gate.max), round(1 - t.cast(float, gate.quantile), 9)
        seen = self._totals[0].slower_than(limit)
        words = f"{gate.name} at most {seconds(limit)}"
        if seen is None:
            why = (
                f"no bound of the histogram lies above {seconds(limit)}, so that nobody can tell who was slower"
                if self._totals[0].measured
                else _no_latency(self._totals[0])
            )
            yield silent(gate.name, words, why)
            return
        verb = f"took over {seconds(seen[0])}"
        sides = _slower(self._block[0], self._totals[0], limit), _slower(self._block[1], self._totals[1], limit)
        yield self._absolute(gate, share, sides[0], words, verb)
        if gate.over_stable is not None:
            slow = self._history.slower_than(limit) if self._history else None
            before = (self._history.measured, slow[1]) if self._history and slow else None
            yield self._relative(gate, sides, before, verb)

    def _absolute(self, gate: Gate, limit: float, side: _Side, words: str, verb: str) -> Finding:
        requests, against = side.total
        if not requests:
            return silent(gate.name, words, "no request has reached the candidate yet")
        if limit <= 0:
            evidence = _PROOF if against else 1.0
        else:
            evidence = self._bet(gate.name, side.block[0], lambda: proportion_factors(limit, *side.block))
        seen = f"{against} of {requests} requests {verb} ({percent(against / requests)}), {words}"
        doubtful = proof_wanted(limit, self._min_requests, requests, against)
        doubt = f"{seen}: too few requests to be sure of that" if doubtful else ""
        return self._finding(gate.name, side, None, words, evidence, seen, limit, doubt)

    def _relative(
        self, gate: Gate, sides: tuple[_Side, _Side], history: tuple[int, int] | None, verb: str = "failed"
    ) -> Finding:
        shift, (candidate, stable) = t.cast(float, gate.over_stable), sides
        name = f"{gate.name} over stable"
        words = f"at most {percent(shift)} over stable" if shift else "not over stable"
        before = self._before.get(name) or list(history or (0, 0))
        # Each bet rests on what was known of stable before its block.
        self._next["before"][name] = [before[0] + stable.block[0], before[1] + stable.block[1]]
        if not candidate.total[0] or not stable.total[0]:
            missing = "stable has not answered" if candidate.total[0] else "no request has reached the candidate"
            return silent(name, words, f"{missing} yet, so that there is nothing to compare")
        known_before = (before[0], before[1])
        evidence = self._bet(
            name,
            candidate.block[0] if stable.block[0] else 0,
            lambda: two_proportion_factors(candidate.block, stable.block, known_before, shift),
        )
        own, other = t.cast(float, candidate.ratio), t.cast(float, stable.ratio)
        seen = f"{percent(own)} of {candidate.total[0]} requests {verb}, {percent(other)} of stable's, {words}"
        limit = running_estimate(*self._next["before"][name]) + shift
        doubtful = limit < 1 and proof_wanted(limit, self._min_requests, *candidate.total)
        doubt = f"{seen}: too few requests to be sure of that" if doubtful else ""
        return self._finding(name, candidate, other, words, evidence, seen, other + shift, doubt)

    def _stable_worse(self) -> float:
        candidate, stable = self._failed()
        before = self._before.get("candidate") or [0, 0]
        self._next["before"]["candidate"] = [before[0] + candidate.block[0], before[1] + candidate.block[1]]
        known_before = (before[0], before[1])
        size = stable.block[0] if candidate.block[0] else 0
        return self._bet(
            "stable worse", size, lambda: two_proportion_factors(stable.block, candidate.block, known_before, 0.0)
        )

    # Seconds and shares

    def _mean(self, gate: Gate, limit: float) -> Finding:
        block, total = self._block[0], self._totals[0]
        words = f"mean at most {seconds(limit)}"
        mean = total.mean()
        if mean is None:
            return silent(gate.name, words, _no_latency(total))
        floors = _floors(block)
        evidence = self._bet(gate.name, block.measured, lambda: mean_factors(limit, floors))
        side = _Side((block.measured, 0), (total.measured, 0))
        seen = f"{total.measured} requests took {seconds(mean)} on average, {words}"
        doubt = f"{seen}: that is beyond the limit" if mean > limit else ""
        return self._finding(gate.name, side, self._totals[1].mean(), words, evidence, seen, limit, doubt, mean)

    def _queue(self, gate: Gate, limit: float) -> Finding:
        words = f"at most {percent(limit)} of the time in the queue"
        share, so_far = self._block[0].queue_share(), self._totals[0].queue_share()
        if so_far is None:
            return silent(gate.name, words, "Triton has not told of any request of the candidate yet")
        seen = f"{percent(so_far if share is None else share)} of the time was spent waiting in Triton's queue, {words}"
        return self._looked(
            gate, None if share is None else share <= limit, so_far, words, seen, self._totals[1].queue_share()
        )

    def _outsider(self, gate: Gate) -> Finding:
        answer = self._outside.get(gate.name) or Answer(why="it has not been asked")
        ok, value, words = answer.ok, None, f"{gate.metric} says yes"
        if gate.metric == known.PROMETHEUS:
            words = span(gate.min, gate.max)
            value = answer.value if answer.value is not None and math.isfinite(answer.value) else None
            ok = (
                None
                if value is None
                else (gate.max is None or value <= gate.max) and (gate.min is None or value >= gate.min)
            )
        if ok is None:
            self._next["beyond"][gate.name] = self._beyond.get(gate.name, 0)
            return silent(gate.name, words, f"{gate.name} gave no answer{': ' + answer.why if answer.why else ''}")
        said = (
            f"{gate.name} is {value:g}, {words}" if value is not None else f"{gate.name} says {'yes' if ok else 'no'}"
        )
        return self._looked(gate, ok, value, words, f"{said}{': ' + answer.why if answer.why else ''}")

    def _looked(
        self, gate: Gate, ok: bool | None, value: float | None, words: str, seen: str, stable: float | None = None
    ) -> Finding:
        """A limit without an error rate: it fails after some looks in a row beyond it. A look without news counts as none."""
        before = self._beyond.get(gate.name, 0)
        beyond = before if ok is None else 0 if ok else before + 1
        self._next["beyond"][gate.name] = beyond
        requests = self._totals[0].requests
        if beyond >= gate.looks:
            why = f"{seen}, at {beyond} looks in a row" if gate.looks > 1 else seen
            return Finding(gate.name, FAIL, value, stable, words, 1.0, 0.0, requests, why)
        outcome = UNDECIDED if beyond else PASS
        why = f"{seen}, at {beyond} of {gate.looks} looks in a row" if beyond else seen
        return Finding(gate.name, outcome, value, stable, words, 1.0, 0.0, requests, why, seen if beyond else "")

    # What they share

    def _bet(self, name: str, requests: int, factors: t.Callable[[], t.Sequence[float]]) -> float:
        """The evidence after this block; a block without requests changes none."""
        stored = self._tests.get(name)
        if requests:
            paid = factors()
            wealth = Wealth.from_json(stored) if stored else Wealth.start(len(paid))
            wealth = wealth.after(paid, requests)
            self._next["tests"][name] = wealth.to_json()
            return wealth.evidence
        if stored:
            self._next["tests"][name] = stored
            return Wealth.from_json(stored).evidence
        return 1.0

    def _finding(
        self,
        name: str,
        side: _Side,
        stable: float | None,
        words: str,
        evidence: float,
        seen: str,
        limit: float,
        doubt: str,
        value: float | None = None,
    ) -> Finding:
        shown = side.ratio if value is None else value
        beyond = shown is not None and shown > limit
        outcome, why = (UNDECIDED, f"{seen}: not enough evidence") if beyond else (PASS, seen)
        if evidence >= self._needed:
            outcome, why = FAIL, f"{seen}: evidence {odds(evidence)}, needed {odds(self._needed)}"
        return Finding(name, outcome, shown, stable, words, evidence, self._needed, side.total[0], why, doubt)


def _slower(block: Counts, total: Counts, limit: float) -> _Side:
    now, so_far = block.slower_than(limit), total.slower_than(limit)
    return _Side((block.measured, now[1]) if now else (0, 0), (total.measured, so_far[1]) if so_far else (0, 0))


def _floors(block: Counts) -> list[tuple[float, int]]:
    """(lower edge of a bucket in seconds, how many requests lie in it): none of them was faster."""
    found, edge, below = [], 0.0, 0
    for bound, count in block.buckets:
        found.append((edge, max(0, count - below)))
        edge, below = bound, max(below, count)
    return found


def _no_latency(total: Counts) -> str:
    if not total.requests:
        return "no request has reached the candidate yet"
    return f"{total.requests} requests were counted, but not how long they took"
