#!/usr/bin/python

# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: reconcile
short_description: Bring endpoints to what their rows in Postgres say
version_added: 1.0.0
description:
  - Finds every endpoint whose intent is not what is applied, however the row was changed, and deploys, changes or deletes its
    InferenceService until it serves what the row says. Status, address and the last error are written back to the row.
  - A changed model is staged at 0 % beside the one that serves. It gets traffic only when its revision is new, ready and the
    one that was asked for; a model that cannot be loaded never takes the earlier one down.
  - Endpoints that cannot be brought there are listed in RV(failed_endpoints), and the task fails at its end. All others are done.
  - Several runs may work at a time. Each endpoint is worked on by one of them, and a run that finds nothing else to do waits for
    those that others have in hand, at most for O(timeout). One that was killed leaves its endpoints to the others after a minute.
author:
  - mlops.serving contributors (!UNKNOWN)
options:
  endpoints:
    description:
      - Names or ids of the endpoints to look at. All that are due where this is not given.
      - Not with O(follow), as a worker serves all that are due.
    type: list
    elements: str
  tenant_id:
    description: Look at endpoints of this tenant only.
    type: str
  project_id:
    description: Look at endpoints of this project only.
    type: str
  drift:
    description:
      - Also look at endpoints whose intent is applied, and put right what somebody changed on the cluster since.
      - The store knows which version each InferenceService had when it was found right, so where nothing was changed this costs one list of
        metadata a namespace. What has another version is looked at. KServe's own writes make another version too.
      - Endpoints that are named in O(endpoints) are looked at whatever their version.
      - A worker (O(follow)) does so every O(drift_every) seconds.
    type: bool
    default: false
  strict:
    description: Whether an unknown key in a row is an error. Otherwise it is left out with a warning, and the endpoint serves.
    type: bool
    default: false
  force_mode:
    description:
      - Also take endpoints that were deployed in another O(deploy_mode).
      - They are refused otherwise, so that a forgotten E(DEPLOY_MODE) does not mark an endpoint of a cluster as simulated.
    type: bool
    default: false
  default_serving_mode:
    description:
      - Deployment mode of endpoints whose row does not need a certain one.
      - The default mode in KServe's own configuration where this is not given, and V(Knative) where that cannot be read.
    type: str
    choices: [Knative, Standard]
  workers:
    description: How many writes are in flight at a time. Waiting for models to load takes no worker.
    type: int
    default: 8
  follow:
    description:
      - Go on as a worker until the process gets SIGTERM, instead of ending when nothing is due. Endpoints are worked on as soon
        as the modules of this collection or the event source report them, and at the latest at the next look at all of them.
      - An endpoint that failed is tried again after 15 seconds, then later and later, at most an hour after the last time.
      - Where the database or the cluster goes away, it waits for them. It holds nothing that the database does not have, and
        several workers may run.
    type: bool
    default: false
  sweep:
    description:
      - Seconds between two looks at all endpoints, with O(follow). They find what no notification came for, such as rows that
        were changed by hand.
    type: int
    default: 30
  drift_every:
    description: Seconds between two looks for what somebody changed on the cluster, with O(follow) and O(drift).
    type: int
    default: 300
  address:
    description:
      - Host and port on which a worker (O(follow)) serves its metrics for Prometheus under C(/metrics), and its health under
        C(/healthz). Nowhere by default.
    type: str
  log_format:
    description:
      - How the lines are written that tell of each endpoint when it comes to its end, and of the worker itself.
        E(MLOPS_SERVING_LOG_FORMAT) where this is not given.
      - With V(json) each is a JSON object, with the time in UTC, level, event, endpoint, tenant, the trace id of the event that last
        asked for the endpoint, status, seconds, and the error with its code. Ansible's own lines are between them; none of those
        begins with a brace.
    type: str
    choices: [text, json]
    default: text
  progress_file:
    description: A file to which a line is added when an endpoint comes to its end. The action plugin of this name uses it.
    type: path
extends_documentation_fragment:
  - mlops.serving._attributes
  - mlops.serving._attributes.writes
  - mlops.serving._attributes.group_store_cluster
  - mlops.serving._store
  - mlops.serving._cluster
  - mlops.serving._artifacts
  - mlops.serving._deploy
seealso:
  - module: mlops.serving.endpoint
  - module: mlops.serving.endpoint_info
"""

EXAMPLES = r"""
- name: Deploy everything whose intent is not applied yet, without a cluster
  mlops.serving.reconcile:
    database_url: postgresql://mlops@127.0.0.1:5432/mlops
    deploy_mode: simulate

- name: Deploy one tenant's endpoints to the cluster of the kubeconfig, each into a namespace of its own tenant
  mlops.serving.reconcile:
    tenant_id: 6b1f8a9e-3f0e-4f77-8a43-2d0f4a0b7c11
    deploy_mode: kserve
    namespace: tenant-{tenant_id}
    timeout: 900

- name: Work until the play is ended, with metrics for Prometheus
  mlops.serving.reconcile:
    deploy_mode: kserve
    follow: true
    address: 127.0.0.1:9464

- name: Work until the play is ended, put right what somebody changes on the cluster, and write a log for programs
  mlops.serving.reconcile:
    deploy_mode: kserve
    follow: true
    drift: true
    drift_every: 600
    log_format: json

- name: See what a nightly run would put right
  mlops.serving.reconcile:
    deploy_mode: kserve
    drift: true
  check_mode: true
  diff: true
"""

RETURN = r"""
endpoints:
  description: The endpoints that were worked on; those with nothing to do are not listed.
  returned: without O(follow)
  type: list
  elements: dict
  contains:
    name:
      description: Name of the endpoint.
      type: str
    id:
      description: Its id.
      type: str
    status:
      description: Its status now.
      type: str
      sample: READY
    url:
      description: Its address.
      type: str
    changed:
      description: Whether something of ours changed on the cluster, or the row's status or address.
      type: bool
    namespace:
      description: Namespace of its InferenceService.
      type: str
    service:
      description: Name of its InferenceService.
      type: str
      sample: isvc-7d4f0a52
    mode:
      description: V(Knative) or V(Standard).
      type: str
    revision:
      description: The stable revision, in Knative mode.
      type: str
    writes:
      description: What was written to the cluster and why, in order.
      type: list
      elements: str
    warnings:
      description: What in the row has no effect or was left out.
      type: list
      elements: str
    note:
      description: What else is worth knowing.
      type: str
failed_endpoints:
  description: The endpoints that could not be brought to what their rows say.
  returned: when there are any
  type: list
  elements: dict
  contains:
    name:
      description: Name of the endpoint.
      type: str
    msg:
      description: What is wrong, and what to do.
      type: str
    failure:
      description: The same as data, with C(code), C(endpoint), C(field), C(value) and C(cure).
      type: dict
host:
  description: The cluster that was used, V(simulate) for none.
  returned: always
  type: str
seconds:
  description: How long it took, without the start of the module.
  returned: without O(follow)
  type: float
worked:
  description: How many endpoints came to an end, by what became of them.
  returned: with O(follow)
  type: dict
  sample: {deleted: 0, failed: 1, ready: 20, refused: 0, superseded: 0}
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._ansible.argspec import DEPLOY, env, serving_spec
from ..module_utils._ansible.following import follow
from ..module_utils._ansible.module import Result, run
from ..module_utils._ansible.reconciliation import reconcile

SPEC = serving_spec(
    {
        "endpoints": {"type": "list", "elements": "str"},
        "tenant_id": {"type": "str"},
        "project_id": {"type": "str"},
        "drift": {"type": "bool", "default": False},
        "strict": {"type": "bool", "default": False},
        "force_mode": {"type": "bool", "default": False},
        "default_serving_mode": {"type": "str", "choices": ["Knative", "Standard"]},
        "workers": {"type": "int", "default": 8},
        "follow": {"type": "bool", "default": False},
        "sweep": {"type": "int", "default": 30},
        "drift_every": {"type": "int", "default": 300},
        "address": {"type": "str"},
        "log_format": {
            "type": "str",
            "choices": ["text", "json"],
            "default": "text",
            "fallback": env("MLOPS_SERVING_LOG_FORMAT"),
        },
        "progress_file": {"type": "path"},
    },
    DEPLOY,
)


def work(module: AnsibleModule, result: Result) -> None:
    # What a worker would do now is what one run would do.
    (follow if module.params["follow"] and not module.check_mode else reconcile)(module, result)


def main() -> t.NoReturn:
    run(SPEC, work)


if __name__ == "__main__":
    main()
