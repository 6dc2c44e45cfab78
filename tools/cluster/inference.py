"""Requests of the v2 inference protocol over plain HTTP, and constant load with counts by revision and status."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .errors import ClusterError

Answer = dict[str, Any]


def request_body(inputs: Mapping[str, Sequence[float]]) -> bytes:
    """One row of FP32 values an input."""
    tensors = [
        {"name": name, "shape": [1, len(values)], "datatype": "FP32", "data": list(values)}
        for name, values in inputs.items()
    ]
    return json.dumps({"inputs": tensors}).encode()


def infer(address: str, host: str, model: str, inputs: Mapping[str, Sequence[float]], timeout: float = 30) -> Answer:
    """One inference. address: where to connect (host:port), host: the name that is asked for.

    Raises ClusterError with status and body unless the answer is 200.
    """
    status, body = send(http.client.HTTPConnection(address, timeout=timeout), host, model, request_body(inputs))
    if status != 200:
        raise ClusterError(f"{model} at {host}: {status} {body[:300].decode(errors='replace')}")
    answer: Answer = json.loads(body)
    return answer


def send(connection: http.client.HTTPConnection, host: str, model: str, body: bytes) -> tuple[int, bytes]:
    connection.request("POST", f"/v2/models/{model}/infer", body, {"Host": host, "Content-Type": "application/json"})
    answer = connection.getresponse()
    return answer.status, answer.read()


@dataclass(frozen=True)
class Shot:
    """One request: seconds since the load began, duration in seconds, status (0: no answer), and who answered."""

    at: float
    seconds: float
    status: int
    version: str


@dataclass
class Load:
    """Sends requests at a constant rate for as long as the block lasts, whatever the answers take.

    Each request has its own moment, so that a slow answer does not thin out the load (up to `workers` at a time).
    """

    address: str
    host: str
    model: str
    inputs: Mapping[str, Sequence[float]]
    rate: float
    workers: int = 16
    timeout: float = 30
    shots: list[Shot] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        if self.rate <= 0:
            raise ValueError("rate must be above 0 requests a second")
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._next = 0
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Load:
        self._begun = time.monotonic()
        self._body = request_body(self.inputs)
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(self.workers)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        connection = http.client.HTTPConnection(self.address, timeout=self.timeout)
        while True:
            with self._lock:
                due = self._begun + self._next / self.rate
                self._next += 1
            if self._stop.wait(max(due - time.monotonic(), 0)):
                connection.close()
                return
            shot, error = self._shoot(connection)
            with self._lock:
                self.shots.append(shot)
                if error:
                    self.errors[error] += 1
            if shot.status == 0:
                connection.close()

    def _shoot(self, connection: http.client.HTTPConnection) -> tuple[Shot, str]:
        begun = time.monotonic()
        try:
            status, body = send(connection, self.host, self.model, self._body)
        except (http.client.HTTPException, OSError) as error:
            return Shot(begun - self._begun, time.monotonic() - begun, 0, ""), f"{type(error).__name__}: {error}"
        version = _version(body) if status == 200 else ""
        said = "" if status == 200 else f"{status}: {body[:200].decode(errors='replace')}"
        return Shot(begun - self._begun, time.monotonic() - begun, status, version), said

    @property
    def sent(self) -> int:
        return len(self.shots)

    @property
    def failed(self) -> int:
        """Requests that were not answered with 200."""
        return sum(shot.status != 200 for shot in self.shots)

    @property
    def statuses(self) -> dict[int, int]:
        """How many of each status; 0 for no answer."""
        return dict(Counter(shot.status for shot in self.shots))

    @property
    def versions(self) -> dict[str, int]:
        """How many good answers by the model version that gave them: each revision of a test serves its own."""
        return dict(Counter(shot.version for shot in self.shots if shot.status == 200))

    def share(self, version: str) -> float:
        """Part of the good answers that this model version gave, in percent."""
        good = sum(self.versions.values())
        return 100 * self.versions.get(version, 0) / good if good else 0.0

    def quantile(self, part: float) -> float:
        """Duration in seconds below which that part of the answers came."""
        times = sorted(shot.seconds for shot in self.shots)
        return times[min(int(len(times) * part), len(times) - 1)] if times else 0.0


def _version(body: bytes) -> str:
    try:
        return str(json.loads(body).get("model_version", ""))
    except ValueError:
        return ""
