"""Models that are right or wrong in one point each, made from the example: what a real Triton does with them is the test.

Each maker changes a copy of the example's folder, whose config has the name of the case. A refused case has with it what
our finding says.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

Change = Callable[[Path], object]

EXAMPLE = Path(__file__).resolve().parents[3] / "examples/triton/model-repository/add_sub"
INPUT0 = '{ name: "INPUT0" data_type: TYPE_FP32 dims: [ -1 ] }'
OUTPUT0 = '{ name: "OUTPUT0" data_type: TYPE_FP32 dims: [ -1 ] }'
DYNAMIC = "dynamic_batching {\n  preferred_batch_size: [ 2, 4, 8 ]\n  max_queue_delay_microseconds: 2000\n}"
# A program that asks nothing of its config.
PLAIN = "class TritonPythonModel:\n    def execute(self, requests):\n        return []\n"
COMPLETING = (EXAMPLE / "1/model.py").read_text() + (
    "\n    @staticmethod\n    def auto_complete_config(config):\n"
    '        for name in ("INPUT0", "INPUT1"):\n'
    '            config.add_input({"name": name, "data_type": "TYPE_FP32", "dims": [-1]})\n'
    '        for name in ("OUTPUT0", "OUTPUT1"):\n'
    '            config.add_output({"name": name, "data_type": "TYPE_FP32", "dims": [-1]})\n'
    "        config.set_max_batch_size(8)\n        return config\n"
)


def make(root: Path, name: str, change: Change) -> Path:
    model = shutil.copytree(EXAMPLE, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    config('name: "add_sub"', f'name: "{name}"')(model)
    change(model)
    return model


def config(*pairs: str) -> Change:
    """Replace texts of the config: old, new, old, new ..."""

    def change(model: Path) -> None:
        path = model / "config.pbtxt"
        text = path.read_text()
        for old, new in zip(pairs[::2], pairs[1::2], strict=True):
            assert old in text, old
            text = text.replace(old, new)
        path.write_text(text)

    return change


def added(text: str) -> Change:
    return lambda model: (model / "config.pbtxt").open("a").write(f"\n{text}\n")


def program(text: str | bytes) -> Change:
    return lambda model: (model / "1/model.py").write_bytes(text if isinstance(text, bytes) else text.encode())


def whole(text: str, source: str = PLAIN) -> Change:
    def change(model: Path) -> None:
        (model / "config.pbtxt").write_text(text)
        program(source)(model)

    return change


def both(*changes: Change) -> Change:
    return lambda model: [change(model) for change in changes]


def version(name: str) -> Change:
    return lambda model: (model / "1").rename(model / name)


def second(name: str, *, empty: bool = False) -> Change:
    return lambda model: (model / name).mkdir() if empty else shutil.copytree(model / "1", model / name)


def other_file(model: Path) -> None:
    (model / "1/model.py").rename(model / "1/serve.py")
    config('backend: "python"', 'backend: "python" default_model_filename: "serve.py"')(model)


def broken_first(model: Path) -> None:
    """Version 2 is served; version 1, which is not, lacks its program."""
    shutil.copytree(model / "1", model / "2")
    (model / "1/model.py").rename(model / "1/notes.txt")


def input0(text: str, *more: str) -> Change:
    return config(INPUT0, f'{{ name: "INPUT0" {text} }}', *more)


def output0(text: str) -> Change:
    return config(OUTPUT0, f'{{ name: "OUTPUT0" {text} }}')


def group(text: str) -> Change:
    return added(f"instance_group [ {text} ]")


def warm_up(inputs: str, size: int = 1) -> Change:
    return added(f'model_warmup [ {{ name: "w" batch_size: {size} {inputs} }} ]')


def zeros(*names: str) -> str:
    value = "value { data_type: TYPE_FP32 dims: [ 2 ] zero_data: true }"
    return " ".join(f'inputs {{ key: "{name}" {value} }}' for name in names)


def step(
    model: str | None = "add_sub",
    number: str | None = "-1",
    ins: str = "INPUT0:INPUT0 INPUT1:INPUT1",
    outs: str = "OUTPUT0:OUTPUT0",
) -> str:
    def pairs(name: str, maps: str) -> str:
        each = (pair.split(":") for pair in maps.split())
        return " ".join(f'{name} {{ key: "{key}" value: "{value}" }}' for key, value in each)

    head = (f'model_name: "{model}" ' if model else "") + (f"model_version: {number} " if number else "")
    return f"step [ {{ {head}{pairs('input_map', ins)} {pairs('output_map', outs)} }} ]\n"


def ensemble(
    steps: str,
    *,
    ins: str = "INPUT0 INPUT1",
    outs: str = "OUTPUT0",
    most: int = 8,
    kind: str = "TYPE_FP32",
    dims: str = "-1",
    head: str = 'platform: "ensemble"',
) -> Change:
    def tensors(name: str, names: str) -> str:
        return "".join(
            f'{name} [ {{ name: "{each}" data_type: {kind} dims: [ {dims} ] }} ]\n' for each in names.split()
        )

    def change(model: Path) -> None:
        shutil.rmtree(model / "1")
        (model / "1").mkdir()  # an ensemble has no files
        scheduling = f"ensemble_scheduling {{\n{steps}}}\n"
        text = f"{head}\nmax_batch_size: {most}\n{tensors('input', ins)}{tensors('output', outs)}{scheduling}"
        (model / "config.pbtxt").write_text(text)

    return change


SERVED: dict[str, Change] = {
    "add_sub": lambda model: None,
    "no_name": config('name: "no_name"', ""),
    "no_backend": config('backend: "python"', ""),
    "empty_backend": config('"python"', '""'),
    "version_0": version("0"),
    "version_20": version("20"),
    "version_folder_beside": second("01"),
    "version_that_is_a_file": lambda model: (model / "2").write_text("x"),
    "first_version_broken": broken_first,
    "other_file": other_file,
    "windows_lines": config("\n", "\r\n"),
    "own_folder": lambda model: (model / "vocabulary").mkdir(),
    "empty_file": lambda model: (model / "1/__init__.py").touch(),
    "file_at_top": lambda model: (model / "README").write_text("x"),
    "two_strings": config('"python"', '"pyt" "hon"'),
    "angle_brackets": config("dynamic_batching {", "dynamic_batching <", "2000\n}", "2000\n>"),
    "colon_before_message": config("dynamic_batching {", "dynamic_batching: {"),
    "semicolons": config("max_batch_size: 8", "max_batch_size: 8;"),
    "hexadecimal": config("max_batch_size: 8", "max_batch_size: 0x8"),
    "space_after_minus": config("dims: [ -1 ]", "dims: [ - 1 ]"),
    "wrong_platform": config('backend: "python"', 'backend: "python" platform: "nonsense"'),
    "dynamic_without_batches": config("max_batch_size: 8", "", "preferred_batch_size: [ 2, 4, 8 ]", ""),
    "default_priority_without_levels": config("max_queue", "default_priority_level: 1 max_queue"),
    "sequences": config(DYNAMIC, "sequence_batching { max_sequence_idle_microseconds: 1000000 }"),
    "decoupled": added("model_transaction_policy { decoupled: true }"),
    "cache": added("response_cache { enable: true }"),
    "duplicate_input": config('"INPUT1"', '"INPUT0"'),
    "duplicate_output": both(config('"OUTPUT1"', '"OUTPUT0"'), program(PLAIN)),
    "no_input": whole(f'backend: "python"\noutput [ {OUTPUT0} ]'),
    "no_output": whole(f'backend: "python"\ninput [ {INPUT0} ]'),
    "empty_config_but_a_comment": whole("# nothing"),
    "text_input": input0("data_type: TYPE_STRING dims: [ 1 ]"),
    "optional_input": input0("data_type: TYPE_FP32 dims: [ -1 ] optional: true"),
    "type_by_number": input0("data_type: 11 dims: [ -1 ]"),
    "three_dims_of_a_picture": input0("data_type: TYPE_FP32 format: FORMAT_NHWC dims: [ 4, 4, 3 ]"),
    "reshape": input0("data_type: TYPE_FP32 dims: [ 4 ] reshape { shape: [ 2, 2 ] }"),
    "reshape_to_one_value": input0("data_type: TYPE_FP32 dims: [ 1 ] reshape { shape: [ ] }"),
    "reshape_of_any_size": input0("data_type: TYPE_FP32 dims: [ -1 ] reshape { shape: [ -1, 1 ] }"),
    "labels": both(
        output0('data_type: TYPE_FP32 dims: [ -1 ] label_filename: "labels.txt"'),
        lambda model: (model / "labels.txt").write_text("a\nb\n"),
    ),
    "two_on_cpu": group("{ kind: KIND_CPU count: 2 }"),
    "kind_auto": group("{ count: 1 }"),
    "kind_model": group("{ kind: KIND_MODEL }"),
    "no_instances": group("{ kind: KIND_CPU count: 0 }"),
    "minus_one_instances": group("{ kind: KIND_CPU count: -1 }"),
    "one_version_of_two_named": added("version_policy { specific { versions: [ 1, 3 ] } }"),
    "newest_five": added("version_policy { latest { num_versions: 5 } }"),
    "empty_policy": added("version_policy { }"),
    "every_version": added("version_policy { all { } }"),
    "warm_up": warm_up(zeros("INPUT0", "INPUT1")),
    "no_execute": program("class TritonPythonModel:\n    pass\n"),
    "imported_class": both(
        lambda model: (model / "1/other.py").write_text(PLAIN), program("from other import TritonPythonModel\n")
    ),
    "star_import": both(lambda model: (model / "1/other.py").write_text(PLAIN), program("from other import *\n")),
    "raises_sometimes": program(
        PLAIN + "    def initialize(self, args):\n        if not args:\n            raise ValueError\n"
    ),
    "ensemble": ensemble(step()),
    "ensemble_of_a_version": ensemble(step(number="1")),
    "ensemble_of_two_steps": ensemble(step(outs="OUTPUT0:mid") + step(ins="INPUT0:mid INPUT1:INPUT1")),
    "ensemble_of_two_steps_in_any_order": ensemble(step(ins="INPUT0:mid INPUT1:INPUT1") + step(outs="OUTPUT0:mid")),
    "ensemble_of_an_ensemble": ensemble(step("ensemble")),
    "ensemble_with_smaller_batches": ensemble(step(), most=4),
    "ensemble_without_an_optional_input": ensemble(step("optional_input", ins="INPUT1:INPUT1"), ins="INPUT1"),
    "ensemble_over_a_model_without_batches": ensemble(step("dynamic_without_batches")),
    "ensemble_with_a_fixed_size": ensemble(step(), dims="7"),
}
# By case: the change, and what our fatal finding says.
REFUSED: dict[str, tuple[Change, str]] = {
    "no_config": (lambda model: (model / "config.pbtxt").unlink(), "there is no such file"),
    "open_bracket": (config("output [", "output"), "stands where"),
    "open_string": (config('"python"', '"python'), "this string has no end"),
    "no_colon": (config("max_batch_size: 8", "max_batch_size 8"), "':' is missing"),
    "list_without_colon": (config("preferred_batch_size: [", "preferred_batch_size ["), "':' is missing"),
    "comma_at_the_end": (config("4, 8 ]", "4, 8, ]"), "']' stands where a value should"),
    "byte_order_mark": (config("# Adds", "\ufeff# Adds"), "byte order mark"),
    "twice": (added("max_batch_size: 4"), "max_batch_size stands here a second time"),
    "dynamic_twice": (added("dynamic_batching { }"), "one way to be scheduled"),
    "sequence_beside_dynamic": (added("sequence_batching { }"), "one way to be scheduled"),
    "other_name": (config('name: "other_name"', 'name: "add_sub"'), "the name is 'add_sub'"),
    "no_versions": (lambda model: shutil.rmtree(model / "1"), "has no version folder"),
    "version_v1": (version("v1"), "ignores a version folder"),
    "version_01": (version("01"), "ignores a version folder"),
    "absent_version": (added("version_policy { specific { versions: [ 3 ] } }"), "chooses none of the versions 1"),
    "no_version_named": (added("version_policy { specific { } }"), "chooses none"),
    "newest_none": (added("version_policy { latest { num_versions: 0 } }"), "chooses none"),
    "negative_batch": (config("max_batch_size: 8", "max_batch_size: -1", DYNAMIC, ""), "max_batch_size is -1"),
    "preferred_above": (config("2, 4, 8", "2, 16"), "preferred_batch_size 16 of dynamic_batching is more than"),
    "preferred_without_batches": (config("max_batch_size: 8", "max_batch_size: 0"), "more than max_batch_size 0"),
    "preferred_0": (config("2, 4, 8", "0"), "preferred_batch_size 0 of dynamic_batching is not positive"),
    "negative_delay": (config("2000", "-2000"), "max_queue_delay_microseconds is -2000"),
    "default_priority": (
        config("max_queue", "priority_levels: 2 default_priority_level: 3 max_queue"),
        "default_priority_level is 3",
    ),
    "no_default_priority": (config("max_queue", "priority_levels: 2 max_queue"), "default_priority_level is 0"),
    "priority_policy": (
        config(
            "max_queue",
            "priority_levels: 2 default_priority_level: 1 priority_queue_policy { key: 5 value { max_queue_size: 3 } } max_queue",
        ),
        "priority_queue_policy is for level 5",
    ),
    "sequence_preferred_above": (
        config(DYNAMIC, "sequence_batching { oldest { max_candidate_sequences: 4 preferred_batch_size: [ 16 ] } }"),
        "preferred_batch_size 16 of sequence_batching",
    ),
    "control_of_one_value": (
        config(
            DYNAMIC,
            'sequence_batching { control_input [ { name: "S" control [ { kind: CONTROL_SEQUENCE_START int32_false_true: [ 0 ] } ] } ] }',
        ),
        "int32_false_true has 1 values",
    ),
    "no_dims": (input0("data_type: TYPE_FP32"), "input 'INPUT0' has no dims"),
    "no_type": (input0("dims: [ -1 ]"), "input 'INPUT0' has no data_type"),
    "type_invalid": (input0("data_type: TYPE_INVALID dims: [ -1 ]"), "input 'INPUT0' has no data_type"),
    "no_tensor_name": (config(INPUT0, "{ data_type: TYPE_FP32 dims: [ -1 ] }"), "an input has no name"),
    "dim_0": (input0("data_type: TYPE_FP32 dims: [ 0 ]"), "has the dimension 0"),
    "dim_minus_2": (input0("data_type: TYPE_FP32 dims: [ -2 ]"), "has the dimension -2"),
    "output_dim_0": (output0("data_type: TYPE_FP32 dims: [ 0 ]"), "output 'OUTPUT0' has the dimension 0"),
    "output_without_type": (output0("dims: [ 1 ]"), "output 'OUTPUT0' has no data_type"),
    "two_dims_of_a_picture": (
        input0("data_type: TYPE_FP32 format: FORMAT_NHWC dims: [ 4, 4 ]"),
        "goes with three dims",
    ),
    "shape_tensor": (input0("data_type: TYPE_INT32 dims: [ 2 ] is_shape_tensor: true"), "is a shape tensor"),
    "reshape_of_another_size": (
        input0("data_type: TYPE_FP32 dims: [ 4 ] reshape { shape: [ 2, 3 ] }"),
        "another number of values",
    ),
    "reshape_to_two_of_any_size": (
        input0("data_type: TYPE_FP32 dims: [ -1 ] reshape { shape: [ -1, -1 ] }"),
        "another number",
    ),
    "reshape_in_another_order": (
        input0("data_type: TYPE_FP32 dims: [ 2, -1, 3 ] reshape { shape: [ 3, -1, 2 ] }"),
        "another number",
    ),
    "reshape_to_0": (
        input0("data_type: TYPE_FP32 dims: [ 1 ] reshape { shape: [ 0 ] }"),
        "is reshaped to the dimension 0",
    ),
    "reshape_to_one_value_without_batches": (
        input0(
            "data_type: TYPE_FP32 dims: [ 1 ] reshape { shape: [ ] }",
            "max_batch_size: 8",
            "max_batch_size: 0",
            DYNAMIC,
            "",
        ),
        "which takes batches",
    ),
    "no_labels": (
        output0('data_type: TYPE_FP32 dims: [ -1 ] label_filename: "labels.txt"'),
        "takes its labels from labels.txt",
    ),
    "batch_of_no_input": (
        added(
            'batch_input [ { kind: BATCH_ELEMENT_COUNT target_name: "X" data_type: TYPE_FP32 source_input: "NOPE" } ]'
        ),
        "batch_input is made from 'NOPE'",
    ),
    "unknown_backend": (config('"python"', '"nonsense"'), "there is no backend 'nonsense'"),
    "unknown_platform": (config('backend: "python"', 'platform: "nonsense"'), "there is no platform 'nonsense'"),
    "platform_python": (config('backend: "python"', 'platform: "python"'), "there is no platform 'python'"),
    "on_gpu": (group("{ kind: KIND_GPU }"), "needs a GPU, and the endpoint gives none"),
    "on_gpu_beside_cpu": (group("{ kind: KIND_CPU }, { kind: KIND_GPU }"), "needs a GPU"),
    "on_gpu_0": (group("{ gpus: [ 0 ] }"), "needs a GPU"),
    "cpu_with_gpus": (group("{ kind: KIND_CPU gpus: [ 0 ] }"), "of KIND_CPU names gpus"),
    "model_with_gpus": (group("{ kind: KIND_MODEL gpus: [ 0 ] }"), "of KIND_MODEL names gpus"),
    "warm_up_without_file": (
        warm_up(
            'inputs { key: "INPUT0" value { data_type: TYPE_FP32 dims: [ 2 ] input_data_file: "nope" } } '
            + zeros("INPUT1")
        ),
        "reads warmup/nope",
    ),
    "warm_up_of_no_input": (warm_up(zeros("NOPE")), "has the input 'NOPE'"),
    "warm_up_of_one_input": (warm_up(zeros("INPUT0")), "lacks the input 'INPUT1'"),
    "warm_up_with_too_many": (warm_up(zeros("INPUT0", "INPUT1"), size=16), "has batch_size 16"),
    "program_with_a_syntax_error": (program("def x(:\n"), "does not parse it: invalid syntax"),
    "program_with_a_null_byte": (program(b"# \x00\n" + PLAIN.encode()), "does not parse it"),
    "program_without_class": (program("class Model:\n    pass\n"), "defines no class TritonPythonModel"),
    "program_that_raises": (program("raise ValueError('x')\n" + PLAIN), "always fails here"),
    "program_that_raises_when_initialized": (
        program(PLAIN + "    def initialize(self, args):\n        raise ValueError('x')\n"),
        "always fails here",
    ),
    "ensemble_without_version": (ensemble(step(number=None)), "calls version 0 of 'add_sub', which serves 1"),
    "ensemble_of_an_absent_version": (ensemble(step(number="9")), "calls version 9"),
    "ensemble_by_backend": (ensemble(step(), head='backend: "ensemble"'), "has ensemble_scheduling"),
    "ensemble_of_python": (ensemble(step(), head='backend: "python"'), "has ensemble_scheduling"),
    "ensemble_without_platform": (ensemble(step(), head=""), "has ensemble_scheduling"),
    "ensemble_without_steps": (ensemble(""), "is an ensemble without a step"),
    "ensemble_without_scheduling": (
        whole(f'platform: "ensemble"\ninput [ {INPUT0} ]\noutput [ {OUTPUT0} ]'),
        "without a step",
    ),
    "ensemble_of_no_name": (ensemble(step(None)), "step 1 has no model_name"),
    "ensemble_of_nothing": (ensemble(step("nowhere")), "calls 'nowhere', which is not in the repository"),
    "ensemble_of_itself": (ensemble(step("ensemble_of_itself")), "calls itself"),
    "ensemble_without_inputs": (ensemble(step(ins="")), "step 1 has no input_map"),
    "ensemble_without_outputs": (ensemble(step(outs="")), "step 1 has no output_map"),
    "ensemble_with_a_strange_input": (
        ensemble(step(ins="INPUT0:INPUT0 INPUT1:INPUT1 NOPE:INPUT1")),
        "maps input 'NOPE'",
    ),
    "ensemble_with_a_strange_output": (ensemble(step(outs="NOPE:OUTPUT0")), "maps output 'NOPE'"),
    "ensemble_lacking_an_input": (ensemble(step(ins="INPUT0:INPUT0"), ins="INPUT0"), "does not map input 'INPUT1'"),
    "ensemble_with_an_unused_input": (
        ensemble(step(ins="INPUT0:INPUT0 INPUT1:INPUT0")),
        "input 'INPUT1' is used by no step",
    ),
    "ensemble_of_an_unknown_tensor": (
        ensemble(step(ins="INPUT0:INPUT0 INPUT1:x"), ins="INPUT0"),
        "needs tensor 'x', which no step writes",
    ),
    "ensemble_with_an_unwritten_output": (ensemble(step(), outs="OUTPUT0 MORE"), "output 'MORE' is written by no step"),
    "ensemble_with_an_unused_tensor": (
        ensemble(step(outs="OUTPUT0:OUTPUT0 OUTPUT1:dead")),
        "tensor 'dead' of step 1 is used by no",
    ),
    "ensemble_with_a_circle": (
        ensemble(
            step(ins="INPUT0:b INPUT1:INPUT1", outs="OUTPUT0:a")
            + step(ins="INPUT0:a INPUT1:INPUT0", outs="OUTPUT0:b OUTPUT1:OUTPUT0")
        ),
        "which only a circle of steps writes",
    ),
    "ensemble_with_a_tensor_written_twice": (ensemble(step() + step()), "is written a second time"),
    "ensemble_of_another_type": (ensemble(step(), kind="TYPE_INT32"), "is TYPE_INT32 for"),
    "ensemble_of_other_dims": (ensemble(step(), dims="2, 2"), "is [2, 2] for"),
    "ensemble_with_bigger_batches": (ensemble(step(), most=16), "'add_sub' of step 1 takes 8 at most"),
    "ensemble_with_instances": (both(ensemble(step()), group("{ count: 1 }")), "is an ensemble with an instance_group"),
}
# These take Triton's schema to find.
REFUSED_BY_SCHEMA: dict[str, tuple[Change, str]] = {
    "misspelt_field": (config("max_batch_size", "max_batchsize"), "max_batchsize"),
    "unknown_type": (config("TYPE_FP32", "TYPE_FLOAT"), "TYPE_FLOAT"),
    "number_in_quotes": (config("max_batch_size: 8", 'max_batch_size: "8"'), "8"),
    "fraction": (config("max_batch_size: 8", "max_batch_size: 8.5"), "8.5"),
    "text_without_quotes": (config('"python"', "python"), "python"),
}
# These hang Triton: it must never get to see them. (The warm-up above is one where it completes configs, as KServe has it.)
HANGS: dict[str, tuple[Change, str]] = {
    "no_program": (lambda model: (model / "1/model.py").rename(model / "1/other.py"), "is missing or empty"),
    "newest_version_empty": (second("2", empty=True), "is empty, and an empty folder does not exist in S3"),
}
# Triton refuses these with --disable-auto-complete-config and serves them without, which is how KServe runs it.
COMPLETED: dict[str, Change] = {
    "completes_everything": whole("", COMPLETING),
    "completes_dims": whole('backend: "python" input [ { name: "INPUT0" } ]', COMPLETING),
    "completes_without_config": both(program(COMPLETING), lambda model: (model / "config.pbtxt").unlink()),
}
# What we say of some that Triton loads, although they are no use, or less than it seems.
WARNED: dict[str, str] = {
    "version_folder_beside": "Triton ignores a version folder of this name",
    "first_version_broken": "is missing or empty, and would be once the version is served",
    "dynamic_without_batches": "dynamic_batching has no effect with max_batch_size 0",
    "duplicate_input": "a second input has the name 'INPUT0'",
    "duplicate_output": "a second output has the name 'OUTPUT0'",
    "no_input": "describes no input",
    "no_output": "describes no output",
    "no_instances": "has the count 0",
    "minus_one_instances": "has the count -1",
    "one_version_of_two_named": "names version 3, which is not there",
    "no_execute": "has no method execute",
    "empty_file": "is empty, and KServe's storage initializer leaves empty files out",
}
