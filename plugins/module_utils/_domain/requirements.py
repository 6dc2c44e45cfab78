# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What components need: versions of Kubernetes, and room for their pods. Data, each with its source."""

from __future__ import annotations

import typing as t

from .versions import Version, parse_version

__all__ = ("KUBERNETES", "ROOM", "Need", "Room", "kubernetes_needs", "room_for")


class Need(t.NamedTuple):
    """Which Kubernetes a component needs from its version ``since`` on.

    :param hard: it does not start, or is not admitted, on an older one; else it is merely not tested there
    """

    since: tuple[int, int]
    kubernetes: tuple[int, int]
    hard: bool
    why: str


class Room(t.NamedTuple):
    """What the pods of a release ask for, one replica each: the sum of the requests in its manifests.

    :param cpu: thousandths of a core
    :param memory: MiB
    """

    version: str
    pods: int
    cpu: int
    memory: int
    source: str


# knative.dev/pkg, version/version.go (defaultMinimumVersion) at the branch of each release: the controllers end at once below it.
_KNATIVE = {13: 27, 14: 28, 15: 28, 16: 28, 17: 30, 18: 31, 19: 32, 20: 32, 21: 33, 22: 34, 23: 34}
# Tables of tested versions in the projects' documentation; the least of each line.
_KEDA = {11: 25, 12: 26, 13: 27, 14: 27, 15: 28, 16: 29, 17: 30, 18: 31, 19: 32, 20: 33, 21: 34}
_KYVERNO = {16: 31, 17: 32, 18: 33, 19: 33}
_CERT_MANAGER = {11: 21, 12: 22, 18: 29, 19: 31, 20: 32, 21: 33}
_CRDS = "its CustomResourceDefinitions have selectableFields, which older API servers do not know"


def _line(major: int, table: t.Mapping[int, int], hard: bool, why: str) -> tuple[Need, ...]:
    return tuple(Need((major, minor), (1, kubernetes), hard, why) for minor, kubernetes in sorted(table.items()))


_LAYER = _line(1, _KNATIVE, True, "its controllers end at once on an older one")
KUBERNETES: dict[str, tuple[tuple[Need, ...], ...]] = {
    "knative_serving": (_LAYER,),
    "kourier": (_LAYER,),
    "net_istio": (_LAYER,),
    "keda": (_line(2, _KEDA, False, "it is not tested with an older one"),),
    "kyverno": (
        _line(1, _KYVERNO, False, "it is not tested with an older one"),
        _line(1, {18: 30}, True, _CRDS),
    ),
    "cert_manager": (_line(1, _CERT_MANAGER, False, "it is not tested with an older one"),),
    "kserve": ((Need((0, 15), (1, 30), False, "its documentation names that as the least"),),),
}

ROOM: dict[str, tuple[Room, ...]] = {
    "cert_manager": (Room("1.11.5", 3, 0, 0, "cert-manager.yaml, which asks for nothing"),),
    "knative_serving": (Room("1.21.1", 4, 600, 360, "serving-core.yaml"),),
    "kourier": (Room("1.21.0", 2, 400, 400, "kourier.yaml"),),
    # Without the agent for local models, which runs on nodes that are labelled for it.
    "kserve": (Room("0.20.0", 3, 300, 700, "kserve.yaml"),),
    "keda": (Room("2.18.0", 3, 300, 300, "keda-2.18.0.yaml"),),
    "kyverno": (Room("1.18.2", 4, 400, 320, "charts/kyverno/values.yaml"),),
}


def kubernetes_needs(component: str, version: Version) -> list[Need]:
    """The needs that hold for a version: of each line the newest entry that is not newer."""
    found = []
    for line in KUBERNETES.get(component, ()):
        fitting = [need for need in line if need.since <= version[:2]]
        if fitting:
            found.append(fitting[-1])
    return found


def room_for(component: str, version: Version | None) -> Room | None:
    """The figures of the nearest release that was looked at: the newest one that is not newer, else the oldest."""
    known = ROOM.get(component, ())
    if not known:
        return None
    fitting = [room for room in known if version is None or (parse_version(room.version) or version) <= version]
    return fitting[-1] if fitting else known[0]
