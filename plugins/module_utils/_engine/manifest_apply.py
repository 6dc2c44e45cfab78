# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Applies documents in the right order, tries again what is not possible yet, and waits until all are ready."""

from __future__ import annotations

import time
import typing as t
from dataclasses import replace

from .._adapters.objects import NotYet
from .._domain.apply_order import DEFINITIONS, NAMESPACES, stage_of
from .._domain.documents import CRD, Item
from .._domain.errors import Drift, InvalidIntent, Refused, ServingError, StaleWrite, Unavailable
from .._domain.object_changes import content
from .._domain.object_readiness import Readiness, explain, readiness, selector_of
from .._domain.webhooks import without_rules
from .manifest_run import ATTEMPTS, NAMED, Document, Outcome, Run

__all__ = ("Appliance",)

# How long a new custom resource without a status is given to show one.
_GRACE_SECONDS = 3.0


class Appliance(Run):
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
        for attempt in range(ATTEMPTS):
            live = self._objects.get(item)
            if live is not None and live["metadata"].get("deletionTimestamp"):
                raise NotYet(f"cannot apply {item}: it is still being deleted", cure="look at its finalizers")
            try:
                after = self._write(item, live)
                break
            except StaleWrite:
                # Its controller wrote in between: what we compare with must be what was there just before.
                if attempt == ATTEMPTS - 1:
                    raise
        outcome.before, outcome.after, outcome.at = live, after, time.monotonic()
        outcome.action = _action(live, after)

    def _write(self, item: Item, live: Document | None, *, dry_run: bool = False) -> Document:
        manager, force = self._settings.manager, self._settings.force or item.force
        try:
            return self._objects.apply(item, live, manager=manager, force=force, dry_run=dry_run)
        except Drift:
            rest = without_rules(item.document, live)
            if rest is None:
                raise
            return self._objects.apply(replace(item, document=rest), live, manager=manager, dry_run=dry_run)

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
            outcome.after = self._write(item, live, dry_run=True)
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
        for outcome in late[:NAMED]:
            why = [seen[id(outcome)].why, self._explanation(outcome)]
            words.append(f"{outcome.item} {what}: {'; '.join(part for part in why if part)}")
        if len(late) > NAMED:
            words.append(f"and {len(late) - NAMED} more")
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
