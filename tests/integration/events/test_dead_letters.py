# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Dead letters on a real stream and a real database: shown, replayed once, discarded, and dead again."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

import psycopg2
import pytest
from ansible_collections.mlops.serving.plugins.module_utils._adapters import migrations
from ansible_collections.mlops.serving.plugins.module_utils._adapters.outbox import Outbox
from ansible_collections.mlops.serving.plugins.module_utils._adapters.postgres import Postgres

from .conftest import until

SECRET = "hunter2-and-more"


@pytest.fixture
def buried(
    stream: Any, source: Any, world: Any, jetstream: Any, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., list[int]]:
    """Publishes events that can never work, and gives the ids of their letters."""
    monkeypatch.setattr(jetstream, "UNKNOWN_DELAYS", ())

    def bury(*events: Any, **args: Any) -> list[int]:
        before = world.one("select coalesce(max(id), 0)::int as n from serving.dead_letter")["n"]
        source(relay=0, **args)
        stream.publish(*events)
        until(lambda: len(world.sql("select 1 from serving.dead_letter where id > %s", before)) == len(events))
        until(stream.at_rest)
        found = world.sql("select id from serving.dead_letter where id > %s order by stream_sequence", before)
        return [row["id"] for row in found]

    return bury


@pytest.fixture
def look(run: Any) -> Callable[..., list[dict[str, Any]]]:
    def call(**options: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = run("dead_letter_info", **options)["dead_letters"]
        return found

    return call


@pytest.fixture
def change(run: Any, stream: Any) -> Callable[..., dict[str, Any]]:
    def call(state: str, **options: Any) -> dict[str, Any]:
        answer: dict[str, Any] = run("dead_letter", state=state, **{"nats_servers": [stream.url], **options})
        return answer

    return call


def event(world: Any, endpoint: str, **more: Any) -> dict[str, Any]:
    return {"tenant_id": world.tenant, "project_id": world.project, "endpoint_id": endpoint, **more}


def messages(stream: Any) -> list[Any]:
    async def read() -> list[Any]:
        last = (await stream.js.stream_info(stream.name)).state.last_seq
        return [await stream.js.get_msg(stream.name, number) for number in range(1, last + 1)]

    found: list[Any] = stream.loop.do(read())
    return found


class TestWhatIsShown:
    def test_reason_endpoint_trace_and_payload(self, world: Any, buried: Any, look: Any, versions: Any) -> None:
        endpoint = world.endpoint("demo", versions[0])
        stranger = event(world, endpoint, tenant_id=str(uuid.uuid4()), trace_id="abc-1", name="demo")
        (number,) = buried(stranger)
        (letter,) = look()
        assert (letter["id"], letter["state"], letter["endpoint"], letter["endpoint_id"]) == (
            number,
            "open",
            "demo",
            endpoint,
        )
        assert letter["reason"] == "its tenant_id is not that of the endpoint"
        assert letter["trace_id"] == "abc-1"
        assert (letter["payload"], letter["payload_kind"], letter["payload_cut"]) == (stranger, "json", False)
        assert letter["size"] == len(json.dumps(stranger))
        assert (letter["times_seen"], letter["replays"], letter["replay_of"], letter["replayed_at"]) == (
            1,
            0,
            None,
            None,
        )

    def test_no_secret_comes_out_of_it(self, buried: Any, look: Any, run: Any, world: Any) -> None:
        events = (
            {
                "endpoint_id": 7,
                "password": SECRET,
                "nested": [{"api_key": SECRET, "url": f"nats://user:{SECRET}@host"}],
            },
            f'{{"endpoint_id": "x", "db_password": "{SECRET}", '.encode(),
            f"\xff\xfe token={SECRET}".encode("latin-1"),
            f"Authorization: Bearer {SECRET}".encode(),
        )
        buried(*events)
        answer = run("dead_letter_info")
        assert SECRET not in json.dumps(answer)
        kinds = [letter["payload_kind"] for letter in sorted(answer["dead_letters"], key=lambda one: one["id"])]
        assert kinds == ["json", "text", "binary", "text"]

    def test_a_long_one_is_cut_and_says_so(self, buried: Any, look: Any) -> None:
        buried(b"x" * 3000, {"long": "y" * 3000})
        found = look(payload_length=10)
        assert [letter["payload"] for letter in found] == ['{"long": "', "x" * 10]
        assert all(letter["payload_cut"] for letter in found)
        assert len(look()[1]["payload"]) == 2000

    def test_filters(self, world: Any, buried: Any, look: Any, run: Any, stream: Any, versions: Any) -> None:
        gone = str(uuid.uuid4())
        endpoint = world.endpoint("demo", versions[0])
        first, second, third = buried(b"{", event(world, gone), event(world, endpoint, tenant_id=str(uuid.uuid4())))

        def ids(**options: Any) -> list[int]:
            return [letter["id"] for letter in look(**options)]

        assert sorted(ids()) == sorted([third, second, first])
        assert ids(reason="IS NOT JSON") == [first]
        assert ids(endpoint=gone.upper()) == [second]
        assert ids(endpoint="DEMO") == [third]
        assert ids(endpoint="nobody") == []
        assert ids(ids=[first]) == [first]
        assert ids(ids=[]) == []
        assert ids(subject=stream.delete_subject) == []
        assert len(ids(subject=stream.deploy_subject, since="1h")) == 3
        assert ids(before="1h") == []
        world.sql("update serving.dead_letter set last_seen = '2026-01-31T14:00:00Z' where id = %s", first)
        assert ids(since="2026-01-31T13:00:00Z", before="2026-01-31 15:00") == [first]
        few = run("dead_letter_info", limit=1)
        assert (len(few["dead_letters"]), few["total"]) == (1, 3)
        wrong = run("dead_letter_info", fails=True, since="yesterday")
        assert "since = 'yesterday': is not a time" in wrong["msg"]


class TestReplay:
    def test_what_came_too_early_is_sent_once_more_and_served(
        self, world: Any, buried: Any, change: Any, look: Any, stream: Any, versions: Any
    ) -> None:
        endpoint = str(uuid.uuid4())
        early = event(world, endpoint, trace_id="0af7651916cd43dd8448eb211c80319c")
        (number,) = buried(early)
        world.endpoint("demo", versions[0], id=endpoint)
        answer = change("replayed", reason="there is no endpoint")
        assert (answer["changed"], answer["published"], answer["waiting"]) == (True, 1, 0)
        assert [(one["id"], one["state"], one["changed"]) for one in answer["dead_letters"]] == [
            (number, "replayed", True)
        ]
        taken = {"endpoint_id": endpoint, "trace_id": early["trace_id"]}
        until(lambda: world.sql("select endpoint_id, trace_id from serving.trace") == [taken])
        (letter,) = look(state="replayed")
        assert (letter["replays"], letter["payload"]) == (1, early)
        assert letter["replayed_at"] is not None
        assert look() == []
        first, again = messages(stream)
        assert again.data == first.data
        assert again.headers["Nats-Msg-Id"] == f"replay:{stream.name}:1:1"
        assert again.headers["Mlops-Serving-Dead-Letter"] == str(number)

    def test_a_second_time_only_by_force(self, buried: Any, change: Any, stream: Any) -> None:
        (number,) = buried(b"{")
        assert change("replayed", ids=[number])["published"] == 1
        again = change("replayed", ids=[number])
        assert (again["changed"], again["published"], again["dead_letters"][0]["changed"]) == (False, 0, False)
        assert change("replayed", reason="is not JSON", before="1h")["changed"] is False
        assert len(messages(stream)) == 2
        assert change("replayed", ids=[number], force=True)["published"] == 1
        assert len(messages(stream)) == 3

    def test_what_is_dead_again_refers_to_the_first(self, buried: Any, change: Any, look: Any, world: Any) -> None:
        (number,) = buried(b"{")
        change("replayed", ids=[number])
        until(lambda: len(look(state="any")) == 2)
        second, first = look(state="any")
        assert (first["id"], first["state"], first["replay_of"]) == (number, "replayed", None)
        assert (second["state"], second["replay_of"]) == ("open", number)
        change("replayed", ids=[second["id"]])
        until(lambda: len(look(state="any")) == 3)
        assert look()[0]["replay_of"] == number

    def test_what_cannot_be_sent_now_is_sent_by_the_source(
        self, buried: Any, change: Any, source: Any, stream: Any, world: Any
    ) -> None:
        (number,) = buried(b"\xff\x00 no JSON, and no text")
        answer = change("replayed", ids=[number], nats_servers=["nats://127.0.0.1:1"])
        assert (answer["changed"], answer["published"], answer["waiting"]) == (True, 0, 1)
        assert "does not answer" in json.dumps(answer["warnings"])
        source(relay=0.2)
        until(lambda: len(messages(stream)) == 2)
        first, again = messages(stream)
        assert again.data == first.data
        assert again.headers["Nats-Msg-Id"] == f"replay:{stream.name}:1:1"

    def test_a_crash_between_the_database_and_the_stream_sends_it_once(
        self, buried: Any, change: Any, stream: Any, world: Any
    ) -> None:
        (number,) = buried(b"{")
        change("replayed", ids=[number])
        world.sql("update serving.outbox set published_at = null")  # published, and died before it was noted
        assert change("replayed", ids=[number])["published"] == 1
        assert len(messages(stream)) == 2

    def test_of_a_cut_one_nothing_is_sent_and_the_others_stay(
        self, buried: Any, run: Any, look: Any, stream: Any, world: Any
    ) -> None:
        small, large = buried(b"{", b"x" * 2000, max_bytes=1000)
        answer = run("dead_letter", fails=True, state="replayed", all=True, nats_servers=[stream.url])
        assert f"only the beginning of them was kept: {large} (1000 of 2000 bytes)" in answer["msg"]
        assert sorted(letter["id"] for letter in look()) == [small, large]
        assert world.sql("select 1 from serving.outbox") == []
        assert len(messages(stream)) == 2

    def test_in_check_mode_nothing_is_written(self, buried: Any, change: Any, look: Any, world: Any) -> None:
        (number,) = buried(b"{")
        answer = change("replayed", all=True, check=True, diff=True)
        assert answer["changed"] is True
        assert [(one["before"], one["after"]) for one in answer["diff"]] == [({"state": "open"}, {"state": "replayed"})]
        assert [letter["id"] for letter in look()] == [number]
        assert world.sql("select 1 from serving.outbox") == []

    def test_two_at_once_send_it_once(self, buried: Any, start: Any, stream: Any, world: Any) -> None:
        numbers = buried(*[b"{"] * 20)
        both = [start("dead_letter", state="replayed", ids=numbers, nats_servers=[stream.url]) for _time in range(2)]
        answers = [json.loads(process.communicate(timeout=60)[0]) for process in both]
        assert sum(letter["changed"] for answer in answers for letter in answer["dead_letters"]) == 20
        assert world.one("select count(*)::int as n from serving.outbox")["n"] == 20


class TestDiscard:
    def test_it_is_kept_and_not_open_any_more(self, buried: Any, change: Any, look: Any) -> None:
        first, second = buried(b"{", b"[")
        assert change("discarded", ids=[first])["changed"] is True
        assert change("discarded", ids=[first])["changed"] is False
        assert [letter["id"] for letter in look()] == [second]
        (letter,) = look(state="discarded")
        assert letter["discarded_at"] is not None

    def test_it_comes_back_only_where_it_is_named(self, buried: Any, change: Any, look: Any, stream: Any) -> None:
        (number,) = buried(b"{")
        change("discarded", all=True)
        assert change("replayed", all=True)["changed"] is False
        assert change("replayed", ids=[number])["published"] == 1
        assert look(state="discarded") == []

    def test_a_number_that_nobody_has_changes_nothing(self, buried: Any, run: Any, look: Any) -> None:
        (number,) = buried(b"{")
        answer = run("dead_letter", fails=True, state="discarded", ids=[number, number + 1])
        assert f"ids = [{number + 1}]: there is no such dead letter" in answer["msg"]
        assert [letter["id"] for letter in look()] == [number]
        assert "one of the following is required" in run("dead_letter", fails=True, state="discarded")["msg"]


def test_only_open_ones_are_counted_for_the_alert(buried: Any, change: Any, world: Any) -> None:
    from ansible_collections.mlops.serving.plugins.module_utils._adapters.backlog import backlog
    from ansible_collections.mlops.serving.plugins.module_utils._adapters.store import Scope, Settings

    first, second, _third = buried(b"{", b"[", b"1")
    change("discarded", ids=[first])
    change("replayed", ids=[second], nats_servers=[])
    database = Postgres({"dsn": world.url})
    assert backlog(database, Scope(), Settings())["dead_letters"] == 1
    database.close()


def test_letters_and_events_from_before_are_kept(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    old = Postgres({"dsn": database})
    every = migrations.MIGRATIONS
    monkeypatch.setattr(migrations, "MIGRATIONS", [one for one in every if one.name not in ("dead_letters", "trace")])
    migrations.migrate(old)
    endpoint = str(uuid.uuid4())
    for number, (payload, reason) in enumerate(
        (
            (json.dumps({"endpoint_id": endpoint}).encode(), "its tenant_id is not that of the endpoint"),
            (b"\xff\\" + b"x" * 98, "it has 70000 bytes, and 100 are the most (max_bytes)"),
            (None, "nothing is known"),
        )
    ):
        old.execute(
            "insert into serving.dead_letter (stream, stream_sequence, subject, payload, reason) values ('s', %s, 'x', %s, %s)",
            (number, None if payload is None else psycopg2.Binary(payload), reason),
        )
    old.execute("insert into serving.outbox (subject, endpoint_id, payload) values ('x', %s, '{}')", (endpoint,))
    monkeypatch.setattr(migrations, "MIGRATIONS", every)
    assert migrations.migrate(old) == ["dead_letters", "trace"]
    found = old.query("select endpoint_id, size from serving.dead_letter order by id")
    assert found == [
        {"endpoint_id": endpoint, "size": len(json.dumps({"endpoint_id": endpoint}))},
        {"endpoint_id": None, "size": 70000},
        {"endpoint_id": None, "size": 0},
    ]
    sent: list[Any] = []
    assert Outbox(old).relay(sent.extend) == 1
    assert [(one.payload, one.message_id, dict(one.headers)) for one in sent] == [(b"{}", f"{endpoint}:1", {})]
    old.close()
