"""Events into the store: a real NATS JetStream and a real Postgres."""

from __future__ import annotations

import json
import logging
import select
import uuid
from typing import Any

import psycopg2
import pytest
from waiting import until

from .conftest import Source


def event(world: Any, endpoint: str, **more: Any) -> dict[str, Any]:
    """As the platform publishes it."""
    row = {"tenant_id": world.tenant, "project_id": world.project, "endpoint_id": endpoint, "name": "demo"}
    return {**row, "model_id": None, "model_version_id": None, **more}


def dead(world: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = world.sql("select * from serving.dead_letter order by id")
    return found


@pytest.fixture
def heard(world: Any) -> Any:
    """What workers that follow are told."""
    connection = psycopg2.connect(world.url)
    connection.autocommit = True
    connection.cursor().execute("listen mlops_serving")
    told: list[str] = []

    def look() -> list[str]:
        select.select([connection], [], [], 0.05)
        connection.poll()
        told.extend(notice.payload for notice in connection.notifies)
        connection.notifies.clear()
        return told

    yield look
    connection.close()


def test_a_request_is_noted_told_and_acknowledged(
    stream: Any, source: Any, world: Any, heard: Any, versions: Any
) -> None:
    endpoint = world.endpoint("demo", versions[0])
    work = source()
    assert work.events[0]["mlops_serving"] == {"state": "listening", "stream": stream.name}
    stream.publish(event(world, endpoint))
    until(lambda: work.requested == [endpoint])
    until(lambda: heard() == [endpoint])
    until(stream.at_rest)
    assert dead(world) == []
    stream.publish(event(world, endpoint), delete=True)
    until(lambda: work.requested == [endpoint, endpoint])
    until(stream.at_rest)


def test_from_an_event_to_a_served_endpoint(stream: Any, source: Any, world: Any, start: Any, versions: Any) -> None:
    """The event source and a worker that follows, as the rulebook runs them; the sweep would come an hour later."""
    start("reconcile", deploy_mode="simulate", follow=True, sweep=3600)
    source()
    endpoint = world.endpoint("demo", versions[0])
    until(
        lambda: world.sql(
            "select 1 from pg_stat_activity where datname = current_database() and query = 'listen mlops_serving'"
        )
    )
    stream.publish(event(world, endpoint))
    until(lambda: world.row("demo")["status"] == "READY")
    world.sql("update endpoints set model_version_id = %s", versions[1])
    stream.publish(event(world, endpoint))
    until(lambda: world.deployment("demo")["generation"] == 2)
    world.sql("update endpoints set status = 'DELETING'")
    stream.publish(event(world, endpoint), delete=True)
    until(lambda: world.row("demo")["status"] == "DELETED")
    until(stream.at_rest)
    assert dead(world) == []


def test_a_burst_for_one_endpoint_is_one_piece_of_work(
    stream: Any, source: Any, world: Any, heard: Any, versions: Any
) -> None:
    endpoint, other = world.endpoint("demo", versions[0]), world.endpoint("other", versions[0])
    source().stop()
    stream.publish(*[event(world, endpoint)] * 400, event(world, other))
    work = source(window=0.2)
    until(stream.at_rest)
    until(lambda: sum(batch["received"] for batch in work.batches) == 401)
    assert set(work.requested) == {endpoint, other}
    assert len(work.batches) <= 3
    assert len(heard()) <= 2 * len(work.batches)


POISON: dict[str, tuple[bytes, str]] = {
    "no json": (b"{", "it is not JSON"),
    "no utf-8": (b"\xff\xfe{}", "it is not JSON"),
    "nested too deep": (b"[" * 60000, "it is not JSON"),
    "no object": (b"[]", "it is not a JSON object"),
    "no id": (b"{}", "its endpoint_id is missing"),
    "a bad id": (b'{"endpoint_id": "demo; drop table"}', "its endpoint_id is 'demo; drop table', which is not a UUID"),
    "a bad tenant": (json.dumps({"endpoint_id": str(uuid.uuid4()), "tenant_id": 7}).encode(), "its tenant_id is '7'"),
    "a later schema": (json.dumps({"schema_version": 2}).encode(), "its schema_version is 2"),
    "too large": (b"x" * 70000, "it has 70000 bytes, and 65536 are the most"),
}


@pytest.mark.parametrize("kind", POISON)
def test_what_can_never_work_is_buried_with_its_reason_and_delays_nobody(
    stream: Any, source: Any, world: Any, versions: Any, kind: str
) -> None:
    endpoint = world.endpoint("demo", versions[0])
    data, reason = POISON[kind]
    work = source()
    stream.publish(data, event(world, endpoint))
    until(lambda: work.requested == [endpoint])
    until(stream.at_rest)
    (letter,) = dead(world)
    if kind == "a bad tenant":
        assert letter["reason"].startswith("its tenant_id is 7") or letter["reason"].startswith(reason)
    else:
        assert reason in letter["reason"]
    assert (letter["stream"], letter["stream_sequence"], letter["subject"]) == (stream.name, 1, stream.deploy_subject)
    assert bytes(letter["payload"]) == data[:65536]


def test_another_tenants_event_is_buried(stream: Any, source: Any, world: Any, heard: Any, versions: Any) -> None:
    endpoint = world.endpoint("demo", versions[0])
    work = source()
    stream.publish(event(world, endpoint, tenant_id=str(uuid.uuid4())))
    until(lambda: len(work.batches) == 1)
    until(stream.at_rest)
    assert [letter["reason"] for letter in dead(world)] == ["its tenant_id is not that of the endpoint"]
    assert heard() == []


def test_an_endpoint_that_is_not_there_yet_is_waited_for(
    stream: Any, source: Any, world: Any, versions: Any, jetstream: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jetstream, "UNKNOWN_DELAYS", (0.2, 0.2, 0.2))
    work = source()
    late, never = str(uuid.uuid4()), str(uuid.uuid4())
    stream.publish(event(world, late), event(world, never))
    until(lambda: len(work.batches) == 1)
    world.sql(
        "insert into endpoints (id, tenant_id, project_id, name, model_version_id) values (%s, %s, %s, 'late', %s)",
        *(late, world.tenant, world.project, versions[0]),
    )
    until(lambda: late in work.requested)
    until(stream.at_rest)
    assert [letter["reason"] for letter in dead(world)] == [f"there is no endpoint {never}"]
    counted = world.one("select requested::int, stale::int, dead::int, early::int from serving.intake")
    assert (counted["requested"], counted["stale"], counted["dead"]) == (1, 0, 1)
    assert counted["early"] >= 5, "each delivery of an event whose endpoint is not there"


def test_a_deletion_of_what_is_not_there_is_done_already(stream: Any, source: Any, world: Any) -> None:
    work = source()
    stream.publish(event(world, str(uuid.uuid4())), delete=True)
    until(lambda: len(work.batches) == 1)
    until(stream.at_rest)
    assert dead(world) == []


def test_while_the_database_is_away_nothing_is_lost_and_no_delivery_is_used_up(
    stream: Any, source: Any, world: Any, versions: Any, postgres: str, caplog: pytest.LogCaptureFixture
) -> None:
    endpoint = world.endpoint("demo", versions[0])
    work = source()
    name = world.url.rpartition("/")[2]
    admin = psycopg2.connect(postgres)
    admin.autocommit = True
    with admin.cursor() as cursor:
        cursor.execute(f"alter database {name} allow_connections false")
        cursor.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s and application_name <> 'test'",
            (name,),
        )
        stream.publish(event(world, endpoint))
        until(lambda: any("the database does not answer" in record.message for record in caplog.records))
        assert stream.state().num_ack_pending == 1
        cursor.execute(f"alter database {name} allow_connections true")
    admin.close()
    until(lambda: work.requested == [endpoint])
    until(stream.at_rest)
    assert stream.state().num_redelivered == 0
    password = world.url.partition("://")[2].partition("@")[0].partition(":")[2]
    assert password
    assert password not in caplog.text


def test_what_comes_while_it_is_stopped_is_taken_in_later(stream: Any, source: Any, world: Any, versions: Any) -> None:
    endpoint = world.endpoint("demo", versions[0])
    source().stop()
    stream.publish(event(world, endpoint))
    work = source(create=False)
    until(lambda: work.requested == [endpoint])


def test_what_the_server_has_given_up_is_buried(stream: Any, source: Any, world: Any) -> None:
    source().stop()
    stream.exhaust(b'{"crashes": "it"}', 2)
    source()
    until(lambda: len(dead(world)) == 1)
    (letter,) = dead(world)
    assert letter["reason"] == "it was delivered 2 times, and never taken in"
    assert bytes(letter["payload"]) == b'{"crashes": "it"}'


class TestWhatIsSaidAtTheStart:
    def refused(self, source: Any, jetstream: Any, **args: Any) -> str:
        with pytest.raises(jetstream.Unusable) as error:
            source(**args)
        return str(error.value)

    def test_no_stream(self, source: Any, jetstream: Any, stream: Any) -> None:
        said = self.refused(source, jetstream, create=False)
        assert said == f"there is no stream {stream.name}; make it, or set create: true"

    def test_no_consumer(self, source: Any, jetstream: Any, stream: Any) -> None:
        source().stop()
        said = self.refused(source, jetstream, create=False, deploy_consumer="elsewhere")
        assert said == f"stream {stream.name} has no consumer elsewhere; make it, or set create: true"

    def test_a_server_that_is_away_is_waited_for(
        self, jetstream: Any, loop: Any, world: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        work = Source(loop, jetstream, {"servers": ["nats://user:hidden@127.0.0.1:1"], "database_url": world.url})
        until(lambda: any("NATS" in record.message for record in caplog.records))
        assert not work.listening
        work.stop()
        assert "hidden" not in caplog.text

    def test_no_tables(self, source: Any, jetstream: Any, postgres: str) -> None:
        said = self.refused(source, jetstream, database_url=postgres)
        assert said.endswith("run the role mlops.serving.endpoint_store")

    @pytest.mark.parametrize(
        ("args", "words"),
        [
            ({"bach": 3}, "has no option bach"),
            ({"batch": 0}, "batch is 0; write a number from 1 on"),
            ({"credentials_file": "/nowhere"}, "credentials_file /nowhere cannot be read"),
            ({"tls_cert_file": "/etc/hostname"}, "tls_cert_file and tls_key_file go together"),
        ],
    )
    def test_bad_arguments(self, jetstream: Any, args: dict[str, Any], words: str) -> None:
        with pytest.raises(jetstream.Unusable, match=words):
            jetstream.settings_from(args, {})

    def test_a_consumer_that_pushes(self, source: Any, jetstream: Any, stream: Any, loop: Any) -> None:
        from nats.js.api import ConsumerConfig

        source().stop()

        async def push() -> None:
            await stream.js.delete_consumer(stream.name, stream.consumer)
            config = ConsumerConfig(
                durable_name=stream.consumer, deliver_subject="elsewhere", filter_subject=stream.deploy_subject
            )
            await stream.js.add_consumer(stream.name, config)

        loop.do(push())
        assert f"consumer {stream.consumer} pushes to elsewhere" in self.refused(source, jetstream)

    def test_differences_are_told_and_tolerated(
        self, source: Any, stream: Any, loop: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        from nats.js.api import AckPolicy, ConsumerConfig

        source().stop()

        async def other() -> None:
            await stream.js.delete_consumer(stream.name, stream.consumer)
            config = ConsumerConfig(durable_name=stream.consumer, ack_policy=AckPolicy.EXPLICIT, ack_wait=600)
            await stream.js.add_consumer(stream.name, config)

        loop.do(other())
        with caplog.at_level(logging.WARNING):
            source()
        told = "\n".join(record.message for record in caplog.records)
        assert "it takes all subjects" in told
        assert "it delivers for ever (max_deliver)" in told
        assert "what a crash left comes again only after 600 s" in told
