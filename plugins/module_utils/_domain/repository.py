# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A published Triton model repository: its digest, where it lies in a bucket, and what a publication sends.

The rules about prefixes come from KServe's storage initializer: it copies every object whose key begins with the text of
the ``storageUri``.
"""

from __future__ import annotations

import hashlib
import re
import typing as t
from dataclasses import asdict, dataclass, field

from .errors import InvalidIntent
from .model_layout import NAME

__all__ = (
    "File",
    "Location",
    "Plan",
    "Published",
    "Stored",
    "alias_location",
    "digest_of",
    "location",
    "neighbours",
    "plan",
    "read_record",
    "record_of",
)

RECORD_FORMAT = 1

_DIGEST = re.compile(r"^[0-9a-f]{64}\Z")


@dataclass(frozen=True)
class File:
    """One file of a repository; ``path`` starts with the model's name."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Stored:
    """One object as a listing shows it. The entity tag changes whenever the object does, and means no more here."""

    size: int
    etag: str


@dataclass(frozen=True)
class Location:
    """Where one copy of a repository lies: its objects below ``prefix``, its record apart from them."""

    bucket: str
    prefix: str
    record: str

    @property
    def uri(self) -> str:
        """The ``storageUri``. With its last slash it matches this repository and no neighbour."""
        return f"s3://{self.bucket}/{self.prefix}"


@dataclass(frozen=True)
class Published:
    """What is at a location: by path, what the record says was sent, and what a listing shows."""

    recorded: t.Mapping[str, tuple[File, str]] = field(default_factory=dict)
    present: t.Mapping[str, Stored] = field(default_factory=dict)

    def holds(self, path: str) -> File | None:
        """The file that is there, or None where there is none or its object is not the one that was sent."""
        known, there = self.recorded.get(path), self.present.get(path)
        return known[0] if known and there == Stored(known[0].size, known[1]) else None

    def contents(self) -> list[str]:
        """A line for each object, for a diff."""
        held = {path: self.holds(path) for path in sorted(self.present)}
        return [f"{path} {file.sha256 if file else 'not as it was sent'}" for path, file in held.items()]


@dataclass(frozen=True)
class Plan:
    """What to do.

    :param upload: files to send
    :param remove: paths of objects to remove
    :param withdraw: whether a record says now that this place is complete
    :param changed: whether there is anything to do; at the least a record to write
    """

    upload: tuple[File, ...]
    remove: tuple[str, ...]
    withdraw: bool
    changed: bool


def digest_of(files: t.Iterable[File]) -> str:
    """SHA-256 in hex of the lines that ``sha256sum`` prints for the files in the order of their paths."""
    total = hashlib.sha256()
    for file in sorted(files, key=lambda each: each.path):
        total.update(f"{file.sha256}  {file.path}\n".encode())
    return total.hexdigest()


def location(bucket: str, base: str, repository: str, digest: str) -> Location:
    """The place of one content for ever: ``<base>/<repository>/<digest>/<model>/...``."""
    if not NAME.match(repository):
        raise InvalidIntent(
            "is not a name for a repository",
            field="repository",
            value=repository,
            cure="use letters, digits, dots, dashes and underscores, beginning with a letter or a digit",
        )
    if not _DIGEST.match(digest):
        cure = "give the digest that publishing it returned"
        raise InvalidIntent("is not 64 hexadecimal digits", field="digest", value=digest, cure=cure)
    folder = f"{_path('prefix', base)}/{repository}/{digest}"
    return Location(bucket, f"{folder}/", f"{folder}.json")


def alias_location(bucket: str, base: str, alias: str) -> Location:
    """A place that is overwritten; it and ``base`` may not begin with one another, or one is served with the other."""
    base, alias = _path("prefix", base), _path("alias", alias)
    if base.startswith(alias) or alias.startswith(base):
        raise InvalidIntent(
            f"a storageUri ending in '{alias}' would also copy what lies below '{base}', or the other way round",
            field="alias",
            value=alias,
            cure="choose an alias that does not begin as prefix does, such as triton/add_sub beside models",
        )
    return Location(bucket, f"{alias}/", f"{base}/.aliases/{alias.replace('/', '%2F')}.json")


def _path(option: str, value: str) -> str:
    path = value.strip("/")
    if not path or any(part in ("", ".", "..") for part in path.split("/")) or not path.isprintable():
        cure = "write names joined by single slashes, such as triton/add_sub"
        raise InvalidIntent("is not a folder of a bucket", field=option, value=value, cure=cure)
    return path


def neighbours(place: Location, siblings: t.Iterable[str]) -> list[str]:
    """The folders beside ``place`` that a ``storageUri`` without a last slash mixes up with it, either way round."""
    own = place.prefix.rstrip("/")
    others = {each.rstrip("/") for each in siblings} - {own}
    return sorted(each for each in others if each.startswith(own) or own.startswith(each))


def record_of(
    repository: str, digest: str, files: t.Iterable[File], present: t.Mapping[str, Stored]
) -> dict[str, t.Any]:
    """What is written when all objects are there, and only then; ``present`` by path."""
    rows = [{**asdict(file), "etag": present[file.path].etag} for file in sorted(files, key=lambda each: each.path)]
    return {"format": RECORD_FORMAT, "repository": repository, "digest": digest, "files": rows}


def read_record(document: t.Any) -> dict[str, tuple[File, str]]:
    """File and entity tag by path; empty for anything that ``record_of`` has not written."""
    try:
        if document["format"] != RECORD_FORMAT:
            return {}
        files = [(File(row["path"], row["size"], row["sha256"]), row["etag"]) for row in document["files"]]
    except (KeyError, TypeError):
        return {}
    return {file.path: (file, etag) for file, etag in files}


def plan(wanted: t.Iterable[File], published: Published) -> Plan:
    """What to send and to remove so that the objects are exactly ``wanted``.

    An object counts as right only where the record says that this content was sent, and the listing that the object
    has not changed since. So what a broken upload has left is sent again, and what somebody put between is removed.
    """
    wanted = sorted(wanted, key=lambda each: each.path)
    names = {file.path for file in wanted}
    upload = tuple(file for file in wanted if published.holds(file.path) != file)
    remove = tuple(sorted(set(published.present) - names))
    changed = bool(upload or remove or set(published.recorded) != names)
    return Plan(upload, remove, withdraw=bool(published.recorded), changed=changed)
