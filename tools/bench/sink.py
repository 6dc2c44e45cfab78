"""An object store that costs next to nothing: it reads what it is sent, and remembers names and sizes.

So what is measured against it is the client. It checks no signature and no checksum. `python -m tools.bench.sink PORT`
"""

from __future__ import annotations

import re
import socket
import socketserver
import sys
import threading
from datetime import datetime, timezone
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

_BUFFER = 1024 * 1024
_PAGE = 1000


class Store:
    """Size and time of each key, by bucket; the few contents that a client reads again."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.objects: dict[str, dict[str, tuple[int, str]]] = {}
        self.contents: dict[str, bytes] = {}
        self.parts: dict[str, int] = {}

    def written(self, path: str, size: int) -> None:
        bucket, _, key = path.lstrip("/").partition("/")
        now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        with self.lock:
            self.objects.setdefault(bucket, {})[key] = size, now

    def page(self, bucket: str, prefix: str, after: str, most: int) -> bytes:
        with self.lock:
            keys = sorted(each for each in self.objects.get(bucket, {}) if each.startswith(prefix) and each > after)
            rows = [(key, *self.objects[bucket][key]) for key in keys[:most]]
        more = len(keys) > len(rows)
        text = "".join(
            f"<Contents><Key>{escape(key)}</Key><LastModified>{when}</LastModified><ETag>&quot;{size:032x}&quot;</ETag>"
            f"<Size>{size}</Size><StorageClass>STANDARD</StorageClass></Contents>"
            for key, size, when in rows
        )
        token = f"<NextContinuationToken>{escape(rows[-1][0])}</NextContinuationToken>" if more else ""
        return (
            f"<ListBucketResult><Name>{bucket}</Name><Prefix>{escape(prefix)}</Prefix><KeyCount>{len(rows)}</KeyCount>"
            f"<MaxKeys>{most}</MaxKeys><IsTruncated>{str(more).lower()}</IsTruncated>{token}{text}</ListBucketResult>"
        ).encode()


STORE = Store()


class Handler(socketserver.StreamRequestHandler):
    """As little as a client needs; Python's own HTTP server would take longer than the clients."""

    rbufsize = 64 * 1024

    def handle(self) -> None:
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while True:
            line = self.rfile.readline()
            if not line:
                return
            method, target, _version = line.decode("latin-1").split()
            headers = {}
            while (header := self.rfile.readline()) not in (b"\r\n", b""):
                name, _, value = header.decode("latin-1").partition(":")
                headers[name.lower()] = value.strip()
            if headers.get("expect"):
                self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.answer(method, target, headers)

    def answer(self, method: str, target: str, headers: dict[str, str]) -> None:
        parts = urlsplit(target)
        path, query = unquote(parts.path), parse_qs(parts.query, keep_blank_values=True)
        size = int(headers.get("content-length", 0))
        keep = path.endswith(".json") and method == "PUT"
        body = self.read(size, keep)
        bucket, _, key = path.lstrip("/").partition("/")
        if method == "PUT":
            if keep:
                STORE.contents[path] = body
            if "uploadId" in query:
                with STORE.lock:
                    STORE.parts[query["uploadId"][0]] += size
            else:
                STORE.written(path, size)
            self.respond(200, etag=size)
        elif method == "POST" and "uploads" in query:
            with STORE.lock:
                number = str(len(STORE.parts) + 1)
                STORE.parts[number] = 0
            self.respond(
                200,
                f"<InitiateMultipartUploadResult><UploadId>{number}</UploadId></InitiateMultipartUploadResult>".encode(),
            )
        elif method == "POST":
            total = STORE.parts[query["uploadId"][0]]
            STORE.written(path, total)
            tag = f"<ETag>&quot;{total:032x}&quot;</ETag>"
            self.respond(200, f"<CompleteMultipartUploadResult>{tag}</CompleteMultipartUploadResult>".encode())
        elif method == "GET" and not key:
            after = query.get("continuation-token", query.get("start-after", [""]))[0]
            most = int(query.get("max-keys", [str(_PAGE)])[0])
            self.respond(200, STORE.page(bucket, query.get("prefix", [""])[0], after, most))
        elif path in STORE.contents and method == "GET":
            self.respond(200, STORE.contents[path])
        elif method == "HEAD" and key in STORE.objects.get(bucket, {}):
            length, when = STORE.objects[bucket][key]
            self.respond(200, length=length, etag=length, modified=when)
        elif method == "DELETE":
            self.respond(204)
        else:
            self.respond(404, b"" if method == "HEAD" else b"<Error><Code>NoSuchKey</Code></Error>")

    def read(self, size: int, keep: bool) -> bytes:
        if keep:
            return self.rfile.read(size)
        buffer, left = memoryview(bytearray(min(size, _BUFFER))), size
        while left:
            got = self.rfile.readinto1(buffer[: min(left, _BUFFER)])  # type: ignore[attr-defined]
            if not got:
                raise ConnectionError
            left -= got
        return b""

    def respond(
        self, status: int, body: bytes = b"", *, length: int | None = None, etag: int | None = None, modified: str = ""
    ) -> None:
        lines = [f"HTTP/1.1 {status} -", f"Content-Length: {len(body) if length is None else length}", "Server: sink"]
        if etag is not None:
            lines.append(f'ETag: "{etag:032x}"')
        if modified:
            when = datetime.strptime(modified, "%Y-%m-%dT%H:%M:%S.000Z").replace(tzinfo=timezone.utc)
            lines.append(when.strftime("Last-Modified: %a, %d %b %Y %H:%M:%S GMT"))
        if body:
            lines.append("Content-Type: application/xml")
        self.wfile.write("\r\n".join([*lines, "", ""]).encode("latin-1") + body)


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away is none of its troubles."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


def main() -> None:
    port = sys.argv[1]
    if not re.fullmatch(r"\d+", port):
        raise SystemExit(__doc__)
    with Server(("127.0.0.1", int(port)), Handler) as server:
        print("listening", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
