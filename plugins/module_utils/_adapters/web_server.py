# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small web server for those who watch a process: one text an address."""

from __future__ import annotations

import http.server
import threading
import typing as t

from .._domain.errors import InvalidIntent, Unavailable

__all__ = ("Page", "WebServer")

# Status code and text.
Page = t.Callable[[], tuple[int, str]]


class WebServer:
    """Serves until it is closed; a page that raises answers 503 with the reason."""

    def __init__(self, address: str, pages: t.Mapping[str, Page]) -> None:
        """
        :param address: ``host:port``; port 0 takes a free one
        :raises InvalidIntent: the address is none
        :raises Unavailable: it cannot be listened on
        """
        host, _colon, port = address.rpartition(":")
        if not host or not port.isdigit():
            cure = "write it as 127.0.0.1:9464, or 0.0.0.0:9464 to be reached from elsewhere"
            raise InvalidIntent("is not an address to listen on", field="address", value=address, cure=cure)
        try:
            self._server = http.server.ThreadingHTTPServer((host.strip("[]"), int(port)), _handler(pages))
        except (OSError, OverflowError) as error:
            cure = "choose another address, or end what listens there"
            raise Unavailable(
                f"cannot listen on {address}: {error}", field="address", value=address, cure=cure
            ) from error
        self._server.daemon_threads = True
        self.address = f"{host}:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, name="web", daemon=True)

    def __enter__(self) -> WebServer:
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler(pages: t.Mapping[str, Page]) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        timeout = 10
        server_version = "mlops-serving"
        sys_version = ""

        def do_GET(self) -> None:
            page = pages.get(self.path.partition("?")[0])
            if page is None:
                self._answer(404, f"There is {', '.join(sorted(pages))}.\n")
                return
            try:
                status, text = page()
            except Exception as error:
                status, text = 503, f"{error}\n"
            self._answer(status, text)

        def _answer(self, status: int, text: str) -> None:
            body = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: t.Any) -> None:
            """Nobody reads who asked; the module's output is Ansible's."""

    return Handler
