# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A model's Python program, read without running it."""

from __future__ import annotations

import ast
import sys
import typing as t
import warnings
from dataclasses import dataclass

__all__ = ("Program", "read_program")

CLASS = "TritonPythonModel"


@dataclass(frozen=True)
class Program:
    """What Triton's Python backend would meet.

    :param problem: line and reason where it does not parse
    :param has_class: whether it defines TritonPythonModel; None where reading does not tell
    :param class_line: where
    :param raises: the line of a ``raise`` that importing or initializing always comes to
    :param executes: whether the class has the method that answers requests; None where reading does not tell
    :param completes: whether the class fills in the config itself
    """

    problem: tuple[int, str] | None = None
    has_class: bool | None = None
    class_line: int | None = None
    raises: int | None = None
    executes: bool | None = None
    completes: bool = False


def read_program(source: str) -> Program:
    """Read the text of a ``model.py``; the Python that runs this decides what parses."""
    try:
        with warnings.catch_warnings():  # an odd escape sequence is the author's matter
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
    except SyntaxError as error:
        version = ".".join(str(part) for part in sys.version_info[:2])
        return Program(problem=(error.lineno or 1, f"Python {version} does not parse it: {error.msg}"))
    except ValueError as error:  # a null byte
        line = source.count("\n", 0, source.find("\0")) + 1
        return Program(problem=(line, f"Python does not parse it: {error}"))
    except (RecursionError, MemoryError):
        return Program()
    found = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == CLASS]
    if not found:
        return Program(has_class=None if _may_bind(tree) else False, raises=_raise(tree.body))
    methods = {node.name: node for node in found[-1].body if isinstance(node, ast.FunctionDef)}
    initialize = methods.get("initialize")
    plain = not found[-1].bases and not found[-1].decorator_list
    return Program(
        has_class=True,
        class_line=found[-1].lineno,
        raises=_raise(tree.body) or (_raise(initialize.body) if initialize and not initialize.decorator_list else None),
        executes="execute" in methods or (None if not plain or _may_bind(found[-1], "execute") else False),
        completes="auto_complete_config" in methods or not plain,
    )


def _may_bind(tree: ast.AST, name: str = CLASS) -> bool:
    """Whether something but a plain definition may give ``name``: an import, an assignment, a block, a trick."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == name:
            return True
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            if any(name == (each.asname or each.name) or each.name == "*" for each in node.names):
                return True
        if isinstance(node, ast.FunctionDef) and node.name == "__getattr__":
            return True
        if isinstance(node, ast.Name):
            if node.id in ("globals", "exec", "setattr") or (node.id == name and isinstance(node.ctx, ast.Store)):
                return True
    return False


def _raise(body: t.Sequence[ast.stmt]) -> int | None:
    """The line of a ``raise`` that running ``body`` always comes to: nothing before it can leave or catch."""
    for statement in body:
        if isinstance(statement, ast.Raise):
            return statement.lineno
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            continue
        if any(isinstance(node, (ast.Return, ast.Yield, ast.YieldFrom)) for node in ast.walk(statement)):
            return None
    return None
