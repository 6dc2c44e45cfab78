# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Events that come twice, late, broken or never, and ways that break: event source and worker on real servers together."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from event_source import PATH
from fault_proxy import Statement, TcpProxy

from .conftest import Loop, Source, Stream, Way, Work, climb, until
from .test_database import ready

V1, V2 = "s3://models/add_sub/1/", "s3://models/add_sub/2/"


def event(world: Any, endpoint: str, version: str | None = None, **more: Any) -> dict[str, Any]:
    """As the platform publishes it."""
    row = {"tenant_id": world.tenant, "project_id": world.project, "endpoint_id": endpoint, "name": "demo"}
    return {**row, "model_id": None, "model_version_id": version, **more}


def stored(stream: Stream, *events: dict[str, Any]) -> None:
    """Published, and the server says that it has them."""
    for each in events:
        stream.loop.do(stream.js.publish(stream.deploy_subject, json.dumps(each).encode()))


def letters(world: Any) -> list[str]:
    return [row["reason"] for row in world.sql("select reason from serving.dead_letter order by id")]


@pytest.fixture
def following(work: Work) -> Any:
    """A worker that is at work already; told of endpoints by the event source alone."""
    worker = work()
    until(worker.works)
    return worker


def test_twice_and_a_hundred_times(
    world: Any, stream: Any, source: Any, following: Any, history: Any, versions: Any
) -> None:
    """The same event again, another event for the same intent, in one batch and long after: one deployment each."""
    name = world.endpoint("demo", versions[0])
    source()
    stream.publish(*[event(world, name, versions[0])] * 50)
    until(lambda: ready(world, "demo"))
    world.sql("update endpoints set model_version_id = %s", versions[1])
    for _turn in range(20):
        stream.publish(event(world, name, versions[1], trace=str(uuid.uuid4())))
    until(lambda: world.deployment("demo")["generation"] == 2)
    stream.publish(*[event(world, name, versions[1])] * 30)
    until(stream.at_rest)
    after = world.endpoint("after", versions[0])
    stream.publish(event(world, after))
    until(lambda: ready(world, "after"))
    assert history.writes(name) == ["INSERT", "UPDATE", "UPDATE"]
    assert history.shares(name, V2) == [0, 100]
    assert world.deployment("demo")["generation"] == 2
    assert letters(world) == []


def test_an_older_one_after_a_newer_one(
    world: Any, stream: Any, source: Any, following: Any, history: Any, versions: Any
) -> None:
    """The event says version 1, and the row says version 2: the row counts."""
    name = world.endpoint("demo", versions[0])
    taken = source()
    stream.publish(event(world, name, versions[0]))
    until(lambda: ready(world, "demo") and stream.at_rest())
    world.sql("update endpoints set model_version_id = %s", versions[1])
    stream.publish(event(world, name, versions[1]), event(world, name, versions[0]))
    until(lambda: world.deployment("demo")["generation"] == 2)
    stream.publish(event(world, name, versions[0]))
    until(stream.at_rest)
    after = world.endpoint("after", versions[0])
    stream.publish(event(world, after))
    until(lambda: ready(world, "after"))
    assert world.shares("demo") == {V2: 100}
    assert sum(batch["stale"] for batch in taken.batches) == 2
    assert world.one("select requested::int, stale::int from serving.intake") == {"requested": 3, "stale": 2}
    assert history.writes(name) == ["INSERT", "UPDATE", "UPDATE"]
    assert (history.shares(name, V1), history.shares(name, V2)) == ([0, 100, 0], [0, 100])


def test_what_can_never_work_among_what_can(
    world: Any, stream: Any, source: Any, following: Any, history: Any, versions: Any
) -> None:
    bad = [
        b"{",
        b"\xff",
        b"[]",
        b"{}",
        b"x" * 70000,
        b'{"endpoint_id": "demo"}',
        b'{"schema_version": 9}',
        b"[" * 60000,
    ]
    names = [world.endpoint(f"demo-{number}", versions[0]) for number in range(40)]
    work = source()
    for number, name in enumerate(names):
        strange = event(world, name, tenant_id=str(uuid.uuid4()))
        stream.publish(*[bad[number % len(bad)], event(world, name), strange][:: 1 if number % 2 else -1])
    until(lambda: all(ready(world, f"demo-{number}") for number in range(40)))
    until(stream.at_rest)
    until(lambda: len(letters(world)) == 80)
    assert [history.writes(name) for name in names] == [["INSERT"]] * 40
    assert letters(world).count("its tenant_id is not that of the endpoint") == 40
    assert work.listening
    assert following.end()["worked"] == {"ready": 40, "deleted": 0, "failed": 0, "refused": 0, "superseded": 0}


def test_one_that_kills_its_handler_is_given_up_and_others_go_on(
    world: Any, stream: Any, source: Any, following: Any, versions: Any
) -> None:
    """It is delivered as often as it may be; the server's advisory buries it."""
    source().stop()
    stream.exhaust(b'{"crashes": "it"}', 3)
    source()
    names = [world.endpoint(f"demo-{number}", versions[0]) for number in range(20)]
    stream.publish(*[event(world, name) for name in names])
    until(lambda: all(ready(world, f"demo-{number}") for number in range(20)))
    until(lambda: letters(world) == ["it was delivered 3 times, and never taken in"])
    assert stream.state().num_redelivered <= 1, "it is not delivered again and again"


@pytest.mark.parametrize("how", ["never published", "lost by the stream"])
def test_a_lost_one_is_made_up_for_within_a_sweep(
    world: Any, stream: Any, source: Any, work: Work, history: Any, versions: Any, how: str
) -> None:
    taken_in = source()
    taken_in.stop()
    period = 2
    worker = work(sweep=period)
    until(worker.works)
    name = world.endpoint("demo", versions[0])
    began = time.monotonic()
    if how == "lost by the stream":
        stored(stream, event(world, name))
        stream.loop.do(stream.js.purge_stream(stream.name))
    until(lambda: ready(world, "demo"))
    # A look at all, the work itself, and half a second in which the worker hears of nothing else.
    assert time.monotonic() - began < period + 2
    assert history.writes(name) == ["INSERT"]


def place_of(statement: Statement, begun: int) -> int:
    """1 before the first statement after those `begun`, 2 when the server has done it, 3 before the second ..."""
    return 2 * (statement.number - begun) - 1 + statement.done


def changed_once_each(play: Callable[[int, str], bool], world: Any, work: Work, history: Any, versions: Any) -> None:
    """Plays the event of a change of model with a fault at every place, each with an endpoint of its own; it counts once each time.

    :param play: gets the place and the endpoint; whether its fault came
    """
    names = [world.endpoint(f"demo-{number}", versions[0]) for number in range(40)]
    following = work()
    until(lambda: all(ready(world, f"demo-{number}") for number in range(40)))
    count = climb(lambda place: play(place, names[place]), at_a_time=4)
    assert count >= 4
    for name in names[1 : count + 1]:
        assert history.writes(name) == ["INSERT", "UPDATE", "UPDATE"]
        assert history.shares(name, V2) == [0, 100]
    assert letters(world) == []
    assert following.end()["worked"]["failed"] == 0


def test_the_database_breaks_at_any_statement_of_the_source(
    *, world: Any, loop: Loop, nats_url: str, jetstream: Any, work: Work, proxy: Way, history: Any, versions: Any
) -> None:
    """Before the server has the statement, or after it has committed: the event comes again, and counts once."""

    def play(place: int, name: str) -> bool:
        way = proxy()
        stream = Stream(loop, nats_url)
        stream.open()
        begun = [0]

        def fault(statement: Statement) -> str | None:
            # What it asks at its start is not meant.
            return "cut" if begun[0] and place_of(statement, begun[0]) == place and not way.struck else None

        way.fault = fault
        source = Source(
            loop, jetstream, {**stream.options(), "database_url": way.url(world.url), "create": True, "relay": 0}
        )
        until(lambda: source.listening)
        begun[0] = len(way.statements)
        world.sql("update endpoints set model_version_id = %s where id = %s", versions[1], name)
        stream.publish(event(world, name))
        until(lambda: name in source.requested)
        until(stream.at_rest)
        until(lambda: world.deployment(f"demo-{place}")["generation"] == 2)
        source.stop()
        stream.close()
        return bool(way.struck)

    changed_once_each(play, world, work, history, versions)


def test_the_database_goes_away_for_both(
    world: Any, stream: Any, loop: Loop, jetstream: Any, work: Work, proxy: Way, history: Any, versions: Any
) -> None:
    """In the middle of a stream of events; all are taken in afterwards, and each endpoint is deployed once."""
    way = proxy()
    url = way.url(world.url)
    worker = work(database_url=url)
    until(worker.works)
    source = Source(loop, jetstream, {**stream.options(), "database_url": url, "create": True, "relay": 0, "batch": 5})
    until(lambda: source.listening)
    names = [world.endpoint(f"demo-{number}", versions[0]) for number in range(60)]
    for number, name in enumerate(names):
        if number == 20:
            way.away()
        stream.publish(event(world, name))
    until(lambda: any("refused" in line for line in worker.lines()))
    way.accept()
    until(lambda: all(ready(world, f"demo-{number}") for number in range(60)))
    until(stream.at_rest)
    assert [history.writes(name) for name in names] == [["INSERT"]] * 60
    assert letters(world) == []
    worker.end()
    source.stop()


def quick(stream: Stream) -> None:
    """Stream and consumers whose server waits two seconds for an acknowledgement, and not thirty, before it delivers again."""
    from nats.js.api import AckPolicy, ConsumerConfig, StreamConfig

    async def make() -> None:
        subjects = [stream.deploy_subject, stream.delete_subject]
        await stream.js.add_stream(StreamConfig(name=stream.name, subjects=subjects))
        for subject, name in zip(subjects, ("deploy-worker", "deploy-worker-delete"), strict=True):
            config = ConsumerConfig(
                durable_name=name, filter_subject=subject, ack_policy=AckPolicy.EXPLICIT, ack_wait=2, max_deliver=20
            )
            await stream.js.add_consumer(stream.name, config)

    stream.loop.do(make())


@pytest.mark.parametrize("how", ["cut", "refused", "silent"])
def test_the_way_to_nats_breaks_and_comes_back(
    *,
    world: Any,
    stream: Any,
    loop: Loop,
    jetstream: Any,
    following: Any,
    history: Any,
    versions: Any,
    nats_proxy: TcpProxy,
    how: str,
) -> None:
    quick(stream)
    options = {**stream.options(), "servers": [nats_proxy.url(stream.url)], "database_url": world.url, "relay": 0}
    source = Source(loop, jetstream, options)
    until(lambda: source.listening)
    names = [world.endpoint(f"demo-{number}", versions[0]) for number in range(30)]
    stream.publish(*[event(world, name) for name in names[:10]])
    {"cut": nats_proxy.cut, "refused": nats_proxy.away, "silent": nats_proxy.silence}[how]()
    stream.publish(*[event(world, name) for name in names[10:20]])
    nats_proxy.accept()
    nats_proxy.speak()
    stream.publish(*[event(world, name) for name in names[20:]])
    until(lambda: all(ready(world, f"demo-{number}") for number in range(30)))
    until(stream.at_rest)
    assert [history.writes(name) for name in names] == [["INSERT"]] * 30
    assert letters(world) == []
    source.stop()


class Nats:
    """A server with its stream on a disk, which can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._folder = folder
        self.start()

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    def start(self) -> None:
        program = Path(sys.executable).with_name("nats-server")
        options = ["-a", "127.0.0.1", "-p", str(self.port), "-js", "-sd", str(self._folder)]
        self._process = subprocess.Popen([str(program), *options], stderr=subprocess.DEVNULL)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


@pytest.fixture
def own_nats(tmp_path: Path) -> Iterator[Nats]:
    made = Nats(tmp_path)
    yield made
    made.kill()


def test_nats_is_killed_and_started_again(
    *, world: Any, loop: Loop, jetstream: Any, following: Any, history: Any, versions: Any, own_nats: Nats
) -> None:
    stream = Stream(loop, own_nats.url)
    until(lambda: _opened(stream))
    quick(stream)
    source = Source(loop, jetstream, {**stream.options(), "database_url": world.url, "relay": 0})
    until(lambda: source.listening)
    names = [world.endpoint(f"demo-{number}", versions[0]) for number in range(20)]
    stored(stream, *[event(world, name) for name in names[:10]])
    own_nats.kill()
    until(lambda: not stream.nats.is_connected)
    own_nats.start()
    until(lambda: stream.nats.is_connected)
    stored(stream, *[event(world, name) for name in names[10:]])
    until(lambda: all(ready(world, f"demo-{number}") for number in range(20)))
    until(stream.at_rest)
    assert [history.writes(name) for name in names] == [["INSERT"]] * 20
    assert letters(world) == []
    source.stop()
    stream.close()


def _opened(stream: Stream) -> bool:
    try:
        stream.open()
    except OSError:
        return False
    return True


def test_the_source_is_killed_at_any_statement(
    *, world: Any, loop: Loop, nats_url: str, work: Work, proxy: Way, history: Any, versions: Any, tmp_path: Path
) -> None:
    """A process that dies by SIGKILL before or after a statement of its batch; another one takes the event in, and it counts once."""

    def play(place: int, name: str) -> bool:
        way = proxy()
        stream = Stream(loop, nats_url)
        stream.open()
        quick(stream)
        begun: list[int] = []
        mortal: list[subprocess.Popen[bytes]] = []

        def fault(statement: Statement) -> str | None:
            # What it asks at its start is not meant.
            if begun and not way.struck and place_of(statement, begun[0]) == place:
                mortal[0].kill()
                mortal[0].wait()
                return "cut"
            return None

        way.fault = fault
        options = {**stream.options(), "database_url": way.url(world.url), "relay": 0}
        try:
            mortal.append(beginning(options, tmp_path / f"{place}.first"))
            begun.append(len(way.statements))
            world.sql("update endpoints set model_version_id = %s where id = %s", versions[1], name)
            stream.publish(event(world, name))
            until(lambda: mortal[0].poll() is not None or stream.at_rest())
            if mortal[0].poll() is not None:
                mortal.append(beginning(options, tmp_path / f"{place}.second"))
            until(stream.at_rest)
            until(lambda: world.deployment(f"demo-{place}")["generation"] == 2)
        finally:
            for each in mortal:
                each.kill()
                each.wait()
            stream.close()
        return len(mortal) == 2

    changed_once_each(play, world, work, history, versions)


def beginning(options: dict[str, Any], output: Path) -> subprocess.Popen[bytes]:
    """The event source in a process of its own, when it listens."""
    with output.open("w") as file:
        process = subprocess.Popen([sys.executable, str(PATH)], stdin=subprocess.PIPE, stdout=file, stderr=file)
    assert process.stdin is not None
    with process.stdin:
        process.stdin.write(json.dumps(options).encode())
    until(lambda: "listening" in output.read_text() or process.poll() is not None, told=output.read_text)
    assert process.poll() is None, output.read_text()
    return process
