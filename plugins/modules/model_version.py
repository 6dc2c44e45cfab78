#!/usr/bin/python

# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: model_version
short_description: Register versions of models
version_added: 1.0.0
description:
  - Registers a version of a model with the address of its artifact in the platform's database, and the model too where it is new.
  - A version's artifact may be changed. Endpoints that serve it then have a changed intent, which M(mlops.serving.reconcile) deploys.
author:
  - mlops.serving contributors (!UNKNOWN)
options:
  state:
    description: V(absent) removes the version. That is refused while an endpoint serves it, or would return to it.
    type: str
    choices: [present, absent]
    default: present
  model:
    description: Name or id of the model.
    type: str
    required: true
  version:
    description:
      - Number of the version. Required to remove one.
      - If not given, the newest version with the same O(artifact_uri) is meant, and if there is none, the next number is taken.
    type: int
  artifact_uri:
    description: Address of the artifact, such as V(s3://mlops-artifacts/triton/add_sub/). Required for a new version.
    type: str
  metrics:
    description: Metrics of the version. A mapping that is given replaces the stored one as a whole.
    type: dict
  stage:
    description: Stage of the version, such as V(staging) or V(production).
    type: str
  create_model:
    description: Whether a model that is not known yet is registered. This needs O(tenant_id) and O(project_id).
    type: bool
    default: true
  tenant_id:
    description: Id of the tenant. No other tenant's models are seen or touched then.
    type: str
  project_id:
    description: Id of the project.
    type: str
  created_by:
    description: Who registers it. Kept with a new model or version.
    type: str
extends_documentation_fragment:
  - mlops.serving._attributes
  - mlops.serving._attributes.writes
  - mlops.serving._attributes.group_store
  - mlops.serving._store
  - mlops.serving._cluster
  - mlops.serving._artifacts
seealso:
  - module: mlops.serving.endpoint
  - module: mlops.serving.triton_repository
"""

EXAMPLES = r"""
- name: Register a published model repository; the same address again changes nothing
  mlops.serving.model_version:
    tenant_id: 6b1f8a9e-3f0e-4f77-8a43-2d0f4a0b7c11
    project_id: 0a8f4a55-7d0a-4a3c-9d80-53e7a4f4f3b2
    model: add_sub
    artifact_uri: s3://mlops-artifacts/triton/add_sub/
    metrics: {accuracy: 0.98}
  register: registered

- name: Serve it
  mlops.serving.endpoint:
    name: demo
    model_version: "{{ registered.model_version.id }}"
    runtime: kserve-triton

- name: Mark version 3 as the one for production
  mlops.serving.model_version:
    model: add_sub
    version: 3
    stage: production

- name: Remove version 1
  mlops.serving.model_version:
    model: add_sub
    version: 1
    state: absent
"""

RETURN = r"""
model:
  description: The model, with C(id), C(name), C(tenant_id) and C(project_id).
  returned: always
  type: dict
model_created:
  description: Whether the model was registered too.
  returned: when O(state=present)
  type: bool
model_version:
  description: The version; for O(state=absent) as it was.
  returned: always
  type: dict
  contains:
    id:
      description: Its id. Not known yet for a new version in check mode.
      type: str
    version:
      description: Its number.
      type: int
    model_id:
      description: Id of its model.
      type: str
    tenant_id:
      description: Id of its tenant.
      type: str
    project_id:
      description: Id of its project.
      type: str
    artifact_uri:
      description: Address of its artifact.
      type: str
    metrics:
      description: Its metrics.
      type: dict
    stage:
      description: Its stage.
      type: str
"""

import typing as t

from ..module_utils._ansible.argspec import serving_spec
from ..module_utils._ansible.module import run
from ..module_utils._ansible.versions import write_version

SPEC = serving_spec(
    {
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "model": {"type": "str", "required": True},
        "version": {"type": "int"},
        "artifact_uri": {"type": "str"},
        "metrics": {"type": "dict"},
        "stage": {"type": "str"},
        "create_model": {"type": "bool", "default": True},
        "tenant_id": {"type": "str"},
        "project_id": {"type": "str"},
        "created_by": {"type": "str"},
    },
    required_if=[("state", "absent", ("version",))],
)


def main() -> t.NoReturn:
    run(SPEC, write_version)


if __name__ == "__main__":
    main()
