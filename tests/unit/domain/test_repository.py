"""A model repository: the rules of its layout, its digest, its places, and what a publication sends."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
from ansible_collections.mlops.serving.plugins.module_utils._domain.errors import InvalidIntent
from ansible_collections.mlops.serving.plugins.module_utils._domain.model_config import scan
from ansible_collections.mlops.serving.plugins.module_utils._domain.repository import (
    File,
    ModelFolder,
    Published,
    Stored,
    alias_location,
    check,
    digest_of,
    location,
    neighbours,
    plan,
    read_record,
    record_of,
)

DIGEST = "0" * 64
GOOD = ModelFolder(
    "add_sub",
    "add_sub",
    {"config.pbtxt": 100, "1/model.py": 200},
    ["1"],
    {},
    scan('name: "add_sub"\nbackend: "python"\nmax_batch_size: 8\n'),
)


class TestConfig:
    def test_outermost_scalars_with_their_lines(self) -> None:
        config = scan(
            '# name: "comment"\nname: "add_sub" backend: \'python\'\n'
            'input [ { name: "INPUT0" } ]\nparameters { key: "a:b" value { string_value: "}" } }\nmax_batch_size: 8'
        )
        assert {name: (each.value, each.line) for name, each in config.fields.items()} == {
            "name": ("add_sub", 2),
            "backend": ("python", 2),
            "max_batch_size": ("8", 5),
        }
        assert config.problem is None

    @pytest.mark.parametrize(
        ("text", "line", "message"),
        [
            ('name: "x"\ninput [\n{ dims: 1 }\n', 2, "'[' is not closed"),
            ("input [\n}\n", 2, "'}' closes nothing"),
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
            ({"folders": ["1", "01"]}, "add_sub/01: Triton ignores a version folder of this name"),
            ({"folders": ["1", "2"]}, "add_sub/2: is empty, and an empty folder does not exist in S3"),
            ({"sizes": {"config.pbtxt": 1, "1/other.py": 1}}, "add_sub/1/model.py: is missing or empty"),
            ({"sizes": {"config.pbtxt": 1, "1/model.py": 0, "1/a": 1}}, "add_sub/1/model.py: is missing or empty"),
            ({"links": {"1/weights": "is a link out of the model's folder"}}, "add_sub/1/weights: is a link out"),
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
        folder = replace(GOOD, config=scan("max_batch_size: 8"), folders=["1", "2"])
        folder = replace(folder, sizes={**GOOD.sizes, "2/weights": 1})
        assert [finding.path for finding in check(folder)] == ["add_sub/2/model.py"]

    def test_other_backends_need_no_model_py(self) -> None:
        sizes = {"config.pbtxt": 1, "1/model.onnx": 1}
        assert check(replace(GOOD, config=scan('backend: "onnxruntime"'), sizes=sizes)) == []

    def test_the_file_may_have_another_name(self) -> None:
        config = scan('backend: "python" default_model_filename: "serve.py"')
        assert check(replace(GOOD, config=config, sizes={"config.pbtxt": 1, "1/serve.py": 1})) == []


FILES = (File("add_sub/config.pbtxt", 10, "a" * 64), File("add_sub/1/model.py", 20, "b" * 64))
SENT = {file.path: Stored(file.size, f"etag of {file.path}") for file in FILES}
DONE = Published(read_record(record_of("add_sub", DIGEST, FILES, SENT)), SENT)


class TestPlan:
    def test_nothing_is_there(self) -> None:
        steps = plan(FILES, Published())
        assert sorted(file.path for file in steps.upload) == ["add_sub/1/model.py", "add_sub/config.pbtxt"]
        assert (steps.changed, steps.withdraw, steps.remove) == (True, False, ())

    def test_everything_is_there(self) -> None:
        assert not plan(FILES, DONE).changed

    def test_objects_without_a_record_are_not_trusted(self) -> None:
        assert len(plan(FILES, Published({}, SENT)).upload) == 2

    @pytest.mark.parametrize("instead", [None, Stored(11, "etag of add_sub/config.pbtxt"), Stored(10, "another")])
    def test_an_object_that_went_or_changed_is_sent_again(self, instead: Stored | None) -> None:
        present = {path: there for path, there in SENT.items() if path != "add_sub/config.pbtxt"}
        if instead:
            present["add_sub/config.pbtxt"] = instead
        steps = plan(FILES, replace(DONE, present=present))
        assert [file.path for file in steps.upload] == ["add_sub/config.pbtxt"]
        assert steps.withdraw

    def test_what_somebody_put_between_is_removed(self) -> None:
        steps = plan(FILES, replace(DONE, present={**SENT, "add_sub/2/model.py": Stored(1, "x")}))
        assert (steps.upload, steps.remove, steps.changed) == ((), ("add_sub/2/model.py",), True)

    def test_only_the_changed_file_of_an_alias_is_sent(self) -> None:
        changed = replace(FILES[1], sha256="c" * 64)
        steps = plan([FILES[0], changed], DONE)
        assert steps.upload == (changed,)

    def test_a_record_with_a_file_too_many_is_written_again(self) -> None:
        steps = plan(FILES[:1], replace(DONE, present={FILES[0].path: SENT[FILES[0].path]}))
        assert (steps.upload, steps.remove, steps.changed) == ((), (), True)

    @pytest.mark.parametrize("document", [None, [], {}, {"format": 2, "files": []}, {"format": 1, "files": [{}]}])
    def test_a_record_that_is_not_ours_counts_for_nothing(self, document: object) -> None:
        assert read_record(document) == {}


def test_the_digest_is_that_of_sha256sum_in_the_order_of_paths() -> None:
    printed = f"{'b' * 64}  add_sub/1/model.py\n{'a' * 64}  add_sub/config.pbtxt\n"
    assert digest_of(FILES) == digest_of(FILES[::-1]) == hashlib.sha256(printed.encode()).hexdigest()


class TestLocation:
    def test_a_publication_and_its_record(self) -> None:
        place = location("bucket", "/team/models/", "add_sub", DIGEST)
        assert place.uri == f"s3://bucket/team/models/add_sub/{DIGEST}/"
        assert place.record == f"team/models/add_sub/{DIGEST}.json"

    def test_an_alias_and_its_record(self) -> None:
        place = alias_location("bucket", "models", "triton/add_sub")
        assert place.uri == "s3://bucket/triton/add_sub/"
        assert place.record == "models/.aliases/triton%2Fadd_sub.json"

    @pytest.mark.parametrize("alias", ["models", "models/x", "mod", "models-2"])
    def test_an_alias_that_would_be_served_with_the_publications(self, alias: str) -> None:
        with pytest.raises(InvalidIntent, match=r"^alias = "):
            alias_location("bucket", "models", alias)

    @pytest.mark.parametrize("value", ["", "/", "a//b", "../a", "a/./b", "a\nb"])
    def test_what_is_no_folder(self, value: str) -> None:
        with pytest.raises(InvalidIntent, match=r"^prefix = "):
            location("bucket", value, "add_sub", DIGEST)
        with pytest.raises(InvalidIntent, match=r"^alias = "):
            alias_location("bucket", "models", value)

    @pytest.mark.parametrize(
        ("field", "repository", "digest"), [("repository", "a/b", DIGEST), ("digest", "a", "../x")]
    )
    def test_names_that_would_lead_elsewhere(self, field: str, repository: str, digest: str) -> None:
        with pytest.raises(InvalidIntent, match=f"^{field} = "):
            location("bucket", "models", repository, digest)

    def test_neighbours_share_the_text_of_the_prefix_in_either_direction(self) -> None:
        siblings = ["triton/add/", "triton/add_sub/", "triton/add_sub_v2/", "triton/other/"]
        place = alias_location("bucket", "models", "triton/add_sub")
        assert neighbours(place, siblings) == ["triton/add", "triton/add_sub_v2"]
