# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The outermost fields of a Triton ``config.pbtxt``, read without the protobuf library.

This is enough to know a model's name, backend and batch size anywhere. It does not know the schema: a misspelt field is
found by the real parser only (see ``_adapters/model_folder.py``), which is optional.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field

__all__ = ("Config", "Problem", "Scalar", "scan")

_TOKEN = re.compile(
    r"""
      (?P<comment> \#[^\n]* )
    | (?P<string> "(?:[^"\\\n]|\\.)*" | '(?:[^'\\\n]|\\.)*' )
    | (?P<open> [{\[<] )
    | (?P<close> [}\]>] )
    | (?P<mark> [:,;] )
    | (?P<word> [^\s{}\[\]<>:,;"'\#]+ )
    | (?P<stray> ["'] )
    """,
    re.VERBOSE,
)
_PAIRS = {"}": "{", "]": "[", ">": "<"}


@dataclass(frozen=True)
class Problem:
    """What does not parse, and where. Lines and columns count from 1."""

    line: int
    message: str
    column: int | None = None


@dataclass(frozen=True)
class Scalar:
    value: str
    line: int


@dataclass(frozen=True)
class Config:
    """The scalars outside all braces by field name, the last one where a name is repeated, as Triton reads it."""

    fields: t.Mapping[str, Scalar] = field(default_factory=dict)
    problem: Problem | None = None

    def get(self, name: str) -> str | None:
        scalar = self.fields.get(name)
        return scalar.value if scalar else None

    def line(self, name: str) -> int | None:
        scalar = self.fields.get(name)
        return scalar.line if scalar else None


def scan(text: str) -> Config:
    """Read ``text``; brackets that do not close and strings that do not end are the only problems that this finds."""
    fields: dict[str, Scalar] = {}
    opened: list[tuple[str, int]] = []
    recent: list[str] = []  # the last two tokens outside all braces: a scalar follows its name and a colon
    for token in _TOKEN.finditer(text):
        kind, value = str(token.lastgroup), token.group()
        if kind == "comment":
            continue
        line = text.count("\n", 0, token.start()) + 1
        if kind == "stray":
            return Config(fields, Problem(line, "this string has no end"))
        if kind == "open":
            opened.append((value, line))
        elif kind == "close":
            if not opened or opened.pop()[0] != _PAIRS[value]:
                return Config(fields, Problem(line, f"'{value}' closes nothing"))
        elif not opened and kind in ("string", "word") and len(recent) == 2 and recent[1] == ":":
            fields[recent[0]] = Scalar(value[1:-1] if kind == "string" else value, line)
        if not opened:
            recent = [*recent, value][-2:]
    if opened:
        bracket, line = opened[-1]
        return Config(fields, Problem(line, f"'{bracket}' is not closed"))
    return Config(fields)
