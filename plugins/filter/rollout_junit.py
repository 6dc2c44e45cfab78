# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: rollout_junit
author:
  - mlops.serving contributors (!UNKNOWN)
version_added: 1.0.0
short_description: Write a rollout as JUnit XML
description:
  - Gives a document with a test for each step of the plan, which pipelines show as a list.
  - The step where the rollout ended badly has failed, and those that were not reached are skipped.
positional: _input
options:
  _input:
    description: What the task of P(mlops.serving.rollout#module) has registered, also one that failed.
    type: dict
    required: true
  events:
    description: Its decisions, as RV(mlops.serving.rollout_info#module:rollouts[].events) has them.
    type: list
    elements: dict
    default: []
  action:
    description: The O(mlops.serving.rollout#module:action) that was asked for.
    type: str
    default: run
  endpoint:
    description: Name of the endpoint, for a rollout that was not begun.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Read what was decided
  mlops.serving.rollout_info:
    id: "{{ rolled_out.rollout.id }}"
    events: true
  register: record

- name: Write it for the pipeline
  ansible.builtin.copy:
    content: "{{ rolled_out | mlops.serving.rollout_junit(events=record.rollouts[0].events) }}"
    dest: rollout.xml
    mode: "0644"
"""

RETURN = r"""
_value:
  description: The XML document.
  type: str
"""

import typing as t

from ansible.errors import AnsibleFilterError

from ..module_utils._domain.rollout_ending import ending
from ..module_utils._domain.rollout_junit import junit


def rollout_junit(result: t.Any, events: t.Any = (), action: str = "run", endpoint: str = "") -> str:
    if not isinstance(result, dict):
        raise AnsibleFilterError("mlops.serving.rollout_junit: give what a task of mlops.serving.rollout has registered")
    if not isinstance(events, (list, tuple)):
        raise AnsibleFilterError("mlops.serving.rollout_junit: give events as a list")
    return junit(ending(result, action), result.get("rollout") or {}, events, endpoint=endpoint)


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"rollout_junit": rollout_junit}
