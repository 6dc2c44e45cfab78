# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Looks at the two revisions of a rollout, and keeps what was learned so that another process can go on with it."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from .._domain.counters import Counts, Ledger
from .._domain.errors import ServingError
from .._domain.evidence import Pod, Reading
from .._domain.gates import Answer, Gate
from .._domain.health import Health
from .._domain.judgement import Finding, Verdict, judge
from .._domain.plan import Plan

__all__ = ("Inspector", "Look", "Source", "answers")

# A look is kept for the report, at first each one, later so many in the time since the first share.
_SAMPLES = 120


class Source(t.Protocol):
    """Counters of revisions. Raises Unavailable where nothing can be read."""

    name: str

    def read(self, revisions: t.Sequence[str]) -> Reading: ...
    def close(self) -> None: ...


def answers(source: Source, revision: str) -> bool:
    """Whether a revision's pods give their counters, be there requests yet or not."""
    reading = source.read([revision])
    return bool(getattr(source, "answered", ())) or any(series.revision == revision for series in reading)


@dataclass(frozen=True)
class Look:
    """What was seen: in all since the candidate's first share, and judged."""

    verdict: Verdict
    candidate: Counts
    stable: Counts
    broken: str | None
    stable_broken: str | None
    rate: float
    sample: dict[str, t.Any] | None


@dataclass
class _Window:
    """The time since the last sample that was kept."""

    at: float
    candidate: Counts = field(default_factory=Counts)
    stable: Counts = field(default_factory=Counts)


class Inspector:
    """
    :param source: None where the plan judges nothing
    :param pods: pods of the endpoint's InferenceService
    :param ask: answers a gate that is not about counters (a query, a command, an address)
    """

    def __init__(
        self,
        plan: Plan,
        source: Source | None,
        pods: t.Callable[[], tuple[Pod, ...]],
        ask: t.Callable[[Gate], Answer],
        stored: t.Mapping[str, t.Any],
    ) -> None:
        self._plan, self._source, self._pods, self._ask = plan, source, pods, ask
        self._ledger = Ledger.from_json(stored["ledger"]) if stored.get("ledger") else None
        self._health = Health.from_json(stored["health"]) if stored.get("health") else None
        self._judged: dict[str, t.Any] | None = stored.get("judge")
        self._since: float | None = stored.get("since")
        self._window: _Window | None = None
        self.last: Look | None = None

    @property
    def begun(self) -> bool:
        return self._ledger is not None

    def begin(self, candidate: str, stable: str, now: float) -> None:
        """The baseline, just before the candidate's first share.

        :raises Unavailable: where nothing can be read
        """
        source = self._source
        reading = source.read([candidate, stable]) if source is not None else {}
        self._ledger = Ledger.start(reading, getattr(source, "missing", ()))
        self._health = Health.start(self._pods())
        self._since = now

    def look(self, candidate: str, stable: str, now: float) -> Look:
        """Reads, counts and judges. A source that does not answer is no data, which passes nothing."""
        if self._ledger is None or self._since is None:
            self.begin(candidate, stable, now)
        ledger, since = t.cast(Ledger, self._ledger), t.cast(float, self._since)
        health = t.cast(Health, self._health)
        silence: str | None = None
        blocks: dict[str, Counts] = {}
        try:
            if self._source is not None:
                ledger, blocks = ledger.take(self._source.read([candidate, stable]))
        except ServingError as error:
            silence = str(error)
        pods: tuple[Pod, ...] | None = None
        try:
            pods = self._pods()
        except ServingError as error:
            silence = silence or str(error)
        totals = ledger.totals.get(candidate, Counts()), ledger.totals.get(stable, Counts())
        block = blocks.get(candidate, Counts()), blocks.get(stable, Counts())
        outside = {gate.name: self._ask(gate) for gate in self._plan.gates if gate.outside}
        self._judged, verdict = judge(
            self._plan.gates,
            self._plan.alpha,
            self._judged,
            *block,
            totals,
            outside,
            min_requests=self._plan.min_requests,
        )
        if silence is not None and verdict.outcome != "fail":
            verdict = _silent(verdict, silence)
        self._ledger = ledger
        if pods is not None:
            self._health = health.look(pods)
        elapsed = max(now - since, 1e-3)
        self.last = Look(
            verdict=verdict,
            candidate=totals[0],
            stable=totals[1],
            broken=None if pods is None else health.broken(pods, candidate),
            stable_broken=None if pods is None else health.broken(pods, stable),
            rate=(totals[0].requests + totals[1].requests) / elapsed,
            sample=self._sample(block, totals, now, elapsed),
        )
        return self.last

    def to_json(self) -> dict[str, t.Any]:
        return {
            "ledger": self._ledger.to_json() if self._ledger else None,
            "health": self._health.to_json() if self._health else None,
            "judge": self._judged,
            "since": self._since,
        }

    def totals(self) -> dict[str, t.Any]:
        """Both sides in all, for an event that is no sample."""
        if self.last is None:
            return {}
        return {"candidate": _side(self.last.candidate), "stable": _side(self.last.stable)}

    def _sample(
        self, block: tuple[Counts, Counts], totals: tuple[Counts, Counts], now: float, elapsed: float
    ) -> dict[str, t.Any] | None:
        if self._window is None:
            self._window = _Window(now)
        window = self._window
        window.candidate, window.stable = window.candidate + block[0], window.stable + block[1]
        spacing = max(self._plan.interval, elapsed / _SAMPLES)
        if now - window.at < spacing * 0.9:
            return None
        self._window = _Window(now)
        return {
            "candidate": {**_side(totals[0]), "window": _side(window.candidate)},
            "stable": {**_side(totals[1]), "window": _side(window.stable)},
            "seconds": round(now - window.at, 3),
        }


def _side(counts: Counts) -> dict[str, t.Any]:
    return {
        "requests": counts.requests,
        "failed": counts.failed,
        "error_ratio": counts.error_ratio(),
        "p99": counts.quantile(0.99),
        "mean": counts.mean(),
    }


def _silent(verdict: Verdict, why: str) -> Verdict:
    finding = Finding(
        gate="source",
        outcome="no_data",
        candidate=None,
        stable=None,
        limit="",
        evidence=1.0,
        needed=1.0,
        requests=0,
        why=why,
    )
    return Verdict(outcome="no_data", findings=(*verdict.findings, finding), stable_worse=verdict.stable_worse)
