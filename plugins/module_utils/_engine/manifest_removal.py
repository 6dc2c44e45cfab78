# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Deletes documents' objects in the reverse order, and custom resources with their CRD only when that is asked for."""

from __future__ import annotations

import typing as t

from .._domain.apply_order import DEFINITIONS
from .._domain.documents import CRD, collect
from .._domain.errors import Refused, StaleWrite, Unavailable
from .manifest_run import ATTEMPTS, NAMED, Document, Outcome, Run

__all__ = ("Removal",)


class Removal(Run):
    """``run`` deletes in the reverse order and waits until each stage is gone before the next one."""

    def run(self, *, force: bool = False, in_use_by: t.Sequence[tuple[str, str]] = ()) -> None:
        """
        :param force: also delete CRDs that have custom resources besides the given ones, with these, and what ``in_use_by`` finds
        :param in_use_by: API version and kind of objects of which none may be there besides the given ones
        :raises Refused: before anything is deleted, where such objects exist
        """
        self._each(self._read, self.outcomes)
        self._raise_errors(self.outcomes)
        for api_version, kind in in_use_by:
            self._check_others(
                self._objects.all_of(api_version, kind), f"{len(self.outcomes)} objects", "in_use_by", force
            )
        if self._settings.delete_crds:
            for outcome in list(self.outcomes):
                if outcome.item.kind == CRD and outcome.before is not None:
                    self._check_others(self._objects.instances(outcome.before), str(outcome.item), "delete_crds", force)
        for stage, outcomes in reversed(self._stages()):
            due = [outcome for outcome in outcomes if outcome.before is not None]
            if stage == DEFINITIONS and not self._settings.delete_crds:
                continue
            self._each(self._delete, due)
            self._raise_errors(self.outcomes)
            if self._settings.wait and not self._settings.check:
                self._wait_gone(due)

    def _read(self, outcome: Outcome) -> None:
        outcome.action = "unchanged"
        if self._objects.place(outcome.item.api_version, outcome.item.kind) is not None:
            outcome.before = outcome.after = self._objects.get(outcome.item)

    def _check_others(self, found: list[Document], what: str, field: str, force: bool) -> None:
        # As they are on the cluster: a document may name a namespace where its kind has none (KServe's ClusterStorageContainer).
        live = [outcome.before for outcome in self.outcomes if outcome.before is not None]
        listed = {one.key for one in collect("cluster", live)}
        others = [one for one in collect("cluster", found) if one.key not in listed]
        if not others:
            return
        if not force:
            shown = ", ".join(str(one).partition(" (")[0] for one in others[:NAMED])
            raise Refused(
                f"{what} cannot go: {len(others)} others need them ({shown}{', ...' if len(others) > NAMED else ''});"
                " nothing was deleted",
                field=field,
                cure="delete these first, or set force to let them go too",
            )
        # First, while their controllers still run and can take off their finalizers.
        more = [Outcome(one) for one in others]
        self._each(self._read, more)
        self.outcomes += more

    def _delete(self, outcome: Outcome) -> None:
        for _attempt in range(ATTEMPTS):
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
                " | ".join(words[:NAMED]), cure="run the controller that takes off the finalizers, then run this again"
            )


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
