# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Models on disc, read for their checks: folders, links, config, programs, and what looks like a credential."""

from __future__ import annotations

import os
import stat
import typing as t
from dataclasses import replace
from fnmatch import fnmatch

from .._domain.errors import InvalidIntent
from .._domain.model_config import Config, Message, Problem, scan
from .._domain.model_layout import CONFIG, VERSION, ModelFolder
from .._domain.model_program import Program, read_program
from .._domain.model_secrets import LONGEST, secret_file, secret_lines
from .model_folder import reading
from .model_schema import Parser

__all__ = ("model_names", "read_model")

_GIVE_ROOT = "give the folder that holds the model folders"
_FIRST = 8192


def model_names(root: str, exclude: t.Sequence[str]) -> list[str]:
    """The folders of a repository, each of which is one model.

    :raises InvalidIntent: where ``root`` is a folder inside a repository or around it, with the one that is meant
    """
    if not os.path.isdir(root):
        # A relative one begins where the playbook lies, which is not always where its user thinks.
        raise InvalidIntent("is not a folder", field="src", value=os.path.abspath(root), cure=_GIVE_ROOT)
    names = _folders(root, exclude)
    here = os.path.abspath(root)
    if _has_config(here) or any(VERSION.match(each) and _is_version(os.path.join(here, each)) for each in names):
        found = f"it holds {CONFIG}" if _has_config(here) else "it holds a version folder"
        raise _elsewhere(root, f"is the folder of one model ({found})", here)
    if VERSION.match(os.path.basename(here)) and _has_config(os.path.dirname(here)):
        raise _elsewhere(root, "is the folder of one version of a model", os.path.dirname(here))
    if not names:
        raise InvalidIntent("holds no model folder", field="src", value=root, cure=_GIVE_ROOT)
    if not any(_has_config(os.path.join(here, each)) for each in names):
        around = [
            each
            for each in names
            if any(_has_config(os.path.join(here, each, one)) for one in _folders(os.path.join(here, each), exclude))
        ]
        if around:
            cure = f"use src '{os.path.join(here, around[0])}'"
            problem = "is a folder around a repository, and none of its own folders is a model"
            raise InvalidIntent(problem, field="src", value=root, cure=cure)
    return names


def read_model(
    root: str,
    name: str,
    source: str,
    exclude: t.Sequence[str],
    parser: Parser | None = None,
    allow_secrets: t.Sequence[str] = (),
) -> ModelFolder:
    """The model in the folder ``source`` of ``root``, to be published as ``name``.

    :param allow_secrets: shell patterns of paths below ``root`` that are not looked through for credentials
    """
    top = os.path.join(root, source)
    if os.path.isabs(source) or os.path.normpath(source).split(os.sep)[0] in ("..", "."):
        raise InvalidIntent("is not a folder below src", field="models", value=source, cure="name a folder of src")
    if not os.path.isdir(top):
        raise InvalidIntent("is not a folder", field="models", value=top, cure="name a folder of src")
    sizes: dict[str, int] = {}
    folders: list[str] = []
    links: dict[str, str] = {}
    inside = os.path.realpath(root).rstrip(os.sep) + os.sep
    if not os.path.realpath(top).startswith(inside):
        links["."] = "is a link to a folder outside of src"
    for folder, below, files in os.walk(top):
        below[:] = sorted(each for each in below if not _excluded(each, exclude))
        place = "" if folder == top else os.path.relpath(folder, top).replace(os.sep, "/") + "/"
        for each in below:
            if os.path.islink(os.path.join(folder, each)):  # os.walk does not go into it
                links[place + each] = "is a link to a folder, which is not followed"
            folders.append(place + each)
        for each in sorted(files):
            if _excluded(each, exclude):
                continue
            path = os.path.join(folder, each)
            with reading(path):
                state = os.lstat(path)
            if stat.S_ISLNK(state.st_mode):
                if not os.path.isfile(path):
                    links[place + each] = "is not a regular file, nor a link to one"
                elif not os.path.realpath(path).startswith(inside):
                    links[place + each] = "is a link to a file outside of src"
                else:
                    sizes[place + each] = os.path.getsize(path)
            elif stat.S_ISREG(state.st_mode):
                sizes[place + each] = state.st_size
            else:
                links[place + each] = "is not a regular file, nor a link to one"
    config = _read_config(os.path.join(top, CONFIG), parser) if CONFIG in sizes else None
    model = ModelFolder(name, source, sizes, folders, links, config)
    return replace(model, programs=_programs(top, model), secrets=_secrets(top, model, allow_secrets))


def _programs(top: str, model: ModelFolder) -> dict[str, Program]:
    paths = [f"{version}/{model.required_file}" for version in model.versions] if model.required_file else []
    return {
        path: read_program(_content(os.path.join(top, path)).decode(errors="replace"))
        for path in paths
        if 0 < model.sizes.get(path, 0) <= LONGEST
    }


def _secrets(top: str, model: ModelFolder, allowed: t.Sequence[str]) -> dict[str, list[tuple[int | None, str]]]:
    found: dict[str, list[tuple[int | None, str]]] = {}
    for path, size in model.sizes.items():
        if size == 0 or _excluded(f"{model.source}/{path}", allowed):
            continue
        kind = secret_file(path)
        places = [(None, kind)] if kind else secret_lines(_text(os.path.join(top, path))) if size <= LONGEST else []
        if places:
            found[path] = list(places)
    return found


def _read_config(path: str, parser: Parser | None) -> Config:
    content = _content(path)
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        return Config(Message(), Problem(content.count(b"\n", 0, error.start) + 1, "this is not UTF-8"))
    config = scan(text)
    problem = parser(text) if parser and config.problem is None else None
    return replace(config, problem=problem) if problem else config


def _content(path: str) -> bytes:
    with reading(path), open(path, "rb") as stream:
        return stream.read()


def _text(path: str) -> bytes:
    """The content of a text; of another file only the part by which it is known as such."""
    with reading(path), open(path, "rb") as stream:
        first = stream.read(_FIRST)
        return first if b"\0" in first else first + stream.read()


def _elsewhere(root: str, problem: str, model: str) -> InvalidIntent:
    parent, name = os.path.split(model)
    cure = f"use src '{parent}' with the model '{name}'"
    return InvalidIntent(f"{problem}, and a repository is the folder around it", field="src", value=root, cure=cure)


def _is_version(folder: str) -> bool:
    """Whether a folder named as a version is one, and no model of that name."""
    inside = [each.name for each in os.scandir(folder) if each.is_dir()]
    return not _has_config(folder) and not any(VERSION.match(each) for each in inside)


def _has_config(folder: str) -> bool:
    return os.path.isfile(os.path.join(folder, CONFIG))


def _folders(root: str, exclude: t.Sequence[str]) -> list[str]:
    return sorted(each.name for each in os.scandir(root) if each.is_dir() and not _excluded(each.name, exclude))


def _excluded(name: str, patterns: t.Sequence[str]) -> bool:
    return any(fnmatch(name, pattern) for pattern in patterns)
