"""Asks the servers that the environment names, and prints what they say; counts its visits in Postgres."""

from __future__ import annotations

import asyncio
import json
import os

import boto3
import nats
import psycopg2


async def jetstream() -> bool:
    connection = await nats.connect(os.environ["NATS_URL"])
    account = await connection.jetstream().account_info()
    await connection.close()
    return account.limits is not None


database = psycopg2.connect(os.environ["DATABASE_URL"])
with database, database.cursor() as cursor:
    cursor.execute("create table if not exists visit (at timestamptz default now()); insert into visit default values")
    cursor.execute("select current_setting('max_connections'), (select count(*) from visit)")
    max_connections, visits = cursor.fetchone()
buckets = sorted(bucket["Name"] for bucket in boto3.client("s3").list_buckets()["Buckets"])
answers = {"max_connections": max_connections, "visits": visits, "buckets": buckets, "jetstream": asyncio.run(jetstream())}
print(json.dumps(answers))
