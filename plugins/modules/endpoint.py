#!/usr/bin/python

# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: endpoint
short_description: Say which model an endpoint shall serve, and how
version_added: 1.0.0
description:
  - Writes endpoint intents to the platform's database, after checking each one. M(mlops.serving.reconcile) brings them to the cluster.
  - An intent that cannot work is refused with the name of its field, and nothing of that endpoint is written. The other endpoints of
    O(endpoints) are written all the same, and the task fails at its end with RV(failed_endpoints).
  - An option that is not given leaves the row as it is. A mapping that is given replaces the stored mapping as a whole, so
    O(traffic={}) gives all traffic to the endpoint's version.
  - With O(tenant_id) no row of another tenant is seen or touched.
author:
  - mlops.serving contributors (!UNKNOWN)
options:
  state:
    description:
      - V(present) writes the intent. An endpoint that was deleted, or that is about to be, is revived with what is stored for the
        options that are not given.
      - V(absent) marks the endpoint as C(DELETING), as the platform does. M(mlops.serving.reconcile) removes its InferenceService
        and then marks it as C(DELETED).
    type: str
    choices: [present, absent]
    default: present
extends_documentation_fragment:
  - mlops.serving._intent
  - mlops.serving._attributes
  - mlops.serving._attributes.writes
  - mlops.serving._attributes.group_store
  - mlops.serving._store
  - mlops.serving._cluster
  - mlops.serving._artifacts
seealso:
  - module: mlops.serving.model_version
  - module: mlops.serving.reconcile
  - module: mlops.serving.endpoint_info
"""

EXAMPLES = r"""
- name: Serve version 3 of the model add_sub with Triton
  mlops.serving.endpoint:
    name: demo-triton
    model: add_sub
    model_version: 3
    runtime: kserve-triton
    autoscaling: {minReplicas: 1, maxReplicas: 4, keda: true}
    runtime_config:
      modelFormat: triton
      protocolVersion: v2
      runtimeVersion: 24.08-py3
      gpu: true

- name: Give version 4 a tenth of the traffic
  mlops.serving.endpoint:
    name: demo-canary
    model_version: 4
    traffic: {canaryTrafficPercent: 10}

- name: Give it all traffic
  mlops.serving.endpoint:
    name: demo-canary
    traffic: {}

- name: Write a tenant's endpoints in one task
  mlops.serving.endpoint:
    tenant_id: 6b1f8a9e-3f0e-4f77-8a43-2d0f4a0b7c11
    project_id: 0a8f4a55-7d0a-4a3c-9d80-53e7a4f4f3b2
    endpoints:
      - {name: fraud, model: fraud, model_version: 7}
      - {name: churn, model: churn, model_version: 2, runtime_config: {modelFormat: xgboost}}

- name: Take an endpoint away
  mlops.serving.endpoint:
    name: demo-triton
    state: absent
"""

RETURN = r"""
endpoints:
  description: What became of each endpoint that could be written.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: Name of the endpoint.
      type: str
    id:
      description: Its id. Not known yet for a new endpoint in check mode.
      type: str
    tenant_id:
      description: Id of its tenant.
      type: str
    project_id:
      description: Id of its project.
      type: str
    status:
      description: Its status in the database.
      type: str
      sample: DEPLOYING
    url:
      description: Its address, once it serves.
      type: str
    changed:
      description: Whether its intent changed.
      type: bool
    action:
      description: One of V(created), V(updated), V(revived), V(deleted) and V(unchanged).
      type: str
    warnings:
      description: What in the intent has no effect.
      type: list
      elements: str
failed_endpoints:
  description: The endpoints that were refused. Nothing of them was written.
  returned: when there are any
  type: list
  elements: dict
  contains:
    name:
      description: Name of the endpoint.
      type: str
    msg:
      description: What is wrong, where, and what to do.
      type: str
    failure:
      description: The same as data, with C(code), C(endpoint), C(field), C(value) and C(cure).
      type: dict
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._ansible.argspec import serving_spec
from ..module_utils._ansible.endpoint_options import ENDPOINTS, ONE_OR_MANY, items_of
from ..module_utils._ansible.endpoint_writes import write_endpoints
from ..module_utils._ansible.module import Result, run

SPEC = serving_spec(
    {"state": {"type": "str", "choices": ["present", "absent"], "default": "present"}, **ENDPOINTS},
    required_one_of=[("name", "endpoints")],
    mutually_exclusive=ONE_OR_MANY,
)


def work(module: AnsibleModule, result: Result) -> None:
    write_endpoints(module, result, items_of(module.params), present=module.params["state"] == "present")


def main() -> t.NoReturn:
    run(SPEC, work)


if __name__ == "__main__":
    main()
