"""Pushes images into a registry over its HTTP interface; what is there already is not sent again."""

from __future__ import annotations

import hashlib
import http.client
from pathlib import Path
from urllib.parse import urlsplit

from .errors import ClusterError
from .oci import MANIFEST, Blob, Image, Store


class Registry:
    """address: host:port, plain HTTP."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._placed: dict[str, str] = {}  # digest -> a repository that has it, to mount it from

    def _call(
        self, method: str, path: str, body: Path | bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, str]:
        connection = http.client.HTTPConnection(self._address, timeout=120)
        sent = dict(headers or {})
        try:
            if isinstance(body, Path):
                sent["Content-Length"] = str(body.stat().st_size)
                with body.open("rb") as source:
                    connection.request(method, path, source, sent)
            else:
                connection.request(method, path, body, sent)
            answer = connection.getresponse()
            answer.read()
            digest = answer.headers.get("Docker-Content-Digest", "")
            return answer.status, answer.headers.get("Location") or digest
        finally:
            connection.close()

    def ready(self) -> bool:
        try:
            return self._call("GET", "/v2/")[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def has(self, image: Image, content: bytes) -> bool:
        status, digest = self._call("HEAD", f"/v2/{image.repository}/manifests/{image.tag}", None, {"Accept": MANIFEST})
        return status == 200 and digest == f"sha256:{hashlib.sha256(content).hexdigest()}"

    def _send(self, repository: str, blob: Blob, source: Path) -> None:
        if self._call("HEAD", f"/v2/{repository}/blobs/{blob.digest}")[0] == 200:
            self._placed[blob.digest] = repository
            return
        uploads = f"/v2/{repository}/blobs/uploads/"
        known = self._placed.get(blob.digest)
        if known and self._call("POST", f"{uploads}?mount={blob.digest}&from={known}", b"")[0] == 201:
            return
        location = urlsplit(self._call("POST", uploads, b"")[1])
        query = f"{location.query}&" if location.query else ""
        target = f"{location.path}?{query}digest={blob.digest}"
        status, _ = self._call("PUT", target, source, {"Content-Type": "application/octet-stream"})
        if status != 201:
            raise ClusterError(
                f"the local registry refused a layer of {repository} ({status}); see the log of registry"
            )
        self._placed[blob.digest] = repository

    def push(self, image: Image, store: Store) -> bool:
        """True if something had to be sent."""
        content, blobs = store.image(image)
        if self.has(image, content):
            return False
        for blob in blobs:
            self._send(image.repository, blob, store.path(blob))
        status, _ = self._call(
            "PUT", f"/v2/{image.repository}/manifests/{image.tag}", content, {"Content-Type": MANIFEST}
        )
        if status != 201:
            raise ClusterError(f"the local registry refused {image.name} ({status}); see the log of registry")
        return True
