"""The rules of a model repository, and how its config is read; tests/integration/triton holds them against Triton."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.mlops.serving.plugins.module_utils._domain.model_config import Message, scan
from ansible_collections.mlops.serving.plugins.module_utils._domain.model_layout import ModelFolder
from ansible_collections.mlops.serving.plugins.module_utils._domain.model_program import read_program
from ansible_collections.mlops.serving.plugins.module_utils._domain.model_rules import check, check_models

TENSORS = 'input [ { name: "X" data_type: TYPE_FP32 dims: -1 } ] output [ { name: "Y" data_type: TYPE_FP32 dims: -1 } ]'
GOOD = ModelFolder(
    "add_sub",
    "add_sub",
    {"config.pbtxt": 100, "1/model.py": 200},
    ["1"],
    {},
    scan(f'name: "add_sub"\nbackend: "python"\nmax_batch_size: 8\n{TENSORS}'),
)


def with_config(text: str, **change: object) -> ModelFolder:
    return replace(GOOD, config=scan(text), **change)  # type: ignore[arg-type]


def fatal(model: ModelFolder, **options: object) -> list[str]:
    return [str(each) for each in check(model, **options) if each.fatal]  # type: ignore[arg-type]


class TestConfig:
    def test_outermost_scalars_with_their_lines(self) -> None:
        config = scan(
            '# name: "comment"\nname: "add_sub" backend: \'python\'\n'
            'input [ { name: "INPUT0" } ]\nparameters { key: "a:b" value { string_value: "}" } }\nmax_batch_size: 8'
        )
        found = {name: config.root.scalar(name) for name in config.root.fields if config.root.scalars(name)}
        assert {name: (each.value, each.line) for name, each in found.items() if each} == {
            "name": ("add_sub", 2),
            "backend": ("python", 2),
            "max_batch_size": ("8", 5),
        }
        assert config.problem is None

    @pytest.mark.parametrize(
        ("text", "line", "message"),
        [
            ('name: "x"\ninput [\n{ dims: 1 }\n', 2, "'[' is not closed"),
            ("input [\n}\n", 2, "'}' stands where a value should"),
            ("a { b: 1 ]", 1, "']' closes nothing"),
            ("a: [ 1 }", 1, "'}' closes nothing"),
            ("a: [ 1 2 ]", 1, "'2' stands where ',' or ']' should"),
            ("a: [ 1, ]", 1, "']' stands where a value should"),
            ("a\n\n 1", 3, "':' is missing before '1'"),
            ("a:", 1, "'a' has no value"),
            ("a: 1 }", 1, "'}' closes nothing"),
            ("1: 2", 1, "'1' stands where the name of a field should"),
            ("\ufeffa: 1", 1, "begins with a byte order mark, which Triton does not read"),
            ("a { " * 101, 1, "is nested too deeply"),
            ("]", 1, "']' closes nothing"),
            ('a: 1\nname: "x\nb: 2', 2, "this string has no end"),
        ],
    )
    def test_what_does_not_parse(self, text: str, line: int, message: str) -> None:
        problem = scan(text).problem
        assert problem is not None
        assert (problem.line, problem.message) == (line, message)


class TestCheck:
    def test_a_good_model_has_no_findings(self) -> None:
        assert check(GOOD) == []

    @pytest.mark.parametrize(
        ("change", "finding"),
        [
            ({"config": None}, "add_sub/config.pbtxt: there is no such file"),
            ({"config": scan("input [")}, "add_sub/config.pbtxt:1: '[' is not closed"),
            (
                {"config": scan('backend: "python"\nname: "other"')},
                "add_sub/config.pbtxt:2: the name is 'other' but the model's folder is 'add_sub'",
            ),
            ({"folders": []}, "add_sub: has no version folder"),
            ({"folders": ["v1"]}, "add_sub/v1: Triton ignores a version folder of this name"),
            ({"folders": ["1", "2"]}, "add_sub/2: is empty, and an empty folder does not exist in S3"),
            ({"sizes": {"config.pbtxt": 1, "1/other.py": 1}}, "add_sub/1/model.py: is missing or empty"),
            ({"sizes": {"config.pbtxt": 1, "1/model.py": 0, "1/a": 1}}, "add_sub/1/model.py: is missing or empty"),
            ({"links": {"1/weights": "is a link to a file outside of src"}}, "add_sub/1/weights: is a link to a file"),
            (
                {"config": scan("version_policy { specific { versions: [ 7 ] } }")},
                "add_sub/config.pbtxt:1: version_policy chooses none of the versions 1",
            ),
            ({"programs": {"1/model.py": read_program("x = (")}}, "add_sub/1/model.py:1: Python 3."),
            ({"secrets": {"1/key.pem": [(3, "a private key")]}}, "add_sub/1/key.pem:3: looks like a private key"),
            ({"secrets": {".env": [(None, "a file of environment variables")]}}, "add_sub/.env: looks like a file of"),
            ({"name": "a b"}, "add_sub: 'a b' cannot be the name of a model"),
            ({"sizes": {**GOOD.sizes, "1/\udcff": 1}}, "add_sub/'1/\\udcff': the name holds characters"),
        ],
    )
    def test_what_cannot_be_served(self, change: dict, finding: str) -> None:
        fatal = [str(each) for each in check(replace(GOOD, **change)) if each.fatal]
        assert any(each.startswith(finding) for each in fatal), fatal

    def test_an_empty_file_is_named_but_does_not_stop(self) -> None:
        (finding,) = check(replace(GOOD, sizes={**GOOD.sizes, "1/__init__.py": 0}))
        assert (finding.path, finding.fatal) == ("add_sub/1/__init__.py", False)

    def test_folders_that_are_no_versions_are_the_models_own(self) -> None:
        assert check(replace(GOOD, folders=["1", "configs", "1/vocabulary"])) == []

    def test_a_config_without_name_or_backend_is_a_python_model_by_its_file(self) -> None:
        folder = replace(GOOD, config=scan(f"max_batch_size: 8 {TENSORS}"), folders=["1", "2"])
        folder = replace(folder, sizes={**GOOD.sizes, "2/weights": 1})
        assert [finding.path for finding in check(folder)] == ["add_sub/2/model.py"]

    def test_other_backends_need_no_model_py(self) -> None:
        sizes = {"config.pbtxt": 1, "1/model.onnx": 1}
        assert check(replace(GOOD, config=scan(f'backend: "onnxruntime" {TENSORS}'), sizes=sizes)) == []

    def test_the_file_may_have_another_name(self) -> None:
        config = scan(f'backend: "python" default_model_filename: "serve.py" {TENSORS}')
        assert check(replace(GOOD, config=config, sizes={"config.pbtxt": 1, "1/serve.py": 1})) == []

    def test_a_version_that_is_not_served_may_be_broken(self) -> None:
        folder = replace(GOOD, folders=["1", "2"], sizes={**GOOD.sizes, "1/model.py": 0, "1/a": 1, "2/model.py": 1})
        assert fatal(folder) == []
        assert "add_sub/1/model.py: is missing or empty" in str(check(folder)[0])

    def test_an_odd_folder_beside_a_version_is_a_warning(self) -> None:
        (finding,) = check(replace(GOOD, folders=["1", "01"]))
        assert (finding.path, finding.fatal) == ("add_sub/01", False)

    def test_a_backend_may_lie_in_the_folder_or_in_an_image_of_ones_own(self) -> None:
        folder = with_config(f'backend: "mine" {TENSORS}', sizes={"config.pbtxt": 1, "1/weights": 1})
        assert "there is no backend 'mine'" in fatal(folder)[0]
        assert fatal(folder, backends=["mine"]) == []
        assert fatal(replace(folder, sizes={**folder.sizes, "libtriton_mine.so": 1})) == []

    @pytest.mark.parametrize(
        ("group", "gpus", "finding", "stops"),
        [
            ("kind: KIND_GPU", None, "needs a GPU: without one Triton refuses the model", False),
            ("kind: KIND_GPU", 0, "needs a GPU, and the endpoint gives none", True),
            ("kind: KIND_GPU", 1, None, False),
            ("gpus: [ 1 ]", 1, "names GPU 1, and the endpoint gives 1, counted from 0", True),
            ("gpus: [ 0, 1 ]", 2, None, False),
            ("kind: KIND_CPU", 1, "every instance_group is KIND_CPU, and the endpoint's GPU would be idle", False),
            ("kind: KIND_CPU", 0, None, False),
            ("count: 2", 0, None, False),
        ],
    )
    def test_instances_on_gpus(self, group: str, gpus: int | None, finding: str | None, stops: bool) -> None:
        found = check(with_config(f'backend: "python"\n{TENSORS}\ninstance_group {{ {group} }}'), gpus=gpus)
        if finding is None:
            assert found == []
        else:
            assert [(finding in each.problem, each.line, each.fatal) for each in found] == [(True, 3, stops)]

    def test_a_backend_that_completes_configs_may_be_left_to_do_so(self) -> None:
        sizes = {"config.pbtxt": 1, "1/model.onnx": 1}
        assert fatal(with_config('input [ { name: "X" } ]', sizes=sizes)) == []
        assert fatal(replace(GOOD, config=None, sizes={"1/model.onnx": 1})) == []
        assert fatal(replace(GOOD, config=None, sizes={"1/model.pt": 1}))

    def test_the_usual_file_of_a_backend_is_missed_but_may_be_another(self) -> None:
        folder = with_config(f'backend: "pytorch" {TENSORS}', sizes={"config.pbtxt": 1, "1/weights.pt": 1})
        assert [(each.path, each.fatal) for each in check(folder)] == [("add_sub/1", False)]
        assert (
            check(replace(folder, config=scan(f'default_model_filename: "weights.pt" backend: "pytorch" {TENSORS}')))
            == []
        )


ENSEMBLE = scan(
    'platform: "ensemble"\nmax_batch_size: 8\n'
    f"{TENSORS}\n"
    'ensemble_scheduling { step [ { model_name: "add_sub" model_version: -1\n'
    '  input_map { key: "X" value: "X" }\n  output_map { key: "Y" value: "Y" } } ] }'
)
EMPTY = ModelFolder("both", "both", {"config.pbtxt": 1}, ["1", "2"], {}, ENSEMBLE)


class TestEnsembles:
    def test_a_good_one(self) -> None:
        assert check_models([GOOD, EMPTY]) == []

    def test_its_empty_versions_get_placeholders(self) -> None:
        assert EMPTY.placeholders == ["1/placeholder.txt", "2/placeholder.txt"]
        kept = replace(EMPTY, sizes={"config.pbtxt": 1, "1/.gitkeep": 0, "2/README": 3})
        assert kept.placeholders == ["1/placeholder.txt"]
        assert check_models([GOOD, kept]) == []

    def test_a_version_that_needs_files_gets_none(self) -> None:
        assert replace(GOOD, sizes={"config.pbtxt": 1}).placeholders == []
        assert with_config('backend: "onnxruntime"', sizes={"config.pbtxt": 1}).placeholders == []
        assert with_config('backend: "identity"', sizes={"config.pbtxt": 1}).placeholders == ["1/placeholder.txt"]

    def test_a_step_that_is_not_in_the_repository(self) -> None:
        (finding,) = check_models([EMPTY])
        assert (finding.path, finding.line, finding.fatal) == ("both/config.pbtxt", 4, True)
        assert "calls 'add_sub', which is not in the repository" in finding.problem

    def test_two_ensembles_that_call_each_other(self) -> None:
        text = (
            f'platform: "ensemble" max_batch_size: 8 {TENSORS} ensemble_scheduling {{ step {{ model_name: "%s" model_version: -1 '
            + ('input_map { key: "X" value: "X" } output_map { key: "Y" value: "Y" } } }')
        )
        one = replace(EMPTY, name="one", source="one", config=scan(text.replace("{{", "{") % "two"))
        two = replace(EMPTY, name="two", source="two", config=scan(text.replace("{{", "{") % "one"))
        found = check_models([one, two])
        assert [each.path for each in found] == ["one/config.pbtxt", "two/config.pbtxt"]
        assert all("calls itself" in each.problem for each in found)


class TestProgram:
    @pytest.mark.parametrize(
        ("source", "has_class"),
        [
            ("class TritonPythonModel: pass", True),
            ("class Model: pass", False),
            ("", False),
            ("from x import TritonPythonModel", None),
            ("from x import Y as TritonPythonModel", None),
            ("from x import *", None),
            ("if 1:\n class TritonPythonModel: pass", None),
            ("TritonPythonModel = make()", None),
            ("globals()['Triton' + 'PythonModel'] = 1", None),
        ],
    )
    def test_whether_it_has_the_class(self, source: str, has_class: bool | None) -> None:
        assert read_program(source).has_class is has_class

    @pytest.mark.parametrize(
        ("body", "line"),
        [
            ("raise ValueError", 3),
            ("x = 1\n  raise ValueError", 4),
            ("if args: return\n  raise ValueError", None),
            ("if args: raise ValueError", None),
            ("try:\n   raise ValueError\n  except ValueError: pass", None),
            ("pass", None),
        ],
    )
    def test_a_raise_that_always_comes(self, body: str, line: int | None) -> None:
        source = f"class TritonPythonModel:\n def initialize(self, args):\n  {body}\n def execute(self, requests): pass"
        program = read_program(source)
        assert (program.raises, program.executes) == (line, True)

    def test_bases_may_bring_methods(self) -> None:
        assert read_program("class TritonPythonModel: pass").executes is False
        assert read_program("class TritonPythonModel(Base): pass").executes is None

    def test_an_own_python_decides_what_parses(self) -> None:
        programs = {"1/model.py": read_program("x = (")}
        own = f'parameters [ {{ key: "EXECUTION_ENV_PATH" value {{ string_value: "x" }} }} ] {TENSORS}'
        assert fatal(replace(GOOD, programs=programs))
        assert fatal(with_config(own, programs=programs)) == []


def test_an_empty_message_has_nothing() -> None:
    empty = Message()
    assert (empty.get("x"), empty.number("x"), empty.numbers("x"), empty.message("x")) == (None, 0, [], None)
