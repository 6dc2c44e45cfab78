# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The state machine of a rollout: what to write, to wait for or to ask next. Pure; the engine acts on what comes out.

::

    staging ---ready at 0 %---> staged ---hook, smoke, approval---> raising(k) ---traffic as asked---> judging(k)
       |                          |                                    ^  |                              |  |
       |                          |                                    +--|--- enough seen, nothing -----+  |
       |                          |                                       |    against it                   |
       +--- never ready ----------+--- smoke fails ------------+----------+---- evidence, crash ------------+
                                                               v
                            returning: the stable model is wanted again; its share is 100 % with the first write
                                                               |
    promoting <--- last step passed, or `promote`              +---> finished (rolled_back, aborted, returned)
        +---> finished (promoted)

A hold is no state but stops in one: nothing more is shifted until a person says so. Evidence against the candidate and
``abort`` count during a hold as well. In ``promoting`` the candidate has all traffic, and the stable revision none to go
back to: ``abort`` comes too late there, ``rollback`` is the way.

An intent of somebody else ends the rollout (superseded) from any state: its own write brings the stable share back, for a
changed model is always staged at 0 % (see ``convergence``).
"""

from __future__ import annotations

import dataclasses
import typing as t
from dataclasses import dataclass, field

from . import pacing
from .judgement import Verdict
from .plan import AB, PROMOTE, Plan

__all__ = (
    "Finish",
    "Go",
    "Hold",
    "Hook",
    "Judge",
    "Move",
    "Outcome",
    "Progress",
    "Seen",
    "Smoke",
    "Step",
    "Wait",
    "advance",
)

STAGING, STAGED, RAISING, JUDGING = "staging", "staged", "raising", "judging"
PROMOTING, RETURNING, FINISHED = "promoting", "returning", "finished"

# Failures of stable's that are no accident.
_PLAIN = 3
# What a hold waits for, and whether ``run`` goes on from there or only ``resume``.
BY_PERSON, BY_PLAN, BY_DRIFT, BY_DOUBT, BY_UNTIL = "asked", "approval", "drift", "inconclusive", "until"


class Outcome:
    PROMOTED, ROLLED_BACK, ABORTED = "promoted", "rolled_back", "aborted"
    RETURNED, SUPERSEDED, FAILED = "returned", "superseded", "failed"


@dataclass(frozen=True)
class Progress:
    """Where a rollout is; kept in the store between any two looks.

    :param step: index into the plan's steps of the share that was written last
    :param since: when this state began, seconds since the epoch by the database's clock
    :param started: when the rollout began
    :param hold: kind of the hold, or None; ``reason`` says it in words, and for ``returning`` why it goes back
    :param ending: the outcome that ``returning`` leads to
    :param granted: approvals that were given; ``done``: hooks and smoke tests that have passed
    """

    state: str = STAGING
    step: int = -1
    since: float = 0.0
    started: float = 0.0
    hold: str | None = None
    reason: str = ""
    ending: str = ""
    granted: tuple[str, ...] = ()
    done: tuple[str, ...] = ()
    passed: bool = False
    candidate: str | None = None
    stable: str | None = None

    def to_json(self) -> dict[str, t.Any]:
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, stored: t.Mapping[str, t.Any]) -> Progress:
        known = {name: stored[name] for name in cls.__dataclass_fields__ if name in stored}
        return cls(**{**known, "granted": tuple(known.get("granted", ())), "done": tuple(known.get("done", ()))})

    def at(self, state: str, now: float, **changes: t.Any) -> Progress:
        return dataclasses.replace(self, state=state, since=now, passed=False, **changes)


@dataclass(frozen=True)
class Seen:
    """One look at the endpoint while a rollout runs.

    :param deployed: ``busy``, ``converged`` or ``failed``: how the last intent fares
    :param error: why it failed
    :param shares: percent by revision
    :param created: the newest revision
    :param broken: why the candidate's pods do not serve (a restart, none ready); None while all is well
    :param stable_broken: the same of the stable revision
    :param superseded: who wrote another intent
    :param refused: what a hook, a smoke test or a golden request has against the candidate
    :param requests: of the candidate since its first share; ``failed`` of them; ``rate``: of both sides, a second
    """

    deployed: str = "busy"
    error: str | None = None
    shares: t.Mapping[str, int] = field(default_factory=dict)
    created: str | None = None
    broken: str | None = None
    stable_broken: str | None = None
    superseded: str | None = None
    refused: str | None = None
    requests: int = 0
    failed: int = 0
    rate: float = 0.0
    stable_requests: int = 0
    stable_failed: int = 0


@dataclass(frozen=True)
class Move:
    """Write the intent: which model, which share (None: all of it)."""

    model: str
    percent: int | None
    progress: Progress
    kind: str
    why: str


@dataclass(frozen=True)
class Hold:
    """Nothing more is shifted; ``progress`` says why."""

    progress: Progress
    kind: str
    why: str


@dataclass(frozen=True)
class Go:
    """A change of state without a write to the row."""

    progress: Progress
    kind: str
    why: str


@dataclass(frozen=True)
class Hook:
    """Call the hooks of this point, then say so with ``Progress.done``."""

    point: str
    key: str


@dataclass(frozen=True)
class Smoke:
    """Send the golden requests to the staged candidate's own address."""

    key: str = "smoke"


@dataclass(frozen=True)
class Wait:
    """For the cluster."""

    why: str


@dataclass(frozen=True)
class Judge:
    """Look again at the plan's pace."""

    why: str


@dataclass(frozen=True)
class Finish:
    outcome: str
    reason: str
    progress: Progress


Step = t.Union[Move, Hold, Go, Hook, Smoke, Wait, Judge, Finish]


def advance(
    plan: Plan, progress: Progress, seen: Seen, verdict: Verdict | None, command: str | None, now: float
) -> Step:
    """The next step.

    :param verdict: of the latest look; None before the candidate has had a share
    :param command: what a person asked for since the last step
    :param now: seconds since the epoch, by the clock of ``progress.since``
    """
    if seen.superseded:
        return _finish(progress, Outcome.SUPERSEDED, seen.superseded)
    if progress.state == RETURNING:
        return _returning(plan, progress, seen)
    if progress.state == PROMOTING:
        return _promoting(plan, progress, seen)
    if command == "abort":
        return _back(progress, now, Outcome.ABORTED, "asked to")
    against = _against(plan, progress, seen, verdict)
    if against is not None and not against.worse:
        return _back(progress, now, Outcome.ROLLED_BACK, against.why)
    if against is not None and progress.hold is None:
        return _hold(progress, BY_DOUBT, against.why)
    if command == "pause" and progress.hold is None:
        return _hold(progress, BY_PERSON, "asked to")
    if command == "promote" and progress.hold != BY_DRIFT:
        return _promote(progress, now, "asked to, without the rest of the plan")
    if progress.hold is not None:
        if command == "resume" or (command == "run" and progress.hold == BY_UNTIL):
            granted = (*progress.granted, _next_name(plan, progress)) if progress.hold == BY_PLAN else progress.granted
            # A person has looked: the step's time begins again.
            return Go(
                dataclasses.replace(progress, hold=None, reason="", granted=granted, since=now, started=now),
                "resumed",
                "goes on",
            )
        return Hold(progress, "", progress.reason)
    drift = _drift(progress, seen)
    if drift is not None:
        return _hold(progress, BY_DRIFT, drift)
    if now - progress.started >= plan.timeout:
        return _inconclusive(plan, progress, now, f"the rollout has taken its {plan.timeout:g} s")
    return {STAGING: _staging, STAGED: _next, RAISING: _raising, JUDGING: _judging}[progress.state](
        plan, progress, seen, verdict, now
    )


@dataclass(frozen=True)
class _Against:
    why: str
    worse: bool = False


def _against(plan: Plan, progress: Progress, seen: Seen, verdict: Verdict | None) -> _Against | None:
    """What speaks against the candidate at any time; ``worse``: the way back would be no better."""
    why: str | None = None
    if progress.state in (STAGING, RAISING) and seen.deployed == "failed":
        why = seen.error or "it did not become ready"
    elif seen.refused:
        why = seen.refused
    elif progress.step >= 0 and seen.broken:
        why = seen.broken
    elif verdict is not None and verdict.outcome == "fail":
        why = "; ".join(finding.why for finding in verdict.findings if finding.outcome == "fail")
    if why is None:
        return None
    if progress.step >= 0 and seen.stable_broken:
        return _Against(f"{why}; but stable is no place to go back to: {seen.stable_broken}", worse=True)
    if verdict is not None and verdict.outcome == "fail" and not seen.broken and _stable_is_worse(plan, seen, verdict):
        return _Against(
            f"{why}; but stable fails more than the candidate, so nothing is shifted back blindly", worse=True
        )
    return _Against(why)


def _stable_is_worse(plan: Plan, seen: Seen, verdict: Verdict) -> bool:
    """By evidence; or, as that takes more than one look, by what is plain: it breaks the limit itself, and by no less."""
    if verdict.stable_worse >= 1 / plan.alpha:
        return True
    if seen.stable_failed < _PLAIN or not seen.requests:
        return False
    ratio = seen.stable_failed / seen.stable_requests
    return ratio > pacing.tolerated(plan.gates) and ratio >= seen.failed / seen.requests


def _drift(progress: Progress, seen: Seen) -> str | None:
    """Another newest revision than ours would get our shares."""
    if (
        progress.state in (STAGED, RAISING, JUDGING)
        and seen.created
        and progress.candidate
        and seen.created != progress.candidate
    ):
        return f"{seen.created} is the newest revision, the rollout's is {progress.candidate}: somebody changed the InferenceService"
    return None


def _staging(plan: Plan, progress: Progress, seen: Seen, _verdict: Verdict | None, now: float) -> Step:
    if "start" not in progress.done and any(hook.at == "start" for hook in plan.hooks):
        return Hook("start", "start")
    if seen.deployed != "converged":
        return Wait("the candidate is not ready yet")
    return Go(
        progress.at(STAGED, now, candidate=seen.created),
        "staged",
        f"{seen.created} ready after {now - progress.since:.1f} s",
    )


def _next(plan: Plan, progress: Progress, _seen: Seen, _verdict: Verdict | None, now: float) -> Step:
    """From a step that has passed, or from the stage, to the next one: hooks, a person's word, then the write."""
    fresh = progress.step < 0
    if fresh and "staged" not in progress.done and any(hook.at == "staged" for hook in plan.hooks):
        return Hook("staged", "staged")
    if fresh and plan.golden and "smoke" not in progress.done:
        return Smoke()
    name = _next_name(plan, progress)
    if name in (str(item) for item in plan.approvals) and name not in progress.granted:
        return _hold(progress, BY_PLAN, f"waits for approval of {'the promotion' if name == PROMOTE else name + ' %'}")
    promote = name == PROMOTE
    if promote and plan.strategy == AB and plan.winner == "stable":
        return _back(progress, now, Outcome.RETURNED, "the A/B has run its time and was to end with stable")
    point = "before_promote" if promote else "before_step"
    if (
        any(hook.at == point and _meant(hook.steps, name) for hook in plan.hooks)
        and f"{point} {name}" not in progress.done
    ):
        return Hook(point, f"{point} {name}")
    if promote:
        return _promote(progress, now, "every step has passed" if plan.steps else "no step to judge")
    share = int(name)
    return Move("candidate", share, progress.at(RAISING, now, step=progress.step + 1), "raised", f"{share} %")


def _raising(_plan: Plan, progress: Progress, seen: Seen, _verdict: Verdict | None, now: float) -> Step:
    if seen.deployed != "converged":
        return Wait("the traffic is not as asked yet")
    return Go(progress.at(JUDGING, now), "", "")


def _judging(plan: Plan, progress: Progress, seen: Seen, verdict: Verdict | None, now: float) -> Step:
    if progress.passed:
        return _after(plan, progress, seen, verdict, now)
    last = progress.step == len(plan.steps) - 1
    elapsed = now - progress.since
    waits = _waits_for(plan, progress, seen, verdict, elapsed, last)
    if waits is None:
        return Go(dataclasses.replace(progress, passed=True), "passed", f"{plan.steps[progress.step]} %")
    # An A/B's last step lasts as long as was asked, whatever the limit of a step is.
    limit = max(plan.step_timeout, plan.last_bake + plan.step_timeout if last else 0.0)
    if elapsed >= limit:
        return _inconclusive(plan, progress, now, f"{waits} after {elapsed:.0f} s")
    return Judge(waits)


def _after(plan: Plan, progress: Progress, seen: Seen, verdict: Verdict | None, now: float) -> Step:
    name = str(plan.steps[progress.step])
    if (
        any(hook.at == "after_step" and _meant(hook.steps, name) for hook in plan.hooks)
        and f"after_step {name}" not in progress.done
    ):
        return Hook("after_step", f"after_step {name}")
    return _next(plan, progress, seen, verdict, now)


def _waits_for(
    plan: Plan, progress: Progress, seen: Seen, verdict: Verdict | None, elapsed: float, last: bool
) -> str | None:
    """What is still missing before the step counts as passed, in words; None when nothing is."""
    share = plan.steps[progress.step]
    bake = max(plan.bake, plan.last_bake if last else 0.0)
    if verdict is None or verdict.outcome == "no_data":
        missing = [finding.why for finding in verdict.findings if finding.outcome == "no_data"] if verdict else []
        return "; ".join(missing) or "no data"
    if elapsed < bake:
        return f"{bake - elapsed:.0f} s of the step are left"
    if plan.harm_budget is not None and not last:
        following = plan.steps[progress.step + 1]
        tolerable = pacing.tolerated(plan.gates)
        if pacing.may_raise(plan.harm_budget, seen.failed, seen.requests, seen.rate, following, tolerable=tolerable):
            return None
        return f"{seen.requests} requests are too few to risk {following} % within {plan.harm_budget} failed requests"
    needed = pacing.required(plan.min_requests, 50 if last else share) if plan.min_requests else 0
    if seen.requests < needed:
        return f"{seen.requests} of {needed} requests"
    # Before all traffic is given, nothing against it is not enough: see pacing.proof_wanted.
    return "; ".join(verdict.doubts) or None if last else None


def _inconclusive(plan: Plan, progress: Progress, now: float, why: str) -> Step:
    if plan.on_inconclusive == "abort":
        return _back(progress, now, Outcome.ROLLED_BACK, f"inconclusive: {why}")
    return _hold(progress, BY_DOUBT, f"inconclusive: {why}")


def _promote(progress: Progress, now: float, why: str) -> Move:
    return Move("candidate", None, progress.at(PROMOTING, now, hold=None, reason=""), "promoting", why)


def _promoting(plan: Plan, progress: Progress, seen: Seen) -> Step:
    if seen.deployed == "failed":
        return _finish(progress, Outcome.FAILED, seen.error or "the promotion did not come through")
    if seen.deployed != "converged":
        return Wait("the traffic is not all with the candidate yet")
    if any(hook.at == "promoted" for hook in plan.hooks) and "promoted" not in progress.done:
        return Hook("promoted", "promoted")
    return _finish(progress, Outcome.PROMOTED, progress.reason)


def _back(progress: Progress, now: float, ending: str, why: str) -> Move:
    return Move("stable", None, progress.at(RETURNING, now, hold=None, reason=why, ending=ending), "returning", why)


def _returning(plan: Plan, progress: Progress, seen: Seen) -> Step:
    """Traffic is back with the first write; the endpoint is at rest when the stable model is what the row applies."""
    returned = bool(seen.shares) and (progress.candidate is None or not seen.shares.get(progress.candidate))
    if returned and "returned" not in progress.done:
        return Go(dataclasses.replace(progress, done=(*progress.done, "returned")), "returned", "stable serves 100 %")
    if seen.deployed == "busy":
        return Wait("the stable model is being applied again")
    if seen.deployed == "failed" and not returned:
        return _finish(progress, Outcome.FAILED, f"{progress.reason}; the way back failed: {seen.error}")
    if any(hook.at == "rolled_back" for hook in plan.hooks) and "rolled_back" not in progress.done:
        return Hook("rolled_back", "rolled_back")
    left = (
        f" (stable serves, but its model could not be applied again: {seen.error})" if seen.deployed == "failed" else ""
    )
    return _finish(progress, progress.ending, progress.reason + left)


def _hold(progress: Progress, kind: str, why: str) -> Step:
    if progress.hold == kind and progress.reason == why:
        return Hold(progress, "", why)
    return Hold(
        dataclasses.replace(progress, hold=kind, reason=why),
        "approval" if kind == BY_PLAN else "drift" if kind == BY_DRIFT else "paused",
        why,
    )


def _finish(progress: Progress, outcome: str, reason: str) -> Finish:
    return Finish(outcome, reason, dataclasses.replace(progress, state=FINISHED, hold=None))


def _next_name(plan: Plan, progress: Progress) -> str:
    following = progress.step + 1
    return str(plan.steps[following]) if following < len(plan.steps) else PROMOTE


def _meant(steps: tuple[int, ...], name: str) -> bool:
    return not steps or name == PROMOTE or int(name) in steps
