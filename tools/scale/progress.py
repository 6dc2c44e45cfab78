"""When the last of many was written, and when the last was stopped: as a watch beside them sees it."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

from tools.cluster.kube import Json, Kube
from tools.scale.raw import SERVICES


def is_stopped(service: Json) -> bool:
    conditions = (service.get("status") or {}).get("conditions") or ()
    return any(one["type"] == "Stopped" and one["status"] == "True" for one in conditions)


@dataclass
class Progress:
    """Seconds since the watch began: of the last one created and of the last one stopped."""

    created: float = 0.0
    stopped: float = 0.0


class Watch:
    """Of a namespace that holds none yet, from entering this to leaving it; leave after `wait`.

    :param created: is told namespace and name of each as it comes
    """

    def __init__(self, kube: Kube, namespace: str, created: Callable[[str, str], None] | None = None) -> None:
        self._namespace, self._tell = namespace, created
        self._connection = kube.connection(timeout=None)
        self._path = SERVICES.format(namespace) + "?watch=true&timeoutSeconds=7200"
        self._created: set[str] = set()
        self._stopped: set[str] = set()
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self.progress = Progress()

    def __enter__(self) -> Watch:
        self._connection.request("GET", self._path)
        self._answer = self._connection.getresponse()
        if self._answer.status != 200:
            raise SystemExit(f"GET {self._path} was answered with {self._answer.status}")
        self._began = time.perf_counter()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Closing alone would wait for the reader; the next read ends at once after a shutdown.
        if self._connection.sock is not None:
            self._connection.sock.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._connection.close()

    def wait(self, count: int, seconds: float = 3600) -> Progress:
        """Until `count` of them are stopped."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._stopped) >= count, seconds):
                raise SystemExit(f"{len(self._stopped)} of {count} were stopped in {seconds:.0f} s")
            return self.progress

    def _look(self) -> None:
        try:
            for line in self._answer:
                self._take(json.loads(line)["object"], time.perf_counter() - self._began)
        except (OSError, ValueError, http.client.HTTPException, AttributeError):
            return  # it was left

    def _take(self, service: Json, now: float) -> None:
        name = service["metadata"]["name"]
        with self._changed:
            if name not in self._created:
                self._created.add(name)
                self.progress.created = now
                if self._tell is not None:
                    self._tell(self._namespace, name)
            if name not in self._stopped and is_stopped(service):
                self._stopped.add(name)
                self.progress.stopped = now
            self._changed.notify_all()
