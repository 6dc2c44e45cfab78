"""Puts files into the cluster's S3 server: signed PUT requests, nothing but the standard library.

The signature is AWS Signature Version 4 with a signed body hash.
"""

from __future__ import annotations

import datetime
import hashlib
import hmac
import http.client
from pathlib import Path
from urllib.parse import quote

from .errors import ClusterError
from .serving import REGION


def signed_headers(
    method: str, host: str, path: str, body: bytes, keys: tuple[str, str], when: datetime.datetime, region: str = REGION
) -> dict[str, str]:
    """Headers that sign the request. path: already quoted, without a query. when: in UTC."""
    stamp, day = when.strftime("%Y%m%dT%H%M%SZ"), when.strftime("%Y%m%d")
    digest = hashlib.sha256(body).hexdigest()
    headers = {"host": host, "x-amz-content-sha256": digest, "x-amz-date": stamp}
    names = ";".join(sorted(headers))
    canonical = "\n".join([method, path, "", *(f"{k}:{headers[k]}" for k in sorted(headers)), "", names, digest])
    scope = f"{day}/{region}/s3/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = f"AWS4{keys[1]}".encode()
    for part in (day, region, "s3", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    credential = f"AWS4-HMAC-SHA256 Credential={keys[0]}/{scope}, SignedHeaders={names}, Signature={signature}"
    return {"Authorization": credential, **{k: v for k, v in headers.items() if k != "host"}}


class Bucket:
    """address: host:port of the server, plain HTTP."""

    def __init__(self, address: str, name: str, keys: tuple[str, str]) -> None:
        self._address, self._name, self._keys = address, name, keys

    def _put(self, path: str, body: bytes) -> int:
        connection = http.client.HTTPConnection(self._address, timeout=30)
        now = datetime.datetime.now(datetime.timezone.utc)
        try:
            connection.request("PUT", path, body, signed_headers("PUT", self._address, path, body, self._keys, now))
            answer = connection.getresponse()
            answer.read()
            return answer.status
        finally:
            connection.close()

    def create(self) -> None:
        """Idempotent."""
        status = self._put(f"/{self._name}", b"")
        if status not in (200, 409):
            raise ClusterError(f"bucket {self._name} on {self._address}: {status}")

    def put(self, key: str, body: bytes) -> None:
        status = self._put(f"/{self._name}/{quote(key)}", body)
        if status != 200:
            raise ClusterError(f"s3://{self._name}/{key} on {self._address}: {status}")

    def put_folder(self, folder: Path, prefix: str) -> int:
        """Every file below the folder; returns how many."""
        files = [path for path in sorted(folder.rglob("*")) if path.is_file() and "__pycache__" not in path.parts]
        for path in files:
            self.put(f"{prefix.rstrip('/')}/{path.relative_to(folder).as_posix()}", path.read_bytes())
        return len(files)
