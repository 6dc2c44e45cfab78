# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options that say what an endpoint shall serve; one endpoint or a list of them."""

from __future__ import annotations

import typing as t

from .argspec import Options

__all__ = ("ENDPOINTS", "ONE_OR_MANY", "items_of")

_SHARED: Options = {"tenant_id": {"type": "str"}, "project_id": {"type": "str"}, "created_by": {"type": "str"}}
_INTENT: Options = {
    "model": {"type": "str", "aliases": ["model_id"]},
    "model_version": {"type": "str", "aliases": ["model_version_id"]},
    "runtime": {"type": "str"},
    "traffic": {"type": "raw"},
    "autoscaling": {"type": "raw"},
    "runtime_config": {"type": "raw"},
}
ENDPOINTS: Options = {
    "name": {"type": "str"},
    **_SHARED,
    **_INTENT,
    "endpoints": {
        "type": "list",
        "elements": "dict",
        "options": {"name": {"type": "str", "required": True}, **_SHARED, **_INTENT},
    },
}
ONE_OR_MANY = [("endpoints", name) for name in ("name", *_INTENT)]


def items_of(params: t.Mapping[str, t.Any]) -> list[dict[str, t.Any]]:
    """What was asked for of each endpoint; what stands beside a list holds for each of it."""
    if params["endpoints"] is None:
        return [{name: params[name] for name in ("name", *_SHARED, *_INTENT)}] if params["name"] else []
    return [{**item, **{name: item[name] or params[name] for name in _SHARED}} for item in params["endpoints"]]
