"""Constant load and its counts, against a small server of this test."""

from __future__ import annotations

import http.server
import json
import threading
import time
from collections.abc import Iterator

import pytest

from tools.cluster.errors import ClusterError
from tools.cluster.inference import Load, Shot, infer, request_body

INPUTS = {"INPUT0": [1.0, 2.0]}


class Handler(http.server.BaseHTTPRequestHandler):
    """Every tenth answer is version 2, every twentieth a failure; each takes as long as the test says."""

    protocol_version = "HTTP/1.1"
    delay = 0.0
    count = 0
    lock = threading.Lock()
    hosts: set[str] = set()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        with Handler.lock:
            Handler.count += 1
            number = Handler.count
            Handler.hosts.add(self.headers["Host"])
        time.sleep(Handler.delay)
        status = 503 if number % 20 == 0 else 200
        body = json.dumps({"model_version": "2" if number % 10 == 5 else "1", "outputs": []}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_words: object) -> None:
        pass


@pytest.fixture
def address() -> Iterator[str]:
    Handler.delay, Handler.count, Handler.hosts = 0.0, 0, set()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def _run(address: str, requests: int, rate: float) -> Load:
    with Load(address, "a.example.com", "m", INPUTS, rate) as load:
        while load.sent < requests:
            time.sleep(0.01)
    return load


def test_counts_by_version_and_status(address: str) -> None:
    load = _run(address, 200, 1000)
    assert load.statuses[503] == load.failed == pytest.approx(load.sent / 20, abs=1)
    assert sum(load.versions.values()) == load.statuses[200]
    assert load.share("2") == pytest.approx(100 * 0.1 / 0.95, abs=1)
    assert Handler.hosts == {"a.example.com"}
    assert all(error.startswith("503") for error in load.errors)


def test_rate_is_held_though_answers_are_slow(address: str) -> None:
    Handler.delay = 0.1
    load = _run(address, 30, 50)
    starts = sorted(shot.at for shot in load.shots)
    assert 29 / 50 * 0.8 < starts[29] - starts[0] < 29 / 50 * 2
    assert load.quantile(0.5) >= 0.1


def test_no_answer_is_counted_as_status_0() -> None:
    load = _run("127.0.0.1:1", 3, 100)
    assert set(load.statuses) == {0}
    assert load.failed == load.sent
    assert load.share("1") == 0.0


def test_a_rate_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="above 0"):
        Load("127.0.0.1:1", "h", "m", INPUTS, 0)


def test_one_inference_and_its_failure(address: str) -> None:
    assert infer(address, "h", "m", INPUTS)["model_version"] == "1"
    Handler.count = 19
    with pytest.raises(ClusterError, match="m at h: 503"):
        infer(address, "h", "m", INPUTS)


def test_inputs_are_rows_of_floats() -> None:
    assert json.loads(request_body(INPUTS)) == {
        "inputs": [{"name": "INPUT0", "shape": [1, 2], "datatype": "FP32", "data": [1.0, 2.0]}]
    }


def test_quantile_of_nothing_is_nothing() -> None:
    assert Load("a:1", "h", "m", INPUTS, 1).quantile(0.99) == 0.0
    assert Load("a:1", "h", "m", INPUTS, 1, shots=[Shot(0, 0.5, 200, "1")]).quantile(0.99) == 0.5
