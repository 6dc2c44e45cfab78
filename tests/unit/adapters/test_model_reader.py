"""Models read from disc: where the repository is, links, programs and credentials."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.mlops.serving.plugins.module_utils._adapters.model_reader import model_names, read_model
from ansible_collections.mlops.serving.plugins.module_utils._domain.errors import InvalidIntent


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """``repository/model/{config.pbtxt,1/model.py}``"""
    folder = tmp_path / "around" / "repository"
    (folder / "model" / "1").mkdir(parents=True)
    (folder / "model" / "config.pbtxt").write_text('backend: "python"\n')
    (folder / "model" / "1" / "model.py").write_text("class TritonPythonModel:\n    pass\n")
    return folder


def test_the_folders_of_a_repository_are_its_models(root: Path) -> None:
    (root / ".git").mkdir()
    (root / "README").write_text("x")
    assert model_names(str(root), [".git"]) == ["model"]


def test_a_model_of_a_number_is_a_model(root: Path) -> None:
    (root / "model").rename(root / "1")
    assert model_names(str(root), []) == ["1"]


@pytest.mark.parametrize(
    ("below", "without_config", "problem"),
    [
        ("model", False, "is the folder of one model (it holds config.pbtxt)"),
        ("model", True, "is the folder of one model (it holds a version folder)"),
        ("model/1", False, "is the folder of one version of a model"),
    ],
)
def test_a_folder_inside_a_repository_is_refused_with_the_one_that_is_meant(
    root: Path, below: str, without_config: bool, problem: str
) -> None:
    if without_config:
        (root / "model" / "config.pbtxt").unlink()
    with pytest.raises(InvalidIntent) as refused:
        model_names(str(root / below), [])
    assert problem in refused.value.what
    assert refused.value.cure == f"use src '{root}' with the model 'model'"


def test_the_folder_around_a_repository_is_refused_with_the_repository(root: Path) -> None:
    with pytest.raises(InvalidIntent, match="is a folder around a repository") as refused:
        model_names(str(root.parent), [])
    assert refused.value.cure == f"use src '{root}'"


@pytest.mark.parametrize("source", ["..", "../repository/model", ".", "/etc"])
def test_a_model_lies_below_src(root: Path, source: str) -> None:
    with pytest.raises(InvalidIntent, match="is not a folder below src"):
        read_model(str(root), "model", source, [])


def test_links_inside_are_followed_and_links_out_are_not(root: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("x")
    (root / "shared").write_text("x")
    version = root / "model" / "1"
    (version / "within").symlink_to(root / "shared")
    (version / "out").symlink_to(tmp_path / "outside")
    (version / "nowhere").symlink_to(tmp_path / "absent")
    (version / "folder").symlink_to(tmp_path)
    model = read_model(str(root), "model", "model", [])
    assert "1/within" in model.sizes
    assert model.links == {
        "1/out": "is a link to a file outside of src",
        "1/nowhere": "is not a regular file, nor a link to one",
        "1/folder": "is a link to a folder, which is not followed",
    }


def test_a_model_that_is_a_link_out(root: Path, tmp_path: Path) -> None:
    (root / "model").rename(tmp_path / "elsewhere")
    (root / "model").symlink_to(tmp_path / "elsewhere")
    assert read_model(str(root), "model", "model", []).links["."] == "is a link to a folder outside of src"


def test_programs_are_read_by_the_name_in_the_config(root: Path) -> None:
    assert read_model(str(root), "model", "model", []).programs["1/model.py"].has_class
    (root / "model" / "config.pbtxt").write_text('backend: "python" default_model_filename: "serve.py"')
    (root / "model" / "1" / "serve.py").write_text("(")
    programs = read_model(str(root), "model", "model", []).programs
    assert list(programs) == ["1/serve.py"]
    assert programs["1/serve.py"].problem


def test_credentials_by_name_and_by_content(root: Path) -> None:
    (root / "model" / ".env").write_text("A=1\n")
    (root / "model" / "1" / "notes.txt").write_text("x\nAKIA" + "Z" * 16 + "\n")
    (root / "model" / "1" / "big.txt").write_bytes(b"AKIA" + b"Z" * 16 + b"\n" * 5_000_000)
    found = read_model(str(root), "model", "model", []).secrets
    assert found == {".env": [(None, "a file of environment variables")], "1/notes.txt": [(2, "an AWS access key")]}
    assert read_model(str(root), "model", "model", [".env"]).secrets.keys() == {"1/notes.txt"}
    assert read_model(str(root), "model", "model", [], allow_secrets=["model/*"]).secrets == {}
