# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules of a model's folder: names, links, versions, files, programs and credentials.

They are what Triton 2.49 does with each case; tests/integration/triton holds them against a real server.
"""

from __future__ import annotations

import re
import typing as t

from .model_ensemble import check_ensembles
from .model_fields import check_fields
from .model_layout import CONFIG, NAME, Finding, ModelFolder
from .model_program import CLASS, Program

__all__ = ("check", "check_models")

_LOOKS_LIKE_VERSION = re.compile(r"^[vV]?[0-9]+\Z")


def check_models(
    models: t.Sequence[ModelFolder], *, gpus: int | None = None, backends: t.Collection[str] = ()
) -> list[Finding]:
    """Everything wrong with the models of one repository, in the order in which a person would mend it.

    :param gpus: how many GPUs its endpoint gives it; None where that is not known yet
    :param backends: backends that the server has beyond those of NVIDIA's images
    """
    findings = [finding for model in models for finding in check(model, gpus=gpus, backends=backends)]
    return findings + list(check_ensembles(models))


def check(model: ModelFolder, *, gpus: int | None = None, backends: t.Collection[str] = ()) -> list[Finding]:
    """Everything wrong with one model by itself."""
    first = (_check_names, _check_links, _check_secrets, _check_config)
    findings = [finding for rule in first for finding in rule(model)]
    if model.config and not model.config.problem:
        findings += check_fields(model, gpus=gpus, backends=backends)
    last = (_check_versions, _check_programs, _check_empty)
    return findings + [finding for rule in last for finding in rule(model)]


def _check_names(model: ModelFolder) -> t.Iterator[Finding]:
    if not NAME.match(model.name):
        cure = "use letters, digits, dots, dashes and underscores, beginning with a letter or a digit"
        yield Finding(model.source, f"'{model.name}' cannot be the name of a model", cure)
    for path in model.sizes:
        if not path.isprintable():
            yield Finding(f"{model.source}/{path!r}", "the name holds characters that cannot be printed", "rename it")


def _check_links(model: ModelFolder) -> t.Iterator[Finding]:
    for path, reason in sorted(model.links.items()):
        yield Finding(f"{model.source}/{path}", reason, "put a copy of it in its place, or exclude it")


def _check_secrets(model: ModelFolder) -> t.Iterator[Finding]:
    for path, places in sorted(model.secrets.items()):
        for line, kind in places:
            problem = f"looks like {kind}, and everybody who may read the bucket could read it"
            cure = "remove it and revoke it, or put the file into exclude, or into allow_secrets if it is none"
            yield Finding(f"{model.source}/{path}", problem, cure, line)


def _check_config(model: ModelFolder) -> t.Iterator[Finding]:
    path, config = model.config_path, model.config
    if config is None:
        # Triton writes the config itself for these; for all others it refuses the model.
        cure = "describe the model in it: name, backend, inputs and outputs"
        yield Finding(path, "there is no such file", cure, fatal=not model.completes)
        return
    if config.problem:
        place = f" (column {config.problem.column})" if config.problem.column else ""
        yield Finding(path, f"{config.problem.message}{place}", "correct it, as Triton refuses it", config.problem.line)
    name = config.get("name")
    if name and name != model.name:
        cure = f"write '{model.name}', or leave the name out, and Triton takes the folder's"
        yield Finding(path, f"the name is '{name}' but the model's folder is '{model.name}'", cure, config.line("name"))


def _check_versions(model: ModelFolder) -> t.Iterator[Finding]:
    strange = [each for each in sorted(model.folders) if _LOOKS_LIKE_VERSION.match(each) and each not in model.versions]
    for folder in strange:
        # Beside a good version it is ignored; alone there is nothing to load.
        cure = "name version folders 1, 2, 3, without zeros in front"
        problem = "Triton ignores a version folder of this name"
        yield Finding(f"{model.source}/{folder}", problem, cure, fatal=not model.versions)
    if not model.versions:
        if not strange:
            yield Finding(model.source, "has no version folder", "put the model's files into a folder named 1")
        return
    yield from _check_policy(model)
    for version in model.versions:
        yield from _check_version(model, version, served=version in model.served)


def _check_policy(model: ModelFolder) -> t.Iterator[Finding]:
    line = model.root.line_of("version_policy")
    policy = model.root.message("version_policy")
    specific = policy.message("specific") if policy else None
    absent = [each for each in (specific.numbers("versions") if specific else ()) if str(each) not in model.versions]
    for number in absent:
        cure = f"add the folder {number}, or leave the version out"
        yield Finding(
            model.config_path, f"version_policy names version {number}, which is not there", cure, line, False
        )
    if not model.served:
        problem = f"version_policy chooses none of the versions {', '.join(model.versions)}, and the model has nothing to load"
        cure = "let it choose one that is there, or leave it out for the newest"
        yield Finding(model.config_path, problem, cure, line)


def _check_version(model: ModelFolder, version: str, *, served: bool) -> t.Iterator[Finding]:
    folder, required = f"{model.source}/{version}", model.required_file
    later = "" if served else ", and would be once the version is served"
    if not model.holds(version):
        if not model.placeholders:
            cure = f"put {required or 'the model'} into it, or remove the folder"
            yield Finding(folder, f"is empty, and an empty folder does not exist in S3{later}", cure, fatal=served)
    elif required:
        if not model.sizes.get(f"{version}/{required}"):
            cure = "add it, or remove the version: Triton does not refuse this, it hangs"
            yield Finding(f"{folder}/{required}", f"is missing or empty{later}", cure, fatal=served)
    elif model.usual_files and not any(model.holds(f"{version}/{file}") for file in model.usual_files):
        problem = f"holds no {' and no '.join(model.usual_files)}, which the backend {model.backend} looks for"
        yield Finding(folder, problem, "add it, or name the file in default_model_filename", fatal=False)


def _check_programs(model: ModelFolder) -> t.Iterator[Finding]:
    environments = {each.get("key") for each in model.root.messages("parameters")}
    own_python = "EXECUTION_ENV_PATH" in environments
    for path, program in sorted(model.programs.items()):
        served = path.split("/")[0] in model.served
        for line, problem, cure, fatal in _check_program(program, own_python):
            yield Finding(f"{model.source}/{path}", problem, cure, line, fatal and served)


def _check_program(program: Program, own_python: bool) -> t.Iterator[tuple[int | None, str, str, bool]]:
    if program.problem:
        line, reason = program.problem
        # A model that brings a Python of its own may be written for a newer one.
        yield line, reason, "correct it: Triton cannot load it", not own_python
    if program.raises:
        yield (
            program.raises,
            "always fails here while the model loads",
            "remove the raise, or put it into execute",
            True,
        )
    if program.has_class is False:
        yield None, f"defines no class {CLASS}, which Triton looks for", "name the model's class so", True
    elif program.executes is False:
        yield (
            program.class_line,
            f"{CLASS} has no method execute: the model loads, and no request succeeds",
            "write it",
            False,
        )


def _check_empty(model: ModelFolder) -> t.Iterator[Finding]:
    replaced = {path.split("/")[0] for path in model.placeholders}
    for path, size in sorted(model.sizes.items()):
        if size == 0 and path.split("/")[0] not in replaced:
            problem = "is empty, and KServe's storage initializer leaves empty files out"
            fatal = path == CONFIG and not model.completes
            yield Finding(f"{model.source}/{path}", problem, "write a line into it if the model needs it", fatal=fatal)
