# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes requests for deployments from NATS JetStream into the store.

It is loaded by its path and cannot import the rest of the collection, so everything that it needs is in this file.
An event is a hint, and the row in Postgres is the truth: an event is acknowledged when the store has noted it, and whatever
happens to events, the worker's sweep finds every row that is not applied.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import re
import signal
import ssl
import sys
import typing as t
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timezone

DOCUMENTATION = r"""
name: jetstream
short_description: Take requests for deployments from NATS JetStream
description:
  - Reads the subjects on which the platform requests deployments and deletions, notes in Postgres which endpoints are asked
    for, and wakes the workers that follow (P(mlops.serving.reconcile#module) with C(follow)). A burst of events for one
    endpoint is one piece of work.
  - Each event is acknowledged after the database has committed. What can never work goes to the table
    C(serving.dead_letter) with its reason and is not delivered again.
  - While the database is away, events are kept in progress and nothing is lost.
  - The rulebook gets one event when it listens, C(mlops_serving.state == "listening"), and one for each batch, with the ids of
    the endpoints under C(mlops_serving.requested).
options:
  servers:
    description: URLs of NATS servers. E(NATS_URL) where this is not given, else V(nats://127.0.0.1:4222).
    type: list
    elements: str
  user:
    description: User, with O(password), where the URL has none.
    type: str
  password:
    description: Password of O(user).
    type: str
  token:
    description: Token, in the place of user and password.
    type: str
  credentials_file:
    description: File of credentials (C(.creds)) with a user's JWT and seed.
    type: path
  nkey_seed_file:
    description: File with the seed of an NKey.
    type: path
  tls_ca_file:
    description: Certificate authorities that may sign the server's certificate. Those of this machine where this is not given.
    type: path
  tls_cert_file:
    description: Certificate of this client.
    type: path
  tls_key_file:
    description: Its key.
    type: path
  stream:
    description: The stream.
    type: str
    default: MLOPS_SERVING
  deploy_subject:
    description: Subject of requests for deployments.
    type: str
    default: mlops.serving.deploy_requested
  delete_subject:
    description: Subject of requests for deletions.
    type: str
    default: mlops.serving.delete_requested
  deploy_consumer:
    description: Durable consumer of the first. The default is the one of the platform's own worker, which this replaces.
    type: str
    default: deploy-worker
  delete_consumer:
    description: Durable consumer of the second.
    type: str
    default: deploy-worker-delete
  create:
    description: Whether to make the stream and the consumers where they are missing. Those that exist are never changed.
    type: bool
    default: false
  database_url:
    description: URL of the database. E(DATABASE_URL) where this is not given, and libpq's own environment besides.
    type: str
  batch:
    description: The most events of one subject that are taken in at a time.
    type: int
    default: 500
  window:
    description: Seconds to wait for more events after the first, so that a burst becomes one piece of work.
    type: float
    default: 0.05
  max_bytes:
    description: A larger event is not looked at.
    type: int
    default: 65536
  relay:
    description:
      - Seconds between two looks for events that P(mlops.serving.deploy_request#module) has written into the database and, after a
        crash or because NATS was away, not published. They are published from here. V(0) looks never.
    type: float
    default: 5
  log_format:
    description:
      - V(json) writes a JSON object a line to the standard error, whatever ansible-rulebook was told to show; one for each request
        that is taken in, with its endpoint and trace id, among them.
      - V(text) leaves it to ansible-rulebook, which shows warnings, and with C(--verbose) everything.
      - E(MLOPS_SERVING_LOG_FORMAT) where this is not given.
    type: str
    choices: [text, json]
    default: text
author:
  - mlops.serving contributors
requirements:
  - nats-py >= 2.9
  - psycopg2-binary >= 2.9.9
"""

EXAMPLES = r"""
- name: Take requests in
  hosts: all
  sources:
    - mlops.serving.jetstream:
        servers: ["nats://nats.example.com:4222"]
        credentials_file: /etc/mlops-serving/worker.creds
        database_url: "{{ database_url }}"
  rules:
    - name: Say what was asked for
      condition: event.mlops_serving.requested is defined
      action:
        debug:
          msg: "{{ event.mlops_serving.requested }}"
"""

log = logging.getLogger("mlops.serving.jetstream")

Json = dict[str, t.Any]

# Workers that follow listen here; the payload is an endpoint's id.
CHANNEL = "mlops_serving"
SCHEMA_VERSION = 1
# A row may be committed a moment after its event.
UNKNOWN_DELAYS = (1.0, 5.0, 30.0)
FETCH_SECONDS = 5.0
ACK_WAIT = 30.0
MAX_DELIVER = 10
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 15.0
# A server that vanishes without a word is noticed within a minute; Linux alone takes up to a quarter of an hour.
_PATIENCE = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60000,
}
_PASSWORD = re.compile(r"(?<=://)[^/@\s]*@|(?<=password=)\S+", re.IGNORECASE)
_ENDPOINT = re.compile(rb'"endpoint_id"\s*:\s*"([0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})"')
# W3C Trace Context; a zero id is none.
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?")
_TRACE_ID = re.compile(r"[A-Za-z0-9._:/+-]{1,128}")
# By this the replay of a dead letter says which it was.
REPLAY_HEADER = "Mlops-Serving-Dead-Letter"
_FORMATS = ("text", "json")


class Unusable(Exception):
    """The surroundings are not as they must be; the message says what to do."""


@dataclass(frozen=True)
class Request:
    """What an event asks for."""

    endpoint_id: str
    tenant_id: str | None
    delete: bool
    trace_id: str | None = None
    version: str | None = None

    def stale(self, versions: t.Mapping[str, str | None]) -> bool:
        """Whether it asks for another model version than its endpoint's row has. The row counts, whatever the event says."""
        asked = None if self.delete else self.version
        return asked is not None and self.endpoint_id in versions and versions[self.endpoint_id] != asked


@dataclass(frozen=True)
class Poison:
    """An event that can never work, and why."""

    reason: str


@dataclass
class Letter:
    """One message as the stream has it."""

    subject: str
    data: bytes
    sequence: int
    deliveries: int
    message: t.Any = None
    request: Request | None = None
    reason: str | None = None
    headers: t.Mapping[str, str] = field(default_factory=dict)
    trace_id: str = ""


@dataclass
class Taken:
    """What the store made of a batch."""

    requested: list[str] = field(default_factory=list)
    unknown: set[str] = field(default_factory=set)
    strangers: set[tuple[str, str | None]] = field(default_factory=set)
    stale: set[int] = field(default_factory=set)


@dataclass
class Settings:
    """The source's arguments, checked."""

    servers: list[str]
    database: Json
    stream: str = "MLOPS_SERVING"
    deploy_subject: str = "mlops.serving.deploy_requested"
    delete_subject: str = "mlops.serving.delete_requested"
    deploy_consumer: str = "deploy-worker"
    delete_consumer: str = "deploy-worker-delete"
    create: bool = False
    batch: int = 500
    window: float = 0.05
    max_bytes: int = 65536
    relay: float = 5.0
    log_format: str = "text"
    connection: Json = field(default_factory=dict)


_OPTIONS = {
    *("servers", "user", "password", "token", "credentials_file", "nkey_seed_file", "tls_ca_file", "tls_cert_file"),
    *("tls_key_file", "stream", "deploy_subject", "delete_subject", "deploy_consumer", "delete_consumer", "create"),
    *("database_url", "batch", "window", "max_bytes", "relay", "feedback", "log_format"),
}


def settings_from(args: t.Mapping[str, t.Any], environment: t.Mapping[str, str]) -> Settings:
    """
    :raises Unusable: an argument is not known or not possible
    """
    # ansible-rulebook adds names of its own, which begin with eda_.
    unknown = sorted(name for name in args if name not in _OPTIONS and not name.startswith("eda_"))
    if unknown:
        raise Unusable(
            f"mlops.serving.jetstream has no option {', '.join(unknown)}; it has {', '.join(sorted(_OPTIONS))}"
        )
    servers = args.get("servers") or environment.get("NATS_URL") or "nats://127.0.0.1:4222"
    if isinstance(servers, str):
        servers = [each.strip() for each in servers.split(",")]
    url = args.get("database_url") or environment.get("DATABASE_URL")
    chosen: Json = {name: args[name] for name in Settings.__dataclass_fields__ if args.get(name) is not None}
    chosen.update(servers=list(servers), database={"dsn": url} if url else {}, connection=_connection(args))
    settings = Settings(**chosen)
    for name, least in (("batch", 1), ("window", 0), ("max_bytes", 1), ("relay", 0)):
        value = getattr(settings, name)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or value < least:
            raise Unusable(f"mlops.serving.jetstream: {name} is {value!r}; write a number from {least} on")
    settings.log_format = args.get("log_format") or environment.get("MLOPS_SERVING_LOG_FORMAT") or "text"
    if settings.log_format not in _FORMATS:
        told = f"log_format (MLOPS_SERVING_LOG_FORMAT) is {settings.log_format!r}"
        raise Unusable(f"mlops.serving.jetstream: {told}; write {' or '.join(_FORMATS)}")
    return settings


def _connection(args: t.Mapping[str, t.Any]) -> Json:
    """Arguments of ``nats.connect``."""
    given: Json = {name: args[name] for name in ("user", "password", "token") if args.get(name)}
    for name, theirs in (("credentials_file", "user_credentials"), ("nkey_seed_file", "nkeys_seed")):
        if args.get(name):
            given[theirs] = _readable(name, args[name])
    if any(args.get(name) for name in ("tls_ca_file", "tls_cert_file", "tls_key_file")):
        if bool(args.get("tls_cert_file")) != bool(args.get("tls_key_file")):
            raise Unusable("mlops.serving.jetstream: tls_cert_file and tls_key_file go together; give both or none")
        ca = args.get("tls_ca_file")
        context = ssl.create_default_context(cafile=_readable("tls_ca_file", ca) if ca else None)
        if args.get("tls_cert_file"):
            context.load_cert_chain(
                _readable("tls_cert_file", args["tls_cert_file"]), _readable("tls_key_file", args["tls_key_file"])
            )
        given["tls"] = context
    return given


def _readable(name: str, path: str) -> str:
    if not os.access(path, os.R_OK):
        raise Unusable(f"mlops.serving.jetstream: {name} {path} cannot be read")
    return str(path)


def read(subject: str, data: bytes, settings: Settings) -> Request | Poison:
    """What an event asks for, by ``jetstream.schema.json`` beside this file."""
    if len(data) > settings.max_bytes:
        return Poison(f"it has {len(data)} bytes, and {settings.max_bytes} are the most (max_bytes)")
    try:
        event = json.loads(data)
    except (ValueError, RecursionError) as error:
        return Poison(f"it is not JSON: {error}")
    if not isinstance(event, dict):
        return Poison("it is not a JSON object")
    version = event.get("schema_version", SCHEMA_VERSION)
    if version != SCHEMA_VERSION:
        return Poison(f"its schema_version is {version!r}, and only {SCHEMA_VERSION} is known here")
    found: dict[str, str | None] = {}
    for name, needed in (("endpoint_id", True), ("tenant_id", False), ("project_id", False)):
        value = event.get(name)
        try:
            found[name] = None if value is None and not needed else str(uuid.UUID(str(value)))
        except ValueError:
            shown = repr(value) if value is not None else "missing"
            return Poison(f"its {name} is {shown[:80]}, which is not a UUID")
    trace = event.get("trace_id")
    known = trace if isinstance(trace, str) and _TRACE_ID.fullmatch(trace) else None
    version = str(event.get("model_version_id") or "").lower() or None
    return Request(
        t.cast(str, found["endpoint_id"]), found["tenant_id"], subject == settings.delete_subject, known, version
    )


def trace_of(headers: t.Mapping[str, str], name: str) -> str:
    """The trace id of the header ``traceparent``, or one that each delivery of the message of this name has."""
    found = _TRACEPARENT.fullmatch(headers.get("traceparent") or "")
    return found[1] if found else uuid.uuid5(uuid.NAMESPACE_URL, f"nats:{name}").hex


def about(letter: Letter) -> Json:
    """What a log record tells of a message."""
    request = letter.request
    told = {
        "endpoint_id": request.endpoint_id if request else _endpoint_of(letter.data),
        "tenant_id": request.tenant_id if request else None,
        "trace_id": letter.trace_id,
        "subject": letter.subject,
        "stream_sequence": letter.sequence,
        "deliveries": letter.deliveries,
        "reason": letter.reason,
    }
    return {"fields": {name: value for name, value in told.items() if value is not None}}


def _endpoint_of(data: bytes) -> str | None:
    """Also of what is no JSON, so that a person who looks for an endpoint finds it."""
    found = _ENDPOINT.search(data)
    return found[1].decode().lower() if found else None


def _replay_of(headers: t.Mapping[str, str]) -> int | None:
    told = headers.get(REPLAY_HEADER) or ""
    return int(told) if re.fullmatch(r"[0-9]{1,18}", told) else None


class JsonFormatter(logging.Formatter):
    """One JSON object a record; ``extra={"event": ..., "fields": {...}}`` adds to it."""

    def format(self, record: logging.LogRecord) -> str:
        line: Json = {
            "time": datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds")[:-6] + "Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": getattr(record, "event", "source"),
            **getattr(record, "fields", {}),
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def set_up_log(log_format: str) -> None:
    """ansible-rulebook has its own handler on the root logger, with its own threshold and format; JSON goes past it."""
    for handler in [each for each in log.handlers if isinstance(each.formatter, JsonFormatter)]:
        log.removeHandler(handler)
    log.propagate = log_format != "json"
    if log_format == "json":
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(JsonFormatter())
        log.addHandler(handler)
        log.setLevel(logging.INFO)
    else:
        log.setLevel(logging.NOTSET)


@dataclass(frozen=True)
class Outgoing:
    """An event that waits in the outbox; its headers have the message id."""

    subject: str
    payload: bytes
    headers: Json


def _outgoing(number: int, subject: str, endpoint: str, payload: t.Any, body: t.Any, *more: t.Any) -> Outgoing:
    headers, name = more
    data = json.dumps(payload).encode() if body is None else bytes(body)
    return Outgoing(subject, data, {**headers, "Nats-Msg-Id": name or f"{endpoint}:{number}"})


class Store:
    """The database, called from threads: psycopg2 blocks."""

    _TAKE = """
with asked as (
    select * from jsonb_to_recordset(%(asked)s) as a(id uuid, tenant_id uuid, trace_id text, sequence bigint)
), known as (
    select a.*, coalesce(e.tenant_id, d.tenant_id) is distinct from coalesce(a.tenant_id, e.tenant_id, d.tenant_id) as strange
        , e.model_version_id as version
    from asked a left join endpoints e on e.id = a.id left join serving.deployment d on d.endpoint_id = a.id
    where e.id is not null or d.endpoint_id is not null
), traced as (
    insert into serving.trace as s (endpoint_id, trace_id)
    select distinct on (k.id) k.id, k.trace_id from known k where not k.strange order by k.id, k.sequence desc
    on conflict (endpoint_id) do update set trace_id = excluded.trace_id, asked_at = now()
), again as (
    -- Whoever asks again need not wait for the next attempt of an endpoint that failed.
    update serving.deployment d set next_attempt_at = null
    from known k where d.endpoint_id = k.id and not k.strange and d.next_attempt_at is not null
), told as (
    select pg_notify(%(channel)s, k.id::text) from known k where not k.strange
)
select k.id::text, k.tenant_id::text, k.strange, k.version::text, (select count(*) from told) from known k
"""
    _BURY = """
insert into serving.dead_letter as l
    (stream, stream_sequence, subject, payload, reason, endpoint_id, trace_id, size, replay_of)
select %(stream)s, %(sequence)s, %(subject)s, %(payload)s, %(reason)s, %(endpoint)s::uuid, %(trace)s, %(size)s,
    (select id from serving.dead_letter where id = %(replay_of)s)
on conflict (stream, stream_sequence) do update set
    reason = excluded.reason, last_seen = now(), times_seen = l.times_seen + 1
"""

    # Last in its transaction, as all sources of a stream share the row.
    _COUNT = """
insert into serving.intake as i (stream, requested, stale, dead, early)
values (%(stream)s, %(requested)s, %(stale)s, %(dead)s, %(early)s)
on conflict (stream) do update set requested = i.requested + excluded.requested, stale = i.stale + excluded.stale,
    dead = i.dead + excluded.dead, early = i.early + excluded.early, last_at = now()
"""

    # Whoever wrote it publishes it within moments, unless something went wrong.
    _WAITING = """
select id, subject, endpoint_id::text, payload, body, headers, message_id from serving.outbox
where published_at is null and created_at < now() - interval '2 seconds' order by id limit 500 for update skip locked
"""

    def __init__(self, parameters: Json) -> None:
        try:
            import psycopg2
        except ImportError as error:
            raise Unusable(f"the Python library psycopg2 is missing ({error}); install psycopg2-binary") from None
        self._psycopg2 = psycopg2
        self._parameters = parameters
        self._connection: t.Any = None

    def take_in(self, stream: str, asked: t.Sequence[Letter], dead: t.Sequence[Letter], kept: int) -> Taken:
        """Note what is asked for and bury what is dead, in one transaction.

        :param kept: bytes of a dead letter's payload that are kept
        """
        # Of several events for one endpoint the last one counts; one of another tenant does not count for the endpoint's own.
        traces = {
            (letter.request.endpoint_id, letter.request.tenant_id): (letter.trace_id, letter.sequence)
            for letter in asked
            if letter.request is not None
        }
        taken = Taken()
        versions: dict[str, str | None] = {}
        with self._transaction() as cursor:
            if traces:
                rows = [
                    {"id": name, "tenant_id": tenant, "trace_id": trace, "sequence": sequence}
                    for (name, tenant), (trace, sequence) in sorted(traces.items(), key=str)
                ]
                cursor.execute(self._TAKE, {"asked": json.dumps(rows), "channel": CHANNEL})
                answers = cursor.fetchall()
                taken.strangers = {(name, tenant) for name, tenant, strange, *_more in answers if strange}
                taken.requested = sorted({name for name, _tenant, strange, *_more in answers if not strange})
                taken.unknown = {name for name, _tenant in traces} - {answer[0] for answer in answers}
                versions = {answer[0]: answer[3] for answer in answers}
            strangers = [
                letter
                for letter in asked
                if letter.request and (letter.request.endpoint_id, letter.request.tenant_id) in taken.strangers
            ]
            for letter in strangers:
                letter.reason = "its tenant_id is not that of the endpoint"
            for letter in (*dead, *strangers):
                cursor.execute(
                    self._BURY,
                    {
                        "stream": stream,
                        "sequence": letter.sequence,
                        "subject": letter.subject,
                        "payload": self._psycopg2.Binary(letter.data[:kept]),
                        "reason": letter.reason,
                        "endpoint": letter.request.endpoint_id if letter.request else _endpoint_of(letter.data),
                        "trace": letter.trace_id,
                        "size": len(letter.data),
                        "replay_of": _replay_of(letter.headers),
                    },
                )
            known = [(letter.sequence, letter.request) for letter in asked if letter.request and letter.reason is None]
            taken.stale = {sequence for sequence, request in known if request.stale(versions)}
            early = sum(request.endpoint_id in taken.unknown and not request.delete for _sequence, request in known)
            counts = {
                "requested": len(known) - early - len(taken.stale),
                "stale": len(taken.stale),
                "dead": len(dead) + len(strangers),
                "early": early,
            }
            cursor.execute(self._COUNT, {"stream": stream, **counts})
        return taken

    def relay(self, publish: t.Callable[[list[Outgoing]], None]) -> int:
        """Publish what waits in the outbox and note it; how many there were.

        The same transaction notes them, so what is published twice after a crash has the same id both times.
        """
        with self._transaction() as cursor:
            cursor.execute(self._WAITING)
            rows = cursor.fetchall()
            if rows:
                publish([_outgoing(*row) for row in rows])
                cursor.execute(
                    "update serving.outbox set published_at = now() where id = any(%s)", ([row[0] for row in rows],)
                )
            return len(rows)

    def check(self) -> None:
        """
        :raises Unusable: the tables are not there
        """
        with self._transaction() as cursor:
            cursor.execute("select to_regclass('serving.intake') is not null and to_regclass('endpoints') is not null")
            if not cursor.fetchone()[0]:
                raise Unusable(
                    "the database has not got the collection's tables; run the role mlops.serving.endpoint_store"
                )

    def close(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(Exception):
                self._connection.close()
            self._connection = None

    @contextlib.contextmanager
    def _transaction(self) -> t.Iterator[t.Any]:
        """
        :raises ConnectionError: the database is away
        """
        try:
            if self._connection is None:
                self._connection = self._psycopg2.connect(**_PATIENCE, **self._parameters)
            with self._connection, self._connection.cursor() as cursor:
                yield cursor
        except (self._psycopg2.OperationalError, self._psycopg2.InterfaceError) as error:
            self.close()
            said = _PASSWORD.sub("", " ".join(str(error).split()))
            raise ConnectionError(f"the database does not answer: {said}") from None


class Intake:
    """One stream's two subjects."""

    def __init__(self, settings: Settings, queue: asyncio.Queue[t.Any], store: Store) -> None:
        self._settings = settings
        self._queue = queue
        self._store = store
        self._lock = asyncio.Lock()
        self._stopping = False
        self._nats: t.Any = None
        self._stream: t.Any = None

    async def run(self) -> None:
        """Returns only when it is cancelled; raises ``Unusable`` where nothing can be done without a person."""
        await self._patiently(self._store.check)
        try:
            await self._connect()
            settings = self._settings
            pairs = (
                (settings.deploy_subject, settings.deploy_consumer),
                (settings.delete_subject, settings.delete_consumer),
            )
            await self._prepare(pairs)
            for _subject, consumer in pairs:
                advisory = f"$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.{settings.stream}.{consumer}"
                await self._nats.subscribe(advisory, cb=self._given_up)
            await self._queue.put({"mlops_serving": {"state": "listening", "stream": settings.stream}})
            log.info(
                "listening on stream %s",
                settings.stream,
                extra={"event": "source.listening", "fields": {"stream": settings.stream}},
            )
            await self._consume_all([consumer for _subject, consumer in pairs])
        finally:
            if self._nats is not None:
                # drain() may wait for ever while a pull is open.
                with contextlib.suppress(Exception):
                    await asyncio.wait_for(self._nats.close(), timeout=5)
            self._store.close()

    async def _connect(self) -> None:
        try:
            import nats
        except ImportError as error:
            raise Unusable(f"the Python library nats-py is missing ({error}); install nats-py") from None

        async def failed(error: Exception) -> None:
            told = _PASSWORD.sub("", str(error)) or type(error).__name__
            log.warning("NATS: %s", told, extra={"event": "nats.error"})

        async def again() -> None:
            log.info("NATS: connected again", extra={"event": "nats.connected"})

        try:
            self._nats = await nats.connect(
                servers=self._settings.servers,
                name="mlops.serving",
                max_reconnect_attempts=-1,
                reconnect_time_wait=1,
                error_cb=failed,
                reconnected_cb=again,
                **self._settings.connection,
            )
        except (OSError, asyncio.TimeoutError, nats.errors.Error) as error:
            where = ", ".join(_PASSWORD.sub("", each) for each in self._settings.servers)
            raise Unusable(f"cannot connect to NATS at {where}: {_PASSWORD.sub('', str(error))}") from None
        self._stream = self._nats.jetstream()

    async def _prepare(self, pairs: t.Sequence[tuple[str, str]]) -> None:
        """See that stream and consumers are there and can be used; make them where that is asked for."""
        from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy, StreamConfig
        from nats.js.errors import NotFoundError

        settings = self._settings
        try:
            await self._stream.stream_info(settings.stream)
        except NotFoundError:
            if not settings.create:
                raise Unusable(f"there is no stream {settings.stream}; make it, or set create: true") from None
            subjects = [subject for subject, _consumer in pairs]
            await self._stream.add_stream(StreamConfig(name=settings.stream, subjects=subjects))
            log.info("made the stream %s", settings.stream)
        for subject, consumer in pairs:
            try:
                found = await self._stream.consumer_info(settings.stream, consumer)
            except NotFoundError:
                if not settings.create:
                    what = f"stream {settings.stream} has no consumer {consumer}"
                    raise Unusable(f"{what}; make it, or set create: true") from None
                await self._stream.add_consumer(
                    settings.stream,
                    ConsumerConfig(
                        durable_name=consumer,
                        filter_subject=subject,
                        ack_policy=AckPolicy.EXPLICIT,
                        deliver_policy=DeliverPolicy.ALL,
                        ack_wait=ACK_WAIT,
                        max_deliver=MAX_DELIVER,
                    ),
                )
                log.info("made the consumer %s of %s", consumer, subject)
            else:
                for difference in differences(found.config, subject):
                    log.warning("consumer %s: %s", consumer, difference)

    async def _consume_all(self, consumers: t.Sequence[str]) -> None:
        tasks = [asyncio.create_task(self._consume(consumer)) for consumer in consumers]
        if self._settings.relay:
            tasks.append(asyncio.create_task(self._relay()))
        try:
            await asyncio.gather(*tasks)
        finally:
            # A pull that is cancelled may end as if nothing had come, so the tasks are told as well.
            self._stopping = True
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=FETCH_SECONDS)

    async def _consume(self, consumer: str) -> None:
        import nats

        pull = await self._stream.pull_subscribe_bind(consumer, stream=self._settings.stream)
        pause = _FIRST_PAUSE
        while not self._stopping:
            try:
                messages = await pull.fetch(self._settings.batch, timeout=FETCH_SECONDS)
                pause = _FIRST_PAUSE
            except (asyncio.TimeoutError, nats.errors.TimeoutError):
                continue  # nothing came
            except (nats.errors.Error, nats.js.errors.Error, OSError) as error:
                log.warning("consumer %s: %s; trying again in %.1f s", consumer, error, pause)
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
                continue
            if len(messages) < self._settings.batch and self._settings.window:
                await asyncio.sleep(self._settings.window)
                with contextlib.suppress(asyncio.TimeoutError, nats.errors.Error):
                    messages += await pull.fetch(self._settings.batch - len(messages), timeout=0.01)
            # A pull may end without a message and without a word, as when it is cut off by the server.
            if messages:
                await self._take_in([_letter(message) for message in messages])

    async def _take_in(self, letters: list[Letter]) -> None:
        asked, dead = [], []
        for letter in letters:
            found = read(letter.subject, letter.data, self._settings)
            self._trace(letter, found)
            if isinstance(found, Poison):
                letter.reason = found.reason
                dead.append(letter)
            else:
                letter.request = found
                asked.append(letter)
        done: set[int] = set()
        try:
            taken = await self._noted(asked, dead)
            await self._answer(asked, dead, taken, done)
            await self._nats.flush(timeout=10)
        except BaseException:
            # Not noted: another delivery, at once, rather than after the wait for an acknowledgement.
            for letter in letters:
                if letter.sequence not in done:
                    with contextlib.suppress(Exception):
                        await letter.message.nak()
            raise
        event = {
            "requested": sorted(taken.requested),
            "received": len(letters),
            "dead": sum(letter.reason is not None for letter in letters),
            "stale": len(taken.stale),
        }
        sequences = [letter.sequence for letter in letters]
        name = f"{self._settings.stream}:{min(sequences)}:{max(sequences)}:{len(sequences)}"
        await self._queue.put(
            {"mlops_serving": event, "meta": {"uuid": str(uuid.uuid5(uuid.NAMESPACE_URL, f"nats:{name}"))}}
        )

    def _trace(self, letter: Letter, found: Request | Poison) -> None:
        told = found.trace_id if isinstance(found, Request) else None
        letter.trace_id = told or trace_of(letter.headers, f"{self._settings.stream}:{letter.sequence}")

    async def _noted(self, asked: list[Letter], dead: list[Letter]) -> Taken:
        """Until the database has it; meanwhile the server is told that we are at it."""
        beat = asyncio.create_task(_keep([*asked, *dead]))
        try:
            return await self._patiently(
                self._store.take_in, self._settings.stream, asked, dead, self._settings.max_bytes
            )
        finally:
            beat.cancel()

    async def _answer(self, asked: list[Letter], dead: list[Letter], taken: Taken, done: set[int]) -> None:
        for letter in dead:
            _say_dead(letter)
            await letter.message.term()
            done.add(letter.sequence)
        late = []
        for letter in asked:
            request = t.cast(Request, letter.request)
            if letter.reason is not None:  # another tenant's
                _say_dead(letter)
                await letter.message.term()
            elif request.endpoint_id not in taken.unknown or request.delete:
                await letter.message.ack()  # what is not there any more need not be deleted
                if letter.sequence in taken.stale:
                    what = {"event": "request.stale", **about(letter)}
                    words = "%s was requested with model version %s, and its row has another one: the row counts"
                    log.info(words, request.endpoint_id, request.version, extra=what)
                elif self._settings.log_format == "json":
                    verb = "deletion" if request.delete else "deployment"
                    what = {"event": "request.taken", **about(letter)}
                    log.info("%s of %s was requested", verb, request.endpoint_id, extra=what)
            elif letter.deliveries <= len(UNKNOWN_DELAYS):
                await letter.message.nak(delay=UNKNOWN_DELAYS[letter.deliveries - 1])
            else:
                letter.reason = f"there is no endpoint {request.endpoint_id}"
                late.append(letter)
                continue
            done.add(letter.sequence)
        if late:
            await self._noted([], late)
            await self._answer([], late, taken, done)

    async def _relay(self) -> None:
        """Events that were written and never published; a worker's sweep finds their intents, this makes it sooner."""
        loop = asyncio.get_running_loop()

        async def send(events: list[Outgoing]) -> None:
            for event in events:
                await self._stream.publish(event.subject, event.payload, timeout=10, headers=event.headers)

        def publish(events: list[Outgoing]) -> None:
            asyncio.run_coroutine_threadsafe(send(events), loop).result(timeout=60)

        while not self._stopping:
            try:
                count = await self._patiently(self._store.relay, publish)
                if count:
                    what = {"event": "outbox.published", "fields": {"events": count}}
                    log.info("published %d events that were left in the outbox", count, extra=what)
            except Exception as error:
                told = _PASSWORD.sub("", str(error))
                log.warning("events stay in the outbox: %s", told, extra={"event": "outbox.waiting"})
            await asyncio.sleep(self._settings.relay)

    async def _given_up(self, message: t.Any) -> None:
        """The server delivers a message no more: the advisory names it, and the stream still has it."""
        try:
            advisory = json.loads(message.data)
            sequence, deliveries = int(advisory["stream_seq"]), int(advisory["deliveries"])
            stored = await self._stream.get_msg(self._settings.stream, sequence)
        except Exception as error:
            log.warning("an advisory about too many deliveries could not be followed: %s", error)
            return
        headers = stored.headers or {}
        letter = Letter(stored.subject, stored.data or b"", sequence, deliveries, headers=headers)
        found = read(letter.subject, letter.data, self._settings)
        self._trace(letter, found)
        letter.reason = f"it was delivered {deliveries} times, and never taken in"
        _say_dead(letter)
        await self._patiently(self._store.take_in, self._settings.stream, [], [letter], self._settings.max_bytes)

    async def _patiently(self, call: t.Callable[..., t.Any], *arguments: t.Any) -> t.Any:
        """Until the database answers; one call at a time, as there is one connection."""
        pause = _FIRST_PAUSE
        while True:
            try:
                async with self._lock:
                    return await asyncio.to_thread(call, *arguments)
            except ConnectionError as error:
                log.warning("%s; trying again in %.1f s", error, pause, extra={"event": "database.away"})
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)


def differences(config: t.Any, subject: str) -> list[str]:
    """What of a consumer that exists is not as this source would make it.

    :raises Unusable: it cannot be used
    """
    if config.deliver_subject:
        raise Unusable(
            f"consumer {config.durable_name} pushes to {config.deliver_subject}, and this source pulls; remove it when its worker is"
            " stopped, and make a pull consumer that starts behind its last acknowledged message"
        )
    policy = getattr(config.ack_policy, "value", config.ack_policy)
    if policy != "explicit":
        raise Unusable(f"consumer {config.durable_name} has the ack policy {policy}; this source needs explicit")
    told = []
    filters = config.filter_subject or ", ".join(getattr(config, "filter_subjects", None) or [])
    if filters != subject:
        told.append(f"it takes {filters or 'all subjects'}, and not {subject} alone")
    if (config.max_deliver or -1) < 0:
        told.append(f"it delivers for ever (max_deliver); {MAX_DELIVER} times would do")
    if (config.ack_wait or 0) > 2 * ACK_WAIT:
        told.append(
            f"what a crash left comes again only after {config.ack_wait:g} s (ack_wait); {ACK_WAIT:g} s would do"
        )
    return told


def _letter(message: t.Any) -> Letter:
    known = message.metadata
    return Letter(
        *(message.subject, message.data, known.sequence.stream, known.num_delivered or 1, message),
        headers=message.headers or {},
    )


def _say_dead(letter: Letter) -> None:
    what = {"event": "request.dead", **about(letter)}
    log.warning("dead letter %s %d: %s", letter.subject, letter.sequence, letter.reason, extra=what)


async def _keep(letters: t.Sequence[Letter]) -> None:
    while True:
        await asyncio.sleep(ACK_WAIT / 3)
        for letter in letters:
            if letter.message is not None:
                with contextlib.suppress(Exception):
                    await letter.message.in_progress()


async def main(queue: asyncio.Queue[t.Any], args: dict[str, t.Any]) -> None:
    """What ansible-rulebook calls."""
    settings = settings_from(args, os.environ)
    set_up_log(settings.log_format)
    await Intake(settings, queue, Store(settings.database)).run()


class _Printed(asyncio.Queue[t.Any]):
    """In the place of ansible-rulebook's queue: one line of JSON an event."""

    async def put(self, item: t.Any) -> None:
        print(json.dumps(item), flush=True)


async def _alone() -> None:
    """Without ansible-rulebook: ``python jetstream.py < arguments.json``, until SIGTERM or SIGINT."""
    work = asyncio.ensure_future(main(_Printed(), json.load(sys.stdin)))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, work.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await work


if __name__ == "__main__":
    try:
        asyncio.run(_alone())
    except Unusable as unusable:
        sys.exit(str(unusable))
