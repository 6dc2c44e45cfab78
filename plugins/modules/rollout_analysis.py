#!/usr/bin/python

# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: rollout_analysis
short_description: Judge what an endpoint answers now, without a rollout
version_added: 1.0.0
description:
  - Reads the counters of an endpoint's revisions, looks at them again for O(duration), and judges what was answered in that time by
    the same gates and the same judge as P(mlops.serving.rollout#module). It changes no traffic and writes no record.
  - For a check in CI before and after a change, or to look at the errors and latencies of an endpoint by hand.
  - It ends at once when there is evidence against the candidate.
author:
  - mlops.serving contributors (!UNKNOWN)
options:
  endpoint:
    description: Name or id of the endpoint.
    type: str
    required: true
  tenant_id:
    description: Its tenant, where the name is not the only one.
    type: str
  project_id:
    description: Its project, where the name is not the only one.
    type: str
  duration:
    description: For how long to look, such as V(30s) or V(5m).
    type: str
    default: 30s
  revisions:
    description:
      - What to compare. The newest revision that is ready with the one that was rolled out before it, where this is not given. Where
        both are the same one, it is judged alone, and only absolute limits have a meaning.
    type: dict
    suboptions:
      candidate:
        description: Name of the revision to judge.
        type: str
      stable:
        description: Name of the revision to compare it with.
        type: str
  fail_on:
    description:
      - Which verdicts fail the task. V(fail) is evidence against the candidate; V(no_data) is a source that does not answer, or a
        candidate that nobody asks. An empty list never fails it.
    type: list
    elements: str
    choices: [fail, no_data]
    default: [fail]
  deploy_mode:
    description:
      - V(simulate) for endpoints that were deployed so, whose counters are made up. V(kserve) or V(k8s) for a cluster.
      - Also read from E(DEPLOY_MODE).
    type: str
    choices: [simulate, kserve, k8s]
    default: simulate
extends_documentation_fragment:
  - mlops.serving._attributes
  - mlops.serving._attributes.info_module
  - mlops.serving._attributes.group_store_cluster
  - mlops.serving._rollout
  - mlops.serving._store
  - mlops.serving._cluster
  - mlops.serving._artifacts
seealso:
  - module: mlops.serving.rollout
  - module: mlops.serving.rollout_info
"""

EXAMPLES = r"""
- name: See that the endpoint is well before anything is changed
  mlops.serving.rollout_analysis:
    endpoint: demo-canary
    duration: 60s
    gates:
      - {metric: errors, max: 1%}
      - {metric: latency, p99: 500ms}
    fail_on: [fail, no_data]
    deploy_mode: kserve

- name: Compare the two revisions of a canary that somebody has set by hand
  mlops.serving.rollout_analysis:
    endpoint: demo-canary
    gates:
      - {metric: errors, over_stable: 0.5%}
    fail_on: []
    deploy_mode: kserve
  register: compared

- name: Say what was found
  ansible.builtin.debug:
    msg: "{{ compared.findings | map(attribute='why') | list }}"
"""

RETURN = r"""
verdict:
  description:
    - V(fail) for evidence against the candidate, V(no_data) where a limit could not be looked at, else V(ok). That nothing speaks
      against it does not say that enough was seen; see RV(doubts).
  returned: always
  type: str
  sample: ok
summary:
  description: The same in words.
  returned: always
  type: str
findings:
  description: What was found for each limit.
  returned: always
  type: list
  elements: dict
  contains:
    gate:
      description: Name of the gate; with C(over stable) for its comparison.
      type: str
    outcome:
      description: V(pass), V(undecided) for one that is beyond its limit without enough evidence yet, V(fail) or V(no_data).
      type: str
    candidate:
      description: The ratio, or seconds, of the candidate.
      type: float
    stable:
      description: The same of stable.
      type: float
    limit:
      description: The limit in words.
      type: str
    evidence:
      description: Evidence against the candidate, V(1.0) is none.
      type: float
    needed:
      description: From where on it fails; V(0.0) for a limit that is looked at and not tested.
      type: float
    requests:
      description: Requests of the candidate that this rests on.
      type: int
    why:
      description: One sentence for a person.
      type: str
    doubt:
      description: Why the candidate should not get all traffic yet, or empty.
      type: str
doubts:
  description: What too few requests were seen for.
  returned: always
  type: list
  elements: str
broken:
  description: Why the candidate's pods do not serve, null where they do. The verdict is V(fail) then.
  returned: always
  type: str
candidate:
  description: What the candidate answered.
  returned: always
  type: dict
  contains: &side
    revision:
      description: Name of the revision.
      type: str
    share:
      description: Its share of the traffic in percent.
      type: int
    requests:
      description: How many requests it answered.
      type: int
    failed:
      description: How many of them with a status of 500 to 599.
      type: int
    error_ratio:
      description: The part of them, null where there were none.
      type: float
    p99:
      description: 99th percentile of the latency in seconds, read at the histogram's buckets.
      type: float
    mean:
      description: Mean latency in seconds.
      type: float
stable:
  description: What the other side answered, null where there is only one revision.
  returned: always
  type: dict
  contains: *side
rate:
  description: Requests a second to both.
  returned: always
  type: float
stable_worse:
  description: Evidence that stable fails more than the candidate, V(1.0) is none.
  returned: always
  type: float
seconds:
  description: For how long was looked.
  returned: always
  type: float
source:
  description: What was asked, one of V(pods), V(prometheus) and V(simulated).
  returned: always
  type: str
simulated:
  description: Whether the numbers are made up.
  returned: always
  type: bool
endpoint:
  description: Name of the endpoint.
  returned: always
  type: str
host:
  description: API server that was used, V(simulate) for none.
  returned: always
  type: str
"""

import typing as t

from ..module_utils._ansible.argspec import DEPLOY, serving_spec
from ..module_utils._ansible.module import run
from ..module_utils._ansible.rollout_analysis import analyse
from ..module_utils._ansible.rollout_options import EVIDENCE

SPEC = serving_spec(
    {
        "endpoint": {"type": "str", "required": True},
        "tenant_id": {"type": "str"},
        "project_id": {"type": "str"},
        "duration": {"type": "str", "default": "30s"},
        "revisions": {"type": "dict", "options": {"candidate": {"type": "str"}, "stable": {"type": "str"}}},
        "fail_on": {"type": "list", "elements": "str", "choices": ["fail", "no_data"], "default": ["fail"]},
        "deploy_mode": DEPLOY["deploy_mode"],
        **EVIDENCE,
    }
)


def main() -> t.NoReturn:
    run(SPEC, analyse)


if __name__ == "__main__":
    main()
