"""An HTTP server between a client and the object store: writes down what passes, and breaks it when told to."""

from __future__ import annotations

import http.client
import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

HOP_BY_HOP = {"connection", "transfer-encoding", "content-length", "keep-alive"}


class Middleman:
    """`seen` holds (method, path).

    `intervene(method, path)` may return a status to answer with, a status and S3's word for it, "cut" to end the connection,
    "hang" to give no answer, or "damage" to pass on something else than was sent.
    """

    def __init__(self, target: str, tls: ssl.SSLContext | None = None) -> None:
        self.target = urlsplit(target).netloc
        self.seen: list[tuple[str, str]] = []
        self.intervene: Callable[[str, str], int | tuple[int, str] | str | None] = lambda method, path: None
        self._over = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()

    def methods(self, *wanted: str) -> list[str]:
        """The paths that were asked for with one of these methods."""
        return [path for method, path in self.seen if method in wanted]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        middleman = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def forward(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                path = unquote(urlsplit(self.path).path)
                middleman.seen.append((self.command, path))
                verdict = middleman.intervene(self.command, path)
                if verdict == "cut":
                    self.close_connection = True
                    self.connection.close()
                elif verdict == "hang":
                    self.close_connection = True
                    middleman._over.wait(30)
                elif isinstance(verdict, (int, tuple)):
                    status, word = verdict if isinstance(verdict, tuple) else (verdict, "ServiceUnavailable")
                    text = f"<Error><Code>{word}</Code><Message>by the middleman</Message></Error>".encode()
                    self.answer(status, {"Content-Type": "application/xml"}, text)
                else:
                    self.pass_on(body[::-1] if verdict == "damage" else body)

            def pass_on(self, body: bytes) -> None:
                connection = http.client.HTTPConnection(middleman.target, timeout=30)
                connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
                for name, value in self.headers.items():  # with the client's Host, which is part of what it signed
                    if name.lower() != "expect":
                        connection.putheader(name, value)
                connection.endheaders(body or None)
                answer = connection.getresponse()
                headers = {name: value for name, value in answer.getheaders() if name.lower() not in HOP_BY_HOP}
                self.answer(answer.status, headers, answer.read())
                connection.close()

            def answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                if status != 204:
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = forward  # noqa: N815

            def log_message(self, *_arguments: object) -> None:
                pass

        return Handler
