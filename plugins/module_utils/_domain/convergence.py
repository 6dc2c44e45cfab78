# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The state machine that brings one endpoint to what is wanted, one safe write at a time.

Pure: what is wanted, what was recorded and what is seen go in; the next step comes out. The rules protect against what
KServe does with ``canaryTrafficPercent`` (ksvc_reconciler.go, PropagateStatus in inference_service_status.go): its share
goes to the latest *ready* revision, whichever that is. So a changed model is first staged at 0 %, and its share is raised,
or the field cleared, only when the newest revision is new, ready and the one that we made.

::

    absent ----------> Create -> first revision takes all traffic -----------------------+
    to be stopped ----> Apply without a share -> KServe has taken it away, no pod left -> Converged, nothing is promoted
    template differs -> Apply at 0 % -> revision new? -> ready? -> Apply share or clear -+-> traffic as asked -> Converged
    share differs ----> (only while the ready revision is not the rolled-out one) -------+
    terminal reason, or the deadline -> Failed; what was stable keeps its traffic

A share is only ever written where the template makes a new revision (TEMPLATE_ANNOTATION sees to it) or where there is a
candidate: with neither, KServe sends the traffic to the revision before.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from . import refusals
from .comparison import combined, differences, template_differences, with_percent, without_percent
from .errors import ServingError
from .marks import TEMPLATE_ANNOTATION
from .readiness import Failure, Observed, rolled_out, to_be_stopped
from .versions import KNATIVE

__all__ = (
    "Apply",
    "Converged",
    "Create",
    "Delete",
    "Desired",
    "Failed",
    "Pending",
    "Record",
    "Step",
    "Wait",
    "converge",
)

# A failure that names no revision may be an earlier one's, still shown: it counts when it stays.
_STALE_STATUS_SECONDS = 5.0
# KServe answers a write with a new revision within a second. What it has not answered by then, it will not, or it is down.
_SLOW_CONTROLLER_SECONDS = 30.0


@dataclass(frozen=True)
class Desired:
    """What is wanted of one endpoint.

    :param manifest: the rendering, with canaryTrafficPercent where one is asked for; None to delete
    :param deadline: seconds since the epoch by the database's clock; None waits for ever
    """

    endpoint_id: str
    endpoint_name: str
    manifest: dict[str, t.Any] | None
    mode: str = KNATIVE
    deadline: float | None = None


@dataclass(frozen=True)
class Pending:
    """Written down before a template is: after a crash it tells the new revision from the one before.

    :param template: the manifest without its percentage
    :param revision_before: latestCreatedRevision before the write
    :param at: seconds since the epoch
    """

    template: dict[str, t.Any]
    revision_before: str | None
    at: float


@dataclass(frozen=True)
class Record:
    """What the store remembers of an endpoint's deployment.

    :param applied_spec: the template of the last convergence, which is the candidate's while a canary goes on
    :param pending: a template that was about to be written, until it has converged
    """

    stable_version: str | None = None
    stable_revision: str | None = None
    stable_spec: dict[str, t.Any] | None = None
    applied_spec: dict[str, t.Any] | None = None
    pending: Pending | None = None

    @property
    def written(self) -> dict[str, t.Any] | None:
        """Every field that we may have written: a pending template may or may not have come to be."""
        return combined(self.applied_spec, self.pending.template if self.pending else None)


@dataclass(frozen=True)
class Create:
    """POST: nothing is there."""

    manifest: dict[str, t.Any]
    pending: Pending
    why: str


@dataclass(frozen=True)
class Apply:
    """Server-side apply at the resourceVersion that was seen. With a pending it changes the template."""

    manifest: dict[str, t.Any]
    pending: Pending | None
    why: str


@dataclass(frozen=True)
class Delete:
    why: str


@dataclass(frozen=True)
class Wait:
    why: str


@dataclass(frozen=True)
class Converged:
    """Proven by the traffic list.

    :param revision: the stable one: the revision to come back to
    :param spec: the template that was applied; ``promoted``: it has all traffic, and is the stable one now
    :param stopped: it serves nothing, as was asked for
    """

    url: str | None
    revision: str | None
    spec: dict[str, t.Any] | None
    promoted: bool
    note: str | None = None
    stopped: bool = False


@dataclass(frozen=True)
class Failed:
    """``serving``: something still answers, so this is a failed candidate and not an outage."""

    error: ServingError
    serving: bool


Step = t.Union[Create, Apply, Delete, Wait, Converged, Failed]


def converge(desired: Desired, record: Record, observed: Observed, now: float) -> Step:
    """The next step for one endpoint.

    :param now: seconds since the epoch, by the same clock as the deadline and the record
    """
    step = _next(desired, record, observed, now)
    if isinstance(step, Wait) and desired.deadline is not None and now >= desired.deadline:
        return Failed(
            refusals.late(desired.endpoint_name, step.why, deleting=desired.manifest is None), observed.serving
        )
    return step


def _next(desired: Desired, record: Record, observed: Observed, now: float) -> Step:
    foreign = observed.live is not None and observed.owner != desired.endpoint_id
    if desired.manifest is None:
        return _removal(desired, record, observed, foreign)
    if foreign:
        return Failed(refusals.foreign(desired.endpoint_name, desired.endpoint_id, observed), serving=False)
    if observed.deleting:
        return Wait("the earlier InferenceService is still being deleted")
    if observed.live is None:
        return _first(desired, desired.manifest, record, now)
    if observed.mode is not None and observed.mode != desired.mode:
        return Failed(refusals.mode_change(desired.endpoint_name, desired.mode, observed), observed.serving)
    if to_be_stopped(desired.manifest):
        return _stop(desired.manifest, record, observed, now)
    if desired.mode == KNATIVE:
        return _knative(desired, desired.manifest, record, observed, now)
    return _standard(desired.manifest, record, observed, now, desired)


def _removal(desired: Desired, record: Record, observed: Observed, foreign: bool) -> Step:
    if observed.live is None:
        return Converged(url=None, revision=None, spec=None, promoted=False)
    if foreign:
        if observed.owner is None and record.written is not None:
            return Failed(
                refusals.foreign(desired.endpoint_name, desired.endpoint_id, observed), observed.serving
            )  # ours, but for the label that somebody took off
        return Converged(
            url=None,
            revision=None,
            spec=None,
            promoted=False,
            note=refusals.foreign(desired.endpoint_name, desired.endpoint_id, observed).what,
        )
    if observed.deleting:
        return Wait("being deleted")
    return Delete("the endpoint is to be deleted")


def _stop(manifest: dict[str, t.Any], record: Record, observed: Observed, now: float) -> Step:
    """Nothing is left that could get traffic, so whatever changes with it needs no stage. What was stable is remembered."""
    template = without_percent(manifest)
    live = t.cast(dict[str, t.Any], observed.live)
    changed = differences(template, live, record.written)
    if changed:
        words = _changes(changed) if to_be_stopped(live) else "it is to be stopped"
        return Apply(template, Pending(template, observed.latest_created, now), f"stop; changed: {words}")
    if not observed.stopped or observed.serving:
        why = "" if observed.stopped else observed.not_ready_because
        return Wait(f"KServe has not stopped it yet ({why})" if why else "KServe has not stopped it yet")
    if observed.pods:
        # Knative lets a pod answer what it has begun to answer, for half a minute and more; its GPU is its own until then.
        return Wait(f"{observed.pods} of its pods have not ended yet")
    return Converged(url=None, revision=None, spec=template, promoted=False, stopped=True)


def _first(desired: Desired, manifest: dict[str, t.Any], record: Record, now: float) -> Step:
    """The first revision takes all traffic. A service that went away comes back as it was before it is changed."""
    percent = manifest["spec"]["predictor"].get("canaryTrafficPercent")
    template = without_percent(manifest)
    if to_be_stopped(manifest):
        return Create(template, Pending(template, None, now), "it is there, and stopped")
    if percent is not None and percent < 100 and record.stable_spec is not None:
        stable = without_percent(record.stable_spec)
        return Create(
            stable, Pending(stable, None, now), "the InferenceService is gone: bring the stable model back first"
        )
    if percent == 0:
        return Failed(refusals.nothing_to_stage_beside(desired.endpoint_name), serving=False)
    return Create(template, Pending(template, None, now), "first deployment")


def _knative(desired: Desired, manifest: dict[str, t.Any], record: Record, observed: Observed, now: float) -> Step:
    live = t.cast(dict[str, t.Any], observed.live)
    template = without_percent(manifest)
    pending = record.pending
    wanted = manifest["spec"]["predictor"].get("canaryTrafficPercent")
    changed = template_differences(template, live, record.written)
    if changed:
        return _change(desired, manifest, changed, record, observed, now)

    made_by_us = pending is not None and not template_differences(template, pending.template)
    created, ready = observed.latest_created, observed.latest_ready
    failure = _terminal(observed.failures, created, pending if made_by_us else None, now)
    if created is None or (made_by_us and pending and created == pending.revision_before):
        return (
            Failed(refusals.never_ready(desired.endpoint_name, failure), observed.serving)
            if failure
            else Wait("KServe has not made the new revision yet")
        )
    if ready != created:
        if failure:
            return Failed(refusals.never_ready(desired.endpoint_name, failure), observed.serving)
        return Wait(observed.not_ready_because or f"revision {created} is not ready yet")
    return _split(manifest, wanted, created, observed)


def _change(
    desired: Desired, manifest: dict[str, t.Any], changed: list[str], record: Record, observed: Observed, now: float
) -> Step:
    """The live object has another template than the wanted one."""
    live = t.cast(dict[str, t.Any], observed.live)
    template = without_percent(manifest)
    wanted = manifest["spec"]["predictor"].get("canaryTrafficPercent")
    created, rolled_out_revision = observed.latest_created, observed.latest_rolledout
    pending, stable = record.pending, without_percent(record.stable_spec) if record.stable_spec else None
    words = _changes(changed)
    failure = _terminal(observed.failures, created, pending, now)

    if to_be_stopped(live) and (not observed.stopped or created is not None or observed.staying):
        # Revisions are counted anew after a stop. One that is still shown could be taken for the next of its name, and
        # Knative itself takes it for that as long as it is there (configuration.go, latestCreatedRevision).
        return Wait("KServe has not stopped it yet, and it can be started only then")
    if rolled_out_revision is None:
        if wanted not in (None, 100) and stable is not None and not template_differences(stable, live):
            # It was brought back to have something to split with.
            why = observed.not_ready_because or "the stable model is not ready again yet"
            return (
                Failed(refusals.never_ready(desired.endpoint_name, failure), observed.serving) if failure else Wait(why)
            )
        if wanted not in (None, 100) and stable is not None and to_be_stopped(live):
            return Apply(stable, Pending(stable, created, now), "start the stable model again first")
        if wanted == 0:
            return Failed(refusals.nothing_to_stage_beside(desired.endpoint_name), serving=False)
        return Apply(template, Pending(template, created, now), f"nothing serves yet; changed: {words}")

    unanswered = (
        pending is not None and created == pending.revision_before and not template_differences(pending.template, live)
    )
    if unanswered and not failure and pending and now - pending.at < _SLOW_CONTROLLER_SECONDS:
        # Its revision could be taken for that of the next write.
        return Wait("KServe has not made the revision of the write before yet")
    if created == rolled_out_revision == record.stable_revision and template == stable:
        # What was written since has made no revision, and this makes none either.
        return Apply(template, None, f"back to what serves; changed: {words}")
    return Apply(with_percent(manifest, 0), Pending(template, created, now), f"stage at 0 %; changed: {words}")


def _split(manifest: dict[str, t.Any], wanted: int | None, created: str, observed: Observed) -> Step:
    """The newest revision is ready and ours; bring its share of the traffic to what is wanted."""
    share = 100 if wanted is None else wanted
    stable = observed.latest_rolledout
    template = without_percent(manifest)
    if stable is None or created == stable:
        # All traffic belongs to it: a percentage here would make KServe fall back to the revision before.
        if observed.percent not in (None, 100):
            return Apply(template, None, "clear the left-over percentage; all traffic stays where it is")
        note = (
            None
            if share == 100
            else f"the {share} % take effect with the next model version; nothing is to be split now"
        )
        return _arrived(observed, {created: 100}, created, template, promoted=True, note=note)
    if observed.percent == 0 and share and observed.shares != {stable: 100}:
        return Wait(f"traffic is {_words(observed.shares)}, to be 100 % {stable} while {created} is staged")
    if share == 100:
        if observed.percent is not None:
            return Apply(template, None, f"{created} is ready: give it all traffic")
        return _arrived(observed, {created: 100}, created, template, promoted=True)
    if observed.percent != share:
        return Apply(with_percent(manifest, share), None, f"{created} is ready: give it {share} %")
    if not any(target.revision == created for target in observed.traffic):
        return Wait(f"{created} has no address yet")
    shares = {name: percent for name, percent in ((created, share), (stable, 100 - share)) if percent}
    return _arrived(observed, shares, stable, template, promoted=False)


def _arrived(
    observed: Observed,
    shares: dict[str, int],
    revision: str,
    spec: dict[str, t.Any] | None,
    *,
    promoted: bool,
    note: str | None = None,
) -> Step:
    if observed.shares != shares:
        return Wait(f"traffic is {_words(observed.shares)}, to be {_words(shares)}")
    if promoted and observed.latest_rolledout != revision:
        return Wait(f"KServe has not counted {revision} as rolled out yet")
    if not observed.ready or not observed.url:
        return Wait(observed.not_ready_because or "the address is not ready yet")
    return Converged(observed.url, revision, spec, promoted, note)


def _standard(manifest: dict[str, t.Any], record: Record, observed: Observed, now: float, desired: Desired) -> Step:
    live = t.cast(dict[str, t.Any], observed.live)
    changed = differences(manifest, live, record.written)
    if changed:
        return Apply(manifest, Pending(manifest, None, now), f"changed: {_changes(changed)}")
    waiting = rolled_out(observed.deployment, manifest)
    failure = _terminal(observed.failures, None, record.pending, now)
    if failure and (waiting or not observed.ready):
        return Failed(refusals.never_ready(desired.endpoint_name, failure), observed.serving)
    if waiting:
        return Wait(waiting)
    if not observed.ready or not observed.url:
        return Wait(observed.not_ready_because or "not ready yet")
    return Converged(observed.url, None, manifest, promoted=True)


def _terminal(
    failures: tuple[Failure, ...], created: str | None, pending: Pending | None, now: float
) -> Failure | None:
    """The first failure that is certainly about what we wrote."""
    settled = pending is None or now - pending.at >= _STALE_STATUS_SECONDS
    new = created is not None and (pending is None or created != pending.revision_before)
    for failure in failures:
        if settled if failure.revision is None else (new and failure.revision == created):
            return failure
    return None


def _changes(paths: list[str]) -> str:
    told = [path for path in paths if not path.endswith(TEMPLATE_ANNOTATION)]
    return ", ".join(told or paths)


def _words(shares: dict[str, int]) -> str:
    return ", ".join(f"{percent} % {name}" for name, percent in sorted(shares.items())) or "nothing"
