# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules of ensembles: models that are made of others of the same repository, joined by named tensors."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .model_config import Message
from .model_layout import Finding, ModelFolder

__all__ = ("check_ensembles",)

_TRUE = ("true", "True", "t", "1")


@dataclass(frozen=True)
class _Step:
    """One step: what it calls, and its tensors by the called model's names, each with its line."""

    line: int
    number: int
    model: str
    version: int
    version_line: int
    inputs: t.Sequence[tuple[str, str, int]]
    outputs: t.Sequence[tuple[str, str, int]]


def check_ensembles(models: t.Sequence[ModelFolder]) -> t.Iterator[Finding]:
    """Everything wrong with the ensembles among ``models``, which are all that one server will have."""
    by_name = {model.name: model for model in models}
    for model in models:
        if model.config and not model.config.problem:
            yield from _Ensemble(model, by_name).check()


class _Ensemble:
    def __init__(self, model: ModelFolder, others: t.Mapping[str, ModelFolder]) -> None:
        self.model = model
        self.others = others
        self.root = model.root
        self.scheduling = self.root.message("ensemble_scheduling")
        self.steps = [_step(i, each) for i, each in enumerate(_steps(model), start=1)]

    def check(self) -> t.Iterator[Finding]:
        if self.scheduling and not self.model.ensemble:
            yield self._finding(
                self.scheduling.line, "has ensemble_scheduling", 'write platform: "ensemble", and no backend'
            )
            return
        if not self.model.ensemble:
            return
        if not self.scheduling or not self.steps:
            line = self.scheduling.line if self.scheduling else self.root.line_of("platform")
            yield self._finding(line, "is an ensemble without a step", "write ensemble_scheduling { step [ ... ] }")
            return
        if self.root.fields.get("instance_group"):
            line = self.root.line_of("instance_group")
            yield self._finding(line, "is an ensemble with an instance_group", "leave it to the models of its steps")
        yield from self._tensors()
        for step in self.steps:
            yield from self._step(step)
        yield from self._circle()
        yield from self._consistent()

    def _tensors(self) -> t.Iterator[Finding]:
        """Every tensor is written once and used, and every output can be computed from the inputs."""
        inputs = {each.get("name") or "": each.line for each in self.root.messages("input")}
        outputs = {each.get("name") or "": each.line for each in self.root.messages("output")}
        used = {tensor for step in self.steps for _name, tensor, _line in step.inputs}
        written: dict[str, int] = {}
        for step in self.steps:
            for _name, tensor, line in step.outputs:
                if tensor in written:
                    problem = f"tensor '{tensor}' is written a second time, and first in line {written[tensor]}"
                    yield self._finding(line, problem, "give one of them another name")
                elif tensor not in used and tensor not in outputs:
                    problem = f"tensor '{tensor}' of step {step.number} is used by no other step and is no output"
                    yield self._finding(line, problem, "leave it out of output_map, or use it")
                written.setdefault(tensor, line)
        for tensor, line in inputs.items():
            if tensor not in used:
                yield self._finding(
                    line, f"input '{tensor}' is used by no step", "map it in an input_map, or leave it out"
                )
        known = set(inputs)
        left = list(self.steps)
        while ready := [step for step in left if all(tensor in known for _name, tensor, _line in step.inputs)]:
            known |= {tensor for step in ready for _name, tensor, _line in step.outputs}
            left = [step for step in left if step not in ready]
        for step in left:
            for _name, tensor, line in step.inputs:
                if tensor not in known:
                    origin = "only a circle of steps writes" if tensor in written else "no step writes and is no input"
                    yield self._finding(
                        line, f"step {step.number} needs tensor '{tensor}', which {origin}", "correct the maps"
                    )
        for tensor, line in outputs.items():
            if tensor not in written:
                yield self._finding(
                    line, f"output '{tensor}' is written by no step", "map it in an output_map, or leave it out"
                )

    def _step(self, step: _Step) -> t.Iterator[Finding]:
        if not step.model:
            yield self._finding(step.line, f"step {step.number} has no model_name", "name the model that it calls")
            return
        for field, tensors in (("input_map", step.inputs), ("output_map", step.outputs)):
            if not tensors:
                yield self._finding(step.line, f"step {step.number} has no {field}", "map the model's tensors in it")
        other = self.others.get(step.model)
        if other is None:
            cure = f"publish {step.model} in the same repository: a server has no other models"
            yield self._finding(
                step.line, f"step {step.number} calls '{step.model}', which is not in the repository", cure
            )
            return
        if step.version != -1 and str(step.version) not in other.served:
            there = ", ".join(other.served) or "none"
            problem = f"step {step.number} calls version {step.version} of '{step.model}', which serves {there}"
            yield self._finding(step.version_line, problem, "write model_version: -1 for the newest")
        if other.completes or other.config is None or other.config.problem:
            return  # not all of its tensors are known
        known = {
            kind: {each.get("name") or "": each for each in other.root.messages(kind)} for kind in ("input", "output")
        }
        for kind, tensors in (("input", step.inputs), ("output", step.outputs)):
            for name, _tensor, line in tensors:
                if name not in known[kind]:
                    problem = f"step {step.number} maps {kind} '{name}', which '{step.model}' has not got"
                    yield self._finding(line, problem, f"use one of {', '.join(known[kind])}")
        given = {name for name, _tensor, _line in step.inputs}
        for name, wanted in known["input"].items():
            if given and name not in given and wanted.get("optional") not in _TRUE:
                problem = f"step {step.number} does not map input '{name}' of '{step.model}'"
                yield self._finding(step.line, problem, "map it in input_map")
        ours, theirs = self.root.number("max_batch_size"), other.root.number("max_batch_size")
        if ours > theirs > 0:
            problem = f"max_batch_size is {ours}, and '{step.model}' of step {step.number} takes {theirs} at most"
            line = self.root.line_of("max_batch_size")
            yield self._finding(line, problem, f"write {theirs}, or raise that of '{step.model}'")

    def _circle(self) -> t.Iterator[Finding]:
        """An ensemble that calls itself, over others too; told for the one that is looked at."""
        seen, left = set(), [step.model for step in self.steps]
        while left:
            name = left.pop()
            if name == self.model.name:
                problem = "calls itself, over its steps or those of an ensemble that it calls"
                yield self._finding(self.scheduling.line if self.scheduling else None, problem, "break the circle")
                return
            if name in self.others and name not in seen:
                seen.add(name)
                left += [each.get("model_name") or "" for each in _steps(self.others[name])]

    def _consistent(self) -> t.Iterator[Finding]:
        """What is mapped to one tensor has one type, and shapes that can be alike."""
        uses: dict[str, list[tuple[str, Message, bool, int]]] = {}
        batched = self.root.number("max_batch_size") > 0
        for kind in ("input", "output"):
            for own in self.root.messages(kind):
                uses.setdefault(own.get("name") or "", []).append((f"the ensemble's {kind}", own, batched, own.line))
        for step in self.steps:
            other = self.others.get(step.model)
            if other is None or other.completes:
                continue
            for kind, tensors in (("input", step.inputs), ("output", step.outputs)):
                known = {each.get("name"): each for each in other.root.messages(kind)}
                for name, tensor, line in tensors:
                    if name in known:
                        use = (
                            f"{kind} '{name}' of '{step.model}'",
                            known[name],
                            other.root.number("max_batch_size") > 0,
                            line,
                        )
                        uses.setdefault(tensor, []).append(use)
        for tensor, all_uses in uses.items():
            what, first, with_batch, _line = all_uses[0]
            for other_what, second, other_batch, line in all_uses[1:]:
                if first.get("data_type") != second.get("data_type"):
                    problem = f"tensor '{tensor}' is {first.get('data_type')} for {what} and {second.get('data_type')} for {other_what}"
                    yield self._finding(line, problem, "give both the same data_type")
                elif with_batch == other_batch and not _alike(first.numbers("dims"), second.numbers("dims")):
                    problem = f"tensor '{tensor}' is {first.numbers('dims')} for {what} and {second.numbers('dims')} for {other_what}"
                    yield self._finding(line, problem, "give both the same dims")

    def _finding(self, line: int | None, problem: str, cure: str) -> Finding:
        return Finding(self.model.config_path, problem, cure, line)


def _steps(model: ModelFolder) -> list[Message]:
    scheduling = model.root.message("ensemble_scheduling")
    return scheduling.messages("step") if scheduling else []


def _step(number: int, step: Message) -> _Step:
    return _Step(
        step.line,
        number,
        step.get("model_name") or "",
        step.number("model_version"),
        step.line_of("model_version"),
        _pairs(step, "input_map"),
        _pairs(step, "output_map"),
    )


def _pairs(step: Message, name: str) -> list[tuple[str, str, int]]:
    return [(each.get("key") or "", each.get("value") or "", each.line) for each in step.messages(name)]


def _alike(left: list[int], right: list[int]) -> bool:
    return len(left) == len(right) and all(a == b or -1 in (a, b) for a, b in zip(left, right, strict=True))
