"""How much of a repository an object store holds, and a user allows."""

from __future__ import annotations

import pytest
from ansible_collections.mlops.serving.plugins.module_utils._domain.model_layout import ModelFolder
from ansible_collections.mlops.serving.plugins.module_utils._domain.model_limits import (
    LARGEST_OBJECT,
    check_limits,
    shown_size,
)

PREFIX = "models/add_sub/" + "0" * 64 + "/"


def model(**sizes: int) -> ModelFolder:
    return ModelFolder("m", "source", {path.replace("_", "/"): size for path, size in sizes.items()})


def test_within_all_limits() -> None:
    assert check_limits([model(a=10), model(b=20)], [PREFIX], 30) == []


def test_the_sum_of_all_models_counts_and_the_biggest_file_is_named() -> None:
    (finding,) = check_limits([model(a=10), model(b=20, c=1)], [PREFIX], 30)
    assert (finding.path, finding.fatal) == ("source/b", True)
    assert "31 bytes together, and max_total_size is 30 bytes" in finding.problem


@pytest.mark.parametrize(
    ("size", "stops"),
    [(5 * 1024**4, None), (5 * 1024**4 + 1, False), (LARGEST_OBJECT, False), (LARGEST_OBJECT + 1, True)],
)
def test_one_object(size: int, stops: bool | None) -> None:
    assert [each.fatal for each in check_limits([model(a=size)], [PREFIX])] == ([] if stops is None else [stops])


def test_the_longest_place_decides_how_long_a_key_is() -> None:
    path = "a" * (1024 - len(PREFIX) - len("m/"))
    assert check_limits([model(**{path: 1})], ["x/", PREFIX]) == []
    (finding,) = check_limits([model(**{path: 1})], ["x/", f"y{PREFIX}"])
    assert "would have 1025 bytes, and S3 takes 1024" in finding.problem


@pytest.mark.parametrize(
    ("size", "shown"), [(0, "0 bytes"), (1023, "1023 bytes"), (1536, "1.5 KiB"), (5 * 1024**4, "5.0 TiB")]
)
def test_sizes_in_words(size: int, shown: str) -> None:
    assert shown_size(size) == shown
