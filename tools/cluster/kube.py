"""A small client of the API server: one kept connection a thread, JSON in and out, server-side apply."""

from __future__ import annotations

import http.client
import json
import ssl
import threading
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from .errors import ClusterError

FIELD_MANAGER = "cluster-tool"
Json = dict[str, Any]


class ApiError(ClusterError):
    """An answer that is not a success: status code and the server's own message."""

    def __init__(self, method: str, path: str, status: int, message: str) -> None:
        super().__init__(f"{method} {path}: {status} {message}")
        self.status = status
        self.message = message


def context(pki: Path) -> ssl.SSLContext:
    made = ssl.create_default_context(cafile=str(pki / "ca.crt"))
    made.load_cert_chain(str(pki / "admin.crt"), str(pki / "admin.key"))
    return made


class Kube:
    """host: address of the API server (port 6443), pki: folder with the administrator's keys. Threads may share it."""

    def __init__(self, host: str, pki: Path, timeout: float = 60) -> None:
        self._host = host
        self._context = context(pki)
        self._timeout = timeout
        self._local = threading.local()
        self._kinds: dict[str, dict[str, tuple[str, bool]]] = {}

    def connection(self, timeout: float | None) -> http.client.HTTPSConnection:
        """One of the caller's own, for what is read as it comes."""
        return http.client.HTTPSConnection(self._host, 6443, context=self._context, timeout=timeout)

    def _connection(self) -> http.client.HTTPSConnection:
        found: http.client.HTTPSConnection | None = getattr(self._local, "connection", None)
        if found is None:
            found = self._local.connection = self.connection(self._timeout)
        return found

    def raw(
        self, method: str, path: str, body: bytes | None = None, content_type: str = "application/json"
    ) -> tuple[int, bytes]:
        """Status and body; 0 and a reason when there is no connection."""
        reason = b""
        for _ in range(2):  # a kept connection may have been closed meanwhile
            connection = self._connection()
            try:
                connection.request(method, path, body, {"Content-Type": content_type} if body is not None else {})
                answer = connection.getresponse()
                return answer.status, answer.read()
            except (http.client.HTTPException, OSError) as error:
                reason = str(error).encode()
                connection.close()
                self._local.connection = None
        return 0, reason

    def call(self, method: str, path: str, body: object = None, content_type: str = "application/json") -> Json:
        """Decoded answer; raises ApiError unless it is a success."""
        status, answer = self.raw(method, path, None if body is None else json.dumps(body).encode(), content_type)
        try:
            decoded: Json = json.loads(answer)
        except ValueError:
            decoded = {"message": answer.decode(errors="replace")[:500]}
        if not 200 <= status < 300:
            raise ApiError(method, path, status, str(decoded.get("message", "no connection")))
        return decoded

    def get(self, path: str, **query: str) -> Json:
        return self.call("GET", path + (f"?{urlencode(query)}" if query else ""))

    def items(self, path: str, **query: str) -> list[Json]:
        found = self.get(path, **query).get("items")
        return list(found or [])

    def post(self, path: str, body: Json) -> Json:
        return self.call("POST", path, body)

    def merge(self, path: str, body: Json) -> Json:
        return self.call("PATCH", path, body, "application/merge-patch+json")

    def delete(self, path: str, body: Json | None = None) -> Json:
        return self.call("DELETE", path, body)

    def text(self, path: str) -> str:
        """For answers that are not JSON: logs, metrics."""
        status, answer = self.raw("GET", path)
        if status != 200:
            raise ApiError("GET", path, status, answer.decode(errors="replace")[:300])
        return answer.decode(errors="replace")

    def path_of(self, manifest: Json) -> str:
        """Path of the object; ApiError 404 while the server does not know the kind."""
        version, kind = str(manifest["apiVersion"]), str(manifest["kind"])
        root = ("/apis/" if "/" in version else "/api/") + version
        if kind not in self._kinds.get(version, {}):
            known = self.get(root)["resources"]
            self._kinds[version] = {r["kind"]: (r["name"], r["namespaced"]) for r in known if "/" not in r["name"]}
        try:
            plural, namespaced = self._kinds[version][kind]
        except KeyError:
            raise ApiError("GET", root, 404, f"the server does not know the kind {kind} yet") from None
        metadata = manifest["metadata"]
        middle = f"/namespaces/{metadata.get('namespace', 'default')}" if namespaced else ""
        return f"{root}{middle}/{plural}/{metadata['name']}"

    def apply(self, manifest: Json) -> Json:
        """Server-side apply, forced. Returns the object as stored."""
        query = urlencode({"fieldManager": FIELD_MANAGER, "force": "true"})
        return self.call("PATCH", f"{self.path_of(manifest)}?{query}", manifest, "application/apply-patch+yaml")
