"""The rules of a repository's layout, held against what a real Triton does with each case."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ansible_collections.mlops.serving.plugins.module_utils._adapters.model_folder import read_model
from ansible_collections.mlops.serving.plugins.module_utils._domain.repository import check

from .server import Environment, Server

Change = Callable[[Path], object]


def config(old: str, new: str) -> Change:
    def change(model: Path) -> None:
        path = model / "config.pbtxt"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    return change


def version(name: str) -> Change:
    return lambda model: (model / "1").rename(model / name)


def no_versions(model: Path) -> None:
    shutil.rmtree(model / "1")


def other_file(model: Path) -> None:
    (model / "1/model.py").rename(model / "1/serve.py")
    config('backend: "python"', 'backend: "python" default_model_filename: "serve.py"')(model)


SERVED: dict[str, Change] = {
    "as_it_is": lambda model: None,
    "no_name": config('name: "no_name"', ""),
    "no_backend": config('backend: "python"', ""),
    "version_0": version("0"),
    "version_20": version("20"),
    "other_file": other_file,
    "windows_lines": config("\n", "\r\n"),
    "own_folder": lambda model: (model / "vocabulary").mkdir(),
    "empty_file": lambda model: (model / "1/__init__.py").touch(),
    "file_at_top": lambda model: (model / "README").write_text("x"),
}
REFUSED: dict[str, Change] = {
    "no_config": lambda model: (model / "config.pbtxt").unlink(),
    "open_bracket": config("output [", "output"),
    "open_string": config('"python"', '"python'),
    "other_name": config('name: "other_name"', 'name: "add_sub"'),
    "no_versions": no_versions,
    "version_v1": version("v1"),
    "version_01": version("01"),
}


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("cases")
    example = Path(__file__).resolve().parents[3] / "examples/triton/model-repository/add_sub"
    for name, change in {**SERVED, **REFUSED}.items():
        model = shutil.copytree(example, root / name)
        config('name: "add_sub"', f'name: "{name}"')(model)
        change(model)
    return root


@pytest.fixture(scope="module")
def server(triton: Environment, repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    log = tmp_path_factory.mktemp("triton") / "server.log"
    mode = ("--model-control-mode=explicit", "--disable-auto-complete-config")
    with Server(triton, repository, log, *mode) as running:
        yield running


@pytest.mark.parametrize("name", [*SERVED, *REFUSED])
def test_our_answer_is_tritons(server: Server, repository: Path, name: str) -> None:
    status, answer = server.request("POST", f"/v2/repository/models/{name}/load")
    assert (status == 200) is (name in SERVED), answer
    findings = check(read_model(str(repository), name, name, []))
    assert [str(each) for each in findings if each.fatal] == [] or name in REFUSED
    assert any(each.fatal for each in findings) or name in SERVED
