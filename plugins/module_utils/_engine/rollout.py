# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Drives one rollout: `advance` says what is next, this does it.

One process drives, under the endpoint's lease. Its beat keeps the lease, writes down where it is, and hears what others
ask for. Whatever it writes to the row goes together with its own state, and the cluster is brought there by the same
`Deployment` that every other intent takes; so a process that is killed anywhere is followed by the next one.
"""

from __future__ import annotations

import contextlib
import dataclasses
import threading
import time
import typing as t

from .._adapters.rollouts import Event, Rollouts, Superseded
from .._domain import rollout as machine
from .._domain.errors import LeaseLost, ServingError, StaleWrite, Unavailable
from .._domain.plan import Plan
from .._domain.readiness import Observed
from .._domain.rollout import Progress, Seen, advance
from .deployment import Deployment, Settings
from .inspection import Inspector, Look
from .ports import Cluster

__all__ = ("Clock", "Outside", "RolloutDriver", "Until")

# Seconds without the store or the cluster before a run gives up; the traffic stays as it is, and the next run goes on.
_PATIENCE = 120.0
# Looks while nothing is judged: the watch tells of changes, this is for what it misses.
_IDLE = 1.0
_SUPERSEDED = "somebody wrote another intent into the endpoint's row"

_BUSY = (machine.STAGING, machine.RAISING, machine.PROMOTING, machine.RETURNING)
_JUDGED = (machine.RAISING, machine.JUDGING)


class Outside(t.Protocol):
    """What a rollout asks of the world beside the cluster; each answer is what speaks against the candidate, or None."""

    def hook(self, point: str, key: str, context: t.Mapping[str, t.Any]) -> tuple[str | None, str]: ...
    def smoke(self, address: str | None) -> tuple[str | None, str]: ...
    def load(self, candidate: str | None, stable: str | None) -> str | None: ...
    def close(self) -> None: ...


class Clock:
    """The time that passes here; a test has one that passes faster."""

    monotonic = staticmethod(time.monotonic)

    @staticmethod
    def wait(event: threading.Event, seconds: float) -> None:
        event.wait(seconds)


@dataclasses.dataclass(frozen=True)
class Until:
    """Where this run stops although the plan goes on.

    :param staged: when the candidate is staged
    :param steps: after so many steps more have passed
    :param share: when the step of this share has passed
    """

    staged: bool = False
    steps: int | None = None
    share: int | None = None


class RolloutDriver:
    """
    :param row: of the rollout, as the store has it
    :param claim: the endpoint's, ours
    :param tell: hears every event as it is written
    """

    def __init__(
        self,
        store: t.Any,
        rollouts: Rollouts,
        cluster: Cluster,
        claim: t.Any,
        row: dict[str, t.Any],
        plan: Plan,
        inspector: Inspector,
        outside: Outside,
        settings: Settings,
        *,
        who: str,
        until: Until | None = None,
        tell: t.Callable[[dict[str, t.Any]], None] = lambda event: None,
        stop: threading.Event | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._store, self._rollouts, self._cluster = store, rollouts, cluster
        self._claim, self._row, self._plan = claim, row, plan
        self._inspector, self._outside = inspector, outside
        self._settings = dataclasses.replace(settings, keep_lease=True, timeout=plan.ready_timeout)
        self._who, self._until, self._tell = who, until or Until(), tell
        self._stop = stop or threading.Event()
        self._clock = clock or Clock()
        self._progress = Progress.from_json(row["progress"])
        self._first_step = self._progress.step + (0 if self._progress.passed else -1)
        self._expected: str = row["expected_hash"]
        self._offset = 0.0
        self._pause = _IDLE
        self._last: dict[str, t.Any] = {"id": None}
        self._kept = -_PATIENCE
        self._deployment: Deployment | None = None
        self._deployed, self._error = "busy", None  # type: tuple[str, str | None]
        self._observed: Observed | None = None
        self._refused: str | None = None
        self._look: Look | None = None
        self._looked = 0.0
        self._taken: str | None = None
        self._taken_over = False
        self._changed = threading.Event()

    def run(self, command: str | None = "run") -> None:
        """Until the rollout ends, holds, or has come as far as asked.

        :raises LeaseLost: somebody else drives now
        """
        watch_stop = threading.Event()
        key = (self._claim.namespace, self._claim.name)

        def changed(namespace: str, name: str) -> None:
            if (namespace, name) == key:
                self._changed.set()

        watch = threading.Thread(
            target=self._cluster.watch, args=(key[0], changed, watch_stop), name=f"watch {key[0]}", daemon=True
        )
        watch.start()
        try:
            self._run(command)
        finally:
            watch_stop.set()
            self._outside.close()
            with contextlib.suppress(ServingError):
                self._store.release(self._claim)

    def _run(self, command: str | None) -> None:
        away_since: float | None = None
        while True:
            try:
                pause = self._beat(command)
                command, away_since = None, None
            except (Unavailable, StaleWrite) as away:
                # The traffic stays where it is: nothing is decided on what cannot be seen.
                away_since = away_since or self._clock.monotonic()
                if self._clock.monotonic() - away_since > _PATIENCE:
                    raise
                retry = getattr(away, "retry_after", None) or min(0.2 + (self._clock.monotonic() - away_since) / 4, 5.0)
                self._clock.wait(self._changed, retry)
                continue
            if pause is None or self._stop.is_set():
                return
            self._clock.wait(self._changed, pause)
            self._changed.clear()

    def _beat(self, command: str | None) -> float | None:
        """One look and one step; seconds until the next, None at the end."""
        # Between a write and its effect each call counts; the row is looked at again before anything else is decided.
        beat = self._keep() if self._kept_for(_IDLE) or self._deployed != "busy" else self._last
        if beat["id"] is None:
            return None
        seen = self._see(beat)
        asked = command if command not in (None, "run") else beat["command"] or command
        progress = self._progress
        step = advance(self._plan, progress, seen, self._look.verdict if self._look else None, asked, self._now())
        self._taken = beat["command"]
        if isinstance(step, machine.Wait):
            return self._pause
        if isinstance(step, machine.Judge):
            return self._plan.interval
        if isinstance(step, machine.Finish):
            self._finish(step)
            return None
        if isinstance(step, machine.Hold):
            self._change(step.progress, step.kind, step.why)
            return None
        if isinstance(step, machine.Go):
            self._change(step.progress, step.kind, step.why)
            return None if self._far_enough() else 0.0
        if isinstance(step, machine.Hook):
            self._hook(step)
        elif isinstance(step, machine.Smoke):
            self._smoke(step)
        else:
            silence = self._move(step)
            if silence is not None:
                return self._without_baseline(silence)
        return 0.0

    def _keep(self, events: t.Sequence[Event] = ()) -> dict[str, t.Any]:
        beat = self._rollouts.keep(
            self._claim,
            self._row["id"],
            self._settings.ttl,
            self._progress.to_json(),
            evidence=self._inspector.to_json() if self._inspector.begun else None,
            events=events,
            taken=self._taken,
        )
        self._offset = beat["now"] - self._clock.monotonic()
        self._last, self._kept, self._taken = beat, self._clock.monotonic(), None
        return beat

    def _kept_for(self, seconds: float) -> bool:
        return self._clock.monotonic() - self._kept >= seconds

    def _see(self, beat: dict[str, t.Any]) -> Seen:
        if beat["intent_hash"] != self._expected:
            return Seen(superseded=_SUPERSEDED)
        state = self._progress.state
        self._pause = _IDLE
        if state in _BUSY and self._deployed == "busy":
            self._deploy()
        elif state not in _BUSY:
            self._deployed, self._error = "converged", None
            self._observed = self._cluster.observe(self._claim.namespace, self._claim.name)
        if state in _BUSY and self._deployed != "busy":
            # The next decision rests on the row as it is now; the evidence has its own pace.
            if self._keep()["intent_hash"] != self._expected:
                return Seen(superseded=_SUPERSEDED)
        else:
            self._inspect()
        observed, look = self._observed, self._look
        return Seen(
            deployed=self._deployed,
            error=self._error,
            shares=observed.shares if observed else {},
            created=observed.latest_created if observed else None,
            broken=look.broken if look else None,
            stable_broken=look.stable_broken if look else None,
            refused=self._refused,
            requests=look.candidate.requests if look else 0,
            failed=look.candidate.failed if look else 0,
            rate=look.rate if look else 0.0,
            stable_requests=look.stable.requests if look else 0,
            stable_failed=look.stable.failed if look else 0,
        )

    def _deploy(self) -> None:
        """Brings the row's intent a bit nearer."""
        if self._deployment is None:
            self._deployment = Deployment(self._claim, self._settings, self._now(), taken=self._taken_over)
        pause = self._deployment.advance(self._store, self._cluster)
        while pause == 0.0:
            pause = self._deployment.advance(self._store, self._cluster)
        self._taken_over = True
        self._observed = self._deployment.observed or self._observed
        if pause is not None:
            self._pause = min(pause, self._plan.interval)
            return
        error = self._deployment.result.error
        if isinstance(error, LeaseLost):
            raise error
        self._deployed, self._error = ("failed", error.what) if error is not None else ("converged", None)
        self._deployment = None

    def _inspect(self) -> None:
        """Looks at the evidence at the plan's pace, from the candidate's first share on."""
        progress = self._progress
        if progress.state not in _JUDGED or progress.step < 0 or not progress.candidate or not progress.stable:
            return
        if self._plan.golden_rate:
            wrong = self._outside.load(self._address(progress.candidate), self._address(progress.stable))
            self._refused = wrong or self._refused
        now = self._now()
        if now - self._looked < self._plan.interval * 0.9 and self._look is not None:
            return
        self._looked = now
        self._look = self._inspector.look(progress.candidate, progress.stable, now)
        if self._look.sample is not None:
            self._tell_all([self._event("sample", "", samples=self._look.sample)])

    def _without_baseline(self, why: str) -> float | None:
        """No counters to start from: no share is given before there are."""
        if self._now() - self._progress.since < self._plan.step_timeout:
            return self._plan.interval
        words = f"inconclusive: {why}"
        self._change(dataclasses.replace(self._progress, hold=machine.BY_DOUBT, reason=words), "paused", words)
        return None

    def _move(self, step: machine.Move) -> str | None:
        """Writes the next intent; why not, where the evidence cannot begin."""
        progress = step.progress
        if step.kind == "raised" and not self._inspector.begun and progress.candidate and progress.stable:
            try:
                self._inspector.begin(progress.candidate, progress.stable, self._now())
            except Unavailable as away:
                return away.what
        version = self._row[f"{step.model}_version_id"]
        traffic = {} if step.percent is None else {"canaryTrafficPercent": step.percent}
        written = {"model_version": self._row[f"{step.model}_version"], "canaryTrafficPercent": step.percent}
        event = self._event(step.kind, step.why, written=written, step=progress.step)
        try:
            self._expected = self._rollouts.move(
                self._claim,
                self._row["id"],
                version,
                traffic,
                progress.to_json(),
                event,
                self._inspector.to_json() if self._inspector.begun else None,
            )
        except Superseded:
            self._expected = ""
            return None
        self._claim = self._store.reload(self._claim)
        self._progress, self._taken = progress, None
        self._last = {**self._last, "intent_hash": self._expected, "command": None}
        self._deployment, self._deployed, self._error = None, "busy", None
        self._refused = None
        self._report(event)
        return None

    def _change(self, progress: Progress, kind: str, why: str) -> None:
        """A new state without a write to the row."""
        known = self._progress
        self._progress = progress
        if kind == "staged" and progress.stable is None and self._observed is not None:
            self._progress = dataclasses.replace(progress, stable=self._observed.latest_rolledout)
        if kind:
            self._tell_all([self._event(kind, why)])
        elif progress != known:
            self._keep()

    def _far_enough(self) -> bool:
        progress, until = self._progress, self._until
        if progress.hold is not None or progress.state not in (machine.STAGED, machine.JUDGING):
            return False
        staged = progress.state == machine.STAGED
        if staged and not until.staged:
            return False
        if not staged:
            if not progress.passed:
                return False
            share = self._plan.steps[progress.step]
            by_share = until.share is not None and share >= until.share
            by_count = until.steps is not None and progress.step - self._first_step >= until.steps
            if not by_share and not by_count:
                return False
        reached = "staged" if staged else f"{self._plan.steps[progress.step]} % has passed"
        why = f"{reached}; this run was to stop here"
        self._change(dataclasses.replace(progress, hold=machine.BY_UNTIL, reason=why), "paused", why)
        return True

    def _hook(self, step: machine.Hook) -> None:
        against, message = self._outside.hook(step.point, step.key, self._context())
        self._answered(step.key, against, message)

    def _smoke(self, step: machine.Smoke) -> None:
        against, message = self._outside.smoke(self._address(self._progress.candidate))
        self._answered(step.key, against, message)

    def _answered(self, key: str, against: str | None, message: str) -> None:
        if against is None or self._progress.state in (machine.PROMOTING, machine.RETURNING):
            # There nothing is to be taken back any more; the event says what went wrong.
            self._progress = dataclasses.replace(self._progress, done=(*self._progress.done, key))
        else:
            self._refused = against
        self._tell_all([self._event("hook", message)])

    def _finish(self, step: machine.Finish) -> None:
        event = self._event(
            "finished" if step.outcome != "superseded" else "superseded",
            f"{step.outcome}: {step.reason}" if step.reason else step.outcome,
        )
        self._rollouts.finish(self._claim, self._row["id"], step.outcome, step.reason, step.progress.to_json(), event)
        self._progress = step.progress
        self._report(event)

    def _event(self, kind: str, message: str, *, step: int | None = None, **more: t.Any) -> Event:
        progress, look = self._progress, self._look
        observed = {
            "shares": self._observed.shares if self._observed else {},
            "candidate": progress.candidate
            or (self._observed.latest_created if kind == "staged" and self._observed else None),
            "stable": progress.stable,
        }
        return Event(
            kind=kind,
            message=message,
            who=self._who,
            step=progress.step if step is None else step,
            observed=observed,
            samples=more.pop("samples", None) or (self._inspector.totals() or None),
            verdict=look.verdict.to_json() if look is not None and kind not in ("raised", "staged") else None,
            **more,
        )

    def _tell_all(self, events: list[Event]) -> None:
        self._keep(events)
        for event in events:
            self._report(event)

    def _report(self, event: Event) -> None:
        self._tell({**event.to_row(), "time": self._now()})

    def _context(self) -> dict[str, t.Any]:
        row, progress = self._row, self._progress
        return {
            "rollout": row["id"],
            "endpoint": row["endpoint"],
            "strategy": row["strategy"],
            "state": progress.state,
            "share": self._plan.steps[progress.step] if 0 <= progress.step < len(self._plan.steps) else 0,
            "stable_version": row["stable_version"],
            "candidate_version": row["candidate_version"],
            "stable_revision": progress.stable,
            "candidate_revision": progress.candidate,
            "totals": self._inspector.totals(),
        }

    def _address(self, revision: str | None) -> str | None:
        """A revision's own address: the candidate has one from its first write on (enable-tag-routing), stable beside it."""
        for target in self._observed.traffic if self._observed else ():
            if target.revision == revision and target.url:
                return target.url
        return None

    def _now(self) -> float:
        """The database's clock, carried on by ours."""
        return self._clock.monotonic() + self._offset
