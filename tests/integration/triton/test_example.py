"""The example repository on a real Triton."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from .server import Server, Triton, outputs


@pytest.fixture(scope="module")
def server(triton: Triton, repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    log = tmp_path_factory.mktemp("triton") / "server.log"
    with Server(triton, repository, log) as running:
        yield running


@pytest.mark.parametrize(("model", "version"), [("add_sub", "1"), ("add_sub_v2", "2")])
def test_sum_and_difference(server: Server, model: str, version: str) -> None:
    status, answer = server.infer(model, [[1.0, 2.5, -3.0], [4.0, 0.0, 8.0]], [[10.0, 0.5, 3.0], [1.0, 2.0, 4.0]])
    assert status == 200, answer
    assert answer["model_version"] == version
    assert outputs(answer) == {
        "OUTPUT0": [11.0, 3.0, 0.0, 5.0, 2.0, 12.0],
        "OUTPUT1": [-9.0, 2.0, -6.0, 3.0, -2.0, 4.0],
    }


@pytest.mark.parametrize("wanted", ["OUTPUT0", "OUTPUT1"])
def test_one_output_of_two(server: Server, wanted: str) -> None:
    """A model that returned both would never be done with such a request."""
    status, answer = server.infer("add_sub", [[1.0, 2.0]], [[3.0, 5.0]], [wanted])
    assert status == 200, answer
    assert outputs(answer) == {"OUTPUT0": {"OUTPUT0": [4.0, 7.0]}, "OUTPUT1": {"OUTPUT1": [-2.0, -3.0]}}[wanted]


def test_inputs_of_different_shape_are_refused_and_not_stretched(server: Server) -> None:
    status, answer = server.infer("add_sub", [[1.0, 2.0]], [[1.0]])
    assert status == 400, answer
    assert "INPUT0 has shape [1, 2] and INPUT1 [1, 1]" in answer["error"]


def test_a_bigger_batch_than_eight_is_refused(server: Server) -> None:
    status, answer = server.infer("add_sub", [[1.0]] * 9, [[1.0]] * 9)
    assert status == 400
    assert "batch-size must be <= 8" in answer["error"]


def test_requests_that_arrive_together_run_as_batches(server: Server) -> None:
    """Fewer executions than requests, batches of a preferred size among them, and each client its own answer."""
    before = counts(server)

    def one(number: int) -> list[float]:
        status, answer = server.infer("add_sub", [[float(number)]], [[1.0]])
        assert status == 200, answer
        return outputs(answer)["OUTPUT0"]

    with ThreadPoolExecutor(16) as pool:
        sums = list(pool.map(one, range(200)))

    assert sums == [[number + 1.0] for number in range(200)]
    after = counts(server)
    end = time.monotonic() + 10
    while after["inference_count"] < before["inference_count"] + 200:  # Triton counts after it has answered
        assert time.monotonic() < end, after
        after = counts(server)
    executions = after["execution_count"] - before["execution_count"]
    assert executions < 150 < after["inference_count"] - before["inference_count"] == 200
    assert {row["batch_size"] for row in after["batch_stats"]} & {2, 4, 8}


def counts(server: Server) -> dict:
    status, answer = server.request("GET", "/v2/models/add_sub/stats")
    assert status == 200
    return answer["model_stats"][0]
