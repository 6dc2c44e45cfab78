# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small stand-in of the platform's deployment API over the real tables: GET and PUT of one deployment, seen by its tenant alone.

It publishes no event, as one may get lost: the worker's sweep finds the row.
"""

from __future__ import annotations

import contextlib
import json
import threading
import uuid
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psycopg2
import psycopg2.extras

PREFIX = "/api/v1/deployments/"
COLUMNS = ("model_version_id", "model_id", "runtime", "traffic", "autoscaling", "runtime_config")
DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "kubeflow.md"
PLAIN = (
    "select * from endpoints e where e.id = %(id)s and e.tenant_id = %(tenant_id)s and e.project_id = %(project_id)s"
)


def full_row() -> str:
    """The query that docs/kubeflow.md gives for an API that tells more."""
    return DOCUMENT.read_text(encoding="utf-8").split("```sql\n")[1].split("```")[0]


class DeploymentApi:
    """
    :ivar query: how a row is read
    :ivar trouble: status codes with which the next requests are answered, before anything is done; 0 hangs up, and -200 hangs up afterwards
    :ivar after_put: called once after the next PUT
    :ivar requests: method and body of each request
    """

    def __init__(self, database: str, port: int = 0) -> None:
        self.database = database
        self.query = PLAIN
        self.trouble: list[int] = []
        self.after_put: Callable[[], Any] | None = None
        self.requests: list[tuple[str, Any]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def puts(self) -> list[Any]:
        return [body for method, body in self.requests if method == "PUT"]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, method: str, path: str, headers: Any, body: Any) -> tuple[int, Any]:
        who = {
            name: headers.get(f"X-{name.title().replace('_', '-')}") for name in ("tenant_id", "project_id", "user_id")
        }
        if not all(who.values()):
            return 401, {"detail": "X-Tenant-Id, X-Project-Id and X-User-Id are needed"}
        key = path.removeprefix(PREFIX)
        try:
            uuid.UUID(key)
        except ValueError:
            return 422, {"detail": [{"loc": ["path", "deployment_id"], "msg": "Input should be a valid UUID"}]}
        values = {"id": key, **who}
        connection = psycopg2.connect(self.database)
        try:
            with connection, connection.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor:
                if method == "PUT" and body:
                    names = [name for name in COLUMNS if name in body]
                    values |= {
                        name: psycopg2.extras.Json(body[name]) if isinstance(body[name], dict) else body[name]
                        for name in names
                    }
                    settings = ", ".join(f"{name} = %({name})s" for name in names)
                    cursor.execute(
                        f"update endpoints set {settings} where id = %(id)s and tenant_id = %(tenant_id)s and project_id = %(project_id)s",
                        values,
                    )
                cursor.execute(self.query, values)
                row = cursor.fetchone()
                return (200, dict(row)) if row else (404, {"detail": "deployment not found"})
        except psycopg2.errors.ForeignKeyViolation:
            return 422, {"detail": [{"loc": ["body", "model_version_id"], "msg": "no such model version"}]}
        finally:
            connection.close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        api = self  # in there, self is the handler

        class Handler(BaseHTTPRequestHandler):
            def _serve(self) -> None:
                text = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                body = json.loads(text) if text else None
                api.requests.append((self.command, body))
                trouble = api.trouble.pop(0) if api.trouble else None
                if trouble == 0:
                    self.close_connection = True
                    return
                if trouble is not None and trouble > 0:
                    code, answer = trouble, {"detail": f"trouble {trouble}"}
                else:
                    code, answer = api.answer(self.command, self.path, self.headers, body)
                if self.command == "PUT" and code == 200 and api.after_put:
                    then, api.after_put = api.after_put, None
                    then()
                if trouble is not None and trouble < 0:
                    self.close_connection = True
                    return
                told = json.dumps(
                    answer, default=lambda value: value.isoformat() if hasattr(value, "isoformat") else str(value)
                ).encode()
                self.send_response(code)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(told)))
                self.end_headers()
                with contextlib.suppress(ConnectionError):  # the step has not waited for it
                    self.wfile.write(told)

            do_GET = do_PUT = _serve  # noqa: N815 - names of the base class

            def log_message(self, format: str, *arguments: Any) -> None:
                pass

        return Handler
