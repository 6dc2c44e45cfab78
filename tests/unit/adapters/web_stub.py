# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A web server on the loopback that answers as a test's function says."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass
class Asked:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


@dataclass
class Told:
    """:param body: bytes as they are, anything else as JSON; ``cut``: the connection ends in the middle of it"""

    code: int = 200
    body: Any = b""
    headers: tuple[tuple[str, str], ...] = ()
    cut: bool = False


class WebStub:
    """``answer(asked)`` makes each answer, in the request's own thread; ``asked`` are all requests so far."""

    def __init__(self, answer: Callable[[Asked], Told]) -> None:
        self.asked: list[Asked] = []
        stub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_args: Any) -> None:
                pass

            def answer(self) -> None:
                parts = urlsplit(self.path)
                query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                asked = Asked(self.command, parts.path, query, dict(self.headers.items()), body)
                stub.asked.append(asked)
                told = answer(asked)
                data = told.body if isinstance(told.body, bytes) else json.dumps(told.body).encode()
                self.send_response(told.code)
                for name, value in told.headers:
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(data) + (100 if told.cut else 0)))
                self.end_headers()
                try:
                    self.wfile.write(data)
                except OSError:
                    pass  # whoever asked has gone
                self.close_connection = self.close_connection or told.cut

            do_GET = do_POST = do_PUT = do_PATCH = answer  # noqa: N815

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        self.host = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> WebStub:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()
