# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which endpoints at rest have to be looked at, by versions alone."""

from __future__ import annotations

from typing import NamedTuple

from ansible_collections.mlops.serving.plugins.module_utils._engine.drift import Drift


class Place(NamedTuple):
    endpoint_id: str
    namespace: str
    name: str


A, B, C = Place("1", "ns", "a"), Place("2", "ns", "b"), Place("3", "other", "c")


class Cluster:
    def __init__(self, **versions: dict[str, str]) -> None:
        self.versions = versions
        self.lists: list[str] = []

    def list(self, namespace: str) -> dict[str, str]:
        self.lists.append(namespace)
        return self.versions.get(namespace, {})


def test_whoever_begins_looks_at_each_once() -> None:
    drift, cluster = Drift(), Cluster(ns={"a": "1", "b": "2"}, other={"c": "3"})
    assert drift.look([A, B, C], cluster.list) == ["1", "2", "3"]
    for place, version in ((A, "1"), (B, "2"), (C, "3")):
        drift.right(place.namespace, place.name, version)
    cluster.lists.clear()
    assert drift.look([A, B, C], cluster.list) == []
    assert cluster.lists == ["ns", "other"]  # one each, however many endpoints


def test_another_version_and_none_are_news() -> None:
    drift = Drift()
    drift.right("ns", "a", "1")
    drift.right("ns", "b", "2")
    assert drift.look([A, B], Cluster(ns={"a": "7"}).list) == ["1", "2"]
    # As long as nobody has found them right, they are looked at again.
    assert drift.look([A, B], Cluster(ns={"a": "1", "b": "2"}).list) == ["1", "2"]


def test_what_is_gone_from_the_store_is_forgotten() -> None:
    drift = Drift()
    drift.right("ns", "a", "1")
    assert drift.look([], Cluster().list) == []
    assert drift.look([A], Cluster(ns={"a": "1"}).list) == ["1"]


def test_each_is_handed_out_once_and_no_more_than_there_is_room_for() -> None:
    drift = Drift()
    drift.look([A, B, C], Cluster().list)
    assert drift.take(5, ["2", "9"]) == ["2"]
    assert drift.take(1, None) == ["1"]
    assert drift.take(5, None) == ["3"]
    assert drift.take(5, None) == []
