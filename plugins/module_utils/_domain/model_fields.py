# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules of what a ``config.pbtxt`` says: backend, batches, inputs and outputs, instances, warm-up."""

from __future__ import annotations

import typing as t
from math import prod

from .model_config import Message
from .model_layout import PLATFORMS, Finding, ModelFolder

__all__ = ("check_fields",)

# Those of NVIDIA's images tritonserver (all kinds); others come with an image of one's own.
_BACKENDS = frozenset(
    (
        *("dali", "fil", "identity", "onnxruntime", "openvino", "python", "pytorch", "repeat", "square", "tensorflow"),
        *("tensorrt", "tensorrtllm", "vllm"),
    )
)
# Fields that Triton's schema lets stand once; the three of scheduling exclude one another.
_SINGLE = (
    *("name", "platform", "backend", "runtime", "version_policy", "max_batch_size", "default_model_filename"),
    *("optimization", "response_cache", "model_transaction_policy"),
)
_SCHEDULING = ("dynamic_batching", "sequence_batching", "ensemble_scheduling")
_CONTROLS = ("int32_false_true", "fp32_false_true", "bool_false_true")
_POSITIVE = "write a number of 1 or more"


class _Rules:
    """Findings about one config, each with its line."""

    def __init__(self, model: ModelFolder) -> None:
        self.model = model
        self.root = model.root
        self.most = self.root.number("max_batch_size")

    def finding(self, line: int | None, problem: str, cure: str, *, fatal: bool = True) -> Finding:
        return Finding(self.model.config_path, problem, cure, line, fatal)

    def once(self) -> t.Iterator[Finding]:
        for name in _SINGLE:
            if len(self.root.fields.get(name, ())) > 1:
                yield self.finding(self.root.line_of(name), f"{name} stands here a second time", "keep one of them")
        lines = [(each.line, name) for name in _SCHEDULING for each in self.root.messages(name)]
        for line, name in sorted(lines)[1:]:
            problem = f"{name} stands beside {sorted(lines)[0][1]}, and a model has one way to be scheduled"
            yield self.finding(line, problem, "keep one of them")

    def backend(self, more: t.Collection[str]) -> t.Iterator[Finding]:
        backend, platform = self.root.get("backend"), self.root.get("platform")
        if platform and platform not in PLATFORMS and not backend:
            cure = f"write a backend instead, or one of {', '.join(PLATFORMS)}"
            yield self.finding(self.root.line_of("platform"), f"there is no platform '{platform}'", cure)
        elif not backend and not platform and self.model.backend is None:
            problem = "names no backend, and no file of the model tells which it is"
            yield self.finding(self.root.line, problem, 'write backend, or platform: "ensemble"')
        if backend and not self.model.ensemble and backend not in _BACKENDS and backend not in more:
            library = f"libtriton_{backend}.so"
            if not any(path.rsplit("/", 1)[-1] == library for path in self.model.sizes):
                cure = "correct the name, or name it in the option backends if the server's image has it"
                problem = f"there is no backend '{backend}' in NVIDIA's images"
                yield self.finding(self.root.line_of("backend"), problem, cure)

    def batches(self) -> t.Iterator[Finding]:
        if self.most < 0:
            line = self.root.line_of("max_batch_size")
            yield self.finding(line, f"max_batch_size is {self.most}", "write 0 for no batches, or how many at most")
        dynamic = self.root.message("dynamic_batching")
        sequence = self.root.message("sequence_batching")
        oldest = sequence.message("oldest") if sequence else None
        for where, preferred in (("dynamic_batching", dynamic), ("sequence_batching", oldest)):
            for scalar in preferred.scalars("preferred_batch_size") if preferred else ():
                size = scalar.number
                if size is not None and size < 1:
                    problem = f"preferred_batch_size {size} of {where} is not positive"
                    yield self.finding(scalar.line, problem, _POSITIVE)
                elif size is not None and size > self.most and not (self.model.completes and self.most == 0):
                    problem = f"preferred_batch_size {size} of {where} is more than max_batch_size {self.most}"
                    yield self.finding(scalar.line, problem, "raise max_batch_size, or lower it")
        if dynamic:
            yield from self.priorities(dynamic)
            if self.most == 0 and not self.model.completes:
                problem = "dynamic_batching has no effect with max_batch_size 0"
                yield self.finding(dynamic.line, problem, "set max_batch_size, or leave it out", fatal=False)
        for control in (
            each for one in (sequence.messages("control_input") if sequence else ()) for each in one.messages("control")
        ):
            for name in _CONTROLS:
                if control.fields.get(name) and len(control.scalars(name)) != 2:
                    problem = f"{name} has {len(control.scalars(name))} values"
                    yield self.finding(control.line_of(name), problem, "write two, for false and for true")

    def priorities(self, dynamic: Message) -> t.Iterator[Finding]:
        for name in ("max_queue_delay_microseconds", "priority_levels", "default_priority_level"):
            if dynamic.number(name) < 0:
                yield self.finding(dynamic.line_of(name), f"{name} is {dynamic.number(name)}", "write 0 or more")
        levels = dynamic.number("priority_levels")
        if levels <= 0:
            return
        default = dynamic.number("default_priority_level")
        if not 1 <= default <= levels:
            problem = f"default_priority_level is {default}, and there are the levels 1 to {levels}"
            yield self.finding(dynamic.line_of("default_priority_level"), problem, "write one of them")
        for policy in dynamic.messages("priority_queue_policy"):
            if not 1 <= policy.number("key") <= levels:
                problem = f"priority_queue_policy is for level {policy.number('key')}, and there are 1 to {levels}"
                yield self.finding(policy.line, problem, "write one of them as its key")

    def tensors(self) -> t.Iterator[Finding]:
        for kind in ("input", "output"):
            seen: set[str] = set()
            for tensor in self.root.messages(kind):
                name = tensor.get("name")
                if not name:
                    yield self.finding(tensor.line, f"an {kind} has no name", "write its name")
                    continue
                if name in seen:
                    problem = f"a second {kind} has the name '{name}', and Triton sees one of them only"
                    yield self.finding(tensor.line_of("name"), problem, "give it a name of its own", fatal=False)
                seen.add(name)
                yield from self.tensor(kind, name, tensor)
            if not seen and not self.model.completes and not self.model.ensemble:
                problem = f"describes no {kind}: Triton loads such a model, and clients find nothing to use"
                yield self.finding(
                    self.root.line, problem, f"write {kind} [ {{ name, data_type, dims }} ]", fatal=False
                )

    def tensor(self, kind: str, name: str, tensor: Message) -> t.Iterator[Finding]:
        what, lacks = f"{kind} '{name}'", not self.model.completes
        if (tensor.get("data_type") or "TYPE_INVALID") in ("TYPE_INVALID", "0"):
            line = tensor.line_of("data_type")
            yield self.finding(line, f"{what} has no data_type", "write one, such as TYPE_FP32", fatal=lacks)
        dims = tensor.numbers("dims")
        if not dims:
            line = tensor.line_of("dims")
            yield self.finding(line, f"{what} has no dims", "write them without the batch, such as [ -1 ]", fatal=lacks)
        for each in (each for each in dims if each < -1 or each == 0):
            cure = "write 1 or more, or -1 for any size"
            yield self.finding(tensor.line_of("dims"), f"{what} has the dimension {each}", cure)
        if (tensor.get("format") or "FORMAT_NONE") != "FORMAT_NONE" and dims and len(dims) != 3:
            problem = f"{what} has the format {tensor.get('format')}, which goes with three dims, and has {len(dims)}"
            yield self.finding(tensor.line_of("format"), problem, "write three dims, or leave the format out")
        if tensor.get("is_shape_tensor") in ("true", "True", "t", "1") and self.model.backend != "tensorrt":
            problem = f"{what} is a shape tensor, which TensorRT's models have only"
            yield self.finding(tensor.line_of("is_shape_tensor"), problem, "leave is_shape_tensor out")
        reshape = tensor.message("reshape")
        if reshape and dims:
            yield from self.reshape(what, dims, reshape)
        label = tensor.get("label_filename")
        if label and not self.model.sizes.get(label):
            problem = f"{what} takes its labels from {label}, which is missing or empty"
            yield self.finding(tensor.line_of("label_filename"), problem, "add it to the model's folder")

    def reshape(self, what: str, dims: list[int], reshape: Message) -> t.Iterator[Finding]:
        shape = reshape.numbers("shape")
        wrong = [each for each in shape if each < -1 or each == 0]
        if wrong:
            problem = f"{what} is reshaped to the dimension {wrong[0]}"
            yield self.finding(reshape.line, problem, "write 1 or more, or -1 for any size")
        elif not shape and self.most == 0:
            problem = f"{what} is reshaped to a single value, which takes batches"
            yield self.finding(reshape.line, problem, "write shape: [ 1 ], or set max_batch_size")
        elif _parts(dims) != _parts(shape):
            problem = f"{what} has dims {dims} and is reshaped to {shape}, which is another number of values"
            yield self.finding(reshape.line, problem, "let both have the same -1 and the same product between them")

    def sources(self) -> t.Iterator[Finding]:
        inputs = {each.get("name") for each in self.root.messages("input")}
        for batch in self.root.messages("batch_input"):
            for source in batch.scalars("source_input"):
                if source.value not in inputs and not self.model.completes:
                    problem = f"batch_input is made from '{source.value}', and there is no such input"
                    yield self.finding(source.line, problem, "name one of the model's inputs")

    def instances(self, gpus: int | None) -> t.Iterator[Finding]:
        groups = self.root.messages("instance_group")
        for group in groups:
            kind = group.get("kind") or "KIND_AUTO"
            devices = group.numbers("gpus")
            scalar = group.scalar("count")
            if scalar and scalar.number is not None and scalar.number < 1:
                problem = f"an instance_group has the count {scalar.number}, which Triton takes for its default"
                yield self.finding(scalar.line, problem, _POSITIVE, fatal=False)
            if devices and kind in ("KIND_CPU", "KIND_MODEL"):
                problem = f"an instance_group of {kind} names gpus"
                yield self.finding(group.line_of("gpus"), problem, "leave gpus out, or write KIND_GPU")
            elif devices or kind == "KIND_GPU":
                yield from self.on_gpu(group, devices, gpus)
        on_cpu = [each for each in groups if each.get("kind") == "KIND_CPU"]
        if gpus and groups and on_cpu == groups:
            problem = "every instance_group is KIND_CPU, and the endpoint's GPU would be idle"
            yield self.finding(on_cpu[0].line, problem, "write KIND_GPU, or set gpu to false", fatal=False)

    def on_gpu(self, group: Message, devices: list[int], gpus: int | None) -> t.Iterator[Finding]:
        line = group.line_of("gpus") if devices else group.line_of("kind")
        cure = "set runtime_config.gpu of the endpoint to true, or write KIND_AUTO or KIND_CPU"
        if gpus is None:
            problem = "an instance_group needs a GPU: without one Triton refuses the model"
            yield self.finding(line, problem, f"{cure}; the option gpu says which it will be", fatal=False)
        elif gpus == 0:
            yield self.finding(line, "an instance_group needs a GPU, and the endpoint gives none", cure)
        for device in devices:
            if gpus and not 0 <= device < gpus:
                problem = f"an instance_group names GPU {device}, and the endpoint gives {gpus}, counted from 0"
                yield self.finding(line, problem, "leave gpus out for all that there are")

    def warm_up(self) -> t.Iterator[Finding]:
        if self.model.completes:
            return
        inputs = self.root.messages("input")
        needed = {each.get("name") for each in inputs if each.get("optional") not in ("true", "True", "t", "1")}
        known = {each.get("name") for each in inputs}
        for sample in self.root.messages("model_warmup"):
            name, size = sample.get("name") or "", sample.number("batch_size")
            if size > max(self.most, 1):
                problem = f"warm-up '{name}' has batch_size {size}, more than max_batch_size {self.most}: Triton hangs"
                yield self.finding(sample.line_of("batch_size"), problem, "lower it")
            given = {each.get("key") for each in sample.messages("inputs")}
            if (given - known) or (needed - given):
                wrong = sorted(str(each) for each in (given - known) or (needed - given))
                problem = f"warm-up '{name}' {'has' if given - known else 'lacks'} the input '{wrong[0]}'"
                yield self.finding(sample.line, problem, "give it the model's inputs")
            for value in (entry.message("value") or Message() for entry in sample.messages("inputs")):
                file = value.get("input_data_file")
                if file and not self.model.sizes.get(f"warmup/{file}"):
                    problem = f"warm-up '{name}' reads warmup/{file}, which is missing or empty"
                    yield self.finding(value.line_of("input_data_file"), problem, "add it to the model's folder")


def check_fields(model: ModelFolder, *, gpus: int | None, backends: t.Collection[str]) -> list[Finding]:
    """Everything wrong with one config that parses, in the order of its usual fields."""
    rules = _Rules(model)
    found = (
        *(rules.once(), rules.backend(backends), rules.batches(), rules.tensors(), rules.sources()),
        *(rules.instances(gpus), rules.warm_up()),
    )
    return [finding for part in found for finding in part]


def _parts(shape: list[int]) -> list[int]:
    """The number of values before, between and after the dimensions of any size."""
    parts: list[list[int]] = [[]]
    for each in shape:
        if each == -1:
            parts.append([])
        else:
            parts[-1].append(each)
    return [prod(part) for part in parts]
