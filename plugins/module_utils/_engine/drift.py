# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which endpoints at rest a worker has to look at because somebody changed something on the cluster.

An InferenceService that has the version which it had when it was found right is right still. So where nothing has changed a
look at all costs one list of metadata a namespace. What is remembered saves work and decides nothing: a worker that has
just begun looks at each once.
"""

from __future__ import annotations

import threading
import typing as t

__all__ = ("Drift",)


class _Place(t.Protocol):
    @property
    def endpoint_id(self) -> str: ...
    @property
    def namespace(self) -> str: ...
    @property
    def name(self) -> str: ...


class Drift:
    """May be used by several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._right: dict[tuple[str, str], str] = {}
        self._named: set[str] = set()

    def right(self, namespace: str, name: str, version: str) -> None:
        """The InferenceService was what its row asks for when it had this resourceVersion."""
        with self._lock:
            self._right[namespace, name] = version

    def look(self, places: t.Iterable[_Place], versions: t.Callable[[str], t.Mapping[str, str]]) -> list[str]:
        """Ids of those that are not as they were, or not there; they are handed out by ``take`` as well.

        :param versions: of a namespace: resourceVersion by name
        """
        found: dict[str, t.Mapping[str, str]] = {}
        seen: dict[tuple[str, str], str] = {}
        other = []
        for place in places:
            if place.namespace not in found:
                found[place.namespace] = versions(place.namespace)
            version = found[place.namespace].get(place.name)
            remembered = self._right.get((place.namespace, place.name))
            if version is None or version != remembered:
                other.append(place.endpoint_id)
            else:
                seen[place.namespace, place.name] = version
        with self._lock:
            # What is being worked on is not among the places, and is told as right at its end.
            self._right = seen
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
