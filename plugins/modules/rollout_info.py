#!/usr/bin/python

# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: rollout_info
short_description: Show rollouts with what was seen and decided
version_added: 1.0.0
description:
  - Reads the record of rollouts from the platform's database, the newest first. The cluster is not asked.
  - It can give the lines that the console showed, every decision with its numbers, and the report of one rollout.
author:
  - mlops.serving contributors (!UNKNOWN)
options:
  endpoint:
    description: Name or id of an endpoint. Rollouts of all endpoints where this is not given, those of deleted ones too.
    type: str
  tenant_id:
    description: Only endpoints of this tenant.
    type: str
  project_id:
    description: Only endpoints of this project.
    type: str
  id:
    description: Only the rollout with this id.
    type: str
  active:
    description: Only rollouts that have not ended.
    type: bool
    default: false
  limit:
    description: At most so many, the newest ones.
    type: int
    default: 20
  events:
    description: Also give every decision and every sample, as RV(rollouts[].events).
    type: bool
    default: false
  timeline:
    description: Also give the lines that a console shows, as RV(rollouts[].timeline). Times are in the zone of this machine.
    type: bool
    default: false
  report:
    description:
      - Write the report of the one rollout that is found here, as one HTML file. An error where there are several.
      - It is not written in check mode, and does not count as a change.
    type: path
extends_documentation_fragment:
  - mlops.serving._attributes
  - mlops.serving._attributes.info_module
  - mlops.serving._attributes.group_store
  - mlops.serving._store
  - mlops.serving._cluster
  - mlops.serving._artifacts
seealso:
  - module: mlops.serving.rollout
  - module: mlops.serving.rollout_analysis
"""

EXAMPLES = r"""
- name: What is being rolled out right now
  mlops.serving.rollout_info:
    active: true
  register: running

- name: Show it
  ansible.builtin.debug:
    msg: "{{ running.rollouts | mlops.serving.table(['endpoint', 'strategy', 'state', 'share', 'totals.candidate.failed as failed']) }}"

- name: How the last rollout of an endpoint went, in words
  mlops.serving.rollout_info:
    endpoint: demo-canary
    limit: 1
    timeline: true
    report: reports/demo-canary.html
"""

RETURN = r"""
rollouts:
  description: The rollouts, the newest first.
  returned: always
  type: list
  elements: dict
  contains:
    id:
      description: Id of the rollout.
      type: str
    endpoint:
      description: Name of the endpoint.
      type: str
    endpoint_id:
      description: Id of the endpoint.
      type: str
    strategy:
      description: One of V(canary), V(ab), V(blue_green) and V(rollback).
      type: str
    state:
      description:
        - One of V(staging), V(staged), V(raising), V(judging), V(promoting), V(returning) and V(finished), or V(paused) while it
          is held.
      type: str
    hold:
      description:
        - What a held rollout waits for, null for one that is not held. V(approval) and V(asked) are for a person, V(until) for
          the next run, V(inconclusive) says that too little is known, V(drift) that somebody changed the InferenceService.
      type: str
    step:
      description: Index of the step that was written last, V(-1) before the first one.
      type: int
    steps:
      description: Shares of the candidate in percent.
      type: list
      elements: int
    share:
      description: The candidate's share at this step, in percent.
      type: int
    plan:
      description: The plan, with every limit and every default filled in.
      type: dict
    stable:
      description: The version that served before.
      type: dict
      contains:
        version:
          description: Its number.
          type: int
        revision:
          description: Its revision, null before it is known.
          type: str
    candidate:
      description: The version that is rolled out.
      type: dict
      contains:
        version:
          description: Its number.
          type: int
        revision:
          description: Its revision, null before it is ready.
          type: str
    outcome:
      description: One of V(promoted), V(rolled_back), V(aborted), V(returned), V(superseded) and V(failed); null before the end.
      type: str
    reason:
      description: Why it ended so, or what it waits for.
      type: str
    simulated:
      description: Whether there was no cluster and its numbers are made up.
      type: bool
    driven:
      description: Whether a run drives it right now.
      type: bool
    created_by:
      description: Who began it.
      type: str
    created_at:
      description: When it began.
      type: str
    finished_at:
      description: When it ended.
      type: str
    traffic:
      description: The share of each revision in percent that was observed last.
      type: dict
      sample: {isvc-7d4f0a52-predictor-00001: 90, isvc-7d4f0a52-predictor-00002: 10}
    totals:
      description: What was counted since the candidate's first share, empty before it.
      type: dict
      contains:
        candidate:
          description: Answers of the candidate.
          type: dict
          contains: &counts
            requests:
              description: How many there were.
              type: int
            failed:
              description: How many of them had a status of 500 to 599.
              type: int
            error_ratio:
              description: The part of them, null where there were none.
              type: float
            p99:
              description: 99th percentile of the latency in seconds, read at the histogram's buckets; null where there is none.
              type: float
            mean:
              description: Mean latency in seconds, null where there is none.
              type: float
        stable:
          description: Answers of the version that served before, in the same time.
          type: dict
          contains: *counts
    timeline:
      description: The lines that a console shows.
      returned: when O(timeline) is set
      type: list
      elements: str
      sample: ["14:03:03  step     1 %      21 requests   errors 0 %    (stable 0.2 %)   pass"]
    events:
      description: Every decision and every sample, in their order.
      returned: when O(events) is set
      type: list
      elements: dict
      contains:
        id:
          description: Number of the event; later ones are greater.
          type: int
        at:
          description: When it was.
          type: str
        time:
          description: The same in seconds since 1970.
          type: float
        who:
          description: Who drove the rollout, or asked for something.
          type: str
        kind:
          description:
            - One of V(started), V(staged), V(raised), V(sample), V(passed), V(approval), V(hook), V(paused), V(resumed), V(command),
              V(promoting), V(returning), V(returned), V(restored), V(drift), V(superseded) and V(finished).
          type: str
        step:
          description: Index of the step.
          type: int
        written:
          description: What was written into the endpoint's row, null where nothing was.
          type: dict
        observed:
          description: What was seen, with C(shares) by revision, and the revisions C(candidate) and C(stable).
          type: dict
        samples:
          description: Numbers of C(candidate) and C(stable), in all and in a C(window) of so many C(seconds).
          type: dict
        verdict:
          description: What the judge said, with C(outcome), C(findings) and C(stable_worse), the evidence that stable is the worse one.
          type: dict
        message:
          description: The same in words.
          type: str
report:
  description: Where the report was written.
  returned: when O(report) is given
  type: str
"""

import typing as t

from ..module_utils._ansible.argspec import serving_spec
from ..module_utils._ansible.module import run
from ..module_utils._ansible.rollout_listing import listing

SPEC = serving_spec(
    {
        "endpoint": {"type": "str"},
        "tenant_id": {"type": "str"},
        "project_id": {"type": "str"},
        "id": {"type": "str"},
        "active": {"type": "bool", "default": False},
        "limit": {"type": "int", "default": 20},
        "events": {"type": "bool", "default": False},
        "timeline": {"type": "bool", "default": False},
        "report": {"type": "path"},
    }
)


def main() -> t.NoReturn:
    run(SPEC, listing)


if __name__ == "__main__":
    main()
