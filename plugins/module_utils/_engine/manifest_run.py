# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What applying and removing documents have in common: order, parallel requests, one deadline, errors of several objects."""

from __future__ import annotations

import time
import typing as t
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from .._adapters.objects import Objects
from .._domain.apply_order import stages
from .._domain.documents import Item
from .._domain.errors import ServingError

__all__ = ("ATTEMPTS", "NAMED", "Document", "Outcome", "Run", "Settings")

Document = dict[str, t.Any]

_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 2.0
# How many objects an error names.
NAMED = 5
# Reads and writes of one object before somebody who always comes in between is an error.
ATTEMPTS = 8


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


class Run:
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

    @staticmethod
    def _raise_errors(outcomes: t.Sequence[Outcome]) -> None:
        errors = [outcome.error for outcome in outcomes if outcome.error]
        if errors:
            raise _joined(errors)


def _joined(errors: t.Sequence[ServingError]) -> ServingError:
    """One error for several objects, of the first one's kind."""
    first = errors[0]
    if len(errors) > 1:
        more = [str(error) for error in errors[1:NAMED]]
        rest = len(errors) - NAMED
        first.what = " | ".join([first.what, *more, *([f"and {rest} more"] if rest > 0 else [])])
    return first
