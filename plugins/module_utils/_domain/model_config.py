# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A Triton ``config.pbtxt``, read as protobuf's text format without the protobuf library, with the line of every field.

This knows the format and not Triton's schema: a misspelt field is found by the real parser only (see
``_adapters/model_folder.py``), which is optional. What it says does not parse, protobuf refuses too.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field

__all__ = ("Config", "Message", "Problem", "Scalar", "joined_signs", "scan")

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
_PAIRS = {"{": "}", "[": "]", "<": ">"}
_FIELD = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*\Z")
_SPACE = re.compile(r"[ \t]+")
_MARK = "\ufeff"
_DEEPEST = 100  # as protobuf


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

    @property
    def number(self) -> int | None:
        """The value as a whole number, None where it is none; ``010`` is eight, as in C."""
        for base in (0, 8):
            try:
                return int(self.value, base)
            except ValueError:
                continue
        return None


@dataclass(frozen=True)
class Message:
    """What stands between two braces: the values of each field in their order. A list is so many values."""

    line: int = 1
    fields: t.Mapping[str, t.Sequence[Scalar | Message]] = field(default_factory=dict)

    def scalars(self, name: str) -> list[Scalar]:
        return [each for each in self.fields.get(name, ()) if isinstance(each, Scalar)]

    def messages(self, name: str) -> list[Message]:
        return [each for each in self.fields.get(name, ()) if isinstance(each, Message)]

    def scalar(self, name: str) -> Scalar | None:
        """The last one."""
        return next(reversed(self.scalars(name)), None)

    def message(self, name: str) -> Message | None:
        return next(reversed(self.messages(name)), None)

    def get(self, name: str) -> str | None:
        scalar = self.scalar(name)
        return scalar.value if scalar else None

    def number(self, name: str, default: int = 0) -> int:
        """A whole number; ``default`` where there is none (what else stands there is the schema's matter)."""
        scalar = self.scalar(name)
        number = scalar.number if scalar else None
        return default if number is None else number

    def numbers(self, name: str) -> list[int]:
        return [each.number for each in self.scalars(name) if each.number is not None]

    def line_of(self, name: str) -> int:
        """Where a field stands the last time, or where the message begins that lacks it."""
        return next((each.line for each in reversed(self.fields.get(name, ()))), self.line)


@dataclass(frozen=True)
class Config:
    """A whole file. After a problem, ``root`` holds what was read until then."""

    root: Message = field(default_factory=Message)
    problem: Problem | None = None

    def get(self, name: str) -> str | None:
        return self.root.get(name)

    def line(self, name: str) -> int | None:
        return self.root.line_of(name) if self.root.fields.get(name) else None


class _Refused(Exception):
    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    line: int
    column: int

    def refuse(self, message: str) -> t.NoReturn:
        raise _Refused(Problem(self.line, message, self.column))


_Fields = dict[str, list[t.Union[Scalar, Message]]]


def scan(text: str) -> Config:
    """Read ``text``; never raises, the first thing that does not parse is the config's problem."""
    if text.startswith(_MARK):
        return Config(Message(), Problem(1, "begins with a byte order mark, which Triton does not read", 1))
    found: _Fields = {}
    try:
        _Reader(_tokens(text)).fields(found, None)
    except _Refused as refused:
        return Config(Message(1, found), refused.problem)
    return Config(Message(1, found))


def joined_signs(text: str) -> str:
    """The same with every minus sign beside its number: protobuf's Python parser wants that, and Triton's does not."""
    kept, end = [], 0
    for minus in (each for each in _TOKEN.finditer(text) if each.lastgroup == "word" and each.group() == "-"):
        space = _SPACE.match(text, minus.end())
        if space:
            kept += [text[end : minus.start()], space.group(), "-"]
            end = space.end()
    return "".join((*kept, text[end:]))


def _tokens(text: str) -> t.Iterator[_Token]:
    line, start = 1, 0
    for match in _TOKEN.finditer(text):
        breaks = text.count("\n", start, match.start())
        line, start = line + breaks, match.start()
        column = start - text.rfind("\n", 0, start)
        kind = str(match.lastgroup)
        if kind != "comment":
            yield _Token(kind, match.group(), line, column)


class _Reader:
    def __init__(self, tokens: t.Iterator[_Token]) -> None:
        self._tokens = tokens
        self._next: _Token | None = next(tokens, None)
        self._depth = 0

    def fields(self, found: _Fields, opened: _Token | None) -> None:
        """Read fields into ``found`` up to the bracket that closes ``opened``, or to the end of the file."""
        while (token := self._take(opened)) is not None:
            if token.kind == "close":
                if opened is None or token.text != _PAIRS[opened.text]:
                    token.refuse(f"'{token.text}' closes nothing")
                return
            if (
                token.kind == "open" and token.text == "["
            ):  # an extension's or any's name, which no config of Triton has
                token.refuse("a field's name is missing before '['")
            if token.kind != "word" or not _FIELD.match(token.text):
                if token.kind == "stray":
                    token.refuse("this string has no end")
                token.refuse(f"{_shown(token)} stands where the name of a field should")
            self._values(token, found.setdefault(token.text, []))
            if self._is(",", ";"):
                self._take(token)

    def _values(self, name: _Token, values: list[Scalar | Message]) -> None:
        colon = self._is(":")
        if colon:
            self._take(name)
        if not self._is("["):
            values.append(self._value(name, colon))
            return
        opened = self._take(name) or name  # it is there: it was seen just now
        if self._is("]"):
            self._take(opened)
            return
        while True:
            values.append(self._value(opened, colon))
            token = self._take(opened)
            if token is None or token.text == "]":
                return
            if token.text != ",":
                if token.kind == "close":
                    token.refuse(f"'{token.text}' closes nothing")
                token.refuse(f"{_shown(token)} stands where ',' or ']' should")

    def _value(self, before: _Token, colon: bool) -> Scalar | Message:
        token = self._take(before if before.kind == "open" else None)
        if token is None:
            before.refuse(f"'{before.text}' has no value")
        if token.kind == "open" and token.text != "[":
            return self._message(token)
        if token.kind == "stray":
            token.refuse("this string has no end")
        if token.kind not in ("string", "word"):
            token.refuse(f"{_shown(token)} stands where a value should")
        if not colon:
            token.refuse(f"':' is missing before {_shown(token)}")
        if token.kind == "string":
            parts = [token.text[1:-1]]
            while self._next is not None and self._next.kind == "string":
                parts.append(self._next.text[1:-1])
                self._take(None)
            return Scalar("".join(parts), token.line)
        if token.text == "-" and self._next is not None and self._next.kind == "word":
            return Scalar(f"-{self._next.text}", getattr(self._take(None), "line", token.line))
        return Scalar(token.text, token.line)

    def _message(self, opened: _Token) -> Message:
        self._depth += 1
        if self._depth > _DEEPEST:
            opened.refuse("is nested too deeply")
        found: _Fields = {}
        self.fields(found, opened)
        self._depth -= 1
        return Message(opened.line, found)

    def _is(self, *texts: str) -> bool:
        return self._next is not None and self._next.kind in ("mark", "open", "close") and self._next.text in texts

    def _take(self, opened: _Token | None) -> _Token | None:
        token, self._next = self._next, next(self._tokens, None) if self._next is not None else None
        if token is None and opened is not None and opened.kind == "open":
            opened.refuse(f"'{opened.text}' is not closed")
        return token


def _shown(token: _Token) -> str:
    return f"'{token.text[:40]}'" if token.kind != "string" else token.text[:40]
