from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils import basic

from .middleman import Middleman
from .mortal_s3 import MortalS3

ROOT = Path(__file__).resolve().parents[3]
AWS_VARIABLES = ("ENDPOINT_URL", "ENDPOINT_URL_S3", "ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN", "PROFILE")


@pytest.fixture(autouse=True)
def no_aws_of_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in (*AWS_VARIABLES, "REGION", "DEFAULT_REGION", "CA_BUNDLE"):
        monkeypatch.delenv(f"AWS_{name}", raising=False)
    for name in ("CONFIG_FILE", "SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(f"AWS_{name}", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def middleman(s3: Any) -> Iterator[Middleman]:
    between = Middleman(s3.endpoint_url)
    yield between
    between.close()


@pytest.fixture
def mortal_s3(tmp_path: Path) -> Iterator[MortalS3]:
    server = MortalS3(tmp_path / "s3")
    yield server
    server.stop()


@pytest.fixture
def client(s3: Any) -> Any:
    return s3.client()


@pytest.fixture
def bucket(bucket: str, client: Any) -> Iterator[str]:
    """Gone after each test: every bucket takes volumes of the server, which has so many and no more."""
    yield bucket
    for row in client.list_multipart_uploads(Bucket=bucket).get("Uploads", ()):
        client.abort_multipart_upload(Bucket=bucket, Key=row["Key"], UploadId=row["UploadId"])
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for row in page.get("Contents", ()):
            client.delete_object(Bucket=bucket, Key=row["Key"])
    client.delete_bucket(Bucket=bucket)


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A copy of the example repository that a test may change."""
    return shutil.copytree(ROOT / "examples" / "triton" / "model-repository", tmp_path / "model-repository")


@pytest.fixture
def add_sub(s3: Any, middleman: Middleman, bucket: str, models: Path) -> dict[str, Any]:
    """The options that publish this model of the copy, past the proxy."""
    return {
        "src": str(models),
        "models": [{"name": "add_sub"}],
        "repository": "add_sub",
        "bucket": bucket,
        "endpoint_url": middleman.url,
        "access_key": s3.access_key,
        "secret_key": s3.secret_key,
        "region": "us-east-1",
    }


@pytest.fixture
def publish(
    s3: Any,
    add_sub: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., dict[str, Any]]:
    """Run triton_repository as Ansible does, from its arguments to its printed answer; model add_sub unless told."""
    from ansible_collections.mlops.serving.plugins.modules import triton_repository

    def run(check: bool = False, **options: Any) -> dict[str, Any]:
        arguments = {**add_sub, "_ansible_check_mode": check, "_ansible_diff": True, **options}
        given = {name: value for name, value in arguments.items() if value is not None}
        monkeypatch.setattr(basic, "_ANSIBLE_ARGS", json.dumps({"ANSIBLE_MODULE_ARGS": given}).encode())
        monkeypatch.setattr(basic, "_ANSIBLE_PROFILE", "legacy", raising=False)
        with pytest.raises(SystemExit):
            triton_repository.main()
        printed = capsys.readouterr()
        assert given.get("secret_key", s3.secret_key) not in printed.out + printed.err
        result = json.loads(printed.out)
        assert "exception" not in result, result["exception"]
        return result

    return run


@pytest.fixture
def keys(client: Any, bucket: str) -> Callable[[], list[str]]:
    """What the bucket holds."""

    def listed() -> list[str]:
        return sorted(row["Key"] for row in client.list_objects_v2(Bucket=bucket).get("Contents", ()))

    return listed
