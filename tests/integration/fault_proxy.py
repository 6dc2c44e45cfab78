# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of a network between a worker and its servers: connections that are refused, cut, or silent.

``TcpProxy`` passes bytes. ``StatementProxy`` stands before Postgres and knows each statement, so that a fault comes at exactly
the statement that a test wants, before it reaches the server or after the server has done it and before anybody hears of it.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

__all__ = ("Statement", "StatementProxy", "TcpProxy")

_NO_ENCRYPTION = (80877103, 80877104)  # SSLRequest, GSSENCRequest: both are answered by one byte
_RESET = struct.pack("ii", 1, 0)


class _Cut(Exception):
    """This connection ends here."""


class _Link:
    """One connection of a client, and ours to the server."""

    def __init__(self, proxy: TcpProxy, client: socket.socket) -> None:
        self.client = client
        self._proxy = proxy
        self.server = socket.create_connection(proxy.target, timeout=10)
        self.server.settimeout(None)
        for each in (self.client, self.server):
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def begin(self) -> None:
        """Threads of its own from here on."""
        for work in (self.to_server, self.to_client):
            threading.Thread(target=self._carry, args=(work,), daemon=True).start()

    def _carry(self, work: Callable[[], None]) -> None:
        with contextlib.suppress(OSError, _Cut):
            work()
        self.close()

    def to_server(self) -> None:
        while data := self.client.recv(65536):
            self.send(self.server, data)

    def to_client(self) -> None:
        while data := self.server.recv(65536):
            self.send(self.client, data)

    def send(self, where: socket.socket, data: bytes) -> None:
        self._proxy.flowing.wait()
        where.sendall(data)

    def close(self) -> None:
        """Both sides see a reset, as when a machine or a firewall ends the connection."""
        for each in (self.client, self.server):
            with contextlib.suppress(OSError):
                each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        self._proxy.links.discard(self)


class TcpProxy:
    """:param target: host and port of the real server"""

    link = _Link

    def __init__(self, target: tuple[str, int]) -> None:
        self.target = target
        self.links: set[_Link] = set()
        self.flowing = threading.Event()
        self.flowing.set()
        self.port = 0
        self._listener: socket.socket | None = None
        self.accept()

    @classmethod
    def of(cls, url: str) -> TcpProxy:
        """In front of the server that a URL names."""
        parts = urlsplit(url)
        return cls((parts.hostname or "127.0.0.1", parts.port or 0))

    def url(self, url: str) -> str:
        """The same URL with our address."""
        parts = urlsplit(url)
        return urlunsplit(parts._replace(netloc=f"{parts.netloc.rpartition('@')[0]}@127.0.0.1:{self.port}".lstrip("@")))

    def accept(self) -> None:
        """Take connections (again), at the same port."""
        if self._listener is None:
            listener = socket.socket()
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", self.port))
            listener.listen()
            self.port = listener.getsockname()[1]
            self._listener = listener
            threading.Thread(target=self._serve, args=(listener,), daemon=True).start()

    def refuse(self) -> None:
        """New connections are refused; those that are there stay."""
        listener, self._listener = self._listener, None
        if listener is not None:
            # Without this the kernel keeps it open for the thread that waits in accept().
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()

    def cut(self) -> None:
        """All connections are reset; new ones are taken."""
        for link in list(self.links):
            link.close()

    def away(self) -> None:
        """As when the server is down."""
        self.refuse()
        self.cut()

    def silence(self) -> None:
        """Nothing gets through, and nobody is told: a partition. New connections hang as well."""
        self.flowing.clear()

    def speak(self) -> None:
        """The partition is over; what was on its way arrives."""
        self.flowing.set()

    def close(self) -> None:
        self.away()
        self.flowing.set()

    def _serve(self, listener: socket.socket) -> None:
        while True:
            try:
                client = listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self._meet, args=(client,), daemon=True).start()

    def _meet(self, client: socket.socket) -> None:
        self.flowing.wait()
        try:
            link = self.link(self, client)
        except OSError:
            client.close()
            return
        self.links.add(link)
        link.begin()


@dataclass(frozen=True)
class Statement:
    """
    :param number: counted from 1 over all connections
    :param sql: on one line
    :param done: the server has done it, and its answer is held back
    """

    number: int
    sql: str
    done: bool


Fault = Callable[[Statement], "str | None"]


class _PostgresLink(_Link):
    """Follows the protocol of libpq: simple queries, no encryption."""

    def begin(self) -> None:
        threading.Thread(target=self._carry, args=(self._open,), daemon=True).start()

    def _open(self) -> None:
        while True:
            size, code = struct.unpack("!ii", head := _exactly(self.client, 8))
            self.send(self.server, head + _exactly(self.client, size - 8))
            if code not in _NO_ENCRYPTION:
                break
            self.send(self.client, _exactly(self.server, 1))
        self._asked: list[tuple[int, str]] = []
        threading.Thread(target=self._carry, args=(self.to_client,), daemon=True).start()
        self.to_server()

    def to_server(self) -> None:
        while True:
            kind, frame = _frame(self.client)
            if kind == b"Q":
                proxy = self._postgres
                sql = " ".join(frame[5:-1].decode("utf-8", "replace").split())
                number = proxy.count(sql)
                self._asked.append((number, sql))
                self._strike(Statement(number, sql, False))
            self.send(self.server, frame)

    def to_client(self) -> None:
        held = b""
        while True:
            kind, frame = _frame(self.server)
            held += frame
            if kind == b"Z" and self._asked:
                number, sql = self._asked.pop(0)
                self._strike(Statement(number, sql, True))
            if not self._asked:
                self.send(self.client, held)
                held = b""

    def _strike(self, statement: Statement) -> None:
        if self._postgres.fault(statement) == "cut":
            self._postgres.struck = True
            self._postgres.cut()
            raise _Cut
        if self not in self._proxy.links:
            raise _Cut

    @property
    def _postgres(self) -> StatementProxy:
        assert isinstance(self._proxy, StatementProxy)
        return self._proxy


class StatementProxy(TcpProxy):
    """``fault`` is asked before and after each statement; "cut" ends all connections there. It may take its time.

    ``struck``: it was cut. ``statements``: all that came.
    """

    link = _PostgresLink

    def __init__(self, target: tuple[str, int]) -> None:
        self.fault: Fault = lambda statement: None
        self.struck = False
        self.statements: list[str] = []
        self._lock = threading.Lock()
        super().__init__(target)

    def count(self, sql: str) -> int:
        with self._lock:
            self.statements.append(sql)
            return len(self.statements)


def _exactly(source: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = source.recv(size - len(data))
        if not more:
            raise _Cut
        data += more
    return data


def _frame(source: socket.socket) -> tuple[bytes, bytes]:
    """One message: its kind, and all of it."""
    head = _exactly(source, 5)
    return head[:1], head + _exactly(source, struct.unpack("!i", head[1:])[0] - 4)
