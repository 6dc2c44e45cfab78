# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: rollout_result
author:
  - mlops.serving contributors (!UNKNOWN)
version_added: 1.0.0
short_description: Say what became of a rollout, with an exit code
description:
  - Turns the result of P(mlops.serving.rollout#module), also of a task that failed, into what a pipeline wants to know.
  - The exit code is 0 where the run did what it was asked to, and names what happened otherwise.
positional: _input
options:
  _input:
    description: What the task of P(mlops.serving.rollout#module) has registered.
    type: dict
    required: true
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
- name: Roll out version 4
  mlops.serving.rollout:
    endpoint: demo-canary
    model_version: 4
  register: rolled_out
  ignore_errors: true

- name: Say what became of it
  ansible.builtin.debug:
    msg: "{{ rolled_out | mlops.serving.rollout_result }}"
"""

RETURN = r"""
_value:
  description: What became of it.
  type: dict
  contains:
    ending:
      description:
        - With exit code 0 one of V(promoted), V(returned), V(unchanged) (it served already), V(stopped) (as far as C(until) said),
          V(staged) (blue/green) and V(planned) (check mode).
        - V(waiting) (10), V(paused) (11), V(inconclusive) (12), V(drift) (13), V(unfinished) (14), V(rolled_back) (20), V(aborted)
          (21, or 0 where that was the action), V(superseded) (22), V(failed) (23), V(refused) (30), V(unavailable) (31), V(error) (2).
      type: str
    exit_code:
      description: The number of that.
      type: int
    reason:
      description: Why, in a line.
      type: str
    endpoint:
      description: Name of the endpoint.
      type: str
    rollout:
      description: The rollout as P(mlops.serving.rollout_info#module) has it, without its plan; empty where none was begun.
      type: dict
"""

import typing as t

from ansible.errors import AnsibleFilterError

from ..module_utils._domain.rollout_ending import ending


def rollout_result(result: t.Any, action: str = "run", endpoint: str = "") -> dict[str, t.Any]:
    if not isinstance(result, dict):
        raise AnsibleFilterError("mlops.serving.rollout_result: give what a task of mlops.serving.rollout has registered")
    rollout = result.get("rollout") or {}
    told = ending(result, action)
    return {
        "ending": told.word,
        "exit_code": told.code,
        "reason": told.said,
        "endpoint": rollout.get("endpoint") or endpoint,
        "rollout": {name: value for name, value in rollout.items() if name != "plan"},
    }


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"rollout_result": rollout_result}
