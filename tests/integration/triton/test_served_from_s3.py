"""From the upload script to an answer: published, copied by KServe's storage initializer, served by Triton."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .initializer import Initializer
from .server import Server, Triton, outputs

ROOT = Path(__file__).resolve().parents[3]
FILES = ["add_sub/1/model.py", "add_sub/config.pbtxt"]


@pytest.fixture
def credentials(s3: Any) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": s3.endpoint_url,
        "AWS_ACCESS_KEY_ID": s3.access_key,
        "AWS_SECRET_ACCESS_KEY": s3.secret_key,
    }


@pytest.fixture
def storage_uri(bucket: str, credentials: dict[str, str]) -> str:
    """The example as examples/triton/upload-to-minio.sh publishes it."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        [str(ROOT / "examples/triton/upload-to-minio.sh"), "-e", f"triton_repository_bucket={bucket}"],
        env={**os.environ, **credentials, "PATH": path, "ANSIBLE_NOCOLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.split("storageUri: ")[1].split('"')[0]


def test_the_example_is_served_from_both_addresses(
    triton: Triton,
    initializer: Initializer,
    storage_uri: str,
    bucket: str,
    credentials: dict[str, str],
    tmp_path: Path,
) -> None:
    # The second as it is written in the platform's rows, without a slash at its end.
    for number, uri in enumerate((storage_uri, f"s3://{bucket}/triton/add_sub")):
        models = tmp_path / str(number)
        assert initializer.download(uri, models, credentials) == FILES
        with Server(triton, models, tmp_path / f"{number}.log") as server:
            status, answer = server.infer("add_sub", [[1.0, 2.0]], [[3.0, 5.0]])
        assert status == 200, answer
        assert outputs(answer) == {"OUTPUT0": [4.0, 7.0], "OUTPUT1": [-2.0, -3.0]}


ENSEMBLE = """platform: "ensemble"
max_batch_size: 8
input [ { name: "INPUT0" data_type: TYPE_FP32 dims: [ -1 ] }, { name: "INPUT1" data_type: TYPE_FP32 dims: [ -1 ] } ]
output [ { name: "OUTPUT0" data_type: TYPE_FP32 dims: [ -1 ] } ]
ensemble_scheduling { step [
  {
    model_name: "add_sub" model_version: -1
    input_map { key: "INPUT0" value: "INPUT0" } input_map { key: "INPUT1" value: "INPUT1" }
    output_map { key: "OUTPUT0" value: "sum" }
  },
  {
    model_name: "add_sub" model_version: -1
    input_map { key: "INPUT0" value: "sum" } input_map { key: "INPUT1" value: "sum" }
    output_map { key: "OUTPUT0" value: "OUTPUT0" }
  }
] }
"""


def test_an_ensemble_with_an_empty_version_folder_is_served(
    triton: Triton,
    initializer: Initializer,
    repository: Path,
    s3: Any,
    bucket: str,
    credentials: dict[str, str],
    tmp_path: Path,
) -> None:
    """Its folder would be lost on the way; the placeholder brings it to Triton."""
    (repository / "twice_the_sum" / "1").mkdir(parents=True)
    (repository / "twice_the_sum" / "config.pbtxt").write_text(ENSEMBLE)
    try:
        arguments = {
            "src": str(repository),
            "models": [{"name": "add_sub"}, {"name": "twice_the_sum"}],
            "repository": "sums",
            "bucket": bucket,
            "gpu": False,
        }
        done = subprocess.run(
            [sys.executable, str(ROOT / "tests/integration/run_module.py"), "triton_repository"],
            input=json.dumps({"ANSIBLE_MODULE_ARGS": arguments}),
            env={**os.environ, **credentials, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        uri = json.loads(done.stdout)["storage_uri"]
    finally:
        shutil.rmtree(repository / "twice_the_sum")
    files = initializer.download(uri, tmp_path / "models", credentials)
    assert files == [*FILES, "twice_the_sum/1/placeholder.txt", "twice_the_sum/config.pbtxt"]
    with Server(triton, tmp_path / "models", tmp_path / "log") as server:
        status, answer = server.infer("twice_the_sum", [[1.0, 2.0]], [[3.0, 5.0]])
    assert status == 200, answer
    assert outputs(answer) == {"OUTPUT0": [8.0, 14.0]}


def test_what_the_warnings_say_about_the_initializer(
    initializer: Initializer, s3: Any, bucket: str, credentials: dict[str, str], tmp_path: Path
) -> None:
    """It matches the text of a prefix, and leaves out what is empty: checks and layout rest on both."""
    client = s3.client()
    for key, body in {"t/add_sub/a": b"1", "t/add_sub_v2/b": b"2", "t/add_sub/empty": b""}.items():
        client.put_object(Bucket=bucket, Key=key, Body=body)
    assert initializer.download(f"s3://{bucket}/t/add_sub", tmp_path / "1", credentials) == ["_v2/b", "a"]
    assert initializer.download(f"s3://{bucket}/t/add_sub/", tmp_path / "2", credentials) == ["a"]
