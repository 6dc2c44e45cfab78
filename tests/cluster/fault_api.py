# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A way to a real API server that breaks when told to: it refuses, loses answers, or holds a request back."""

from __future__ import annotations

import contextlib
import http.client
import json
import ssl
import threading
import typing as t
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from ansible_collections.mlops.serving.plugins.module_utils._adapters.kubernetes_connection import resolve

__all__ = ("ApiProxy", "Request")


@dataclass
class Request:
    """
    :param number: counted from 1
    :param status: what the client was answered; 0 while nothing was
    """

    number: int
    method: str
    path: str
    content_type: str
    status: int = 0

    @property
    def writes_service(self) -> bool:
        """Of an InferenceService as a whole. Taking over changes who owns its fields, by other patches."""
        if "/inferenceservices" not in self.path or "mlops.serving-fence" in self.path:
            return False
        return self.method in ("POST", "PUT", "DELETE") or "apply-patch" in self.content_type


# What to answer in the place of the server, "cut" before it has the request, or "lost" after it has done it.
Verdict = t.Union[int, str, None]


class ApiProxy:
    """:param kubeconfig: of the real server, with the right to everything; whoever comes here needs none"""

    def __init__(self, kubeconfig: Path) -> None:
        configuration = resolve({"kubeconfig": str(kubeconfig)}).configuration
        where = urlsplit(configuration.host)
        self._where = (where.hostname or "", where.port or 443)
        self._tls = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
        self._tls.load_cert_chain(configuration.cert_file, configuration.key_file)
        self.seen: list[Request] = []
        self.fault: t.Callable[[Request], Verdict] = lambda request: None
        self.retry_after: int | None = None
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def kubeconfig(self, folder: Path) -> str:
        """Path of a kubeconfig that leads here."""
        path = folder / "kubeconfig-proxy"
        cluster = {"name": "x", "cluster": {"server": f"http://127.0.0.1:{self._server.server_port}"}}
        context = {"name": "x", "context": {"cluster": "x", "user": "x"}}
        path.write_text(
            json.dumps(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "clusters": [cluster],
                    "contexts": [context],
                    "current-context": "x",
                    "users": [{"name": "x", "user": {}}],
                }
            )
        )
        return str(path)

    @property
    def writes(self) -> list[tuple[str, int]]:
        """Method and answer of each write to an InferenceService."""
        return [(request.method, request.status) for request in self.seen if request.writes_service]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _note(self, method: str, path: str, content_type: str) -> Request:
        with self._lock:
            self.seen.append(Request(len(self.seen) + 1, method, path, content_type))
            return self.seen[-1]

    def _connect(self) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection(*self._where, timeout=120, context=self._tls)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def pass_on(self) -> None:
                with contextlib.suppress(OSError, http.client.HTTPException):
                    self._pass_on()
                    return
                self.close_connection = True

            def _pass_on(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                request = proxy._note(self.command, self.path, self.headers.get("Content-Type") or "")
                verdict = proxy.fault(request)
                if isinstance(verdict, int):
                    self._refuse(request, verdict)
                elif verdict == "cut":
                    self._end()
                else:
                    self._forward(request, body, lost=verdict == "lost")

            def _forward(self, request: Request, body: bytes, *, lost: bool) -> None:
                connection = proxy._connect()
                headers = {name: self.headers[name] for name in ("Accept", "Content-Type") if name in self.headers}
                connection.request(self.command, self.path, body or None, headers)
                answer = connection.getresponse()
                if lost:
                    answer.read()
                    connection.close()
                    self._end()
                    return
                request.status = answer.status
                self.send_response(answer.status)
                for name in ("Content-Type", "Retry-After", "Warning"):
                    if answer.headers.get(name):
                        self.send_header(name, answer.headers[name])
                if "watch=true" in self.path:
                    self.send_header("Connection", "close")
                    self.end_headers()
                    while data := answer.read1(65536):
                        self.wfile.write(data)
                    self.close_connection = True
                else:
                    data = answer.read()
                    self.send_header("Content-Length", str(len(data)))
                    self.end_headers()
                    self.wfile.write(data)
                connection.close()

            def _refuse(self, request: Request, status: int) -> None:
                request.status = status
                said = {
                    "kind": "Status",
                    "apiVersion": "v1",
                    "status": "Failure",
                    "code": status,
                    "message": "by the proxy",
                }
                data = json.dumps(said).encode()
                self.send_response(status)
                if proxy.retry_after is not None:
                    self.send_header("Retry-After", str(proxy.retry_after))
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def _end(self) -> None:
                self.close_connection = True
                self.connection.close()

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = pass_on  # noqa: N815

            def log_message(self, *_arguments: object) -> None:
                pass

        return Handler
