"""Intents with their events: written together, published now or later, and known by their ids."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .conftest import until


@pytest.fixture
def ask(run: Any, world: Any, stream: Any) -> Any:
    """``deploy_request`` of one tenant into the test's stream."""

    def call(**options: Any) -> dict[str, Any]:
        given = {
            "tenant_id": world.tenant,
            "project_id": world.project,
            "deploy_subject": stream.deploy_subject,
            "delete_subject": stream.delete_subject,
            "nats_servers": [stream.url],
            **options,
        }
        answer: dict[str, Any] = run("deploy_request", **given)
        return answer

    return call


def messages(stream: Any) -> list[tuple[str, dict[str, Any], str]]:
    """Subject, payload and message id of all that the stream has."""

    async def read() -> list[Any]:
        info = await stream.js.stream_info(stream.name)
        last = info.state.last_seq
        return [await stream.js.get_msg(stream.name, number) for number in range(1, last + 1)]

    return [(each.subject, json.loads(each.data), each.headers["Nats-Msg-Id"]) for each in stream.loop.do(read())]


def outbox(world: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = world.sql("select * from serving.outbox order by id")
    return found


def test_a_change_is_written_and_published_once(ask: Any, stream: Any, source: Any, world: Any, versions: Any) -> None:
    work = source()
    first = ask(name="demo", model="add_sub", model_version=1)
    endpoint = first["endpoints"][0]["id"]
    assert (first["changed"], first["published"], first["waiting"]) == (True, 1, 0)
    until(lambda: work.requested == [endpoint])
    assert messages(stream) == [
        (
            stream.deploy_subject,
            {
                "schema_version": 1,
                "endpoint_id": endpoint,
                "tenant_id": world.tenant,
                "project_id": world.project,
                "name": "demo",
                "model_id": world.row("demo")["model_id"],
                "model_version_id": versions[0],
                "trace_id": first["trace_id"],
            },
            first["requested"][0]["message_id"],
        )
    ]
    again = ask(name="demo", model_version=1)
    assert (again["changed"], again["requested"], again["published"]) == (False, [], 0)
    forced = ask(name="demo", again=True)
    assert (forced["changed"], forced["published"]) == (True, 1)
    gone = ask(name="demo", state="absent")
    assert gone["published"] == 1
    assert [subject for subject, _payload, _name in messages(stream)] == [stream.deploy_subject] * 2 + [
        stream.delete_subject
    ]


def test_what_cannot_be_published_is_kept_and_comes_with_the_next(
    ask: Any, stream: Any, source: Any, world: Any, versions: Any
) -> None:
    away = ask(name="demo", model="add_sub", model_version=1, nats_servers=["nats://user:hidden@127.0.0.1:1"])
    assert (away["changed"], away["published"], away["waiting"]) == (True, 0, 1)
    assert "NATS at nats://127.0.0.1:1 does not answer" in json.dumps(away["warnings"])
    assert "hidden" not in json.dumps(away["warnings"])
    nowhere = ask()  # there is no stream yet
    assert (nowhere["published"], nowhere["waiting"]) == (0, 1)
    assert "no stream" in json.dumps(nowhere["warnings"])
    work = source(relay=0)
    later = ask()
    assert (later["changed"], later["published"], later["waiting"]) == (True, 1, 0)
    until(lambda: work.requested == [world.row("demo")["id"]])
    assert ask()["changed"] is False


def test_a_second_copy_of_an_event_is_known_by_its_id(
    ask: Any, stream: Any, source: Any, world: Any, versions: Any
) -> None:
    source()
    ask(name="demo", model="add_sub", model_version=1)
    world.sql("update serving.outbox set published_at = null")  # a crash between the two
    assert ask()["published"] == 1
    assert len(messages(stream)) == 1


def test_the_source_publishes_what_a_crash_has_left(
    ask: Any, stream: Any, source: Any, world: Any, versions: Any
) -> None:
    ask(name="demo", model="add_sub", model_version=1, nats_servers=[])
    assert [row["published_at"] for row in outbox(world)] == [None]
    work = source(relay=0.2)
    until(lambda: work.requested == [world.row("demo")["id"]])
    assert outbox(world)[0]["published_at"] is not None
    assert [name for _subject, _payload, name in messages(stream)] == [
        f"{world.row('demo')['id']}:{outbox(world)[0]['id']}"
    ]


def test_many_at_once_and_those_that_cannot_work(
    ask: Any, source: Any, stream: Any, world: Any, run: Any, versions: Any
) -> None:
    source(relay=0)
    items = [{"name": f"e{number}", "model": "add_sub", "model_version": 1} for number in range(20)]
    bad = {"name": "bad", "model": "add_sub", "model_version": 9}
    answer = run(
        "deploy_request",
        fails=True,
        endpoints=[*items, bad],
        tenant_id=world.tenant,
        project_id=world.project,
        deploy_subject=stream.deploy_subject,
        nats_servers=[stream.url],
    )
    assert [failed["name"] for failed in answer["failed_endpoints"]] == ["bad"]
    assert answer["published"] == 20
    assert {payload["name"] for _subject, payload, _name in messages(stream)} == {f"e{number}" for number in range(20)}


def test_in_check_mode_nothing_is_written(ask: Any, world: Any, versions: Any) -> None:
    answer = ask(name="demo", model="add_sub", model_version=1, check=True)
    assert answer["changed"] is True
    assert outbox(world) == []
    assert world.sql("select 1 from endpoints") == []


def test_the_trace_is_told_in_payload_header_and_store(
    ask: Any, stream: Any, source: Any, world: Any, run: Any, versions: Any
) -> None:
    work = source()
    given = "0AF76519-16CD-43DD-8448-EB211C80319C"
    answer = ask(name="demo", model="add_sub", model_version=1, trace_id=given)
    trace = "0af7651916cd43dd8448eb211c80319c"
    assert answer["trace_id"] == trace
    message = stream.loop.do(stream.js.get_msg(stream.name, 1))
    assert json.loads(message.data)["trace_id"] == trace
    version, told, parent, flags = message.headers["traceparent"].split("-")
    assert (version, told, flags) == ("00", trace, "00")
    assert len(parent) == 16
    assert world.one("select trace_id from serving.trace")["trace_id"] == trace
    until(lambda: work.requested)  # else the source may note the first event after the second request
    other = ask(name="demo", again=True)
    assert len(other["trace_id"]) == 32
    assert other["trace_id"] != trace
    assert world.one("select trace_id from serving.trace")["trace_id"] == other["trace_id"]
    refused = run("deploy_request", fails=True, name="demo", trace_id="not one")
    assert "trace_id = 'not one': is not a trace id" in refused["msg"]
