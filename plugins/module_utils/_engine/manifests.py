# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Brings documents to a cluster in the right order, waits for them, and takes them away again."""

from __future__ import annotations

import time
import typing as t
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from .._adapters.objects import NotYet, Objects
from .._domain.apply_order import DEFINITIONS, NAMESPACES, stage_of, stages
from .._domain.documents import CRD, Item, collect
from .._domain.errors import InvalidIntent, Refused, ServingError, StaleWrite, Unavailable
from .._domain.object_changes import content
from .._domain.object_readiness import Readiness, explain, readiness, selector_of

__all__ = ("Appliance", "Outcome", "Removal", "Settings")

Document = dict[str, t.Any]

_ATTEMPTS = 8
_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 2.0
# How long a new custom resource without a status is given to show one.
_GRACE_SECONDS = 3.0
_NAMED = 5


@dataclass(frozen=True)
class Settings:
    """:param timeout: seconds for all of it, waiting included"""

    manager: str = "mlops.serving"
    force: bool = False
    check: bool = False
    wait: bool = True
    timeout: float = 300.0
    workers: int = 8
    delete_crds: bool = False


@dataclass
class Outcome:
    """:param action: created, changed, unchanged or deleted; None where it was not reached"""

    item: Item
    action: str | None = None
    before: Document | None = None
    after: Document | None = None
    error: ServingError | None = None
    at: float = 0.0


class _Run:
    def __init__(self, objects: Objects, items: t.Sequence[Item], settings: Settings) -> None:
        self._objects, self._settings = objects, settings
        self._started = time.monotonic()
        self.warnings: list[str] = []
        self.outcomes = [Outcome(item) for item in items]

    @property
    def _left(self) -> float:
        return self._started + self._settings.timeout - time.monotonic()

    def _each(self, work: t.Callable[[Outcome], None], outcomes: t.Sequence[Outcome]) -> None:
        """At the same time; an error stays with its object, and the others are done."""

        def one(outcome: Outcome) -> None:
            outcome.error = None
            try:
                work(outcome)
            except ServingError as error:
                outcome.error = error

        with ThreadPoolExecutor(self._settings.workers) as pool:
            list(pool.map(one, outcomes))

    def _stages(self) -> list[tuple[int, list[Outcome]]]:
        by_key = {outcome.item.key: outcome for outcome in self.outcomes}
        order = stages(outcome.item for outcome in self.outcomes)
        return [(stage, [by_key[item.key] for item in items]) for stage, items in order]

    def _until(self, look: t.Callable[[], list[Outcome]]) -> list[Outcome]:
        """Looks until nothing is left or the time is up; what is left then."""
        pause = _FIRST_PAUSE
        while True:
            left = look()
            if not left or self._left <= 0:
                return left
            time.sleep(max(min(pause, self._left), 0.01))
            pause = min(pause * 1.5, _LONGEST_PAUSE)


class Appliance(_Run):
    """``run`` applies, then waits; ``outcomes`` tell what was done, after an error too."""

    def run(self, probes: t.Sequence[Item] = ()) -> None:
        """:param probes: objects that are tried by dry run until admission answers for each
        :raises InvalidIntent: before anything is written
        :raises ServingError: for what was not applied, or is late
        """
        self._check_namespaces()
        if self._settings.check:
            for _stage, outcomes in self._stages():
                self._each(self._predict, outcomes)
                self._raise_errors(outcomes)
            return
        self._apply_all()
        if self._settings.wait:
            self._wait([outcome for outcome in self.outcomes if stage_of(outcome.item) != DEFINITIONS])
            self._probe(probes)

    def _apply_all(self) -> None:
        pending: list[Outcome] = []
        for stage, outcomes in self._stages():
            pending = self._try([*pending, *outcomes])
            if stage in (NAMESPACES, DEFINITIONS):
                # All that follows needs them.
                pending = self._until(lambda: self._try(pending))  # noqa: B023
                self._raise_errors(pending)
            if stage == DEFINITIONS:
                self._wait(outcomes)
        pending = self._until(lambda: self._try(pending))
        self._raise_errors(pending)

    def _try(self, outcomes: list[Outcome]) -> list[Outcome]:
        """Applies what can be applied now; what is worth another try stays."""
        if not outcomes:
            return []
        self._each(self._apply, outcomes)
        later = [outcome for outcome in outcomes if _worth_another_try(outcome)]
        self._raise_errors([outcome for outcome in outcomes if outcome not in later])
        return later

    def _apply(self, outcome: Outcome) -> None:
        item = outcome.item
        for attempt in range(_ATTEMPTS):
            live = self._objects.get(item)
            if live is not None and live["metadata"].get("deletionTimestamp"):
                raise NotYet(f"cannot apply {item}: it is still being deleted", cure="look at its finalizers")
            try:
                after = self._objects.apply(item, live, manager=self._settings.manager, force=self._settings.force)
                break
            except StaleWrite:
                # Its controller wrote in between: what we compare with must be what was there just before.
                if attempt == _ATTEMPTS - 1:
                    raise
        outcome.before, outcome.after, outcome.at = live, after, time.monotonic()
        outcome.action = _action(live, after)

    def _predict(self, outcome: Outcome) -> None:
        """The same by dry run. What cannot be asked before something else is there would be created."""
        item = outcome.item
        outcome.after = item.document
        if self._objects.place(item.api_version, item.kind) is None and item.custom:
            if self._definition_of(item) is None:
                self.warnings.append(
                    f"{item}: the cluster does not know this kind yet, and no document here defines it"
                )
            outcome.action = "created"
            return
        outcome.before = live = self._objects.get(item)
        try:
            outcome.after = self._objects.apply(
                item, live, manager=self._settings.manager, force=self._settings.force, dry_run=True
            )
        except Refused as refused:
            definition = self._definition_of(item)
            if not (refused.field == "namespace" and live is None) and (
                definition is None or definition.action == "unchanged"
            ):
                raise
            # Its namespace is not there, or a later version of its CRD is to judge it.
            outcome.action = "changed" if live else "created"
            return
        except Unavailable as away:
            if "webhook" not in away.what:
                raise
            self.warnings.append(f"{away} So it is not known what would change in it.")
            outcome.action = "changed" if live else "created"
            return
        outcome.action = _action(live, outcome.after)

    def _definition_of(self, item: Item) -> Outcome | None:
        for outcome in self.outcomes:
            spec = outcome.item.document.get("spec") or {}
            if outcome.item.kind == CRD and (spec.get("group"), spec["names"]["kind"]) == (item.group, item.kind):
                return outcome
        return None

    def _check_namespaces(self) -> None:
        """Before anything is written: every namespaced object says where it belongs."""
        for outcome in self.outcomes:
            item = outcome.item
            if item.namespace:
                continue
            place, definition = self._objects.place(item.api_version, item.kind), self._definition_of(item)
            scope = ((definition.item.document.get("spec") or {}).get("scope")) if definition else None
            if (place is not None and place.namespaced) or (place is None and scope == "Namespaced"):
                cure = "write it into the document, or set it by patches"
                raise InvalidIntent(f"is missing in {item}", field="metadata.namespace", cure=cure)

    def _wait(self, outcomes: t.Sequence[Outcome]) -> None:
        seen: dict[int, Readiness] = {}

        def look() -> list[Outcome]:
            waiting = [one for one in outcomes if id(one) not in seen or not seen[id(one)].ready]
            if seen:
                self._each(self._refresh, waiting)
            for one in waiting:
                seen[id(one)] = self._readiness(one)
            failed = [one for one in waiting if seen[id(one)].failed]
            if failed:
                raise self._late(failed, seen, "has failed")
            return [one for one in waiting if not seen[id(one)].ready]

        late = self._until(look)
        if late:
            raise self._late(late, seen, f"is not ready after {self._settings.timeout:g} s")

    def _refresh(self, outcome: Outcome) -> None:
        try:
            outcome.after = self._objects.get(outcome.item)
        except Unavailable:
            # Waiting goes on over a restart of the API server.
            if self._left <= 0:
                raise

    def _readiness(self, outcome: Outcome) -> Readiness:
        found = readiness(outcome.after)
        if (
            found.ready
            and outcome.item.custom
            and outcome.action in ("created", "changed")
            and not (outcome.after or {}).get("status")
            and time.monotonic() - outcome.at < _GRACE_SECONDS
        ):
            return Readiness("its controller has not reported on it yet")
        return found

    def _late(self, late: list[Outcome], seen: t.Mapping[int, Readiness], what: str) -> ServingError:
        words = []
        for outcome in late[:_NAMED]:
            why = [seen[id(outcome)].why, self._explanation(outcome)]
            words.append(f"{outcome.item} {what}: {'; '.join(part for part in why if part)}")
        if len(late) > _NAMED:
            words.append(f"and {len(late) - _NAMED} more")
        return Unavailable(
            " | ".join(words), cure="look at the first one, then run this again; what is done stays done"
        )

    def _explanation(self, outcome: Outcome) -> str:
        selector = selector_of(outcome.after) if outcome.after else None
        if selector is None:
            return ""
        try:
            pods = self._objects.pods(outcome.item.namespace, selector)
            return explain(outcome.item.name, pods, self._objects.events(outcome.item.namespace))
        except ServingError as error:
            return f"its pods cannot be read: {error.what}"

    def _probe(self, probes: t.Sequence[Item]) -> None:
        outcomes = [Outcome(probe) for probe in probes]

        def ask(outcome: Outcome) -> None:
            try:
                self._objects.apply(outcome.item, None, manager=self._settings.manager, force=True, dry_run=True)
            except Refused as refused:
                # A denial is an answer too; a missing namespace is asked about before any webhook.
                if refused.field == "namespace":
                    raise

        def look() -> list[Outcome]:
            self._each(ask, outcomes)
            self._raise_errors(
                [one for one in outcomes if one.error and not isinstance(one.error, (Unavailable, Refused))]
            )
            return [one for one in outcomes if one.error]

        late = self._until(look)
        if late:
            why = t.cast(ServingError, late[0].error)
            raise Unavailable(
                f"admission does not answer for the probe {late[0].item} after {self._settings.timeout:g} s: {why.what}",
                cure=why.cure,
            )

    @staticmethod
    def _raise_errors(outcomes: t.Sequence[Outcome]) -> None:
        errors = [outcome.error for outcome in outcomes if outcome.error]
        if errors:
            raise _joined(errors)


class Removal(_Run):
    """``run`` deletes in the reverse order and waits until each stage is gone before the next one."""

    def run(self, *, force: bool = False) -> None:
        """:param force: also delete CRDs that have custom resources besides the given ones, with these
        :raises Refused: before anything is deleted, where such custom resources exist
        """
        self._each(self._read, self.outcomes)
        self._raise_errors()
        if self._settings.delete_crds:
            self._check_instances(force)
        for stage, outcomes in reversed(self._stages()):
            due = [outcome for outcome in outcomes if outcome.before is not None]
            if stage == DEFINITIONS and not self._settings.delete_crds:
                continue
            self._each(self._delete, due)
            self._raise_errors()
            if self._settings.wait and not self._settings.check:
                self._wait_gone(due)

    def _read(self, outcome: Outcome) -> None:
        outcome.action = "unchanged"
        if self._objects.place(outcome.item.api_version, outcome.item.kind) is not None:
            outcome.before = outcome.after = self._objects.get(outcome.item)

    def _check_instances(self, force: bool) -> None:
        listed = {outcome.item.key for outcome in self.outcomes}
        for outcome in list(self.outcomes):
            if outcome.item.kind != CRD or outcome.before is None:
                continue
            found = self._objects.instances(outcome.before)
            others = [one for one in collect("cluster", found) if one.key not in listed]
            if others and not force:
                shown = ", ".join(str(one).partition(" (")[0] for one in others[:_NAMED])
                raise Refused(
                    f"{outcome.item} has {len(others)} custom resources ({shown}), and they would go with it;"
                    " nothing was deleted",
                    field="delete_crds",
                    cure="delete them first, or set force",
                )
            # First, while their controllers still run and can take off their finalizers.
            more = [Outcome(one) for one in others]
            self._each(self._read, more)
            self.outcomes += more

    def _delete(self, outcome: Outcome) -> None:
        for _attempt in range(_ATTEMPTS):
            if outcome.before is None:
                return
            try:
                self._objects.delete(outcome.item, outcome.before, dry_run=self._settings.check)
                outcome.action, outcome.after = "deleted", None
                return
            except StaleWrite:
                outcome.before = self._objects.get(outcome.item)

    def _wait_gone(self, outcomes: list[Outcome]) -> None:
        live: dict[int, Document | None] = {}

        def look() -> list[Outcome]:
            left = [one for one in outcomes if live.get(id(one), one) is not None]

            def read(outcome: Outcome) -> None:
                live[id(outcome)] = self._objects.get(outcome.item)

            self._each(read, left)
            return [one for one in left if live.get(id(one), one) is not None]

        late = self._until(look)
        if late:
            words = [
                f"{one.item} is not gone after {self._settings.timeout:g} s{_held(live.get(id(one)))}" for one in late
            ]
            raise Unavailable(
                " | ".join(words[:_NAMED]), cure="run the controller that takes off the finalizers, then run this again"
            )

    def _raise_errors(self) -> None:
        errors = [outcome.error for outcome in self.outcomes if outcome.error]
        if errors:
            raise _joined(errors)


def _action(live: Document | None, after: Document) -> str:
    if live is None:
        return "created"
    return "unchanged" if content(live) == content(after) else "changed"


def _worth_another_try(outcome: Outcome) -> bool:
    """A custom resource whose webhook, CRD or conversion is not there yet; a webhook may stand before any other kind."""
    error = outcome.error
    if not isinstance(error, Unavailable):
        return False
    return isinstance(error, NotYet) or outcome.item.custom or "webhook" in error.what


def _held(live: Document | None) -> str:
    """Why an object is still there, in words."""
    if live is None:
        return ""
    why = [str(name) for name in live["metadata"].get("finalizers") or ()]
    told = [
        str(one.get("message"))
        for one in (live.get("status") or {}).get("conditions") or ()
        if one.get("status") == "True"
        and str(one.get("type")).startswith(("NamespaceDeletion", "NamespaceContent", "NamespaceFinalizers"))
    ]
    return (f": finalizers {', '.join(why)}" if why else "") + (f": {'; '.join(told)}" if told else "")


def _joined(errors: t.Sequence[ServingError]) -> ServingError:
    """One error for several objects, of the first one's kind."""
    first = errors[0]
    if len(errors) > 1:
        more = [str(error) for error in errors[1:_NAMED]]
        rest = len(errors) - _NAMED
        first.what = " | ".join([first.what, *more, *([f"and {rest} more"] if rest > 0 else [])])
    return first
