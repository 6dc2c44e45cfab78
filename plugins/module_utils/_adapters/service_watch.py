# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Watching InferenceServices: every change is told, nothing is lost over reconnects, and it ends when told to.

Only metadata travels: who is told reads what it needs. The stream resumes at the last resourceVersion seen (bookmarks keep
that fresh); where the API server has forgotten it (410), all are listed again and all are told.
"""

from __future__ import annotations

import json
import random
import socket
import threading
import typing as t

from .._domain.errors import Forbidden, Unavailable
from .kubernetes_client import KubernetesClient, Query
from .kubernetes_errors import Expired

__all__ = ("watch_services",)

OnChange = t.Callable[[str, str], None]
Names = set[tuple[str, str]]

_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
_WATCH = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
_PAGE = 500
_ACTION = "watch InferenceServices"
# The server ends a watch after this; bookmarks come about once a minute, so silence of two means a dead connection.
_SERVER_SECONDS = 300
_SILENCE_SECONDS = 130.0
_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 30.0


def watch_services(client: KubernetesClient, path: str, on_change: OnChange, stop: threading.Event) -> None:
    """Block until ``stop`` is set; call ``on_change(namespace, name)`` for every change and, after a list, for each object.

    :param path: of the collection, of one namespace or of all
    Everything that can pass is waited for, a missing right too: it is noted once in ``client.warnings``.
    """
    version: str | None = None
    known: Names = set()
    failures = 0
    while not stop.is_set():
        try:
            if version is None:
                version, now = _list(client, path)
                for namespace, name in sorted(known | now):
                    on_change(namespace, name)
                known = now
            version = _follow(client, path, version, known, on_change, stop)
            failures = 0
        except Expired:
            version = None
        except Unavailable as error:
            failures += 1
            stop.wait(max(error.retry_after or 0.0, _pause(failures)))
        except Forbidden as error:
            client.warn(f"changes are not heard of, only polled for: {error}")
            stop.wait(_LONGEST_PAUSE)


def _list(client: KubernetesClient, path: str) -> tuple[str, Names]:
    found: Names = set()
    token: str | None = None
    while True:
        query = {"limit": _PAGE, "continue": token}
        page = client.request("GET", path, action="list InferenceServices", query=query, accept=_LIST)
        found.update((item["metadata"]["namespace"], item["metadata"]["name"]) for item in page.get("items") or ())
        token = page["metadata"].get("continue")
        if not token:
            return page["metadata"]["resourceVersion"], found


def _follow(
    client: KubernetesClient, path: str, version: str, known: Names, on_change: OnChange, stop: threading.Event
) -> str:
    """Read one stream to its end; returns the resourceVersion to resume at."""
    query: Query = {
        "watch": True,
        "allowWatchBookmarks": True,
        "resourceVersion": version,
        "timeoutSeconds": random.randint(_SERVER_SECONDS * 4 // 5, _SERVER_SECONDS),
    }
    response = client.stream(path, action=_ACTION, query=query, read_seconds=_SILENCE_SECONDS, accept=_WATCH)
    over = threading.Event()
    closer = threading.Thread(target=_close_on_stop, args=(response, stop, over), daemon=True)
    closer.start()
    try:
        for event in _events(response):
            version = _handle(event, version, known, on_change)
            if stop.is_set():
                break
    finally:
        over.set()
        response.close()
    return version


def _handle(event: dict[str, t.Any], version: str, known: Names, on_change: OnChange) -> str:
    kind, thing = event.get("type"), event.get("object") or {}
    if kind == "ERROR":
        if thing.get("code") == 410 or thing.get("reason") in ("Expired", "Gone"):
            raise Expired(f"cannot {_ACTION}: the place to resume at is forgotten")
        raise Unavailable(f"cannot {_ACTION}: {thing.get('message') or 'the API server ended the watch with an error'}")
    metadata = thing["metadata"]
    if kind != "BOOKMARK":
        one = (metadata["namespace"], metadata["name"])
        (known.discard if kind == "DELETED" else known.add)(one)
        on_change(*one)
    return str(metadata.get("resourceVersion") or version)


def _events(response: t.Any) -> t.Iterator[dict[str, t.Any]]:
    """Lines of JSON; an end or a break of the stream ends it quietly, as the watch is resumed anyway."""
    rest = b""
    chunks = response.stream(65536, decode_content=True)
    while True:
        try:
            chunk = next(chunks, b"")
        except Exception:  # a socket that was shut under the reader raises many kinds of errors
            return
        if not chunk:
            return
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line.strip():
                yield json.loads(line)


def _close_on_stop(response: t.Any, stop: threading.Event, over: threading.Event) -> None:
    """End a blocked read: a stream may be silent for a minute, and nobody should wait that long for a stop."""
    while not over.is_set():
        if stop.wait(5.0):
            break
    if not over.is_set():
        connection = getattr(response, "connection", None) or getattr(response, "_connection", None)
        sock = getattr(connection, "sock", None)
        try:
            if sock is not None:
                sock.shutdown(socket.SHUT_RDWR)
            else:
                response.close()
        except OSError:
            return


def _pause(failures: int) -> float:
    return random.uniform(0.5, 1.0) * min(_FIRST_PAUSE * 2.0 ** min(failures - 1, 10), _LONGEST_PAUSE)
