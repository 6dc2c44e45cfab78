"""Addresses of models: which one KServe can serve with Triton, and which one was meant."""

from __future__ import annotations

import pytest
from ansible_collections.mlops.serving.plugins.module_utils._domain.errors import InvalidIntent
from ansible_collections.mlops.serving.plugins.module_utils._domain.intent import Endpoint, parse
from ansible_collections.mlops.serving.plugins.module_utils._domain.model_address import (
    check_own_layout,
    repository_uri,
)

DIGEST = "5f" * 32
RIGHT = f"s3://bucket/models/add_sub/{DIGEST}/"


@pytest.mark.parametrize(
    ("below", "problem"),
    [
        ("add_sub", "is a model folder inside a model repository"),
        ("add_sub/", "is a model folder inside a model repository"),
        ("add_sub/1", "is a version folder inside a model repository"),
        ("add_sub/1/model.py", "is a part inside a model repository"),
        ("add_sub/config.pbtxt", "is a part inside a model repository"),
    ],
)
def test_what_lies_inside_a_publication_is_refused_with_its_address(below: str, problem: str) -> None:
    for check in (check_own_layout, repository_uri):
        with pytest.raises(InvalidIntent) as refused:
            check("artifact_uri", RIGHT + below)
        assert problem in refused.value.what
        assert refused.value.cure == f"use {RIGHT}"


def test_the_record_is_refused_with_the_address_of_its_publication() -> None:
    with pytest.raises(InvalidIntent, match="is the record of a publication") as refused:
        check_own_layout("artifact_uri", RIGHT.rstrip("/") + ".json")
    assert refused.value.cure == f"use {RIGHT}"


@pytest.mark.parametrize(
    ("uri", "served"),
    [
        (RIGHT, RIGHT),
        (RIGHT.rstrip("/"), RIGHT),
        ("s3://mlops-artifacts/triton/add_sub", "s3://mlops-artifacts/triton/add_sub/"),
        ("s3://bucket/triton/add_sub/3/", "s3://bucket/triton/add_sub/3/"),
        (f"s3://bucket/{DIGEST}/add_sub", f"s3://bucket/{DIGEST}/add_sub/"),  # too high up to be ours
        (f"s3://bucket/models/add_sub/{DIGEST[:-1]}/add_sub/", f"s3://bucket/models/add_sub/{DIGEST[:-1]}/add_sub/"),
        ("pvc://claim/models", "pvc://claim/models"),
        ("gs://bucket/models", "gs://bucket/models"),
    ],
)
def test_what_may_be_a_repository(uri: str, served: str) -> None:
    check_own_layout("artifact_uri", uri)
    assert repository_uri("artifact_uri", uri) == served


@pytest.mark.parametrize(
    ("uri", "right"),
    [
        ("s3://bucket/triton/add_sub/config.pbtxt", "use s3://bucket/triton/"),
        ("s3://bucket/triton/add_sub/1/model.py", "use s3://bucket/triton/"),
        ("s3://bucket/add_sub/config.pbtxt", "use s3://bucket/"),
        ("s3://bucket/config.pbtxt", "use the address of the folder around"),
    ],
)
def test_a_file_of_a_model_is_refused_anywhere(uri: str, right: str) -> None:
    with pytest.raises(InvalidIntent, match="is a file of a model") as refused:
        repository_uri("artifact_uri", uri)
    assert (refused.value.cure or "").startswith(right)


def test_an_endpoint_of_triton_refuses_it_and_another_runtime_does_not() -> None:
    uri = f"{RIGHT}add_sub/"
    with pytest.raises(
        InvalidIntent, match=r"^endpoint demo: model_versions.artifact_uri = .* Use s3://bucket/models/"
    ):
        parse(Endpoint(id="1", name="demo", runtime="triton", artifact_uri=uri), strict=True)
    assert parse(Endpoint(id="1", name="demo", runtime="kserve", artifact_uri=uri), strict=True).artifact_uri == uri
