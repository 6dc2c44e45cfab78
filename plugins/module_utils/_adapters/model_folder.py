# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files of models on disc, with their contents' digests."""

from __future__ import annotations

import hashlib
import io
import os
import typing as t
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from .._domain.errors import InvalidIntent
from .._domain.model_layout import PLACEHOLDER_TEXT, ModelFolder
from .._domain.repository import File
from .parallel import several

__all__ = ("LocalFile", "hash_files", "placeholder_files", "reading")

_CHUNK = 1024 * 1024
_WORTH_A_THREAD = 1024 * 1024  # a smaller file is read sooner than it is handed over


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
    for relative, size in model.sizes.items():
        if size <= _WORTH_A_THREAD:
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


def placeholder_files(model: ModelFolder) -> list[LocalFile]:
    """The files that stand for folders without content; they are on no disc."""
    digest = hashlib.sha256(PLACEHOLDER_TEXT).hexdigest()
    found = [File(f"{model.name}/{path}", len(PLACEHOLDER_TEXT), digest) for path in model.placeholders]
    return [LocalFile(file, file.path, 0, PLACEHOLDER_TEXT) for file in found]


@contextmanager
def reading(path: str) -> Iterator[None]:
    """A file that cannot be read, or is gone, is the user's to mend."""
    try:
        yield
    except OSError as error:
        raise InvalidIntent(f"cannot be read ({error.strerror or error})", field="src", value=path) from error
