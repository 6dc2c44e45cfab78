# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records of rollouts as the store keeps them, made up for tests: each the rollout and its events."""

from __future__ import annotations

import dataclasses
import random
import typing as t
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

from ansible_collections.mlops.serving.plugins.module_utils._domain.verdict import Finding, Verdict

Json = dict[str, t.Any]
Record = tuple[Json, list[Json]]

BEGIN = datetime(2026, 3, 4, 14, 2, 11, tzinfo=timezone.utc)
STEPS = [1, 5, 10, 25, 50]
GATES = [{"metric": "errors", "max": "1%", "over_stable": "0.5%"}, {"metric": "latency", "p99": "500ms"}]


@dataclass
class Side:
    """One revision under load: it fails and is slow as often as it was told to."""

    errors: float
    p99: float
    requests: int = 0
    failed: int = 0

    def answer(self, chance: random.Random, count: int) -> Json:
        failed = sum(chance.random() < self.errors for _unused in range(min(count, 400)))
        self.requests += count
        self.failed += failed
        p99 = self.p99 * chance.uniform(0.85, 1.2) if count else None
        window = {"requests": count, "failed": failed, "p99": p99, "mean": p99 and p99 * chance.uniform(0.3, 0.36)}
        return self.counted() | {"window": window}

    def counted(self) -> Json:
        ratio = self.failed / self.requests if self.requests else None
        return {
            "requests": self.requests,
            "failed": self.failed,
            "error_ratio": ratio,
            "p99": self.p99,
            "mean": self.p99 / 3,
        }


@dataclass
class Load:
    """Writes a record event by event, the clock with it."""

    candidate: Side
    stable: Side
    rps: float = 40.0
    interval: float = 2.0
    chance: random.Random = field(default_factory=lambda: random.Random(7))
    at: float = 0.0
    share: float = 0.0
    step: int = -1
    events: list[Json] = field(default_factory=list)

    def tell(self, kind: str, message: str, after: float = 0.0, **more: t.Any) -> Json:
        self.at += after
        event: Json = {
            "id": len(self.events) + 1,
            "at": BEGIN + timedelta(seconds=self.at),
            "who": "ci@builder-7",
            "kind": kind,
            "step": self.step,
            "written": None,
            "observed": {
                "shares": {"demo-canary-predictor-00003": 100 - self.share, "demo-canary-predictor-00004": self.share},
                "candidate": "demo-canary-predictor-00004",
                "stable": "demo-canary-predictor-00003",
            },
            "samples": None,
            "verdict": None,
            "message": message,
            **more,
        }
        self.events.append(event)
        return event

    def stage(self) -> None:
        self.tell("started", "", written={"model_version": 4, "canaryTrafficPercent": 0})
        self.tell("staged", "demo-canary-predictor-00004 ready after 1.9 s", after=1.9)

    def raised(self, share: float, step: int) -> None:
        self.step = step
        self.tell("raised", f"{share} %", after=0.1, written={"model_version": 4, "canaryTrafficPercent": share})
        self.share = share
        self.at += 0.6

    def look(self, outcome: str = "ok") -> Json:
        self.at += self.interval
        whole = self.rps * self.interval
        mine = int(whole * self.share / 100 + self.chance.random())
        samples = {
            "candidate": self.candidate.answer(self.chance, mine),
            "stable": self.stable.answer(self.chance, int(whole) - mine),
            "seconds": self.interval,
        }
        return self.tell("sample", "", samples=samples, verdict=self.verdict(outcome))

    def counts(self) -> Json:
        return {"candidate": self.candidate.counted(), "stable": self.stable.counted(), "seconds": 0}

    def verdict(self, outcome: str = "ok", **failing: t.Any) -> Json:
        """As the judge words it; ``failing``: what differs in the finding of the gate ``gate`` (errors where none is named)."""
        mine, theirs = self.candidate, self.stable
        told = {"evidence": 1.4, "needed": 300.0, "requests": mine.requests, "why": "within the limit"}
        ratios = {"candidate": mine.failed / max(1, mine.requests), "stable": theirs.failed / max(1, theirs.requests)}
        findings = [
            Finding(
                "errors", "pass", **{**told, "candidate": ratios["candidate"], "stable": None}, limit="at most 1 %"
            ),
            Finding("errors over stable", "pass", **told, **ratios, limit="at most 0.5 % over stable"),
            Finding("p99", "pass", **told, candidate=0.002, stable=None, limit="p99 at most 500 ms"),
        ]
        if failing:
            name = failing.pop("gate", "errors")
            findings = [
                dataclasses.replace(one, outcome="fail", **failing) if one.gate == name else one for one in findings
            ]
        return Verdict(outcome, tuple(findings)).to_json()


def rollout(load: Load, **more: t.Any) -> Json:
    ended = load.events[-1]["at"] if "outcome" in more else None
    return {
        "id": "6c1f7d3e-0b58-4f0e-9a35-5b1d4b7f2a10",
        "endpoint": "demo-canary",
        "endpoint_id": "2f9d1c44-6a0f-4f7c-8a46-4a5a3d1e7b21",
        "strategy": "canary",
        "state": "finished" if ended else "judging",
        "step": load.step,
        "steps": STEPS,
        "plan": {
            "strategy": "canary",
            "steps": STEPS,
            "gates": GATES,
            "min_requests": 300,
            "alpha": 0.01,
            "on_inconclusive": "pause",
            "source": "pods",
        },
        "stable": {"version": "3", "revision": "demo-canary-predictor-00003"},
        "candidate": {"version": "4", "revision": "demo-canary-predictor-00004"},
        "outcome": None,
        "reason": None,
        "simulated": False,
        "created_at": BEGIN,
        "finished_at": ended,
        "created_by": "ci@builder-7",
        "traffic": {"canaryTrafficPercent": load.share},
        "totals": {"candidate": load.candidate.counted(), "stable": load.stable.counted()},
        **more,
    }


def rolled_back(seed: int = 7, slow: bool = False) -> Record:
    """Fails 18 % of its requests (or answers late), is seen at 5 %, and is back at 0 % in under a second."""
    load = Load(Side(0.0 if slow else 0.18, 1.6 if slow else 0.09), Side(0.002, 0.08), chance=random.Random(seed))
    load.stage()
    load.raised(1, 0)
    healthy, load.candidate.errors = load.candidate.errors, 0.0
    while load.candidate.requests < 20:
        load.look()
    load.tell("passed", "1 %", samples=load.counts(), verdict=load.verdict())
    load.candidate.errors = healthy
    load.raised(5, 1)
    for _unused in range(6):
        load.look()
    ratio = load.candidate.failed / load.candidate.requests
    many = load.candidate.requests
    why = (
        f"41 % of {many} requests took longer than 500 ms"
        if slow
        else f"{load.candidate.failed} of {many} requests failed"
    )
    failing = {
        "evidence": 412.0,
        "why": why,
        **({"gate": "p99", "candidate": 0.41} if slow else {"candidate": ratio}),
    }
    verdict = load.verdict("fail", **failing)
    load.events[-1]["verdict"] = verdict
    load.tell(
        "returning",
        why,
        written={"model_version": 3, "canaryTrafficPercent": None},
        samples=load.counts(),
        verdict=verdict,
    )
    load.share = 0
    load.tell("returned", "stable serves 100 %", after=0.8, samples=load.counts())
    load.look()
    load.tell("finished", f"rolled_back: {why}", after=0.9, samples=load.counts(), verdict=verdict)
    return rollout(load, outcome="rolled_back", reason=why), load.events


def promoted(simulated: bool = False) -> Record:
    load = Load(Side(0.002, 0.07), Side(0.003, 0.08))
    load.stage()
    for step, share in enumerate(STEPS):
        load.raised(share, step)
        needed = max(20, 300 * share // 50)
        while load.candidate.requests < needed:
            load.look()
        load.tell("passed", f"{share} %", samples=load.counts(), verdict=load.verdict())
    load.tell(
        "promoting", "every step has passed", after=0.1, written={"model_version": 4, "canaryTrafficPercent": None}
    )
    load.share = 100
    load.look()
    load.tell("finished", "promoted: every step has passed", after=0.6, samples=load.counts(), verdict=load.verdict())
    return rollout(load, outcome="promoted", reason="every step has passed", simulated=simulated), load.events


def paused() -> Record:
    """At 10 % the traffic ends; a hook was called, and a person is waited for."""
    load = Load(Side(0.004, 0.09), Side(0.003, 0.08), rps=15.0)
    load.stage()
    for step, share in enumerate(STEPS[:3]):
        load.raised(share, step)
        for _unused in range(6):
            load.look()
        if share < 10:
            load.tell("passed", f"{share} %", samples=load.counts(), verdict=load.verdict())
            load.tell("hook", "after_step POST http://checks.example/quality answered 200", after=0.2)
    load.rps = 0.0
    for _unused in range(8):
        load.look("no_data")
    load.tell(
        "paused", "inconclusive: 31 of 60 requests after 1800 s", samples=load.counts(), verdict=load.verdict("no_data")
    )
    return rollout(load, state="paused", reason="inconclusive: 31 of 60 requests after 1800 s"), load.events


def ab(hours: float = 6.0) -> Record:
    load = Load(Side(0.006, 0.11), Side(0.004, 0.1), rps=2.0, interval=120.0)
    load.stage()
    load.raised(50, 0)
    while load.at < hours * 3600:
        load.look()
    load.tell("passed", "50 %", samples=load.counts(), verdict=load.verdict())
    load.tell(
        "returning",
        "the A/B has run its time and was to end with stable",
        written={"model_version": 3, "canaryTrafficPercent": None},
    )
    load.share = 0
    load.tell("returned", "stable serves 100 %", after=0.7)
    load.tell("finished", "returned: the A/B has run its time and was to end with stable", after=1.0)
    plan = {"strategy": "ab", "steps": [50], "gates": GATES, "last_bake": hours * 3600, "winner": "stable"}
    more = {"outcome": "returned", "reason": "the A/B has run its time and was to end with stable"}
    return rollout(load, strategy="ab", steps=[50], plan=plan, **more), load.events


def blue_green() -> Record:
    load = Load(Side(0.0, 0.09), Side(0.003, 0.08))
    load.stage()
    load.tell("approval", "waits for approval of the promotion", after=3.0)
    load.tell("command", "resume", after=20.0, who="dana")
    load.tell("resumed", "goes on", after=0.3, who="dana")
    load.tell("promoting", "no step to judge", written={"model_version": 4, "canaryTrafficPercent": None})
    load.share = 100
    load.tell("finished", "promoted: no step to judge", after=0.7)
    plan = {"strategy": "blue_green", "steps": []}
    more = {"outcome": "promoted", "reason": "no step to judge", "totals": {}}
    return rollout(load, strategy="blue_green", steps=[], plan=plan, **more), load.events


def superseded() -> Record:
    load = Load(Side(0.0, 0.09), Side(0.003, 0.08))
    load.stage()
    load.raised(1, 0)
    load.look()
    load.share = 0
    load.tell("superseded", "superseded: model version 5 was asked for", after=1.0, who="other")
    return rollout(load, outcome="superseded", reason="model version 5 was asked for"), load.events


def drift() -> Record:
    load = Load(Side(0.0, 0.09), Side(0.003, 0.08))
    load.stage()
    load.raised(5, 1)
    load.look()
    message = "demo-canary-predictor-00005 is the newest revision, the rollout's is demo-canary-predictor-00004: somebody changed the InferenceService"
    load.tell("drift", message, after=1.0)
    return rollout(load, state="paused", reason=message), load.events


def running() -> Record:
    told, events = promoted()
    return {**told, "state": "judging", "outcome": None, "finished_at": None, "reason": None}, events[:20]


RECORDS: dict[str, t.Callable[[], Record]] = {
    "rolled_back": rolled_back,
    "slow": lambda: rolled_back(slow=True),
    "promoted": promoted,
    "simulated": lambda: promoted(simulated=True),
    "paused": paused,
    "ab": ab,
    "blue_green": blue_green,
    "superseded": superseded,
    "drift": drift,
    "running": running,
}
