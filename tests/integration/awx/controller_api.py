# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in for a controller's REST API: objects in memory, lists by fields, POST, PATCH, and its related lists."""

from __future__ import annotations

import base64
import json
import re
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

TOKEN = "token-that-nobody-may-see"
PASSWORD = "password-that-nobody-may-see"
UNIQUE = {
    "workflow_job_template_nodes": ("workflow_job_template", "identifier"),
    "schedules": ("name", "unified_job_template"),
    "hosts": ("name", "inventory"),
}
# What the API calls by an id that must exist.
REFERENCES = {
    "organization": "organizations",
    "project": "projects",
    "inventory": "inventories",
    "execution_environment": "execution_environments",
    "credential_type": "credential_types",
    "workflow_job_template": "workflow_job_templates",
}
TEXTS = ("extra_vars", "variables")
# Each has an address of its own, and there is no list of them.
UNLISTED = ("workflow_approval_templates",)
WAYS = ("success_nodes", "failure_nodes", "always_nodes")


class Refused(Exception):
    def __init__(self, status: int, words: Any) -> None:
        super().__init__(words)
        self.status, self.words = status, words


@dataclass
class Api:
    """
    :param prefix: of the API, as AWX and automation controller have it
    :param requests: method and path of everything that was asked
    :param updates: so many looks at a project before it is fetched
    :param fetched: its status then
    :param page: how many objects a page of a list has at most
    """

    prefix: str = "/api/v2/"
    objects: dict[str, dict[int, dict[str, Any]]] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)
    updates: int = 1
    fetched: str = "successful"
    page: int = 200
    url: str = ""
    last: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.add("organizations", {"name": "Default"})
        self.add("credential_types", {"name": "OpenShift or Kubernetes API Bearer Token", "managed": True})

    def add(self, kind: str, values: dict[str, Any]) -> dict[str, Any]:
        self.last += 1
        made: dict[str, Any] = {"id": self.last, **values}
        if kind == "workflow_job_template_nodes":
            made = {"unified_job_template": None, "extra_data": {}, **{way: [] for way in WAYS}, **made}
        if kind == "projects":
            made["status"] = "pending"
        if kind == "job_templates":
            made["organization"] = self.objects["projects"][values["project"]]["organization"]
        self.objects.setdefault(kind, {})[self.last] = made
        return made

    def named(self, kind: str, name: str) -> dict[str, Any]:
        found = [one for one in self.objects[kind].values() if name in (one.get("name"), one.get("identifier"))]
        assert len(found) == 1, f"{len(found)} {kind} are called {name}"
        return found[0]

    def writes(self) -> list[tuple[str, str]]:
        return [request for request in self.requests if request[0] != "GET"]

    def answer(self, method: str, target: str, body: Any) -> tuple[int, Any]:
        parts = urlsplit(target)
        path = parts.path
        if not path.startswith(self.prefix):
            raise Refused(404, {"detail": "not found"})
        steps = [step for step in path.removeprefix(self.prefix).split("/") if step]
        if steps == ["ping"]:
            return 200, {"version": "24.6.1"}
        self.requests.append((method, path.removeprefix(self.prefix)))
        kind = steps[0]
        if len(steps) == 1 and kind not in UNLISTED:
            return self._collection(method, kind, parse_qsl(parts.query), body)
        held = self.objects.get(kind, {}).get(int(steps[1])) if len(steps) > 1 else None
        if held is None:
            raise Refused(404, {"detail": "not found"})
        if len(steps) == 2:
            return self._one(method, kind, held, body)
        return self._related(method, kind, held, steps[2], body)

    def _collection(self, method: str, kind: str, query: list[tuple[str, str]], body: Any) -> tuple[int, Any]:
        held = self.objects.get(kind, {})
        if method == "GET":
            found = [one for one in held.values() if _asked(one, query)]
            return 200, self._page(kind, found, query)
        unique = UNIQUE.get(kind, ("name",))
        if any(all(one.get(name) == body.get(name) for name in unique) for one in held.values()):
            raise Refused(400, {"__all__": [f"{kind} with this {' and '.join(unique)} already exists."]})
        self._check(kind, body)
        return 201, self.add(kind, body)

    def _page(self, kind: str, found: list[dict[str, Any]], query: list[tuple[str, str]]) -> dict[str, Any]:
        given = dict(query)
        number, size = int(given.get("page", 1)), min(int(given.get("page_size", 25)), self.page)
        more = None
        if len(found) > number * size:
            # Of an address that only the controller itself knows.
            asked = [pair for pair in query if pair[0] != "page"]
            more = f"http://internal:8052{self.prefix}{kind}/?{urlencode([*asked, ('page', number + 1)])}"
        shown = [self._shown(one) for one in found[(number - 1) * size : number * size]]
        return {"count": len(found), "next": more, "previous": None, "results": shown}

    def _shown(self, held: dict[str, Any]) -> dict[str, Any]:
        """With the credentials, as lists of job templates have them."""
        if "credentials" not in held:
            return held
        named = [{"id": number, "name": self.objects["credentials"][number]["name"]} for number in held["credentials"]]
        return {**held, "summary_fields": {"credentials": named}}

    def _one(self, method: str, kind: str, held: dict[str, Any], body: Any) -> tuple[int, Any]:
        if method == "PATCH":
            self._check(kind, {**held, **body})
            held.update(body)
        elif kind == "projects" and held["status"] == "pending":
            self.updates -= 1
            held["status"] = "pending" if self.updates > 0 else self.fetched
        return 200, held

    def _related(self, method: str, kind: str, held: dict[str, Any], name: str, body: Any) -> tuple[int, Any]:
        if name == "survey_spec":
            if method == "POST":
                held["survey_spec"] = body
                return 200, None
            return 200, held.get("survey_spec", {})
        if name == "create_approval_template":
            made = self.add("workflow_approval_templates", body)
            held["unified_job_template"] = made["id"]
            return 201, made
        listed = held.setdefault(name, [])
        if method == "POST":
            if body.get("disassociate"):
                listed.remove(body["id"])
            elif name in WAYS and any(body["id"] in held[way] for way in WAYS if way != name):
                raise Refused(400, {"Error": "Relationship not allowed."})
            elif body["id"] not in listed:
                listed.append(body["id"])
            return 204, None
        of = self.objects[name if name not in WAYS else kind]
        return 200, {"count": len(listed), "results": [of[one] for one in listed]}

    def _check(self, kind: str, body: dict[str, Any]) -> None:
        for name, others in REFERENCES.items():
            if name in body and body[name] not in self.objects.get(others, {}):
                raise Refused(400, {name: [f'Invalid pk "{body[name]}" - object does not exist.']})
        for name in TEXTS:
            if name in body and not isinstance(body[name], str):
                raise Refused(400, {name: ["Not a valid string."]})
        if kind == "job_templates" and self.objects["projects"][body["project"]]["status"] != "successful":
            raise Refused(400, {"playbook": ["Playbook not found for project."]})
        if kind == "job_templates" and not re.fullmatch(r"playbooks/\w+\.yml", body["playbook"]):
            raise Refused(400, {"playbook": ["Playbook not found for project."]})


def _asked(held: dict[str, Any], query: list[tuple[str, str]]) -> bool:
    """All fields of the query, and one of those with ``or__``."""
    ways = [str(held.get(name.removeprefix("or__"))) == value for name, value in query if name.startswith("or__")]
    fields = [(name, value) for name, value in query if not name.startswith(("or__", "page"))]
    return all(str(held.get(name)) == value for name, value in fields) and (any(ways) or not ways)


@contextmanager
def serving_api(api: Api, *, certificate: Path | None = None, moved_to: str = "") -> Iterator[Api]:
    """On a free loopback port, until left.

    :param certificate: with its key, in one file; without one it speaks plain HTTP
    :param moved_to: another address, which it refers everybody to
    """
    allowed = (f"Bearer {TOKEN}", "Basic " + base64.b64encode(f"admin:{PASSWORD}".encode()).decode())

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            if moved_to:
                self.send_response(301)
                self.send_header("Location", moved_to + self.path)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            try:
                if self.headers.get("Authorization") not in allowed and not self.path.endswith("/ping/"):
                    raise Refused(401, {"detail": "Authentication credentials were not provided."})
                with api.lock:
                    status, answer = api.answer(self.command, self.path, body)
            except Refused as refused:
                status, answer = refused.status, refused.words
            content = b"" if answer is None else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PATCH = _serve  # noqa: N815

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    api.url = f"http{'s' if certificate else ''}://127.0.0.1:{server.server_port}"
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
