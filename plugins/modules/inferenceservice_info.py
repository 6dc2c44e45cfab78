#!/usr/bin/python

# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: inferenceservice_info
short_description: See InferenceServices, their traffic and their revisions
version_added: 1.0.0
description:
  - Lists InferenceServices with what one asks about them. Are they ready, and if not, why; which revision gets which share of the
    traffic; what is their address.
author:
  - mlops.serving contributors (!UNKNOWN)
options:
  namespaces:
    description: Namespaces to look into. The whole cluster where not given.
    type: list
    elements: str
  names:
    description: Names of the InferenceServices. All where not given.
    type: list
    elements: str
  label_selectors:
    description: Label selectors, all of which must match.
    type: list
    elements: str
  tenant_id:
    description: Only those of this tenant.
    type: str
  project_id:
    description: Only those of this project.
    type: str
  endpoint_id:
    description: Only that of this endpoint.
    type: str
  full:
    description: Whether to return the whole object too.
    type: bool
    default: false
extends_documentation_fragment:
  - mlops.serving._attributes
  - mlops.serving._attributes.info_module
  - mlops.serving._attributes.group_cluster
  - mlops.serving._store
  - mlops.serving._cluster
  - mlops.serving._artifacts
seealso:
  - module: mlops.serving.inferenceservice
  - module: mlops.serving.endpoint_info
"""

EXAMPLES = r"""
- name: Look at the services of one namespace
  mlops.serving.inferenceservice_info:
    namespaces: [models]
  register: services

- name: Name those that are not ready
  ansible.builtin.debug:
    msg: "{{ item.namespace }}/{{ item.name }}: {{ item.not_ready_because }}"
  loop: "{{ services.inferenceservices | rejectattr('ready') }}"
  loop_control:
    label: "{{ item.name }}"
"""

RETURN = r"""
inferenceservices:
  description: The InferenceServices, by namespace and name.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Its name.
      type: str
    namespace:
      description: Its namespace.
      type: str
    endpoint_id:
      description: The endpoint that it belongs to.
      type: str
    tenant_id:
      description: The tenant that it belongs to.
      type: str
    project_id:
      description: The project that it belongs to.
      type: str
    mode:
      description: V(Knative) or V(Standard).
      type: str
    ready:
      description: Whether KServe says that it is ready. A candidate that does not get ready makes it V(false) while the stable model serves.
      type: bool
    not_ready_because:
      description: Why it is not.
      type: str
    url:
      description: Its address.
      type: str
    storage_uri:
      description: The model that it asks for.
      type: str
    canary_traffic_percent:
      description: The share that is asked for the newest revision.
      type: int
    traffic:
      description: The shares as they are, in Knative mode.
      type: list
      elements: dict
      sample: [{"revision": "demo-predictor-00002", "percent": 10, "tag": "latest", "latest": true,
                "url": "http://latest-demo-predictor.models.example.com"}]
    revisions:
      description: The newest revision, the newest ready one, the stable one and the one before.
      type: dict
      sample: {"latest_created": "demo-predictor-00002", "latest_ready": "demo-predictor-00002",
               "latest_rolled_out": "demo-predictor-00001", "previous_rolled_out": null}
    failures:
      description: Why something will not get ready by waiting, as far as the object itself says.
      type: list
      elements: dict
    deleting:
      description: Whether it is being deleted.
      type: bool
    resource:
      description: The object as the API server has it, without C(managedFields).
      returned: with O(full)
      type: dict
host:
  description: The cluster that was used.
  returned: success
  type: str
"""

import typing as t

from ..module_utils._ansible.argspec import serving_spec
from ..module_utils._ansible.inferenceservices import inform
from ..module_utils._ansible.module import run

SPEC = serving_spec(
    {
        "namespaces": {"type": "list", "elements": "str"},
        "names": {"type": "list", "elements": "str"},
        "label_selectors": {"type": "list", "elements": "str"},
        "tenant_id": {"type": "str"},
        "project_id": {"type": "str"},
        "endpoint_id": {"type": "str"},
        "full": {"type": "bool", "default": False},
    }
)


def main() -> t.NoReturn:
    run(SPEC, inform)


if __name__ == "__main__":
    main()
