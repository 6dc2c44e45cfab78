# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Publishes events into a JetStream stream, each acknowledged by the server."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import ssl
import typing as t

from .._domain.errors import Forbidden, InvalidIntent, NotFound, Unavailable
from .outbox import Event

try:
    import nats
    import nats.errors
    import nats.js.errors

    NATS_ERROR: ImportError | None = None
except ImportError as import_error:
    NATS_ERROR = import_error

__all__ = ("NatsPublisher",)

_CONNECT_SECONDS = 5
_ACK_SECONDS = 10.0
_AT_A_TIME = 100
_SECRET = re.compile(r"(?<=://)[^/@\s]*@")


class NatsPublisher:
    """
    :param options: servers, user, password, token, credentials_file, nkey_seed_file, tls_ca_file, tls_cert_file, tls_key_file
    """

    def __init__(self, options: t.Mapping[str, t.Any]) -> None:
        if NATS_ERROR is not None:
            raise Unavailable(f"the Python library nats-py is missing ({NATS_ERROR})", cure="install nats-py>=2.9")
        self._servers = list(options["servers"])
        self._connection = _connection(options)
        self.where = ", ".join(_SECRET.sub("", each) for each in self._servers)

    def publish(self, events: t.Sequence[Event]) -> None:
        """All of them, or an error; what was published before it is published again with the same id.

        :raises NotFound: no stream takes the subject
        :raises Forbidden: the credential is refused
        :raises Unavailable: nobody answers
        """
        asyncio.run(self._publish(events))

    async def _publish(self, events: t.Sequence[Event]) -> None:
        said: list[Exception] = []

        async def failed(error: Exception) -> None:
            said.append(error)

        try:
            connection = await nats.connect(
                servers=self._servers,
                name="mlops.serving",
                allow_reconnect=False,
                # For the first connection too, which nats-py tries for two minutes by itself.
                max_reconnect_attempts=1,
                reconnect_time_wait=0.5,
                connect_timeout=_CONNECT_SECONDS,
                error_cb=failed,
                **self._connection,
            )
        except (OSError, asyncio.TimeoutError, nats.errors.Error) as error:
            raise self._away(said[-1] if said else error) from error
        try:
            stream = connection.jetstream()
            gate = asyncio.Semaphore(_AT_A_TIME)

            async def send(event: Event) -> None:
                async with gate:
                    headers = {**event.headers, "Nats-Msg-Id": event.message_id}
                    await stream.publish(event.subject, event.payload, timeout=_ACK_SECONDS, headers=headers)

            await asyncio.gather(*(send(event) for event in events))
        except nats.js.errors.NoStreamResponseError as error:
            cure = "make the stream, or let the event source make it (create: true)"
            subjects = ", ".join(sorted({event.subject for event in events}))
            raise NotFound(f"no stream at {self.where} takes {subjects}", field="nats_servers", cure=cure) from error
        except (OSError, asyncio.TimeoutError, nats.errors.Error, nats.js.errors.Error) as error:
            raise self._away(error) from error
        finally:
            with contextlib.suppress(Exception):
                await connection.close()

    def _away(self, error: Exception) -> Exception:
        text = _SECRET.sub("", str(error)) or type(error).__name__
        if "authorization" in text.lower() or "authentication" in text.lower():
            return Forbidden(
                f"NATS at {self.where} refuses the credential", cure="check user, password, token or credentials file"
            )
        return Unavailable(f"NATS at {self.where} does not answer: {text}", cure="see that it runs and can be reached")


def _connection(options: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Arguments of ``nats.connect``."""
    given = {name: options[name] for name in ("user", "password", "token") if options.get(name)}
    for name, theirs in (("credentials_file", "user_credentials"), ("nkey_seed_file", "nkeys_seed")):
        if options.get(name):
            given[theirs] = _readable(name, options[name])
    certificate, key, authorities = (options.get(f"tls_{name}_file") for name in ("cert", "key", "ca"))
    if bool(certificate) != bool(key):
        raise InvalidIntent("go together", field="nats_tls_cert_file and nats_tls_key_file", cure="give both, or none")
    if certificate or authorities:
        context = ssl.create_default_context(cafile=_readable("tls_ca_file", authorities) if authorities else None)
        if certificate and key:
            context.load_cert_chain(_readable("tls_cert_file", certificate), _readable("tls_key_file", key))
        given["tls"] = context
    return given


def _readable(name: str, path: str) -> str:
    if not os.access(path, os.R_OK):
        raise InvalidIntent(
            "cannot be read", field=f"nats_{name}", value=path, cure="give the path of a file that this user may read"
        )
    return path
