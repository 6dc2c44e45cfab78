# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Addresses of models: which ``storageUri`` KServe can serve with Triton, as far as the address alone tells.

Triton wants the *repository*, the folder around the model folders. Whether ``s3://bucket/a/b/`` is one, only the bucket
knows; but a publication of ours lies at ``<base>/<repository>/<64 hexadecimal digits>/<model>/...``, and so what lies
below the digest is no repository. Files of a model are told by their names anywhere.
"""

from __future__ import annotations

import re

from .errors import InvalidIntent

__all__ = ("check_own_layout", "repository_uri")

_DIGEST = re.compile(r"^[0-9a-f]{64}(\.json)?\Z")
_FILE = re.compile(r"^(config\.pbtxt|model\.(py|onnx|plan|pt|graphdef|savedmodel|xml))\Z")
_VERSION = re.compile(r"^[0-9]+\Z")


def repository_uri(field: str, uri: str) -> str:
    """The address as Triton's storageUri: with the slash without which it matches neighbours of its prefix too.

    :raises InvalidIntent: where it is the address of something inside a repository, with the right one
    """
    if not uri.startswith("s3://"):
        return uri
    check_own_layout(field, uri)
    parts = uri.rstrip("/").split("/")
    if _FILE.match(parts[-1]):
        # .../<model>/config.pbtxt or .../<model>/<version>/model.py
        folder = parts[: -3 if len(parts) > 6 and _VERSION.match(parts[-2]) else -2]
        right = "/".join(folder) + "/" if len(folder) > 2 else None
        raise _refusal("is a file of a model", field, uri, right)
    return uri if uri.endswith("/") else f"{uri}/"


def check_own_layout(field: str, uri: str) -> None:
    """Refuse what lies inside a publication of ours, whatever runtime will serve it.

    :raises InvalidIntent: with the address of the publication
    """
    if not uri.startswith("s3://"):
        return
    parts = uri.rstrip("/").split("/")
    # scheme, nothing, bucket, base, repository: a digest stands sixth at the earliest
    place = next((i for i, part in enumerate(parts) if i >= 5 and _DIGEST.match(part)), None)
    if place is None:
        return
    right = "/".join((*parts[:place], parts[place].removesuffix(".json"))) + "/"
    below = parts[place + 1 :]
    if not below:
        if parts[place].endswith(".json"):
            raise _refusal("is the record of a publication", field, uri, right)
        return
    what = "a model folder" if len(below) == 1 else "a version folder" if _VERSION.match(below[-1]) else "a part"
    raise _refusal(f"is {what} inside a model repository, and Triton needs the repository", field, uri, right)


def _refusal(problem: str, field: str, uri: str, right: str | None) -> InvalidIntent:
    cure = (
        f"use {right}" if right else "use the address of the folder around the model's folder, with a slash at its end"
    )
    return InvalidIntent(problem, field=field, value=uri, cure=cure)
