"""Publishing to a real object store: what arrives, what a second run does, and what is put right."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .middleman import Middleman

Publish = Callable[..., dict[str, Any]]
Keys = Callable[[], list[str]]
SECOND = [{"name": "add_sub", "path": "add_sub_v2"}]


def test_the_objects_and_then_the_record(
    publish: Publish, keys: Keys, client: Any, bucket: str, models: Path, middleman: Middleman
) -> None:
    result = publish()

    folder = f"models/add_sub/{result['digest']}"
    assert result["changed"] is True
    assert result["storage_uri"] == f"s3://{bucket}/{folder}/"
    assert keys() == [f"{folder}.json", f"{folder}/add_sub/1/model.py", f"{folder}/add_sub/config.pbtxt"]
    assert middleman.methods("PUT")[-1] == f"/{bucket}/{folder}.json"
    assert middleman.methods("DELETE") == []

    sent = client.get_object(Bucket=bucket, Key=f"{folder}/add_sub/1/model.py")["Body"].read()
    assert sent == (models / "add_sub/1/model.py").read_bytes()
    record = json.loads(client.get_object(Bucket=bucket, Key=f"{folder}.json")["Body"].read())
    assert record["digest"] == result["digest"]
    assert [(row["path"], row["size"], row["sha256"]) for row in record["files"]] == [
        (path, len(content), hashlib.sha256(content).hexdigest())
        for path in ("add_sub/1/model.py", "add_sub/config.pbtxt")
        for content in [(models / path).read_bytes()]
    ]


def test_a_second_run_sends_nothing(publish: Publish, middleman: Middleman) -> None:
    publish(alias="triton/add_sub")
    middleman.seen.clear()
    result = publish(alias="triton/add_sub")
    assert (result["changed"], result["uploaded"], result["diff"]) == (False, [], [])
    assert middleman.methods("PUT", "POST", "DELETE") == []


def test_check_mode_foretells_and_writes_nothing(publish: Publish, keys: Keys) -> None:
    foretold = publish(check=True, alias="triton/add_sub")
    assert foretold["changed"] is True
    assert keys() == []
    done = publish(alias="triton/add_sub")
    assert {name: done[name] for name in foretold} == foretold


def test_other_content_lies_beside(publish: Publish, keys: Keys, models: Path) -> None:
    first = publish()
    before = keys()
    with (models / "add_sub/1/model.py").open("a") as file:
        file.write("# changed\n")
    second = publish()
    assert second["digest"] != first["digest"]
    assert set(before) < set(keys())


def test_what_was_damaged_is_put_right(publish: Publish, keys: Keys, client: Any, bucket: str) -> None:
    published = publish()
    right = keys()
    folder = f"models/add_sub/{published['digest']}/add_sub/"
    config = client.get_object(Bucket=bucket, Key=f"{folder}config.pbtxt")["Body"].read()

    def damage_by_removal() -> None:
        client.delete_object(Bucket=bucket, Key=f"{folder}1/model.py")

    def damage_by_content() -> None:
        client.put_object(Bucket=bucket, Key=f"{folder}config.pbtxt", Body=config[::-1])

    def damage_by_addition() -> None:
        client.put_object(Bucket=bucket, Key=f"{folder}2/model.py", Body=b"x")

    for damage, uploaded, removed in (
        (damage_by_removal, ["1/model.py"], []),
        (damage_by_content, ["config.pbtxt"], []),
        (damage_by_addition, [], ["2/model.py"]),
    ):
        damage()
        result = publish()
        assert result["changed"] is True
        assert result["uploaded"] == [folder + path for path in uploaded]
        assert result["removed"] == [folder + path for path in removed]
        assert keys() == right
        assert publish()["changed"] is False
    assert client.get_object(Bucket=bucket, Key=f"{folder}config.pbtxt")["Body"].read() == config


def test_an_alias_is_overwritten(publish: Publish, keys: Keys) -> None:
    publish(alias="triton/add_sub")
    result = publish(alias="triton/add_sub", models=SECOND)
    assert result["removed"] == ["triton/add_sub/add_sub/1/model.py"]  # or Triton would find two versions
    assert [key for key in keys() if key.startswith("triton/")] == [
        "triton/add_sub/add_sub/2/model.py",
        "triton/add_sub/add_sub/config.pbtxt",
    ]
    difference = next(each for each in result["diff"] if each["after_header"] == result["alias_uri"])
    assert "add_sub/1/model.py" in difference["before"]
    assert "add_sub/1/model.py" not in difference["after"]
    assert publish(alias="triton/add_sub", models=SECOND)["changed"] is False


def test_a_neighbour_that_kserve_would_mix_up_is_named(publish: Publish) -> None:
    def slashes(result: dict[str, Any]) -> list[str]:
        return [text for each in result.get("warnings", ()) if "without a slash" in (text := str(each))]

    assert slashes(publish(alias="triton/add_sub")) == []
    (message,) = slashes(publish(alias="triton/add_sub_v2", models=SECOND))
    assert "triton/add_sub without a slash" in message


def test_removal(publish: Publish, keys: Keys) -> None:
    kept = publish(models=SECOND)
    published = publish(alias="triton/add_sub")
    gone = {"state": "absent", "src": None, "models": None, "digest": published["digest"], "alias": "triton/add_sub"}

    before = keys()
    foretold = publish(check=True, **gone)
    assert keys() == before
    result = publish(**gone)
    assert foretold["changed"] is result["changed"] is True
    assert foretold["removed"] == result["removed"]
    assert len(result["removed"]) == 6  # twice a record and two files
    assert sorted(keys() + result["removed"]) == before
    assert all(kept["digest"] in key for key in keys())
    assert publish(**gone)["changed"] is False


def test_a_bucket_is_made_only_when_asked(publish: Publish, client: Any, bucket: str) -> None:
    other = f"{bucket}-new"
    refused = publish(bucket=other)
    assert refused["failed"]
    assert refused["failure"]["field"] == "bucket"
    assert publish(bucket=other, create_bucket=True, check=True)["bucket_created"] is True
    assert other not in [row["Name"] for row in client.list_buckets()["Buckets"]]
    assert publish(bucket=other, create_bucket=True)["bucket_created"] is True
    assert publish(bucket=other, create_bucket=True)["changed"] is False
    removed_from_nowhere = publish(bucket=f"{bucket}-never", state="absent", digest="0" * 64, src=None, models=None)
    assert removed_from_nowhere["changed"] is False


def test_a_file_in_parts(publish: Publish, client: Any, bucket: str, models: Path, tmp_path: Path) -> None:
    content = os.urandom(1024 * 1024) * 66
    (models / "add_sub/1/weights.bin").write_bytes(content)
    result = publish()
    key = next(key for key in result["uploaded"] if key.endswith("weights.bin"))
    assert "-" in client.head_object(Bucket=bucket, Key=key)["ETag"], "it was not sent in parts"
    client.download_file(bucket, key, str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == content
    assert publish()["changed"] is False


def test_the_digest_can_be_checked_by_hand(publish: Publish, models: Path) -> None:
    command = f"cd {models} && find add_sub -type f | LC_ALL=C sort | xargs sha256sum | sha256sum"
    assert os.popen(command).read().split()[0] == publish()["digest"]


@pytest.mark.parametrize("rubbish", ["__pycache__/model.cpython-311.pyc", ".git/HEAD", ".DS_Store"])
def test_rubbish_stays_here(publish: Publish, models: Path, rubbish: str) -> None:
    clean = publish(check=True)
    (models / "add_sub" / rubbish).parent.mkdir(exist_ok=True)
    (models / "add_sub" / rubbish).write_text("x")
    assert publish(check=True)["digest"] == clean["digest"]
