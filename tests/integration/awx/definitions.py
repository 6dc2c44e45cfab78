# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The definitions of extensions/awx as a controller would have them, with the playbook's own variables filled in."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "extensions" / "awx"
_OWN = re.compile(r"\{\{ (\w+) \| default\('([^']*)'\) \}\}")


class _Unsafe(str):
    """Text in braces that is the controller's, not Ansible's."""


class _Loader(yaml.SafeLoader):
    pass


_Loader.add_constructor("!unsafe", lambda loader, node: _Unsafe(loader.construct_scalar(node)))


def definitions(folder: Path = FOLDER, **given: str) -> dict[str, list[dict[str, Any]]]:
    """
    :param folder: of the files
    :param given: variables of the playbook, such as ``controller_deploy_mode``
    :return: every list of every file by its name, such as ``controller_templates``
    """
    found: dict[str, list[dict[str, Any]]] = {}
    for path in sorted(folder.glob("*.yml")):
        found.update(yaml.load(path.read_text(), Loader=_Loader))
    return {name: _filled(value, given) for name, value in found.items()}


def by_name(items: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {item["name"]: item for item in items}


def _filled(value: Any, given: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {name: _filled(item, given) for name, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, given) for item in value]
    if isinstance(value, str) and not isinstance(value, _Unsafe):
        return _OWN.sub(lambda match: given.get(match[1], match[2]), value)
    return str(value) if isinstance(value, _Unsafe) else value
