# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The payload of a dead letter as a person may see it: whoever sent it, it is shown without secrets and not too long."""

from __future__ import annotations

import json
import re
import typing as t
from dataclasses import dataclass

__all__ = ("Shown", "shown", "without_secrets")

_MASK = "********"
# Deeper documents are shown as text: Ansible walks through results by recursion.
_DEEPEST = 10
_SECRET_WORDS = r"pass(?:word|wd|phrase)|secret|token|credential|authorization|(?:api|access|private)[-_ ]?key"
_SECRET_NAME = re.compile(_SECRET_WORDS, re.IGNORECASE)
# A value in quotes, with escaped quotes in it, or up to the next space.
_SECRET_TEXT = re.compile(
    rf"""((?:{_SECRET_WORDS})[\w.-]*["']?\s*[:=]\s*)("(?:[^"\\]|\\.)*"?|'(?:[^'\\]|\\.)*'?|(?:bearer|basic)\s+\S+|[^\s,;&}}]+)""",
    re.IGNORECASE,
)
_URL_PASSWORD = re.compile(r"(?<=://)[^/@\s\"']*@")


@dataclass(frozen=True)
class Shown:
    """
    :param payload: a dict where it is a JSON object that is short enough, else text
    :param kind: json, text, or binary (text with escapes)
    :param cut: whether there is more than is shown
    """

    payload: t.Any
    kind: t.Literal["json", "text", "binary"]
    cut: bool


def shown(payload: bytes, *, size: int, longest: int) -> Shown:
    """
    :param size: bytes of the event, of which ``payload`` may be the beginning only
    :param longest: characters that are shown
    """
    whole = size <= len(payload)
    try:
        text = payload.decode()
    except UnicodeDecodeError as error:
        if whole or error.start < len(payload) - 3:  # cut in the middle of a character, it is text all the same
            text = without_secrets(payload.decode(errors="backslashreplace"))
            return Shown(text[:longest], "binary", not whole or len(text) > longest)
        text = payload.decode(errors="ignore")
    if whole and len(text) <= longest:
        document = _document(text)
        if document is not None:
            return Shown(_masked(document), "json", False)
    text = without_secrets(text)
    return Shown(text[:longest], "text", not whole or len(text) > longest)


def _document(text: str) -> dict[str, t.Any] | None:
    try:
        found = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and _depth(found, _DEEPEST) else None


def _no_number(name: str) -> t.NoReturn:
    raise ValueError(name)


def _depth(value: t.Any, left: int) -> bool:
    """Whether a document has no more levels than are left."""
    if not isinstance(value, (dict, list)):
        return True
    items = value.values() if isinstance(value, dict) else value
    return left > 0 and all(_depth(item, left - 1) for item in items)


def _masked(value: t.Any) -> t.Any:
    if isinstance(value, dict):
        return {
            _printable(name): _MASK if _SECRET_NAME.search(name) and item not in (None, "") else _masked(item)
            for name, item in value.items()
        }
    if isinstance(value, list):
        return [_masked(item) for item in value]
    return without_secrets(_printable(value)) if isinstance(value, str) else value


def without_secrets(text: str) -> str:
    return _URL_PASSWORD.sub(f"{_MASK}@", _SECRET_TEXT.sub(rf"\1{_MASK}", text))


def _printable(text: str) -> str:
    """Without halves of surrogate pairs, which JSON may have and no terminal can be sent."""
    return text.encode(errors="backslashreplace").decode()
