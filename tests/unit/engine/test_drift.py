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
    version: str | None = None


A, B, C = Place("1", "ns", "a", "1"), Place("2", "ns", "b", "2"), Place("3", "other", "c", "3")


class Cluster:
    def __init__(self, **versions: dict[str, str]) -> None:
        self.versions = versions
        self.lists: list[str] = []

    def list(self, namespace: str) -> dict[str, str]:
        self.lists.append(namespace)
        return self.versions.get(namespace, {})


def test_what_is_as_it_was_costs_one_list_a_namespace() -> None:
    cluster = Cluster(ns={"a": "1", "b": "2"}, other={"c": "3"})
    assert Drift().look([A, B, C], cluster.list) == []
    assert cluster.lists == ["ns", "other"]


def test_another_version_and_none_are_news() -> None:
    assert Drift().look([A, B], Cluster(ns={"a": "7"}).list) == ["1", "2"]


def test_what_nobody_has_found_right_is_looked_at() -> None:
    assert Drift().look([A._replace(version=None)], Cluster(ns={"a": "1"}).list) == ["1"]


def test_each_is_handed_out_once_and_no_more_than_there_is_room_for() -> None:
    drift = Drift()
    drift.look([A, B, C], Cluster().list)
    assert drift.take(5, ["2", "9"]) == ["2"]
    assert drift.take(1, None) == ["1"]
    assert drift.take(5, None) == ["3"]
    assert drift.take(5, None) == []
