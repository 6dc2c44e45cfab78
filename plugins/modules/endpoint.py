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
  name:
    description: Name of the endpoint. Names do not differ by upper and lower case.
    type: str
  tenant_id:
    description:
      - Id of the tenant. Needed where the name exists for several tenants.
      - A new endpoint gets its model's tenant where this is not given.
    type: str
  project_id:
    description: Id of the project. A new endpoint gets its model's project where this is not given.
    type: str
  model:
    description: Name or id of the model.
    type: str
    aliases: [model_id]
  model_version:
    description: Number of the model's version, or its id. With an id, O(model) may be left out.
    type: str
    aliases: [model_version_id]
  runtime:
    description: Runtime, such as V(kserve) or V(kserve-triton). A new endpoint gets V(kserve) where this is not given.
    type: str
  traffic:
    description:
      - How traffic is split, with C(canaryTrafficPercent) from 0 to 100 for a new version beside the one that serves. This needs Knative mode.
      - An empty mapping gives all traffic to the endpoint's version.
    type: raw
  autoscaling:
    description: How many replicas and what they scale on, with keys such as C(minReplicas), C(maxReplicas), C(keda), C(scaleMetric).
    type: raw
  runtime_config:
    description: How the model is run, with keys such as C(modelFormat), C(runtimeVersion), C(gpu), C(resources), C(deploymentMode), C(env).
    type: raw
  created_by:
    description: Who asks for it. Kept with a new endpoint.
    type: str
  endpoints:
    description:
      - Many endpoints in one task, which costs one start of the module and a few statements. Cannot be combined with O(name).
      - O(tenant_id), O(project_id) and O(created_by) beside it hold for each one that does not say otherwise.
    type: list
    elements: dict
    suboptions:
      name:
        description: See O(name).
        type: str
        required: true
      tenant_id:
        description: See O(tenant_id).
        type: str
      project_id:
        description: See O(project_id).
        type: str
      model:
        description: See O(model).
        type: str
        aliases: [model_id]
      model_version:
        description: See O(model_version).
        type: str
        aliases: [model_version_id]
      runtime:
        description: See O(runtime).
        type: str
      traffic:
        description: See O(traffic).
        type: raw
      autoscaling:
        description: See O(autoscaling).
        type: raw
      runtime_config:
        description: See O(runtime_config).
        type: raw
      created_by:
        description: See O(created_by).
        type: str
extends_documentation_fragment:
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

from ..module_utils._ansible.argspec import Options, serving_spec
from ..module_utils._ansible.endpoint_writes import write_endpoints
from ..module_utils._ansible.module import Result, run

_SHARED: Options = {"tenant_id": {"type": "str"}, "project_id": {"type": "str"}, "created_by": {"type": "str"}}
_INTENT: Options = {
    "model": {"type": "str", "aliases": ["model_id"]},
    "model_version": {"type": "str", "aliases": ["model_version_id"]},
    "runtime": {"type": "str"},
    "traffic": {"type": "raw"},
    "autoscaling": {"type": "raw"},
    "runtime_config": {"type": "raw"},
}

SPEC = serving_spec(
    {
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "name": {"type": "str"},
        **_SHARED,
        **_INTENT,
        "endpoints": {
            "type": "list",
            "elements": "dict",
            "options": {"name": {"type": "str", "required": True}, **_SHARED, **_INTENT},
        },
    },
    required_one_of=[("name", "endpoints")],
    mutually_exclusive=[("endpoints", name) for name in ("name", *_INTENT)],
)


def work(module: AnsibleModule, result: Result) -> None:
    params = module.params
    if params["endpoints"] is None:
        items = [{name: params[name] for name in ("name", *_SHARED, *_INTENT)}]
    else:
        items = [{**item, **{name: item[name] or params[name] for name in _SHARED}} for item in params["endpoints"]]
    write_endpoints(module, result, items, present=params["state"] == "present")


def main() -> t.NoReturn:
    run(SPEC, work)


if __name__ == "__main__":
    main()
