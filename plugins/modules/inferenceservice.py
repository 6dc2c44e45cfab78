#!/usr/bin/python

# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: inferenceservice
short_description: Apply KServe InferenceServices safely
version_added: 1.0.0
description:
  - Brings manifests of InferenceServices to a cluster, or takes InferenceServices away, without a database.
  - It takes the same steps as M(mlops.serving.reconcile). A changed model is staged at 0 % beside the one that serves, and gets
    its share of the traffic only when its revision is new and ready. Neither an earlier candidate nor the model before the last
    one can get traffic on the way.
  - It writes by server-side apply as the field manager C(mlops.serving). Fields that others set and that the manifest does not
    have stay as they are, and a field that is taken out of the manifest is cleared.
  - Only what the manifest says counts as a change. Status, defaults and fields of others do not.
  - An InferenceService that belongs to an endpoint of the platform (label C(mlops.platform/endpoint_id)) is touched only where the
    manifest has the same label.
author:
  - mlops.serving contributors (!UNKNOWN)
options:
  inferenceservices:
    description:
      - The InferenceServices, each as a manifest such as P(mlops.serving.inferenceservice#filter) renders it.
      - The predictor has the form C(predictor.model). KServe rewrites older forms such as C(predictor.triton).
      - With O(state=absent), C(metadata.name) is enough.
    type: list
    elements: dict
    required: true
  state:
    description: Whether they are to be there.
    type: str
    choices: [present, absent]
    default: present
  namespace:
    description: Namespace of those that do not name one. Also read from E(KSERVE_NAMESPACE).
    type: str
    default: mlops-serving
  wait:
    description:
      - Whether to wait until each one serves what its manifest says, or is gone.
      - Without waiting, a changed model in Knative mode stays staged at 0 % until the next run finds it ready.
    type: bool
    default: true
  timeout:
    description: Longest time in seconds to wait. Also read from E(DEPLOY_TIMEOUT_SECONDS).
    type: int
    default: 600
extends_documentation_fragment:
  - mlops.serving._attributes
  - mlops.serving._attributes.writes
  - mlops.serving._attributes.group_cluster
  - mlops.serving._store
  - mlops.serving._cluster
  - mlops.serving._artifacts
seealso:
  - module: mlops.serving.inferenceservice_info
  - module: mlops.serving.reconcile
  - plugin: mlops.serving.inferenceservice
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Serve the manifests of a folder
  mlops.serving.inferenceservice:
    kubeconfig: ~/.kube/config
    namespace: models
    inferenceservices: "{{ query('ansible.builtin.fileglob', 'services/*.yaml') | map('ansible.builtin.file') | map('from_yaml') }}"

- name: Serve an endpoint intent without a database
  mlops.serving.inferenceservice:
    inferenceservices:
      - "{{ endpoint | mlops.serving.inferenceservice(namespace='models') }}"
    timeout: 900

- name: Send 10 % to the new model that the manifest names
  mlops.serving.inferenceservice:
    inferenceservices:
      - metadata:
          name: demo
          namespace: models
          annotations:
            serving.kserve.io/deploymentMode: Knative
        spec:
          predictor:
            canaryTrafficPercent: 10
            model:
              modelFormat: {name: triton}
              protocolVersion: v2
              storageUri: s3://mlops-artifacts/triton/add_sub/v2/

- name: Take a service away
  mlops.serving.inferenceservice:
    state: absent
    inferenceservices:
      - metadata: {name: demo, namespace: models}
"""

RETURN = r"""
inferenceservices:
  description: What became of each one, in the order of O(inferenceservices).
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: Its name.
      type: str
    namespace:
      description: Its namespace.
      type: str
    changed:
      description: Whether something of ours changed.
      type: bool
    writes:
      description: What was written and why, in order.
      type: list
      elements: str
      sample: ["stage at 0 %; changed: spec.predictor.model.storageUri", "demo-predictor-00002 is ready: give it 10 %"]
    waits_for:
      description: What it waited for when this was returned, where it does not serve as asked yet.
      type: str
    ready:
      description: Whether KServe says that it is ready. Not in check mode.
      type: bool
    not_ready_because:
      description: Why it is not.
      type: str
    url:
      description: Its address. Not in check mode.
      type: str
    mode:
      description: V(Knative) or V(Standard). Not in check mode.
      type: str
    traffic:
      description: Shares of the traffic by revision, in Knative mode. Not in check mode.
      type: list
      elements: dict
    revisions:
      description: Its revisions, in Knative mode. Not in check mode.
      type: dict
failed_endpoints:
  description: The InferenceServices that could not be brought to what was asked. The others are done.
  returned: when there are any
  type: list
  elements: dict
  contains:
    name:
      description: Namespace and name.
      type: str
    msg:
      description: What is wrong, and what to do.
      type: str
    failure:
      description: The same as data, with C(code), C(field), C(value) and C(cure).
      type: dict
host:
  description: The cluster that was used.
  returned: always
  type: str
"""

import typing as t

from ansible.module_utils.basic import env_fallback

from ..module_utils._ansible.argspec import serving_spec
from ..module_utils._ansible.inferenceservices import change
from ..module_utils._ansible.module import run

SPEC = serving_spec(
    {
        "inferenceservices": {"type": "list", "elements": "dict", "required": True},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "namespace": {"type": "str", "default": "mlops-serving", "fallback": (env_fallback, ["KSERVE_NAMESPACE"])},
        "wait": {"type": "bool", "default": True},
        "timeout": {"type": "int", "default": 600, "fallback": (env_fallback, ["DEPLOY_TIMEOUT_SECONDS"])},
    }
)


def main() -> t.NoReturn:
    run(SPEC, change)


if __name__ == "__main__":
    main()
