"""The fixtures ``world``, ``run`` and ``start``, and the event source on a stream of the test's own."""

from __future__ import annotations

import asyncio
import json
import threading
import uuid
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from typing import Any

import event_source
import pytest
from waiting import until
from world import World, reconcile, run, start, world

__all__ = ("Source", "Stream", "jetstream", "reconcile", "run", "start", "until", "world")

SECONDS = 20.0


@pytest.fixture(scope="session")
def jetstream() -> Any:
    """The plugin, loaded by its path as ansible-rulebook does."""
    return event_source.load("jetstream_under_test")


class Loop:
    """An event loop in a thread."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def begin(self, work: Coroutine[Any, Any, Any]) -> Future[Any]:
        return asyncio.run_coroutine_threadsafe(work, self.loop)

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.begin(work).result(timeout=SECONDS)

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(timeout=5)


class Stream:
    """A stream with the two consumers of today's worker, each under names of the test's own."""

    def __init__(self, loop: Loop, url: str) -> None:
        self.loop, self.url = loop, url
        mark = uuid.uuid4().hex[:8]
        self.name = f"S{mark}"
        self.deploy_subject, self.delete_subject = f"t{mark}.deploy", f"t{mark}.delete"
        self.consumer = "deploy-worker"
        self.sent = 0

    def open(self) -> None:
        self.loop.do(self._open())

    async def _open(self) -> None:
        import nats

        self.nats = await nats.connect(self.url)
        self.js = self.nats.jetstream()

    def options(self) -> dict[str, Any]:
        return {
            "servers": [self.url],
            "stream": self.name,
            "deploy_subject": self.deploy_subject,
            "delete_subject": self.delete_subject,
        }

    def publish(self, *events: Any, delete: bool = False) -> None:
        subject = self.delete_subject if delete else self.deploy_subject

        async def send() -> None:
            for event in events:
                self.sent += 1
                await self.nats.publish(subject, event if isinstance(event, bytes) else json.dumps(event).encode())
            await self.nats.flush()

        self.loop.do(send())

    def exhaust(self, event: bytes, deliveries: int) -> None:
        """Workers take an event as often as the server delivers it, and die of it each time."""
        self.loop.do(self._exhaust(event, deliveries))

    async def _exhaust(self, event: bytes, deliveries: int) -> None:
        from nats.js.api import AckPolicy, ConsumerConfig

        await self.js.delete_consumer(self.name, self.consumer)
        config = ConsumerConfig(
            durable_name=self.consumer,
            filter_subject=self.deploy_subject,
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=0.2,
            max_deliver=deliveries,
        )
        await self.js.add_consumer(self.name, config)
        await self.nats.publish(self.deploy_subject, event)
        pull = await self.js.pull_subscribe_bind(self.consumer, stream=self.name)
        for _time in range(deliveries):
            await pull.fetch(1, timeout=2)
        await pull.unsubscribe()

    def state(self, consumer: str = "deploy-worker") -> Any:
        return self.loop.do(self.js.consumer_info(self.name, consumer))

    def at_rest(self) -> bool:
        """All that was published has been delivered and answered. What is on its way to the stream is not at rest either."""
        last = self.loop.do(self.js.stream_info(self.name)).state.last_seq
        found = [self.state(), self.state("deploy-worker-delete")]
        delivered = last >= self.sent and max(one.delivered.stream_seq for one in found) >= last
        return delivered and all(one.num_pending == one.num_ack_pending == 0 for one in found)

    def close(self) -> None:
        self.loop.do(self.nats.close())


class Source:
    """The plugin at work."""

    def __init__(self, loop: Loop, plugin: Any, args: dict[str, Any]) -> None:
        self.events: list[dict[str, Any]] = []
        self._loop = loop
        queue: asyncio.Queue[Any] = asyncio.Queue(1)

        async def begin() -> list[asyncio.Task[Any]]:
            return [asyncio.create_task(plugin.main(queue, args)), asyncio.create_task(self._read(queue))]

        self._tasks = loop.do(begin())

    async def _read(self, queue: asyncio.Queue[Any]) -> None:
        while True:
            self.events.append(await queue.get())

    @property
    def listening(self) -> bool:
        if self._tasks[0].done():
            self._tasks[0].result()
        return bool(self.events)

    @property
    def batches(self) -> list[dict[str, Any]]:
        return [event["mlops_serving"] for event in self.events if "requested" in event["mlops_serving"]]

    @property
    def requested(self) -> list[str]:
        return [name for batch in self.batches for name in batch["requested"]]

    def stop(self) -> None:
        async def end() -> None:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

        self._loop.do(end())


@pytest.fixture
def loop() -> Iterator[Loop]:
    made = Loop()
    yield made
    made.close()


@pytest.fixture
def stream(loop: Loop, nats_url: str) -> Iterator[Stream]:
    made = Stream(loop, nats_url)
    made.open()
    yield made
    made.close()


@pytest.fixture
def source(loop: Loop, stream: Stream, jetstream: Any, world: World) -> Iterator[Callable[..., Source]]:
    made: list[Source] = []

    def begin(**args: Any) -> Source:
        given = {**stream.options(), "database_url": world.url, "create": True, **args}
        made.append(Source(loop, jetstream, given))
        until(lambda: made[-1].listening)
        return made[-1]

    yield begin
    for each in made:
        each.stop()


@pytest.fixture
def versions(world: World) -> list[str]:
    return world.model("s3://models/add_sub/1/", "s3://models/add_sub/2/")
