"""Uploads that meet trouble: what is mended on the way, what ends them, and what they leave behind."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.serving.plugins.module_utils._adapters import artifacts

from .middleman import Middleman
from .mortal_s3 import MortalS3

Publish = Callable[..., dict[str, Any]]
Keys = Callable[[], list[str]]
MIB = 1024 * 1024
RUN_MODULE = Path(__file__).resolve().parents[1] / "run_module.py"
BUSY = 503, "SlowDown"


@pytest.fixture
def uploads(client: Any, bucket: str) -> Callable[[], list[str]]:
    """Keys of which parts lie in the bucket, waiting for the rest."""
    return lambda: [row["Key"] for row in client.list_multipart_uploads(Bucket=bucket).get("Uploads", ())]


@pytest.fixture
def weights(models: Path) -> bytes:
    """A file of three parts in the model."""
    content = os.urandom(17 * MIB)
    (models / "add_sub/1/weights.bin").write_bytes(content)
    return content


def records(keys: list[str]) -> list[str]:
    return [key for key in keys if key.endswith(".json")]


def puts(middleman: Middleman, name: str) -> list[str]:
    return [path for path in middleman.methods("PUT") if path.endswith(name)]


def broken(times: int, name: str, verdict: Any) -> Callable[[str, str], Any]:
    """The first `times` PUTs of `name` get `verdict`."""
    left = [times]
    lock = threading.Lock()

    def intervene(method: str, path: str) -> Any:
        with lock:
            if method == "PUT" and path.endswith(name) and left[0]:
                left[0] -= 1
                return verdict
        return None

    return intervene


@pytest.mark.parametrize("name", ["config.pbtxt", "weights.bin", ".json"])
@pytest.mark.parametrize("verdict", [BUSY, "cut", "damage"])
def test_a_bad_moment_is_got_over(
    publish: Publish,
    client: Any,
    bucket: str,
    keys: Keys,
    uploads: Keys,
    middleman: Middleman,
    models: Path,
    weights: bytes,
    name: str,
    verdict: Any,
) -> None:
    middleman.intervene = broken(2 if verdict != "damage" else 1, name, verdict)
    result = publish()
    if "failed" in result:  # what was asked by boto3 itself, which does not ask again then
        assert verdict == "damage"
        assert "it got something else than was sent" in result["msg"]
        assert (records(keys()), uploads()) == ([], [])
        result = publish()
    assert result["changed"] is True
    assert len(records(keys())) == 1
    for path, content in (("1/weights.bin", weights), ("config.pbtxt", (models / "add_sub/config.pbtxt").read_bytes())):
        key = next(key for key in keys() if key.endswith(path))
        assert client.get_object(Bucket=bucket, Key=key)["Body"].read() == content
    assert publish()["changed"] is False


@pytest.mark.parametrize("name", ["config.pbtxt", "weights.bin"])
@pytest.mark.usefixtures("weights")
def test_a_server_that_stays_busy(
    publish: Publish,
    keys: Keys,
    uploads: Keys,
    middleman: Middleman,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    monkeypatch.setattr(artifacts, "ATTEMPTS", 2)
    middleman.intervene = broken(1000, name, BUSY)
    result = publish(alias="triton/add_sub")
    assert result["failure"]["code"] == "unavailable"
    assert f"{name} at {middleman.url}: it answered SlowDown (503). Run it again" in result["msg"]
    assert "storage_uri" not in result
    assert "alias_uri" not in result
    assert (records(keys()), uploads()) == ([], [])

    middleman.intervene = lambda method, path: None
    assert publish(alias="triton/add_sub")["changed"] is True
    assert len(records(keys())) == 2
    assert uploads() == []


def test_parts_that_cannot_be_joined(
    publish: Publish, keys: Keys, uploads: Keys, middleman: Middleman, monkeypatch: pytest.MonkeyPatch, weights: bytes
) -> None:
    monkeypatch.setattr(artifacts, "ATTEMPTS", 1)
    done: list[str] = []

    def intervene(method: str, path: str) -> Any:
        if method == "POST" and puts(middleman, "weights.bin"):
            done.append(path)
            return BUSY
        return None

    middleman.intervene = intervene
    assert publish()["failure"]["code"] == "unavailable"
    assert done
    assert not [key for key in keys() if key.endswith((".json", "weights.bin"))]
    assert uploads() == []


def test_parts_that_cannot_be_taken_back_are_told_of(
    publish: Publish, uploads: Keys, middleman: Middleman, monkeypatch: pytest.MonkeyPatch, weights: bytes
) -> None:
    monkeypatch.setattr(artifacts, "ATTEMPTS", 1)
    middleman.intervene = lambda method, path: "cut" if method in ("PUT", "DELETE") and "weights" in path else None
    result = publish()
    assert "the parts that have arrived are left there" in result["msg"]
    assert len(uploads()) == 1


def test_a_server_that_does_not_answer(
    publish: Publish, keys: Keys, middleman: Middleman, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(artifacts, "READ_SECONDS", 0.5)
    monkeypatch.setattr(artifacts, "ATTEMPTS", 2)
    middleman.intervene = broken(1000, "config.pbtxt", "hang")
    result = publish()
    assert "it does not answer (ReadTimeoutError). Look whether it runs" in result["msg"]
    assert records(keys()) == []
    middleman.intervene = lambda method, path: None
    assert publish()["changed"] is True


def test_a_server_that_dies_in_the_middle(
    publish: Publish, mortal_s3: MortalS3, models: Path, weights: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(artifacts, "ATTEMPTS", 2)
    client = mortal_s3.client()
    client.create_bucket(Bucket="models")
    middleman = Middleman(mortal_s3.endpoint_url)
    seen: list[str] = []

    def kill(method: str, path: str) -> None:
        if method == "PUT" and path.endswith("weights.bin") and not seen:
            seen.append(path)
            os.kill(mortal_s3.pid(), signal.SIGKILL)

    middleman.intervene = kill
    options = {
        "endpoint_url": middleman.url,
        "bucket": "models",
        "access_key": mortal_s3.access_key,
        "secret_key": mortal_s3.secret_key,
    }
    result = publish(**options)
    assert result["failure"]["code"] == "unavailable"
    assert seen

    mortal_s3.start()
    assert records([row["Key"] for row in client.list_objects_v2(Bucket="models").get("Contents", ())]) == []
    again = publish(**options)
    middleman.close()
    assert any(key.endswith("weights.bin") for key in again["uploaded"])
    key = next(key for key in again["uploaded"] if key.endswith("weights.bin"))
    assert client.get_object(Bucket="models", Key=key)["Body"].read() == weights


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_run_that_is_ended_takes_its_parts_back(
    add_sub: dict[str, Any], keys: Keys, uploads: Keys, middleman: Middleman, weights: bytes, number: int
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def hold(method: str, path: str) -> None:
        if method == "PUT" and path.endswith("weights.bin"):
            begun.set()
            go_on.wait(20)

    middleman.intervene = hold
    run = subprocess.Popen(
        [sys.executable, str(RUN_MODULE), "triton_repository"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[3] / ".build")},
    )
    assert run.stdin
    run.stdin.write(json.dumps({"ANSIBLE_MODULE_ARGS": add_sub}))
    run.stdin.close()
    run.stdin = None
    assert begun.wait(30), run.communicate(timeout=30)
    assert len(uploads()) == 1
    run.send_signal(number)
    go_on.set()
    out, _err = run.communicate(timeout=60)
    assert run.returncode != 0
    assert uploads() == []
    assert records(keys()) == []
    if number == signal.SIGTERM:
        assert "ended from outside" in json.loads(out)["msg"]


def test_names_that_addresses_write_in_another_way(
    publish: Publish, client: Any, bucket: str, models: Path, middleman: Middleman
) -> None:
    names = ["with space", "plus+and&more=x", "100%", "ünï-文", "tilde~(1)'!*", "a#b?c", "semi;colon,@:$"]
    for name in names:
        (models / "add_sub/1" / name).write_text(name)
    published = publish()
    assert published["changed"] is True, published
    prefix = published["storage_uri"].partition(f"s3://{bucket}/")[2]
    for name in names:
        head = client.get_object(Bucket=bucket, Key=f"{prefix}add_sub/1/{name}")
        assert head["Body"].read().decode() == name
        assert head["Metadata"] == {"sha256": hashlib.sha256(name.encode()).hexdigest()}
    assert publish()["changed"] is False
    assert len(middleman.methods("PUT")) == len(names) + 3, "each file was sent once, and the record"


def test_what_the_short_cut_cannot_do_is_done_by_boto3(
    publish: Publish, keys: Keys, middleman: Middleman, models: Path
) -> None:
    for number in range(40):
        (models / f"add_sub/1/{number}").write_text(f"content {number}")
    middleman.intervene = lambda method, path: (403, "RequestTimeTooSkewed") if path in second() else None

    def second() -> list[str]:
        """The second file that was sent, until it was sent twice."""
        sent = puts(middleman, "")
        return sent[1:2] if sent.count(sent[1] if len(sent) > 1 else "") == 1 else []

    assert publish()["changed"] is True
    sent = puts(middleman, "")
    assert sent.count(sent[1]) == 2
    assert len(sent) <= 2 * len(keys()), "what was refused once goes through boto3 from then on"
    assert len(records(keys())) == 1
    assert publish()["changed"] is False
