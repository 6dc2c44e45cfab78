# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A tiny API server on the loopback: answers what a test has put down, and remembers what it was asked."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass
class Asked:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


@dataclass
class Reply:
    """:param stream: lines sent one by one, chunked; the stream then stays open while ``hold`` is not set"""

    code: int = 200
    body: Any = None
    headers: list[tuple[str, str]] = field(default_factory=list)
    stream: list[dict[str, Any]] | None = None
    hold: threading.Event | None = None
    drop: bool = False


def status(code: int, reason: str = "", message: str = "", **details: Any) -> Reply:
    """A Status object as the API server sends it."""
    body = {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "message": message,
        "reason": reason,
        "code": code,
    }
    return Reply(code, {**body, "details": details})


class StubApiServer:
    """``replies[(method, path)]`` is a list: each request takes the next reply, the last one stays."""

    def __init__(self) -> None:
        self.replies: dict[tuple[str, str], list[Reply]] = {}
        self.asked: list[Asked] = []
        self.changed = threading.Condition()
        stub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_args: Any) -> None:
                pass

            def answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                raw = self.rfile.read(length)
                parts = urlsplit(self.path)
                query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
                with stub.changed:
                    stub.asked.append(
                        Asked(
                            self.command,
                            parts.path,
                            query,
                            dict(self.headers.items()),
                            json.loads(raw) if raw else None,
                        )
                    )
                    queue = stub.replies.get((self.command, parts.path))
                    reply = (
                        (queue.pop(0) if len(queue) > 1 else queue[0]) if queue else Reply(404, b"404 page not found\n")
                    )
                    stub.changed.notify_all()
                if reply.drop:
                    self.close_connection = True
                    self.connection.close()
                    return
                self.send_response(reply.code)
                for name, value in reply.headers:
                    self.send_header(name, value)
                if reply.stream is not None:
                    self.send_header("Transfer-Encoding", "chunked")
                    self.end_headers()
                    try:
                        for event in reply.stream:
                            self.chunk(json.dumps(event).encode() + b"\n")
                        if reply.hold is not None:
                            reply.hold.wait(30)
                        self.chunk(b"")
                    except OSError:
                        self.close_connection = True
                    return
                data = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def chunk(self, data: bytes) -> None:
                self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
                self.wfile.flush()

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        self.host = f"http://127.0.0.1:{self._server.server_port}"

    def on(self, method: str, path: str, *replies: Reply | dict[str, Any]) -> None:
        self.replies[(method, path)] = [reply if isinstance(reply, Reply) else Reply(200, reply) for reply in replies]

    def requests(self, method: str | None = None) -> list[tuple[str, str]]:
        return [(asked.method, asked.path) for asked in self.asked if method in (None, asked.method)]

    def wait_for(self, count: int, timeout: float = 10.0) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.asked) >= count, timeout), self.requests()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
