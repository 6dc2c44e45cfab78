# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One model as its folder shows it: names, versions, and which files its server will look for."""

from __future__ import annotations

import re
import typing as t
from dataclasses import asdict, dataclass, field
from functools import cached_property

from .model_config import Config, Message
from .model_program import Program

__all__ = ("CONFIG", "NAME", "PLACEHOLDER", "PLACEHOLDER_TEXT", "VERSION", "Finding", "ModelFolder")

CONFIG = "config.pbtxt"
NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*\Z")
VERSION = re.compile(r"^(0|[1-9][0-9]*)\Z")
# What is published for a version folder without files, such as an ensemble's: S3 knows no empty folders, and KServe's
# storage initializer leaves empty files out.
PLACEHOLDER = "placeholder.txt"
PLACEHOLDER_TEXT = b"This version has no files. Object stores have no empty folders, so this file stands for one.\n"

# The backends by what a folder's files or the config's platform say, as Triton derives them.
_BY_FILE = {
    "model.py": "python",
    "model.onnx": "onnxruntime",
    "model.plan": "tensorrt",
    "model.savedmodel": "tensorflow",
    "model.graphdef": "tensorflow",
    "model.pt": "pytorch",
    "model.xml": "openvino",
}
PLATFORMS = {
    "ensemble": "ensemble",
    "onnxruntime_onnx": "onnxruntime",
    "pytorch_libtorch": "pytorch",
    "tensorflow_graphdef": "tensorflow",
    "tensorflow_savedmodel": "tensorflow",
    "tensorrt_plan": "tensorrt",
    "torch_aoti": "pytorch",
}
# These read inputs, outputs and the batch size from the model itself where the config leaves them out.
_COMPLETING = ("onnxruntime", "openvino", "tensorflow", "tensorrt")


@dataclass(frozen=True)
class Finding:
    """Something about a repository that will not work (or, not ``fatal``, that may surprise)."""

    path: str
    problem: str
    cure: str
    line: int | None = None
    fatal: bool = True

    def __str__(self) -> str:
        place = f"{self.path}:{self.line}" if self.line else self.path
        return f"{place}: {self.problem} ({self.cure})"

    def as_dict(self) -> dict[str, t.Any]:
        return asdict(self)


@dataclass(frozen=True)
class ModelFolder:
    """One model on disc. Paths are relative to its folder, with slashes.

    :param name: the name it is published and called under
    :param source: its folder as the user knows it, for messages
    :param sizes: bytes of each file that would be published
    :param folders: every folder below, empty ones too
    :param links: symbolic links that cannot be published, with the reason
    :param programs: what stands in the versions' Python programs
    :param secrets: by path, the lines that look like a credential and what kind of; a line is None for a whole file
    """

    name: str
    source: str
    sizes: t.Mapping[str, int]
    folders: t.Collection[str] = ()
    links: t.Mapping[str, str] = field(default_factory=dict)
    config: Config | None = None
    programs: t.Mapping[str, Program] = field(default_factory=dict)
    secrets: t.Mapping[str, t.Sequence[tuple[int | None, str]]] = field(default_factory=dict)

    @cached_property
    def root(self) -> Message:
        """The config's fields; none where there is no config or it does not parse."""
        return self.config.root if self.config else Message()

    @cached_property
    def config_path(self) -> str:
        return f"{self.source}/{CONFIG}"

    @cached_property
    def versions(self) -> list[str]:
        return sorted((each for each in self.folders if VERSION.match(each)), key=int)

    @cached_property
    def served(self) -> list[str]:
        """The versions that Triton loads: the newest, where the config's version_policy does not say otherwise."""
        policy = self.root.message("version_policy") or Message()
        if "all" in policy.fields:
            return self.versions
        specific = policy.message("specific")
        if specific is not None:
            wanted = {str(each) for each in specific.numbers("versions")}
            return [each for each in self.versions if each in wanted]
        latest = policy.message("latest")
        count = 1 if latest is None else latest.number("num_versions")
        return self.versions[-count:] if count > 0 else []

    @cached_property
    def backend(self) -> str | None:
        """The backend as Triton finds it: as written, by the platform, or by what a version folder holds."""
        given = self.root.get("backend") or PLATFORMS.get(self.root.get("platform") or "")
        if given or self.root.get("platform"):
            return given
        names = {path.split("/")[1] for path in self.sizes if path.count("/") and VERSION.match(path.split("/")[0])}
        return next((backend for file, backend in _BY_FILE.items() if file in names), None)

    @property
    def ensemble(self) -> bool:
        return self.root.get("platform") == "ensemble"

    @cached_property
    def required_file(self) -> str | None:
        """The file that every version of a model of the Python backend has."""
        return (self.root.get("default_model_filename") or "model.py") if self.backend == "python" else None

    @cached_property
    def usual_files(self) -> list[str]:
        """The files or folders of which another backend wants one in each version; empty where that is not known."""
        given = self.root.get("default_model_filename")
        named = [each.get("value") for each in self.root.messages("cc_model_filenames")]
        if given or any(named):
            return [each for each in (given, *named) if each]
        if self.root.get("runtime"):  # a backend in Python, which has files of its own
            return []
        return [file for file, backend in _BY_FILE.items() if backend == self.backend != "python"]

    @cached_property
    def completes(self) -> bool:
        """Whether Triton may fill in what the config lacks, so that a lack is no mistake."""
        return self.backend in _COMPLETING or any(program.completes for program in self.programs.values())

    @cached_property
    def placeholders(self) -> list[str]:
        """The files to publish beside the user's own, so that a version folder without content exists in the bucket."""
        if self.required_file or self.usual_files or (self.backend is None and not self.ensemble):
            return []
        return [f"{version}/{PLACEHOLDER}" for version in self.versions if not self.holds(version)]

    def holds(self, path: str) -> bool:
        """Whether there is a file with content of this path, or below it."""
        return any(size > 0 and f"{each}/".startswith(f"{path}/") for each, size in self.sizes.items())
