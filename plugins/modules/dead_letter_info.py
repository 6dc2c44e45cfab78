#!/usr/bin/python

# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: dead_letter_info
short_description: Show the events that could not be taken in
version_added: 1.0.0
description:
  - The event source V(mlops.serving.jetstream) keeps events that can never work, with the reason, instead of trying them for ever.
    This shows them.
author:
  - mlops.serving contributors (!UNKNOWN)
options:
  state:
    description: Only those that nobody has replayed or discarded yet (V(open)), that were V(replayed), or that were V(discarded).
    type: str
    choices: [open, replayed, discarded, any]
    default: open
  limit:
    description: The most that are shown, the latest ones. RV(total) says how many there are.
    type: int
    default: 100
  payload_length:
    description: The most characters of a payload that are shown.
    type: int
    default: 2000
extends_documentation_fragment:
  - mlops.serving._dead_letters
  - mlops.serving._attributes
  - mlops.serving._attributes.info_module
  - mlops.serving._attributes.group_store
  - mlops.serving._store
  - mlops.serving._cluster
  - mlops.serving._artifacts
seealso:
  - module: mlops.serving.dead_letter
"""

EXAMPLES = r"""
- name: What could not be taken in
  mlops.serving.dead_letter_info:
  register: found

- name: Show it
  ansible.builtin.debug:
    msg: "{{ found.dead_letters | mlops.serving.table(['id', 'last_seen', 'subject', 'endpoint_id', 'reason']) }}"

- name: What came for endpoints that were not there, since yesterday
  mlops.serving.dead_letter_info:
    reason: there is no endpoint
    since: 1d
"""

RETURN = r"""
dead_letters:
  description: The events, the latest first.
  returned: always
  type: list
  elements: dict
  contains:
    id:
      description: Its number.
      type: int
    state:
      description: V(open), V(replayed) or V(discarded).
      type: str
    subject:
      description: The subject that it came on.
      type: str
    reason:
      description: Why it could not be taken in.
      type: str
      sample: there is no endpoint 6b1f8a9e-3f0e-4f77-8a43-2d0f4a0b7c11
    endpoint:
      description: Name of the endpoint that it names, null where there is none.
      type: str
    endpoint_id:
      description: The id in it, null where there is none.
      type: str
    trace_id:
      description: Its trace id.
      type: str
    payload:
      description: What is in it; a dictionary where it is a JSON object, else text. Passwords, tokens and the like are not shown.
      type: raw
    payload_kind:
      description: V(json), V(text), or V(binary) for bytes that are no text.
      type: str
    payload_cut:
      description: Whether only its beginning is shown.
      type: bool
    size:
      description: Its bytes, all of them.
      type: int
    stream:
      description: The stream that it came from.
      type: str
    stream_sequence:
      description: Its number there.
      type: int
    times_seen:
      description: How often it was delivered and found dead.
      type: int
    first_seen:
      description: When it was first found dead.
      type: str
    last_seen:
      description: When it was last found dead.
      type: str
    replay_of:
      description: The dead letter whose replay this was, null for an event of its own.
      type: int
    replays:
      description: How often it was replayed.
      type: int
    replayed_at:
      description: When it was last replayed.
      type: str
    discarded_at:
      description: When it was discarded.
      type: str
total:
  description: How many there are, those that O(limit) leaves out among them.
  returned: always
  type: int
"""

import typing as t

from ..module_utils._ansible.argspec import serving_spec
from ..module_utils._ansible.dead_letters import CHOICE, list_dead_letters
from ..module_utils._ansible.module import run

SPEC = serving_spec(
    {
        "state": {"type": "str", "choices": ["open", "replayed", "discarded", "any"], "default": "open"},
        "limit": {"type": "int", "default": 100},
        "payload_length": {"type": "int", "default": 2000},
    },
    CHOICE,
)


def main() -> t.NoReturn:
    run(SPEC, list_dead_letters)


if __name__ == "__main__":
    main()
