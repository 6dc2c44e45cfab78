"""What triton_repository refuses before it sends anything, and what it adds to a repository by itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .middleman import Middleman

Publish = Callable[..., dict[str, Any]]
Keys = Callable[[], list[str]]
ENSEMBLE = (
    'platform: "ensemble"\nmax_batch_size: 8\n'
    'input [ { name: "X" data_type: TYPE_FP32 dims: [ -1 ] } ]\n'
    'output [ { name: "Y" data_type: TYPE_FP32 dims: [ -1 ] } ]\n'
    'ensemble_scheduling { step [ { model_name: "add_sub" model_version: -1\n'
    '  input_map { key: "INPUT0" value: "X" } input_map { key: "INPUT1" value: "X" }\n'
    '  output_map { key: "OUTPUT0" value: "Y" } } ] }\n'
)


@pytest.fixture
def ensemble(models: Path) -> Path:
    """An ensemble beside the models of the example, with an empty version folder as Triton wants it."""
    (models / "doubled" / "1").mkdir(parents=True)
    (models / "doubled" / "config.pbtxt").write_text(ENSEMBLE)
    return models / "doubled"


def test_several_models_and_a_version_without_files(
    publish: Publish, keys: Keys, ensemble: Path, client: Any, bucket: str
) -> None:
    wanted = [{"name": "add_sub"}, {"name": "doubled"}]
    foretold = publish(check=True, models=wanted)
    published = publish(models=wanted)
    folder = f"models/add_sub/{published['digest']}"
    below = [key.removeprefix(f"{folder}/") for key in keys() if key.startswith(f"{folder}/")]
    assert below == ["add_sub/1/model.py", "add_sub/config.pbtxt", "doubled/1/placeholder.txt", "doubled/config.pbtxt"]
    assert client.get_object(Bucket=bucket, Key=f"{folder}/doubled/1/placeholder.txt")["Body"].read().strip()
    assert published["digest"] == foretold["digest"]
    assert "doubled/1/placeholder.txt" in [each["path"] for each in published["files"]]
    assert list((ensemble / "1").iterdir()) == []
    assert publish(models=wanted)["changed"] is False

    (ensemble / "1").rename(ensemble / "2")
    assert publish(models=wanted)["digest"] != published["digest"]


def test_an_ensemble_without_its_model(publish: Publish, middleman: Middleman, ensemble: Path) -> None:
    result = publish(models=[{"name": "doubled"}])
    assert "doubled/config.pbtxt:5: step 1 calls 'add_sub', which is not in the repository" in result["msg"]
    assert middleman.seen == []


def test_a_credential_is_named_and_not_shown(publish: Publish, middleman: Middleman, models: Path) -> None:
    secret = "AKIA" + "Q7" * 8
    (models / "add_sub/1/notes.txt").write_text(f"one\n{secret}\n")
    (models / "add_sub/.env").write_text(f"AWS_ACCESS_KEY_ID={secret}\n")
    result = publish()
    places = {(each["path"], each["line"]) for each in result["findings"] if each["fatal"]}
    assert places == {("add_sub/1/notes.txt", 2), ("add_sub/.env", None)}
    assert secret not in json.dumps(result)
    assert middleman.seen == []
    allowed = publish(allow_secrets=["add_sub/1/notes.txt", "*.env"])
    assert allowed["changed"] is True


@pytest.mark.parametrize(
    ("gpu", "refused", "warned"),
    [(None, False, True), (False, True, False), (True, False, False), (2, False, False), ("some", True, False)],
)
def test_instances_on_a_gpu(publish: Publish, models: Path, gpu: Any, refused: bool, warned: bool) -> None:
    with (models / "add_sub/config.pbtxt").open("a") as config:
        config.write("instance_group [ { kind: KIND_GPU } ]\n")
    result = publish(gpu=gpu)
    assert bool(result.get("failed")) is refused
    assert any(not each["fatal"] for each in result.get("findings", [])) is warned


def test_the_most_that_a_user_allows(publish: Publish, middleman: Middleman, models: Path) -> None:
    with (models / "add_sub/1/weights").open("wb") as file:
        file.truncate(3 * 1024 * 1024)
    result = publish(max_total_size="3MB")
    assert "add_sub/1/weights: all files have 3.0 MiB together, and max_total_size is 3.0 MiB" in result["msg"]
    assert middleman.seen == []
    assert publish(max_total_size="4MB")["changed"] is True


def test_a_key_that_s3_does_not_take(publish: Publish, middleman: Middleman, models: Path) -> None:
    result = publish(prefix="/".join(["p" * 100] * 10))
    assert "would have 11" in result["msg"]
    assert middleman.seen == []


def test_what_would_be_refused_today_can_be_removed(publish: Publish, keys: Keys, models: Path) -> None:
    with (models / "add_sub/config.pbtxt").open("a") as config:
        config.write("instance_group [ { kind: KIND_GPU } ]\n")
    publish(gpu=True)
    assert publish(state="absent", gpu=False)["changed"] is True
    assert keys() == []


def test_a_backend_of_ones_own(publish: Publish, models: Path) -> None:
    config = models / "add_sub/config.pbtxt"
    config.write_text(config.read_text().replace('"python"', '"mine"'))
    assert "there is no backend 'mine'" in publish()["msg"]
    assert publish(backends=["mine"])["changed"] is True
