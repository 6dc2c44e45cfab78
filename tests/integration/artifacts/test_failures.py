"""What goes wrong: one clear sentence, and nothing half-visible in the bucket."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .middleman import Middleman

Publish = Callable[..., dict[str, Any]]
Keys = Callable[[], list[str]]
MIB = 1024 * 1024


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        ({"secret_key": "wrong-secret-of-nobody"}, "forbidden", "SignatureDoesNotMatch. Give an access_key"),
        ({"access_key": "nobody"}, "forbidden", "InvalidAccessKeyId. Give an access_key"),
        ({"access_key": None, "secret_key": None}, "forbidden", "no usable credential"),
        ({"access_key": None, "secret_key": None, "profile": "nobody"}, "invalid_intent", "nobody"),
        ({"endpoint_url": "http://127.0.0.1:1"}, "unavailable", "at http://127.0.0.1:1: it does not answer"),
        ({"endpoint_url": "127.0.0.1:9000"}, "invalid_intent", "endpoint_url = '127.0.0.1:9000'"),
        ({"bucket": "No_Bucket/"}, "invalid_intent", "bucket"),
        ({"alias": "models/x"}, "invalid_intent", "alias = 'models/x'"),
        ({"digest": "0" * 64}, "invalid_intent", "digest: follows from the content"),
        ({"state": "absent"}, "invalid_intent", "find"),
        ({"models": [{"name": "a"}, {"name": "a"}]}, "invalid_intent", "names a model twice"),
        ({"models": [{"name": "nothing"}]}, "invalid_intent", "nothing': is not a folder"),
        ({"src": "/nowhere"}, "invalid_intent", "src = '/nowhere': is not a folder"),
    ],
)
def test_one_clear_sentence(publish: Publish, keys: Keys, options: dict, code: str, words: str) -> None:
    if options == {"state": "absent"}:
        options, words = {"state": "absent", "src": None}, "give digest or src"
    result = publish(**options)
    assert result["failed"]
    assert result["failure"]["code"] == code, result["msg"]
    assert words.lower() in result["msg"].lower()
    assert result["changed"] is False
    assert keys() == []


def test_a_password_in_the_address_is_not_shown(publish: Publish) -> None:
    result = publish(endpoint_url="http://user:hidden-word@127.0.0.1:9000")
    assert result["failure"]["field"] == "endpoint_url"
    assert "hidden-word" not in result["msg"] + str(result["failure"])


def test_a_key_that_may_only_read(publish: Publish, s3: Any) -> None:
    result = publish(access_key=s3.reader_access_key, secret_key=s3.reader_secret_key)
    assert result["failure"]["code"] == "forbidden"
    assert "cannot write s3://" in result["msg"]
    assert "AccessDenied" in result["msg"]
    assert result["changed"] is False


@pytest.mark.parametrize("trouble", [503, "cut"])
def test_trouble_in_the_middle_leaves_nothing_that_counts(
    publish: Publish, keys: Keys, middleman: Middleman, trouble: int | str
) -> None:
    middleman.intervene = lambda method, path: trouble if method == "PUT" and path.endswith("config.pbtxt") else None
    result = publish(alias="triton/add_sub")
    assert result["failure"]["code"] == "unavailable"
    assert "config.pbtxt" in result["msg"]
    assert not [key for key in keys() if key.endswith(".json")]

    middleman.intervene = lambda method, path: None
    result = publish(alias="triton/add_sub")
    assert len(result["uploaded"]) == 4, "what the broken run left may not be trusted"
    assert len([key for key in keys() if key.endswith(".json")]) == 2


def test_an_alias_that_is_half_overwritten_does_not_count_as_complete(
    publish: Publish, keys: Keys, middleman: Middleman, models: Path
) -> None:
    publish(alias="triton/add_sub")
    with (models / "add_sub/config.pbtxt").open("a") as file:
        file.write("# changed\n")
    middleman.intervene = lambda method, path: 503 if method == "PUT" and "/triton/" in path else None
    assert publish(alias="triton/add_sub")["failed"]
    assert "models/.aliases/triton%2Fadd_sub.json" not in keys()


@pytest.mark.parametrize(
    ("name", "size", "when"),
    [
        ("config.pbtxt", 1000, "GET"),  # between its hashing and its sending
        ("1/weights.bin", 9 * MIB, "PUT"),  # between two of its parts
    ],
)
def test_a_file_that_changes_meanwhile(
    publish: Publish,
    client: Any,
    bucket: str,
    keys: Keys,
    middleman: Middleman,
    models: Path,
    name: str,
    size: int,
    when: str,
) -> None:
    file = models / "add_sub" / name
    if not file.exists():
        file.write_bytes(bytes(size))

    def change(method: str, path: str) -> None:
        if method == when and (when == "GET" or path.endswith(name)):
            file.write_bytes(b"x" * file.stat().st_size)

    middleman.intervene = change
    result = publish()
    assert "changed while it was published" in result["msg"]
    assert not [key for key in keys() if key.endswith((".json", name))]
    assert "Uploads" not in client.list_multipart_uploads(Bucket=bucket)


def test_a_broken_repository_is_refused_before_the_first_request(
    publish: Publish, middleman: Middleman, models: Path, tmp_path: Path
) -> None:
    (models / "add_sub/1/model.py").unlink()
    (models / "add_sub/1/notes").write_text("x")
    (models / "add_sub/secret").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").write_text("x")
    config = models / "add_sub/config.pbtxt"
    config.write_text(config.read_text().replace('"add_sub"', '"sub_add"'))
    result = publish()
    assert middleman.seen == []
    assert {(each["path"], each["line"]) for each in result["findings"] if each["fatal"]} == {
        ("add_sub/1/model.py", None),
        ("add_sub/secret", None),
        ("add_sub/config.pbtxt", 2),
    }
    assert all(each["path"] in result["msg"] for each in result["findings"])


def test_the_folder_of_a_model_is_no_repository(publish: Publish, models: Path) -> None:
    result = publish(src=str(models / "add_sub"))
    assert f"use src '{models}' with the model 'add_sub'".lower() in result["msg"].lower()
