"""The servers that the fixtures start are real and behave as the collection relies on."""

from __future__ import annotations

import asyncio
import os

import botocore.exceptions
import nats
import psycopg2
import pytest


def test_postgres_has_the_extensions_of_the_platform_and_refuses_a_wrong_password(database: str) -> None:
    connection = psycopg2.connect(database)
    with connection, connection.cursor() as cursor:
        cursor.execute("create extension citext; create extension pgcrypto")
        cursor.execute(
            "select 'Demo'::citext = 'demo'::citext, gen_random_uuid() is not null, current_setting('listen_addresses')"
        )
        assert cursor.fetchone() == (True, True, "127.0.0.1")
    connection.close()
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        psycopg2.connect(database, password="wrong")


def test_each_test_gets_its_own_database(database: str) -> None:
    connection = psycopg2.connect(database)
    with connection, connection.cursor() as cursor:
        cursor.execute("select count(*) from pg_extension where extname = 'citext'")
        assert cursor.fetchone() == (0,)
    connection.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root must give its rights away")
def test_postgres_does_not_run_as_root(postgres: str) -> None:
    connection = psycopg2.connect(postgres)
    with connection, connection.cursor() as cursor:
        cursor.execute("select (pg_stat_file('postmaster.pid')).size > 0, pg_backend_pid()")
        _there, pid = cursor.fetchone()
    assert os.stat(f"/proc/{pid}").st_uid != 0
    connection.close()


def test_s3_checks_keys_and_the_reader_may_only_read(s3, bucket: str) -> None:
    s3.client().put_object(Bucket=bucket, Key="a/b", Body=b"content")
    assert s3.client(reader=True).get_object(Bucket=bucket, Key="a/b")["Body"].read() == b"content"
    with pytest.raises(botocore.exceptions.ClientError, match="AccessDenied"):
        s3.client(reader=True).put_object(Bucket=bucket, Key="a/c", Body=b"")
    with pytest.raises(botocore.exceptions.ClientError, match="SignatureDoesNotMatch"):
        type(s3)(s3.endpoint_url, s3.access_key, "wrong", "", "").client().list_buckets()


def test_jetstream_stores_a_message_and_refuses_a_stranger(nats_url: str) -> None:
    async def story() -> bytes:
        connection = await nats.connect(nats_url)
        stream = connection.jetstream()
        await stream.add_stream(name="DEV_STACK", subjects=["dev.stack"])
        await stream.publish("dev.stack", b"hello")
        subscription = await stream.pull_subscribe("dev.stack", durable="reader")
        message = (await subscription.fetch(1, timeout=5))[0]
        await message.ack_sync()
        await stream.delete_stream("DEV_STACK")
        await connection.close()
        stranger = "nats://" + nats_url.rpartition("@")[2]
        with pytest.raises(nats.errors.Error, match="Authorization"):
            await nats.connect(stranger, allow_reconnect=False, max_reconnect_attempts=1)
        return message.data

    assert asyncio.run(story()) == b"hello"
