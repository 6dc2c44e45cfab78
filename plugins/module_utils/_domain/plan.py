# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A rollout's plan: what was asked for, checked and in one form. It is stored with the rollout, so it holds no secret."""

from __future__ import annotations

import itertools
import typing as t
from dataclasses import dataclass

from . import checks
from .errors import InvalidIntent
from .gates import Gate, parse_gates
from .spans import seconds

__all__ = (
    "AB",
    "BLUE_GREEN",
    "CANARY",
    "HOOK_POINTS",
    "PROMOTE",
    "ROLLBACK",
    "Hook",
    "Plan",
    "parse_plan",
    "plan_from_json",
)

CANARY, AB, BLUE_GREEN, ROLLBACK = "canary", "ab", "blue_green", "rollback"
DEFAULT_STEPS = (1, 5, 10, 25, 50)
HOOK_POINTS = ("start", "staged", "before_step", "after_step", "before_promote", "promoted", "rolled_back")
PROMOTE = "promote"

_WITHOUT_PROMOTION = 99


@dataclass(frozen=True)
class Hook:
    """An HTTP call at a point of the rollout.

    :param steps: only at these shares, in percent; empty for every step
    :param headers_from_env: header -> name of the environment variable that holds its value, so no secret is stored
    """

    at: str
    url: str
    method: str = "POST"
    steps: tuple[int, ...] = ()
    headers_from_env: t.Mapping[str, str] | None = None
    timeout: float = 30.0
    on_failure: str = "abort"

    @property
    def name(self) -> str:
        return f"{self.at} {self.method} {self.url.partition('?')[0]}"

    def to_json(self) -> dict[str, t.Any]:
        return {
            "at": self.at,
            "url": self.url,
            "method": self.method,
            "steps": list(self.steps),
            "headers_from_env": dict(self.headers_from_env or {}),
            "timeout": self.timeout,
            "on_failure": self.on_failure,
        }


@dataclass(frozen=True)
class Plan:
    """
    :param steps: shares in percent, rising, each below 100; after the last one comes the promotion
    :param approvals: shares, or ``promote``, before which a person is asked
    :param min_requests: candidate requests that must have been seen at 50 % and before the promotion
    :param alpha: probability that a candidate which keeps its limits is sent back, over the whole rollout
    :param harm_budget: failed requests beyond the limit that the rollout may cost; paces the steps. None: they wait for their part of min_requests
    :param bake: seconds that a step lasts at least; ``last_bake`` the same for the last step (A/B: its duration)
    :param winner: A/B: ``evidence`` promotes what has nothing against it, ``ask`` waits for a person, ``stable`` returns
    """

    strategy: str = CANARY
    steps: tuple[int, ...] = DEFAULT_STEPS
    gates: tuple[Gate, ...] = ()
    approvals: tuple[int | str, ...] = ()
    min_requests: int = 300
    alpha: float = 0.01
    harm_budget: int | None = 10
    bake: float = 0.0
    last_bake: float = 0.0
    step_timeout: float = 1800.0
    timeout: float = 7200.0
    ready_timeout: float = 600.0
    interval: float = 1.0
    on_inconclusive: str = "pause"
    on_no_capacity: str = "refuse"
    winner: str = "evidence"
    hooks: tuple[Hook, ...] = ()
    golden: tuple[dict[str, t.Any], ...] = ()
    golden_rate: float = 0.0
    gateway_url: str | None = None
    source: str = "auto"
    prometheus_url: str | None = None

    @property
    def judged(self) -> bool:
        return bool(self.steps)

    def to_json(self) -> dict[str, t.Any]:
        stored = {name: getattr(self, name) for name in self.__dataclass_fields__}
        stored.update(
            gates=[gate.to_json() for gate in self.gates],
            hooks=[hook.to_json() for hook in self.hooks],
            steps=list(self.steps),
            approvals=list(self.approvals),
            golden=list(self.golden),
        )
        return stored

    def words(self) -> str:
        """The plan in one clause, as the first line of a rollout says it."""
        shares = ", ".join(str(step) for step in self.steps)
        if self.strategy == AB:
            after = {"evidence": "then promote the winner", "ask": "then ask", "stable": "then return"}[self.winner]
            return f"A/B {shares} for {self.last_bake:g} s, {after}"
        if self.strategy == BLUE_GREEN:
            return "blue/green: stage at 0 %, then promote" + (
                f" after {self.last_bake:g} s at {shares} %" if shares else ""
            )
        if self.strategy == ROLLBACK:
            return "rollback: stage at 0 %, then promote"
        return f"canary {shares}, then promote"


def plan_from_json(stored: t.Mapping[str, t.Any]) -> Plan:
    """The plan that ``Plan.to_json`` has written."""
    fields: dict[str, t.Any] = {name: stored[name] for name in Plan.__dataclass_fields__ if name in stored}
    fields["hooks"] = tuple(Hook(**{**hook, "steps": tuple(hook["steps"])}) for hook in fields.get("hooks", ()))
    fields["gates"] = parse_gates(fields["gates"]) if fields.get("gates") else ()
    for name in ("steps", "approvals", "golden"):
        fields[name] = tuple(fields.get(name, ()))
    return Plan(**fields)


def parse_plan(asked: t.Mapping[str, t.Any]) -> Plan:
    """Checks what a user asks for; None counts as not given.

    :raises InvalidIntent: with the field and the cure; nothing has been written then
    """
    given = {name: value for name, value in asked.items() if value is not None}
    strategy = checks.one_of("strategy", given.get("strategy", CANARY), (CANARY, AB, BLUE_GREEN, ROLLBACK))
    _only_for(strategy, given)
    alpha = _number("alpha", given.get("alpha", 0.01), 1e-6, 0.2)
    plan = Plan(
        strategy=strategy,
        steps=_steps(strategy, given),
        gates=() if strategy == ROLLBACK else parse_gates(given.get("gates")),
        approvals=_approvals(strategy, given),
        min_requests=checks.whole("min_requests", given.get("min_requests", 300), low=0),
        alpha=alpha,
        harm_budget=checks.whole("harm_budget", given.get("harm_budget", 10)) or None,
        bake=seconds("bake", given.get("bake", 0)),
        last_bake=seconds("duration", given["duration"])
        if "duration" in given
        else seconds("watch", given.get("watch", 0)),
        step_timeout=seconds("step_timeout", given.get("step_timeout", 1800), low=1),
        timeout=seconds("timeout", given.get("timeout", 7200), low=1),
        ready_timeout=seconds("ready_timeout", given.get("ready_timeout", 600), low=1),
        interval=seconds("interval", given.get("interval", 1), low=0.05),
        on_inconclusive=checks.one_of("on_inconclusive", given.get("on_inconclusive", "pause"), ("pause", "abort")),
        on_no_capacity=checks.one_of("on_no_capacity", given.get("on_no_capacity", "refuse"), ("refuse", "wait")),
        winner=checks.one_of("winner", given.get("winner", "evidence"), ("evidence", "ask", "stable")),
        hooks=tuple(
            _hook(f"hooks[{i}]", hook) for i, hook in enumerate(checks.objects("hooks", given.get("hooks", [])))
        ),
        golden=tuple(
            _golden(f"requests[{i}]", item)
            for i, item in enumerate(checks.objects("requests", given.get("requests", [])))
        ),
        golden_rate=_number("request_rate", given.get("request_rate", 0), 0, 1000),
        gateway_url=checks.address("gateway_url", given["gateway_url"]) if "gateway_url" in given else None,
        source=checks.one_of("evidence", given.get("evidence", "auto"), ("auto", "pods", "prometheus")),
        prometheus_url=checks.address("prometheus_url", given["prometheus_url"]) if "prometheus_url" in given else None,
    )
    _check_together(plan)
    return plan


def _only_for(strategy: str, given: t.Mapping[str, t.Any]) -> None:
    """A setting that its strategy does not follow would be believed to hold."""
    owners = {"steps": (CANARY, AB), "split": (AB,), "duration": (AB,), "winner": (AB,), "watch": (BLUE_GREEN,)}
    for name, strategies in owners.items():
        if name in given and strategy not in strategies:
            raise InvalidIntent(
                f"has no meaning for strategy {strategy}",
                field=name,
                value=given[name],
                cure=f"leave it out, or use strategy {' or '.join(strategies)}",
            )


def _steps(strategy: str, given: t.Mapping[str, t.Any]) -> tuple[int, ...]:
    if strategy == ROLLBACK:
        return ()
    if strategy == BLUE_GREEN:
        # KServe lets go of the old revision at 100 %: at 99 it stays warm, and the way back is one write.
        return (_WITHOUT_PROMOTION,) if seconds("watch", given.get("watch", 0)) else ()
    if strategy == AB:
        split = checks.whole("split", given.get("split", 50), low=1, high=99)
        return _rising(given["steps"], "steps") if "steps" in given else (split,)
    return _rising(given.get("steps", list(DEFAULT_STEPS)), "steps")


def _rising(given: t.Any, field: str) -> tuple[int, ...]:
    if not isinstance(given, (list, tuple)) or not given:
        raise InvalidIntent(
            "is not a list of percentages", field=field, value=given, cure="write it as [1, 5, 10, 25, 50]"
        )
    shares = [
        checks.whole(f"{field}[{i}]", value.strip().rstrip("%") if isinstance(value, str) else value, low=1, high=100)
        for i, value in enumerate(given)
    ]
    for i, (lower, higher) in enumerate(itertools.pairwise(shares), start=1):
        if higher <= lower:
            raise InvalidIntent(
                f"does not rise: {higher} comes after {lower}",
                field=f"{field}[{i}]",
                value=higher,
                cure="write the shares in rising order, each once",
            )
    return tuple(share for share in shares if share < 100)


def _approvals(strategy: str, given: t.Mapping[str, t.Any]) -> tuple[int | str, ...]:
    asked: list[int | str] = []
    steps = _steps(strategy, given)
    for i, value in enumerate(given.get("approvals", [])):
        if str(value) == PROMOTE:
            asked.append(PROMOTE)
            continue
        share = checks.whole(f"approvals[{i}]", str(value).rstrip("%"), low=1, high=100)
        if share == 100:
            asked.append(PROMOTE)
        elif share not in steps:
            raise InvalidIntent(
                "is not a step of the plan",
                field=f"approvals[{i}]",
                value=value,
                cure=f"use one of {', '.join(str(step) for step in steps)} or promote",
            )
        else:
            asked.append(share)
    if strategy == BLUE_GREEN and not asked:
        asked.append(steps[0] if steps else PROMOTE)
    if strategy == AB and given.get("winner") == "ask" and PROMOTE not in asked:
        asked.append(PROMOTE)
    return tuple(dict.fromkeys(asked))


def _hook(where: str, given: dict[str, t.Any]) -> Hook:
    known = ("at", "url", "method", "steps", "headers_from_env", "timeout", "on_failure")
    for name in given:
        if name not in known:
            raise InvalidIntent(
                "is not a key of a hook",
                field=f"{where}.{name}",
                value=given[name],
                cure=f"use one of {', '.join(known)}",
            )
    if "at" not in given or "url" not in given:
        raise InvalidIntent("needs at and url", field=where, value=given, cure=f"at is one of {', '.join(HOOK_POINTS)}")
    return Hook(
        at=checks.one_of(f"{where}.at", given["at"], HOOK_POINTS),
        url=checks.address(f"{where}.url", given["url"]),
        method=checks.one_of(f"{where}.method", str(given.get("method", "POST")).upper(), ("GET", "POST", "PUT")),
        steps=tuple(
            checks.whole(f"{where}.steps[{i}]", step, low=1, high=99) for i, step in enumerate(given.get("steps") or [])
        ),
        headers_from_env=checks.text_map(f"{where}.headers_from_env", given.get("headers_from_env") or {}),
        timeout=seconds(f"{where}.timeout", given.get("timeout", 30), low=0.1),
        on_failure=checks.one_of(f"{where}.on_failure", given.get("on_failure", "abort"), ("abort", "ignore")),
    )


def _golden(where: str, given: dict[str, t.Any]) -> dict[str, t.Any]:
    known = ("path", "method", "body", "headers", "expect", "timeout")
    for name in given:
        if name not in known:
            raise InvalidIntent(
                "is not a key of a request",
                field=f"{where}.{name}",
                value=given[name],
                cure=f"use one of {', '.join(known)}",
            )
    path = checks.text(f"{where}.path", given.get("path", ""))
    if not path.startswith("/"):
        raise InvalidIntent(
            "is not a path", field=f"{where}.path", value=path, cure="begin it with /, as in /v2/models/add_sub/infer"
        )
    expect = checks.mapping(f"{where}.expect", given.get("expect") or {})
    for name in expect:
        if name not in ("status", "json", "contains", "tolerance"):
            raise InvalidIntent(
                "is not something to expect",
                field=f"{where}.expect.{name}",
                value=expect[name],
                cure="use status, json, contains or tolerance",
            )
    return dict(given)


def _check_together(plan: Plan) -> None:
    if plan.source == "prometheus" and plan.prometheus_url is None:
        raise InvalidIntent("has no address", field="evidence", value="prometheus", cure="set prometheus_url")
    for i, gate in enumerate(plan.gates):
        if gate.metric == "prometheus" and plan.prometheus_url is None:
            raise InvalidIntent(
                "has no data source",
                field=f"gates[{i}].query",
                value=gate.name,
                cure="set prometheus_url, where the query is asked",
            )
    if plan.strategy == AB and not plan.last_bake and plan.winner != "evidence":
        raise InvalidIntent("is missing", field="duration", cure="say how long both versions serve, such as 1h")
    if plan.golden_rate and not plan.golden:
        raise InvalidIntent(
            "has nothing to send",
            field="request_rate",
            value=plan.golden_rate,
            cure="give requests with the answers that are expected",
        )
    if plan.bake > plan.step_timeout:
        raise InvalidIntent(
            f"is longer than step_timeout {plan.step_timeout:g}",
            field="bake",
            value=plan.bake,
            cure="raise step_timeout or lower bake",
        )
    if plan.last_bake >= plan.timeout:
        raise InvalidIntent(
            f"is not shorter than timeout {plan.timeout:g}",
            field="duration" if plan.strategy == AB else "watch",
            value=plan.last_bake,
            cure="raise timeout, the time of the whole rollout",
        )


def _number(field: str, value: t.Any, low: float, high: float) -> float:
    try:
        number = float(str(value).rstrip("%")) / (100 if str(value).strip().endswith("%") else 1)
    except ValueError:
        number = float("nan")
    if not low <= number <= high:
        raise InvalidIntent("is out of range", field=field, value=value, cure=f"give a number from {low:g} to {high:g}")
    return number
