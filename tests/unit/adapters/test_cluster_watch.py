# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A watch loses nothing over reconnects, lists again when it must, and ends when told to."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ansible_collections.mlops.serving.plugins.module_utils._adapters.cluster import KServeCluster
from ansible_collections.mlops.serving.tests.unit.adapters.api_server_stub import Reply, StubApiServer, status

ALL = "/apis/serving.kserve.io/v1beta1/namespaces/ns/inferenceservices"


def thing(name: str, version: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "ns", "resourceVersion": version}}


def event(kind: str, name: str, version: str) -> dict[str, Any]:
    return {"type": kind, "object": thing(name, version)}


def listing(version: str, *names: str) -> dict[str, Any]:
    return {"metadata": {"resourceVersion": version}, "items": [thing(name, "1") for name in names]}


class Watched:
    """A watch in a thread, with what it told."""

    def __init__(self, server: StubApiServer) -> None:
        self.told: list[str] = []
        self.stop = threading.Event()
        self.error: BaseException | None = None
        self._changed = threading.Condition()
        self._cluster = KServeCluster.connect({"host": server.host})
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> Watched:
        self._thread.start()
        return self

    def _run(self) -> None:
        try:
            self._cluster.watch("ns", self._note, self.stop)
        except BaseException as error:
            self.error = error

    def _note(self, namespace: str, name: str) -> None:
        assert namespace == "ns"
        with self._changed:
            self.told.append(name)
            self._changed.notify_all()

    def until(self, condition: Callable[[list[str]], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: condition(self.told), 10), (self.told, self.error)

    @property
    def warnings(self) -> list[str]:
        return self._cluster.warnings

    def end(self) -> float:
        started = time.monotonic()
        self.stop.set()
        self._thread.join(10)
        assert not self._thread.is_alive()
        return time.monotonic() - started


@pytest.fixture
def server() -> Iterator[StubApiServer]:
    stub = StubApiServer()
    yield stub
    stub.close()


@pytest.fixture
def hold() -> Iterator[threading.Event]:
    """Open streams stay open until the test is over."""
    over = threading.Event()
    yield over
    over.set()


@pytest.fixture
def watched(server: StubApiServer) -> Iterator[Watched]:
    one = Watched(server)
    yield one
    one.stop.set()


def test_it_tells_the_list_then_every_change_and_resumes_where_it_was(
    server: StubApiServer, watched: Watched, hold: threading.Event
) -> None:
    first = [
        event("MODIFIED", "a", "6"),
        event("ADDED", "b", "7"),
        {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "20"}}},
    ]
    server.on(
        "GET",
        ALL,
        Reply(body=listing("5", "a")),
        Reply(stream=first),
        Reply(stream=[event("DELETED", "b", "21")], hold=hold),
    )
    watched.start().until(lambda told: told == ["a", "a", "b", "b"])
    queries = [asked.query for asked in server.asked]
    assert queries[1]["resourceVersion"] == "5"
    assert queries[1]["allowWatchBookmarks"] == "true"
    assert queries[2]["resourceVersion"] == "20", "a bookmark moves the place to resume at"
    assert "PartialObjectMetadata" in server.asked[1].headers["Accept"]


def test_an_expired_version_lists_again_and_tells_what_has_gone_meanwhile(
    server: StubApiServer, watched: Watched, hold: threading.Event
) -> None:
    expired = {
        "type": "ERROR",
        "object": {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"},
    }
    server.on(
        "GET",
        ALL,
        Reply(body=listing("5", "a", "b")),
        Reply(stream=[expired]),
        Reply(body=listing("50", "b", "c")),
        Reply(stream=[], hold=hold),
    )
    watched.start().until(lambda told: told == ["a", "b", "a", "b", "c"])
    server.wait_for(4)
    assert server.asked[3].query["resourceVersion"] == "50"


def test_an_expired_version_at_the_door_lists_again(
    server: StubApiServer, watched: Watched, hold: threading.Event
) -> None:
    server.on(
        "GET",
        ALL,
        Reply(body=listing("5", "a")),
        status(410, "Expired", "too old resource version: 5 (9)"),
        Reply(body=listing("50", "a")),
        Reply(stream=[], hold=hold),
    )
    watched.start().until(lambda told: told == ["a", "a"])


def test_a_server_that_is_away_is_waited_for(server: StubApiServer, watched: Watched, hold: threading.Event) -> None:
    server.on(
        "GET",
        ALL,
        Reply(body=listing("5", "a")),
        Reply(drop=True),
        status(503, "ServiceUnavailable", "etcd is away"),
        Reply(stream=[event("MODIFIED", "a", "6")], hold=hold),
    )
    watched.start().until(lambda told: told == ["a", "a"])
    assert server.asked[3].query["resourceVersion"] == "5"


def test_it_ends_promptly_while_the_stream_is_silent(
    server: StubApiServer, watched: Watched, hold: threading.Event
) -> None:
    server.on("GET", ALL, Reply(body=listing("5", "a")), Reply(stream=[event("MODIFIED", "a", "6")], hold=hold))
    watched.start().until(lambda told: len(told) == 2)
    assert watched.end() < 2.0
    assert watched.error is None
    assert len(server.asked) == 2


def test_a_missing_right_is_said_once_and_waited_for(server: StubApiServer, watched: Watched) -> None:
    server.on("GET", ALL, status(403, "Forbidden", 'User "x" cannot list resource "inferenceservices"'))
    watched.start()
    server.wait_for(1)
    assert watched.end() < 2.0
    assert watched.error is None
    assert [warning for warning in watched.warnings if "only polled for" in warning]
