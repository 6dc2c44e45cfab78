# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Triton's own schema of ``config.pbtxt``, where the two libraries that hold it are installed."""

from __future__ import annotations

import importlib.util
import os
import typing as t
from collections.abc import Callable

from .._domain.model_config import Problem, joined_signs

__all__ = ("Parser", "config_parser")

Parser = Callable[[str], t.Optional[Problem]]


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
            text_format.Parse(joined_signs(text), generated.ModelConfig())
        except text_format.ParseError as error:
            return Problem(error.GetLine() or 1, str(error).split(" : ", 1)[-1], error.GetColumn())
        return None

    return parse
