# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The event source's log as programs read it, and a trace id on its way from an event to the worker's line."""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rulebook import START, Rulebook

from .conftest import until

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


def event(world: Any, endpoint: str, **more: Any) -> dict[str, Any]:
    return {"tenant_id": world.tenant, "project_id": world.project, "endpoint_id": endpoint, **more}


def publish(stream: Any, *events: dict[str, Any] | bytes, **headers: str) -> None:
    async def send() -> None:
        for each in events:
            data = each if isinstance(each, bytes) else json.dumps(each).encode()
            await stream.nats.publish(stream.deploy_subject, data, headers=headers or None)
        await stream.nats.flush()

    stream.loop.do(send())


def traces(world: Any) -> dict[str, str]:
    return {row["endpoint_id"]: row["trace_id"] for row in world.sql("select endpoint_id, trace_id from serving.trace")}


@pytest.fixture
def written(capsys: pytest.CaptureFixture[str]) -> Any:
    """The JSON lines on the standard error so far."""
    found: list[dict[str, Any]] = []

    def read(name: str) -> list[dict[str, Any]]:
        text = capsys.readouterr().err
        found.extend(json.loads(line) for line in text.splitlines() if line.startswith("{"))
        return [line for line in found if line["event"] == name]

    return read


class TestTheTraceOfAnEvent:
    def test_it_is_that_of_the_payload_before_that_of_the_header(
        self, stream: Any, source: Any, world: Any, versions: Any
    ) -> None:
        source()
        endpoint = world.endpoint("demo", versions[0])
        publish(stream, event(world, endpoint, trace_id="order-4711"), traceparent=PARENT)
        until(lambda: traces(world) == {endpoint: "order-4711"})
        publish(stream, event(world, endpoint), traceparent=PARENT)
        until(lambda: traces(world) == {endpoint: TRACE})

    @pytest.mark.parametrize("header", ["", "00-00000000000000000000000000000000-b7ad6b7169203331-01", "nonsense"])
    def test_one_is_made_where_there_is_none(
        self, stream: Any, source: Any, world: Any, versions: Any, jetstream: Any, header: str
    ) -> None:
        source()
        endpoint = world.endpoint("demo", versions[0])
        publish(stream, event(world, endpoint, trace_id={"no": "text"}), traceparent=header)
        until(lambda: endpoint in traces(world))
        # Each delivery of the same message has the same.
        assert traces(world)[endpoint] == jetstream.trace_of({}, f"{stream.name}:1")

    def test_of_a_burst_it_is_the_last_ones(self, stream: Any, source: Any, world: Any, versions: Any) -> None:
        endpoint = world.endpoint("demo", versions[0])
        source().stop()
        publish(stream, *[event(world, endpoint, trace_id=f"t{number}") for number in range(50)])
        work = source()
        # A busy machine may take them in more than one batch.
        until(lambda: traces(world) == {endpoint: "t49"})
        # The source notes it after its transaction.
        until(lambda: set(work.requested) == {endpoint})

    def test_with_and_without_a_tenant_it_is_the_last_ones_too(
        self, stream: Any, source: Any, world: Any, versions: Any
    ) -> None:
        endpoints = [world.endpoint(f"e{number}", versions[0]) for number in range(20)]
        source().stop()
        for endpoint in endpoints:
            publish(stream, {"endpoint_id": endpoint, "trace_id": "t1"}, event(world, endpoint, trace_id="t2"))
            publish(stream, {"endpoint_id": endpoint, "trace_id": "t3"})
        source(window=0.5)
        until(lambda: set(traces(world).values()) == {"t3"})
        until(stream.at_rest)
        assert traces(world) == dict.fromkeys(endpoints, "t3")

    def test_another_tenants_event_leaves_it(self, stream: Any, source: Any, world: Any, versions: Any) -> None:
        source()
        endpoint = world.endpoint("demo", versions[0])
        publish(stream, event(world, endpoint, trace_id="mine"))
        until(lambda: traces(world) == {endpoint: "mine"})
        publish(stream, event(world.other_tenant(), endpoint, trace_id="theirs"))
        until(lambda: world.sql("select 1 from serving.dead_letter"))
        assert traces(world) == {endpoint: "mine"}
        assert world.one("select trace_id from serving.dead_letter")["trace_id"] == "theirs"


class TestItsLog:
    def test_each_request_is_a_line(self, stream: Any, source: Any, world: Any, versions: Any, written: Any) -> None:
        source(log_format="json")
        (listening,) = written("source.listening")
        assert (listening["stream"], listening["level"]) == (stream.name, "info")
        endpoint = world.endpoint("demo", versions[0])
        publish(stream, event(world, endpoint, trace_id="t1"))
        until(lambda: written("request.taken"))
        (line,) = written("request.taken")
        assert {
            name: line[name] for name in ("endpoint_id", "tenant_id", "trace_id", "stream_sequence", "deliveries")
        } == {
            "endpoint_id": endpoint,
            "tenant_id": world.tenant,
            "trace_id": "t1",
            "stream_sequence": 1,
            "deliveries": 1,
        }
        assert line["time"].endswith("Z")
        assert line["logger"] == "mlops.serving.jetstream"

    def test_a_dead_one_tells_its_reason(self, stream: Any, source: Any, written: Any, world: Any) -> None:
        source(log_format="json")
        publish(stream, f'{{"endpoint_id": "{world.tenant}", '.encode())
        until(lambda: written("request.dead"))
        (line,) = written("request.dead")
        assert (line["level"], line["endpoint_id"]) == ("warning", world.tenant)
        assert line["reason"].startswith("it is not JSON")

    def test_as_text_it_is_left_to_others(
        self, stream: Any, source: Any, written: Any, world: Any, jetstream: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        source(log_format="json").stop()
        source()
        with caplog.at_level(logging.INFO):
            publish(stream, b"{")
            until(lambda: any("dead letter" in record.getMessage() for record in caplog.records))
        assert len(written("source.listening")) == 1
        assert written("request.dead") == []

    def test_another_format_is_refused(self, source: Any, jetstream: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MLOPS_SERVING_LOG_FORMAT", "xml")
        with pytest.raises(
            jetstream.Unusable, match=r"log_format \(MLOPS_SERVING_LOG_FORMAT\) is 'xml'; write text or json"
        ):
            source()


@pytest.fixture
def rulebook(world: Any, nats_url: str, tmp_path: Path, loop: Any) -> Iterator[Rulebook]:
    environment = {
        "DATABASE_URL": world.url,
        "NATS_URL": nats_url,
        "DEPLOY_MODE": "simulate",
        "MLOPS_SERVING_LOG_FORMAT": "json",
    }
    made = Rulebook(tmp_path, environment)
    yield made
    made.end()

    async def clean() -> None:
        import nats

        connection = await nats.connect(nats_url)
        with contextlib.suppress(Exception):  # the next test's rulebook makes it anew
            await connection.jetstream().delete_stream("MLOPS_SERVING")
        await connection.close()

    loop.do(clean())


def test_one_trace_id_from_the_request_to_ready_in_one_output(
    rulebook: Rulebook, run: Any, world: Any, nats_url: str, versions: Any
) -> None:
    until(rulebook.working, START, told=rulebook.output)

    def told(name: str) -> list[dict[str, Any]]:
        whole = [line for line in rulebook.output().splitlines(keepends=True) if line.endswith("\n")]
        lines = [json.loads(line) for line in whole if line.startswith("{")]
        return [line for line in lines if line["event"] == name]

    where = {"tenant_id": world.tenant, "project_id": world.project, "nats_servers": [nats_url]}
    asked = run("deploy_request", name="demo", model="add_sub", model_version=1, **where)
    until(lambda: told("endpoint.ready") and told("request.taken"), 60, told=rulebook.output)
    found = {line["trace_id"] for name in ("request.taken", "endpoint.ready") for line in told(name)}
    assert found == {asked["trace_id"]}
    assert told("endpoint.ready")[0]["endpoint"] == "demo"
