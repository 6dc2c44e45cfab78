#!/usr/bin/python

# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: rollout
short_description: Change the model version of an endpoint by canary, A/B or blue/green, with evidence
version_added: 1.0.0
description:
  - Stages the new version at 0 % beside the one that serves, gives it traffic step by step, and judges it against its limits and
    against the stable version at every look. A candidate with evidence against it is back at 0 % within a look; one with too few
    requests, or without data, is held and never promoted.
  - Every step is an intent in the endpoint's row, so that the database always says what is wanted. Whoever writes another intent
    meanwhile ends the rollout, and stable serves until that intent's model is ready.
  - Everything is kept in the store. A run that was killed is continued by the next one, at the place and with the evidence where it
    was; one rollout an endpoint can be active, and one run drives it. Others follow it and show the same lines.
  - A rollout that waits for a person, or that stopped at O(until), is looked at by nobody until the next run.
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
  action:
    description:
      - V(run) begins the rollout, or takes up the active one, and drives it to its end, to a hold, or to O(until).
      - V(start) stops when the candidate is staged, V(advance) when one step more has passed.
      - V(pause), V(resume), V(promote) (without the rest of the plan) and V(abort) (back to stable) are for the active rollout. Whoever
        drives it follows; where nobody does, this run does.
      - V(rollback) goes back, after a promotion, to O(model_version) or to the version that served before, without judging it.
      - Each may be repeated. V(run) with the version that serves already changes nothing.
    type: str
    choices: [run, start, advance, pause, resume, promote, abort, rollback]
    default: run
  model_version:
    description: Number or id of the version to roll out, of the endpoint's own model.
    type: str
    aliases: [version]
  strategy:
    description:
      - V(canary) raises the share of the new version by O(steps), then promotes it.
      - V(ab) serves both at O(split) for O(duration) and ends with a O(winner).
      - V(blue_green) stages the new version at 0 %, tests it at its own address, and waits there. V(resume) lets it go on.
    type: str
    choices: [canary, ab, blue_green]
    default: canary
  steps:
    description: Shares of the candidate in percent, rising. 1, 5, 10, 25, 50 for a canary; O(split) for an A/B.
    type: list
    elements: str
  split:
    description: Share of the new version in an A/B. Knative splits by request, so one user meets both. V(50) where it is not given.
    type: int
  duration:
    description: How long an A/B lasts, such as V(1h). It ends as soon as enough was seen where this is not given.
    type: str
  winner:
    description:
      - What an A/B ends with. V(evidence) promotes the new version if there is nothing against it, V(ask) waits for V(resume) or
        V(abort), V(stable) returns. V(evidence) where it is not given.
    type: str
    choices: [evidence, ask, stable]
  watch:
    description:
      - Blue/green only. How long the new version is judged at 99 % before all traffic is its own. The old one stays warm meanwhile,
        and the way back is one write. No time where it is not given.
    type: str
  until:
    description: Stop this run when the step of this share has passed, or when the candidate is V(staged). The next run goes on.
    type: str
  approvals:
    description: Shares, or V(promote), before which V(resume) is waited for. Blue/green waits once where none is given.
    type: list
    elements: str
  min_requests:
    description:
      - Requests that the candidate must have answered before its promotion. All since its first share count.
      - Where O(harm_budget=0), each step waits for its part of them too, 20 at least, so that 1 % of little traffic takes long.
    type: int
    default: 300
  harm_budget:
    description:
      - How many failed requests beyond its limits the rollout may cost. A step is left as soon as the next share could not cost more than
        that, judged by what was seen so far, so steps follow one another fast and a bad candidate is found early all the same.
      - V(0) leaves each step only when it has its part of O(min_requests).
    type: int
    default: 10
  bake:
    description: How long each step lasts at least.
    type: str
  step_timeout:
    description: After this long a step that has not seen enough is inconclusive.
    type: str
    default: 30m
  rollout_timeout:
    description: The same for the whole rollout.
    type: str
    default: 2h
  on_inconclusive:
    description: What then happens. V(pause) holds the traffic as it is, V(abort) goes back to stable.
    type: str
    choices: [pause, abort]
    default: pause
  on_no_capacity:
    description: Whether a candidate whose GPUs are not there is refused, or waited with for at most O(timeout).
    type: str
    choices: [refuse, wait]
    default: refuse
  on_rollback:
    description: Whether the task fails when the candidate was sent back. A rollout that could not be ended always fails it.
    type: str
    choices: [fail, ok]
    default: fail
  hooks:
    description:
      - HTTP calls at points of the rollout. Each has C(at) (V(start), V(staged), V(before_step), V(after_step), V(before_promote),
        V(promoted), V(rolled_back)), C(url), and may have C(method), C(steps), C(timeout), C(headers_from_env) (header to name of an
        environment variable, so that no secret is stored) and C(on_failure), V(abort) or V(ignore).
      - The body is JSON with the rollout, its state and its numbers. To run tasks between steps, see role P(mlops.serving.rollout#role).
    type: list
    elements: dict
  requests:
    description:
      - Golden requests with known answers. Each has C(path), and may have C(body) (JSON), C(method), C(headers), C(timeout) and
        C(expect) with C(status), C(json) (what the answer must contain), C(tolerance) and C(contains).
      - Each is sent once to the staged candidate's own address. A wrong answer ends the rollout before anybody meets the candidate.
    type: list
    elements: dict
  request_rate:
    description: So many golden requests a second go on to the candidate and to stable, so that one without traffic has evidence too.
    type: float
  gateway_url:
    description: Where to send golden requests, with the candidate's own name as Host. That name itself where this is not given.
    type: str
  report:
    description: Write the report, one HTML file, here.
    type: path
  wait:
    description: Whether to follow a rollout that another run drives.
    type: bool
    default: true
  progress_file:
    description: A file to which each line of the timeline is added when it happens. The action plugin of this name uses it.
    type: path
extends_documentation_fragment:
  - mlops.serving._attributes
  - mlops.serving._attributes.writes
  - mlops.serving._attributes.group_store_cluster
  - mlops.serving._rollout
  - mlops.serving._store
  - mlops.serving._cluster
  - mlops.serving._artifacts
  - mlops.serving._deploy
seealso:
  - module: mlops.serving.rollout_info
  - module: mlops.serving.rollout_analysis
  - module: mlops.serving.reconcile
"""

EXAMPLES = r"""
- name: Roll out version 4 by canary
  mlops.serving.rollout:
    endpoint: demo-canary
    model_version: 4
    steps: [1, 5, 10, 25, 50]
    gates:
      - {metric: errors, max: 1%, over_stable: 0.5%}
      - {metric: latency, p99: 500ms}
    deploy_mode: kserve
    report: reports/demo-canary.html

- name: Stop half way for a person, as a job of its own
  mlops.serving.rollout:
    endpoint: demo-canary
    model_version: 4
    until: 25

- name: Go on, in the next job
  mlops.serving.rollout:
    endpoint: demo-canary
    action: resume

- name: Stage green and test it at its own address
  mlops.serving.rollout:
    endpoint: demo-canary
    model_version: 5
    strategy: blue_green
    watch: 60s
    requests:
      - path: /v2/models/add_sub/infer
        body: "{{ lookup('file', 'request.json') | from_json }}"
        expect: {status: 200, json: {model_name: add_sub}}

- name: Back to version 3
  mlops.serving.rollout:
    endpoint: demo-canary
    action: rollback
    model_version: 3
"""

RETURN = r"""
rollout:
  description: The rollout as RV(mlops.serving.rollout_info#module:rollouts) has it, or null where none was needed.
  returned: always
  type: dict
state:
  description: Where it is; V(paused) where it waits for a person or for the next run.
  returned: always
  type: str
  sample: finished
outcome:
  description: How it ended, one of V(promoted), V(rolled_back), V(aborted), V(returned), V(superseded), V(failed); null before.
  returned: always
  type: str
  sample: promoted
timeline:
  description: The rollout's lines from its beginning on, by whichever run.
  returned: always
  type: list
  elements: str
report:
  description: Where the report was written.
  returned: when O(report) is given
  type: str
plan:
  description: The plan that would be followed.
  returned: in check mode, for a new rollout
  type: dict
host:
  description: API server that was used, V(simulate) for none.
  returned: when the cluster was talked to
  type: str
"""

import typing as t

from ..module_utils._ansible.argspec import DEPLOY, serving_spec
from ..module_utils._ansible.module import run
from ..module_utils._ansible.rollout_options import EVIDENCE, ROLLOUT
from ..module_utils._ansible.rollout_run import rollout

SPEC = serving_spec({**ROLLOUT, **EVIDENCE}, DEPLOY)


def main() -> t.NoReturn:
    run(SPEC, rollout)


if __name__ == "__main__":
    main()
