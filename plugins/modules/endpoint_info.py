#!/usr/bin/python

# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: endpoint_info
short_description: Show endpoints with what is known of their deployment
version_added: 1.0.0
description:
  - Reads endpoints from the platform's database, with the status, the address and the record of their deployment. The cluster is not asked.
author:
  - mlops.serving contributors (!UNKNOWN)
options:
  endpoints:
    description: Names or ids of endpoints. All where this is not given. A name that nobody has is not an error, it is just not found.
    type: list
    elements: str
    aliases: [name]
  tenant_id:
    description: Only endpoints of this tenant.
    type: str
  project_id:
    description: Only endpoints of this project.
    type: str
  status:
    description: Only endpoints with one of these statuses.
    type: list
    elements: str
    choices: [CREATING, DEPLOYING, READY, STOPPED, ERROR, DELETING, DELETED]
  applied:
    description: Only endpoints whose intent is what was last brought to the cluster, or with V(false) those where it is not.
    type: bool
extends_documentation_fragment:
  - mlops.serving._attributes
  - mlops.serving._attributes.info_module
  - mlops.serving._attributes.group_store
  - mlops.serving._store
  - mlops.serving._cluster
  - mlops.serving._artifacts
seealso:
  - module: mlops.serving.endpoint
  - module: mlops.serving.inferenceservice_info
"""

EXAMPLES = r"""
- name: Look at one endpoint
  mlops.serving.endpoint_info:
    endpoints: [demo-canary]
  register: demo

- name: Show its address
  ansible.builtin.debug:
    msg: "{{ demo.endpoints[0].url }}"

- name: What still has to be deployed, or could not be
  mlops.serving.endpoint_info:
    status: [CREATING, DEPLOYING, READY, STOPPED, ERROR, DELETING]
    applied: false
"""

RETURN = r"""
endpoints:
  description: The endpoints, by name.
  returned: always
  type: list
  elements: dict
  contains:
    id:
      description: Id of the endpoint.
      type: str
    name:
      description: Its name.
      type: str
    tenant_id:
      description: Id of its tenant.
      type: str
    project_id:
      description: Id of its project.
      type: str
    status:
      description: One of V(CREATING), V(DEPLOYING), V(READY), V(STOPPED), V(ERROR), V(DELETING) and V(DELETED).
      type: str
    url:
      description: Its address.
      type: str
    applied:
      description: Whether its intent is what was last brought to the cluster.
      type: bool
    runtime:
      description: Its runtime.
      type: str
    model:
      description: Name of its model.
      type: str
    model_id:
      description: Id of its model.
      type: str
    model_version:
      description: Number of the version that it shall serve.
      type: int
    model_version_id:
      description: Id of that version.
      type: str
    artifact_uri:
      description: Address of that version's artifact.
      type: str
    traffic:
      description: How traffic is split.
      type: dict
    autoscaling:
      description: How it scales.
      type: dict
    runtime_config:
      description: How the model is run.
      type: dict
    created_by:
      description: Who asked for it.
      type: str
    created_at:
      description: When it was asked for.
      type: str
    updated_at:
      description: When its row was last written.
      type: str
    deployment:
      description: What is known of its deployment, null where nothing was tried yet.
      type: dict
      contains:
        namespace:
          description: Namespace of its InferenceService.
          type: str
        service:
          description: Name of its InferenceService.
          type: str
        deploy_mode:
          description: V(simulate) or V(kserve).
          type: str
        serving_mode:
          description: V(Knative) or V(Standard).
          type: str
        generation:
          description: How many intents have been brought to the cluster.
          type: int
        stable_version:
          description: Number of the version that serves, and that is returned to.
          type: int
        stable_version_id:
          description: Id of that version.
          type: str
        stable_revision:
          description: Revision of that version in Knative mode.
          type: str
        host:
          description: The API server that it was deployed with.
          type: str
        warnings:
          description: What in the intent has no effect or was left out.
          type: list
          elements: str
        last_error:
          description: Why the last attempt failed, null when it did not.
          type: str
        attempts:
          description: How many attempts at this intent have failed in a row.
          type: int
        next_attempt_at:
          description: When a worker tries again.
          type: str
        lease_owner:
          description: Who works on it right now.
          type: str
        lease_until:
          description: When that lease ends.
          type: str
        observed_at:
          description: When an attempt last ended.
          type: str
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._adapters.overview import overview
from ..module_utils._adapters.scope import Scope
from ..module_utils._ansible.argspec import serving_spec
from ..module_utils._ansible.connections import open_store
from ..module_utils._ansible.endpoints import is_id
from ..module_utils._ansible.module import Result, run

SPEC = serving_spec(
    {
        "endpoints": {"type": "list", "elements": "str", "aliases": ["name"]},
        "tenant_id": {"type": "str"},
        "project_id": {"type": "str"},
        "status": {
            "type": "list",
            "elements": "str",
            "choices": ["CREATING", "DEPLOYING", "READY", "STOPPED", "ERROR", "DELETING", "DELETED"],
        },
        "applied": {"type": "bool"},
    },
)


def work(module: AnsibleModule, result: Result) -> None:
    params = module.params
    wanted = params["endpoints"]
    where = {"tenant_id": params["tenant_id"], "project_id": params["project_id"]}
    filters = {"statuses": params["status"], "applied": params["applied"]}
    with open_store(module) as store:
        store.ready()
        if wanted is None:
            result["endpoints"] = overview(store.database, Scope(**where), **filters)
            return
        found = {}
        for field, chosen in (("names", [w for w in wanted if not is_id(w)]), ("ids", [w for w in wanted if is_id(w)])):
            if chosen:
                rows = overview(store.database, Scope(**where, **{field: tuple(chosen)}), **filters)
                found.update((row["id"], row) for row in rows)
        result["endpoints"] = sorted(found.values(), key=lambda row: (row["name"], row["id"]))


def main() -> t.NoReturn:
    run(SPEC, work)


if __name__ == "__main__":
    main()
