# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads manifests from files, folders and addresses, with their checksums."""

from __future__ import annotations

import hashlib
import os
import typing as t

from .._domain.documents import Item, collect
from .._domain.errors import InvalidIntent, Refused, Unavailable
from .manifest_text import Skip, parse

__all__ = ("Fetch", "read_sources")

# Returns what is at an address; raises Unavailable where nothing answers, Refused where it is not there.
Fetch = t.Callable[[str], bytes]

_SUFFIXES = (".yaml", ".yml", ".json")


def read_sources(
    sources: t.Iterable[str],
    checksums: t.Mapping[str, str],
    fetch: Fetch,
    *,
    unread: t.Callable[[str, Unavailable], None] | None = None,
    skip: Skip | None = None,
) -> list[Item]:
    """All documents of all sources, in order; a folder's files in the order of their names, without subfolders.

    :param checksums: SHA-256 by source, with or without ``sha256:`` before it
    :param unread: is told of an address that does not answer, instead of an error
    :param skip: documents that need not be read
    :raises InvalidIntent: for what is no manifest, or a checksum without a source
    :raises Refused: where a checksum differs
    """
    left, items = dict(checksums), []
    for source in _files(sources):
        try:
            content = fetch(source) if _is_address(source) else _read(source)
        except Unavailable as away:
            if unread is None:
                raise
            left.pop(source, None)
            unread(source, away)
            continue
        _verify(source, content, left.pop(source, None))
        items += collect(source, parse(source, content, skip))
    if left:
        raise InvalidIntent(
            "is the checksum of no source",
            field=f"checksum.{next(iter(left))}",
            cure="name a file or address as src does",
        )
    return items


def _is_address(source: str) -> bool:
    return source.startswith(("http://", "https://"))


def _files(sources: t.Iterable[str]) -> t.Iterator[str]:
    for source in sources:
        path = source if _is_address(source) else os.path.expanduser(source)
        if _is_address(source) or not os.path.isdir(path):
            yield path
            continue
        names = sorted(name for name in os.listdir(path) if name.endswith(_SUFFIXES))
        if not names:
            raise InvalidIntent("is a folder without .yaml, .yml or .json files", field="src", value=source)
        yield from (os.path.join(path, name) for name in names)


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise InvalidIntent(
            f"cannot be read: {error.strerror}", field="src", value=path, cure="name a file on the host of this task"
        ) from None


def _verify(source: str, content: bytes, wanted: str | None) -> None:
    if wanted is None:
        return
    found = hashlib.sha256(content).hexdigest()
    if found != wanted.lower().removeprefix("sha256:"):
        raise Refused(
            f"has the checksum sha256:{found}, not {wanted}; nothing was applied",
            field="src",
            value=source,
            cure="find out why the file is another one before you correct the checksum",
        )
