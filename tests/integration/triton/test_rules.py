"""The rules of a repository's layout, held against what a real Triton does with each case."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ansible_collections.mlops.serving.plugins.module_utils._adapters.model_folder import (
    Parser,
    config_parser,
    read_model,
)
from ansible_collections.mlops.serving.plugins.module_utils._domain.repository import check

from .environment import environment
from .server import Server, Triton

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
# These take Triton's schema to find.
REFUSED_BY_SCHEMA: dict[str, Change] = {
    "misspelt_field": config("max_batch_size", "max_batchsize"),
    "unknown_type": config("TYPE_FP32", "TYPE_FLOAT"),
    "negative_delay": config("2000", "-2000"),
    "byte_order_mark": config("# Adds", "\ufeff# Adds"),
}


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("cases")
    example = Path(__file__).resolve().parents[3] / "examples/triton/model-repository/add_sub"
    for name, change in {**SERVED, **REFUSED, **REFUSED_BY_SCHEMA}.items():
        model = shutil.copytree(example, root / name)
        config('name: "add_sub"', f'name: "{name}"')(model)
        change(model)
    return root


@pytest.fixture(scope="module")
def server(triton: Triton, repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    log = tmp_path_factory.mktemp("triton") / "server.log"
    mode = ("--model-control-mode=explicit", "--disable-auto-complete-config")
    with Server(triton, repository, log, *mode) as running:
        yield running


@pytest.fixture(scope="module")
def parser() -> Iterator[Parser]:
    """Triton's schema, from the two packages that hold it."""
    folder = environment("triton-schema", sys.executable, ("protobuf>=6", "tritonclient>=2.60"))
    with pytest.MonkeyPatch.context() as patch:
        [packages] = folder.glob("lib/python*/site-packages")
        patch.syspath_prepend(str(packages))
        found = config_parser()
        assert found is not None
        yield found


@pytest.mark.parametrize("with_schema", [False, True])
@pytest.mark.parametrize("name", [*SERVED, *REFUSED, *REFUSED_BY_SCHEMA])
def test_our_answer_is_tritons(server: Server, repository: Path, parser: Parser, name: str, with_schema: bool) -> None:
    status, answer = server.request("POST", f"/v2/repository/models/{name}/load")
    assert (status == 200) is (name in SERVED), answer
    model = read_model(str(repository), name, name, [], parser if with_schema else None)
    fatal = [str(each) for each in check(model) if each.fatal]
    assert bool(fatal) is (name in REFUSED or (with_schema and name in REFUSED_BY_SCHEMA)), fatal


def test_a_violation_of_the_schema_has_its_line_and_column(repository: Path, parser: Parser) -> None:
    (finding,) = check(read_model(str(repository), "misspelt_field", "misspelt_field", [], parser))
    assert (finding.path, finding.line) == ("misspelt_field/config.pbtxt", 4)
    assert "max_batchsize" in finding.problem
    assert "(column 1)" in finding.problem
