# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which endpoints at rest have to be looked at because somebody changed something on the cluster.

An InferenceService that has the version which it had when it was found right is right still. So where nothing has changed a
look at all costs one list of metadata a namespace. What is remembered saves work and decides nothing: whatever has another
version is looked at.
"""

from __future__ import annotations

import threading
import typing as t

__all__ = ("Drift",)


class _Place(t.Protocol):
    """An endpoint's place on the cluster, with the version that its InferenceService had when it was found right."""

    @property
    def endpoint_id(self) -> str: ...
    @property
    def namespace(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def version(self) -> str | None: ...


class Drift:
    """May be used by several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._named: set[str] = set()

    def look(self, places: t.Iterable[_Place], versions: t.Callable[[str], t.Mapping[str, str]]) -> list[str]:
        """Ids of those that are not as they were, or not there; they are handed out by ``take`` as well.

        :param versions: of a namespace: version by name
        """
        found: dict[str, t.Mapping[str, str]] = {}
        other = []
        for place in places:
            if place.namespace not in found:
                found[place.namespace] = versions(place.namespace)
            version = found[place.namespace].get(place.name)
            if version is None or version != place.version:
                other.append(place.endpoint_id)
        with self._lock:
            self._named = set(other)
        return other

    def take(self, most: int, only: t.Collection[str] | None) -> list[str]:
        """Some of those that were found, each once.

        :param only: of these; None for all
        """
        with self._lock:
            wanted = self._named if only is None else self._named.intersection(only)
            chosen = sorted(wanted)[:most]
            self._named.difference_update(chosen)
            return chosen
