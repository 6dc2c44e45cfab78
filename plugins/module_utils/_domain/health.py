# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Do the pods of a revision serve? What dies takes its counters with it, so this is looked at beside them. Pure."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .evidence import Pod

__all__ = ("Health",)


@dataclass(frozen=True)
class Health:
    """
    :param restarts: of each pod when the rollout gave its revision a share
    :param served: pods that were ready once
    """

    restarts: t.Mapping[str, int]
    served: frozenset[str] = frozenset()

    @classmethod
    def start(cls, pods: t.Iterable[Pod]) -> Health:
        known = list(pods)
        return cls({pod.name: pod.restarts for pod in known}, frozenset(pod.name for pod in known if pod.ready))

    def look(self, pods: t.Iterable[Pod]) -> Health:
        return Health(self.restarts, self.served | {pod.name for pod in pods if pod.ready})

    def broken(self, pods: t.Iterable[Pod], revision: str | None) -> str | None:
        """Why this revision does not serve, or None. A pod that starts, or ends because it was told to, is no failure."""
        mine = [pod for pod in pods if pod.revision == revision and not pod.terminating]
        for pod in mine:
            if pod.restarts > self.restarts.get(pod.name, 0):
                return f"a container of {pod.name} restarted" + (f" ({pod.failing})" if pod.failing else "")
        if mine and not any(pod.ready for pod in mine):
            for pod in mine:
                if pod.failing:
                    return f"{pod.name} does not run ({pod.failing})"
            lost = [pod.name for pod in mine if pod.name in self.served]
            if lost:
                return f"{lost[0]} is not ready any more, and no other pod of {revision} is"
        return None

    def to_json(self) -> dict[str, t.Any]:
        return {"restarts": dict(self.restarts), "served": sorted(self.served)}

    @classmethod
    def from_json(cls, stored: t.Mapping[str, t.Any]) -> Health:
        return cls(dict(stored["restarts"]), frozenset(stored["served"]))
