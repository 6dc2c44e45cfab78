# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: table
author:
  - mlops.serving contributors (!UNKNOWN)
version_added: 1.0.0
short_description: Lay out a list of dictionaries as a table
description:
  - Gives lines of text with aligned columns, for people who read the output of a playbook.
positional: _input, columns
options:
  _input:
    description: One dictionary a row. A value that is missing or null is shown as a dash.
    type: list
    elements: dict
    required: true
  columns:
    description:
      - Keys to show, in order. A dot goes into a dictionary.
      - Write C(key as title) for another title.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Show the endpoints
  ansible.builtin.debug:
    msg: "{{ found.endpoints | mlops.serving.table(['name', 'status', 'url', 'deployment.stable_revision as revision']) }}"
"""

RETURN = r"""
_value:
  description: The lines, the titles first.
  type: list
  elements: str
"""

import typing as t

from ansible.errors import AnsibleFilterError


def table(rows: t.Any, columns: t.Any) -> list[str]:
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise AnsibleFilterError("mlops.serving.table: give a list of dictionaries")
    if not isinstance(columns, list) or not columns:
        raise AnsibleFilterError("mlops.serving.table: give a list of columns")
    parts = [str(column).partition(" as ") for column in columns]
    lines = [[(title or key.rsplit(".", 1)[-1]).upper().replace("_", " ") for key, _as, title in parts]]
    lines += [[_text(row, key) for key, _as, _title in parts] for row in rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(parts))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]


def _text(row: dict[str, t.Any], key: str) -> str:
    value: t.Any = row
    for part in key.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return "-" if value is None or value == "" else str(value)


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"table": table}
