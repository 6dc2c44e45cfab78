# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether the answer to a golden request is the expected one; what differs, in a line."""

from __future__ import annotations

import json
import math
import typing as t

__all__ = ("differs",)

_SHOWN = 120


def differs(expect: t.Mapping[str, t.Any], status: int, body: bytes) -> str | None:
    """Where an answer is not as expected; None where it is.

    :param expect: ``status`` (default 200), ``json`` (what the answer must have; objects may have more than that, lists may
        not), ``tolerance`` (of its numbers that are not whole, relative and absolute; default 1e-6), ``contains`` (a text)
    """
    wanted = expect.get("status", 200)
    if status != wanted:
        return f"status {status} instead of {wanted}: {_short(body.decode('utf-8', 'replace'))}".rstrip(": ")
    if "contains" in expect and str(expect["contains"]) not in body.decode("utf-8", "replace"):
        return f"the answer does not contain {_short(str(expect['contains']))!r}"
    if "json" not in expect:
        return None
    try:
        found = json.loads(body)
    except ValueError:
        return f"the answer is not JSON: {_short(body.decode('utf-8', 'replace'))}"
    return _difference("", expect["json"], found, float(expect.get("tolerance", 1e-6)))


def _difference(path: str, wanted: t.Any, found: t.Any, tolerance: float) -> str | None:
    if isinstance(wanted, dict) and isinstance(found, dict):
        for name, value in wanted.items():
            place = f"{path}.{name}" if path else str(name)
            if name not in found:
                return f"{place} is missing"
            below = _difference(place, value, found[name], tolerance)
            if below:
                return below
        return None
    if isinstance(wanted, list) and isinstance(found, list):
        if len(wanted) != len(found):
            return f"{path or 'the answer'} has {len(found)} items instead of {len(wanted)}"
        pairs = enumerate(zip(wanted, found, strict=True))
        return next(filter(None, (_difference(f"{path}[{i}]", a, b, tolerance) for i, (a, b) in pairs)), None)
    if _same(wanted, found, tolerance):
        return None
    return f"{path or 'the answer'} is {_short(json.dumps(found))} instead of {_short(json.dumps(wanted))}"


def _same(wanted: t.Any, found: t.Any, tolerance: float) -> bool:
    if isinstance(wanted, bool) or isinstance(found, bool):
        return wanted is found
    if isinstance(wanted, (int, float)) and isinstance(found, (int, float)):
        if isinstance(wanted, int) and isinstance(found, int):
            return wanted == found
        return math.isclose(wanted, found, rel_tol=tolerance, abs_tol=tolerance)
    return type(wanted) is type(found) and bool(wanted == found)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else f"{line[: _SHOWN - 3]}..."
