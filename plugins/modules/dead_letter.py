#!/usr/bin/python

# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: dead_letter
short_description: Replay or discard events that could not be taken in
version_added: 1.0.0
description:
  - Publishes events once more whose cause is gone, such as an endpoint that was not there, or sets them aside for good.
  - A replay goes through the outbox - the event is written into it and the letter is marked in one transaction, so a crash loses
    nothing and sends nothing twice. It is published by this run, or by the event source where NATS cannot be reached from here.
  - The letters stay in the database, with the time of what became of them. An event that is poison once more is a new
    letter, with RV(mlops.serving.dead_letter_info#module:dead_letters[].replay_of).
author:
  - mlops.serving contributors (!UNKNOWN)
options:
  state:
    description: What shall become of them.
    type: str
    choices: [replayed, discarded]
    required: true
  all:
    description:
      - All that are open, as far as no other option restricts it.
      - One of O(ids), O(subject), O(endpoint), O(reason), O(since), O(before) and this has to be given. Options restrict together.
    type: bool
  force:
    description: Replay also what was replayed before. It is sent again then.
    type: bool
    default: false
  ids:
    description:
      - Only these. One that is not there, or that another option leaves out, is an error.
      - Those that were discarded are replayed only where they are named here.
    type: list
    elements: int
extends_documentation_fragment:
  - mlops.serving._dead_letters
  - mlops.serving._nats
  - mlops.serving._attributes
  - mlops.serving._attributes.writes
  - mlops.serving._attributes.group_store
  - mlops.serving._store
  - mlops.serving._cluster
  - mlops.serving._artifacts
requirements:
  - nats-py >= 2.9 (to publish)
notes:
  - Of an event that was larger than the event source takes, only the beginning was kept. To replay it is an error, and nothing is replayed then.
seealso:
  - module: mlops.serving.dead_letter_info
  - module: mlops.serving.deploy_request
"""

EXAMPLES = r"""
- name: Send once more what came before its endpoint was there
  mlops.serving.dead_letter:
    state: replayed
    reason: there is no endpoint
    since: 2h
    nats_servers: [nats://nats.example.com:4222]

- name: Set aside what somebody has tried out
  mlops.serving.dead_letter:
    state: discarded
    ids: [17, 18]

- name: See what replaying all would do
  mlops.serving.dead_letter:
    state: replayed
    all: true
  check_mode: true
  diff: true
"""

RETURN = r"""
dead_letters:
  description: Those that were changed, and those that were named by O(ids).
  returned: always
  type: list
  elements: dict
  contains:
    id:
      description: Its number.
      type: int
    state:
      description: What it is now.
      type: str
    changed:
      description: Whether this run has done that.
      type: bool
    subject:
      description: The subject that it came on.
      type: str
    endpoint:
      description: Name of the endpoint that it names.
      type: str
    endpoint_id:
      description: The id in it.
      type: str
published:
  description: How many events were published, those that were left in the outbox from before among them.
  returned: always
  type: int
waiting:
  description: How many events are in the outbox and not published yet.
  returned: with O(state=replayed), without check mode
  type: int
"""

import typing as t

from ..module_utils._ansible.argspec import NATS, serving_spec
from ..module_utils._ansible.dead_letters import CHOICE, change_dead_letters
from ..module_utils._ansible.module import run

SPEC = serving_spec(
    {
        "state": {"type": "str", "choices": ["replayed", "discarded"], "required": True},
        "all": {"type": "bool"},
        "force": {"type": "bool", "default": False},
    },
    CHOICE,
    NATS,
    required_one_of=[(*CHOICE, "all")],
)


def main() -> t.NoReturn:
    run(SPEC, change_dead_letters)


if __name__ == "__main__":
    main()
