"""What the object store itself can take: the same bytes from memory, over connections that do nothing else."""

from __future__ import annotations

import http.client
import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

_CONNECTIONS = 16


class _Unsigned(S3SigV4Auth):  # type: ignore[misc]
    """Signs the address alone, not the content."""

    def payload(self, request: object) -> str:
        return "UNSIGNED-PAYLOAD"


def bare_uploads(environment: dict[str, str], bucket: str, objects: int, size: int) -> float:
    """Seconds for so many PUTs of so many bytes; the requests are signed before the clock starts."""
    address, body = environment["AWS_ENDPOINT_URL"], os.urandom(size)
    keys = Credentials(environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"])
    signer = _Unsigned(keys, "s3", environment["AWS_REGION"])

    def signed() -> Iterator[tuple[str, dict[str, str]]]:
        for number in range(objects):
            request = AWSRequest("PUT", f"{address}/{bucket}/{size}-{number}", data=body)
            signer.add_auth(request)
            yield urlsplit(request.url).path, dict(request.headers.items())

    own = threading.local()

    def put(request: tuple[str, dict[str, str]]) -> None:
        if not hasattr(own, "connection"):
            own.connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=300)
        own.connection.request("PUT", request[0], body=body, headers=request[1])
        answer = own.connection.getresponse()
        answer.read()
        if answer.status != 200:
            raise SystemExit(f"PUT {request[0]} was answered with {answer.status}")

    requests = list(signed())
    began = time.perf_counter()
    with ThreadPoolExecutor(_CONNECTIONS) as pool:
        list(pool.map(put, requests))
    return time.perf_counter() - began
