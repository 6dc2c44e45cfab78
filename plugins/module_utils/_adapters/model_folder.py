# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Model folders on disc: what is in them, and their contents' digests."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import os
import typing as t
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fnmatch import fnmatch

from .._domain.errors import InvalidIntent
from .._domain.model_config import Config, Problem, scan
from .._domain.repository import CONFIG, File, ModelFolder
from .parallel import several

__all__ = ("LocalFile", "Parser", "config_parser", "hash_files", "model_names", "read_model", "reading")

Parser = Callable[[str], t.Optional[Problem]]

_CHUNK = 1024 * 1024
_WORTH_A_THREAD = 1024 * 1024  # a smaller file is read sooner than it is handed over
_GIVE_ROOT = "give the folder that holds the model folders"


@dataclass(frozen=True)
class LocalFile:
    """A file to publish, and the state of it on disc when its content was read.

    :param content: of a file that is on no disc; ``source`` is its name in messages then
    """

    file: File
    source: str
    mtime_ns: int
    content: bytes | None = None

    def open(self) -> t.BinaryIO:
        return open(self.source, "rb") if self.content is None else io.BytesIO(self.content)

    def unchanged(self) -> bool:
        """Whether the file still is what was read, as far as its size and its time tell."""
        if self.content is not None:
            return True
        now = os.stat(self.source)
        return (now.st_size, now.st_mtime_ns) == (self.file.size, self.mtime_ns)


def model_names(root: str, exclude: t.Sequence[str]) -> list[str]:
    """The folders of a repository, each of which is one model."""
    if not os.path.isdir(root):
        raise InvalidIntent("is not a folder", field="src", value=root, cure=_GIVE_ROOT)
    if os.path.isfile(os.path.join(root, CONFIG)):
        parent, name = os.path.split(os.path.abspath(root))
        raise InvalidIntent(
            f"is the folder of one model (it holds {CONFIG}), and a repository is the folder around it",
            field="src",
            value=root,
            cure=f"use src '{parent}' with the model '{name}'",
        )
    names = sorted(each.name for each in os.scandir(root) if each.is_dir() and not _excluded(each.name, exclude))
    if not names:
        raise InvalidIntent("holds no model folder", field="src", value=root, cure=_GIVE_ROOT)
    return names


def read_model(
    root: str, name: str, source: str, exclude: t.Sequence[str], parser: Parser | None = None
) -> ModelFolder:
    """The model in the folder ``source`` of ``root``, to be published as ``name``; no file but the config is read."""
    top = os.path.join(root, source)
    if not os.path.isdir(top):
        raise InvalidIntent("is not a folder", field="models", value=top, cure="name a folder of src")
    inside = os.path.realpath(top) + os.sep
    sizes: dict[str, int] = {}
    folders: list[str] = []
    links: dict[str, str] = {}
    for folder, below, files in os.walk(top):
        below[:] = sorted(each for each in below if not _excluded(each, exclude))
        for each in below:
            path = os.path.join(folder, each)
            if os.path.islink(path):  # os.walk does not go into it
                links[_relative(path, top)] = "is a link to a folder, which is not followed"
            folders.append(_relative(path, top))
        for each in sorted(files):
            if _excluded(each, exclude):
                continue
            path = os.path.join(folder, each)
            relative = _relative(path, top)
            if not os.path.isfile(path):
                links[relative] = "is not a regular file, nor a link to one"
            elif not os.path.realpath(path).startswith(inside):
                links[relative] = "is a link out of the model's folder"
            else:
                sizes[relative] = os.path.getsize(path)
    config = _read_config(os.path.join(top, CONFIG), parser) if CONFIG in sizes else None
    return ModelFolder(name, source, sizes, folders, links, config)


def hash_files(root: str, model: ModelFolder, seen: Callable[[int, int], None] | None = None) -> list[LocalFile]:
    """Read every file of the model once, a chunk at a time. ``File.path`` begins with the model's name.

    :param seen: called with the bytes and the files that have been read since the last time, from several threads
    """
    tell = seen or (lambda size, files: None)
    found: dict[str, LocalFile] = {}

    def read(relative: str) -> None:
        source = os.path.join(root, model.source, *relative.split("/"))
        with reading(source):
            found[relative] = _hash_file(f"{model.name}/{relative}", source, tell)

    big = [relative for relative, size in model.sizes.items() if size > _WORTH_A_THREAD]
    for relative in model.sizes.keys() - set(big):
        read(relative)
    several(read, big, workers=os.cpu_count() or 1)
    return [found[relative] for relative in sorted(found)]


def _hash_file(path: str, source: str, tell: Callable[[int, int], None]) -> LocalFile:
    content = hashlib.sha256()
    with open(source, "rb", buffering=0) as stream:
        before = os.fstat(stream.fileno())
        buffer = memoryview(bytearray(min(_CHUNK, before.st_size + 1)))
        while size := stream.readinto(buffer):
            content.update(buffer[:size])
            tell(size, 0)
    tell(0, 1)
    return LocalFile(File(path, before.st_size, content.hexdigest()), source, before.st_mtime_ns)


def config_parser() -> Parser | None:
    """What finds the first violation of Triton's schema in a config, or None without protobuf and tritonclient.

    The generated file is loaded past its package: tritonclient.grpc would want gRPC and NumPy too.
    """
    package = importlib.util.find_spec("tritonclient")
    if package is None or not package.submodule_search_locations:
        return None
    path = os.path.join(package.submodule_search_locations[0], "grpc", "model_config_pb2.py")
    spec = importlib.util.spec_from_file_location("model_config_pb2", path)
    if spec is None or spec.loader is None or not os.path.isfile(path):
        return None
    generated = importlib.util.module_from_spec(spec)
    try:
        from google.protobuf import text_format  # type: ignore[import-untyped,unused-ignore]

        spec.loader.exec_module(generated)
    except Exception:  # absent, or of a release that the generated file does not fit: as good as not installed
        return None

    def parse(text: str) -> Problem | None:
        try:
            text_format.Parse(text, generated.ModelConfig())
        except text_format.ParseError as error:
            return Problem(error.GetLine() or 1, str(error).split(" : ", 1)[-1], error.GetColumn())
        return None

    return parse


def _read_config(path: str, parser: Parser | None) -> Config:
    with reading(path), open(path, "rb") as stream:
        content = stream.read()
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        return Config({}, Problem(content.count(b"\n", 0, error.start) + 1, "this is not UTF-8"))
    config = scan(text)
    problem = parser(text) if parser and config.problem is None else None
    return replace(config, problem=problem) if problem else config


@contextmanager
def reading(path: str) -> Iterator[None]:
    """A file that cannot be read, or is gone, is the user's to mend."""
    try:
        yield
    except OSError as error:
        raise InvalidIntent(f"cannot be read ({error.strerror or error})", field="src", value=path) from error


def _excluded(name: str, patterns: t.Sequence[str]) -> bool:
    return any(fnmatch(name, pattern) for pattern in patterns)


def _relative(path: str, top: str) -> str:
    return os.path.relpath(path, top).replace(os.sep, "/")
