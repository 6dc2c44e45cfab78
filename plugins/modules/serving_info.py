#!/usr/bin/python

# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: serving_info
short_description: See what a cluster can serve and what can be measured on it
version_added: 1.0.0
description:
  - Reads versions, KServe's settings, capacity and one's own rights off a cluster.
  - What cannot be read is V(null) and is listed in RV(unread) with the reason. Only a cluster that does not answer fails the task.
  - Where a database is named, it also says whether the store in it is ready.
author:
  - mlops.serving contributors (!UNKNOWN)
options:
  namespace:
    description:
      - Namespace for which to ask what may be done in it. Also read from E(KSERVE_NAMESPACE).
    type: str
    default: mlops-serving
  kserve_namespace:
    description: Namespace of KServe's controller.
    type: str
    default: kserve
  knative_namespace:
    description: Namespace of Knative Serving.
    type: str
    default: knative-serving
extends_documentation_fragment:
  - mlops.serving._attributes
  - mlops.serving._attributes.info_module
  - mlops.serving._attributes.group_store_cluster
  - mlops.serving._store
  - mlops.serving._cluster
  - mlops.serving._artifacts
seealso:
  - module: mlops.serving.inferenceservice_info
"""

EXAMPLES = r"""
- name: Look at the cluster
  mlops.serving.serving_info:
    namespace: models
  register: serving

- name: Stop where a canary could not be measured
  ansible.builtin.assert:
    that: serving.request_metrics
    fail_msg: "Knative does not count requests: {{ serving.unread.request_metrics | default('request-metrics-protocol is not set') }}"
"""

RETURN = r"""
host:
  description: The cluster that was looked at.
  returned: always
  type: str
source:
  description: Where its address came from.
  returned: always
  type: str
  sample: kubeconfig /home/ops/.kube/config (the default place)
kubernetes:
  description: Version of Kubernetes.
  returned: always
  type: str
  sample: 1.34.3
kserve:
  description: Version of KServe.
  returned: always
  type: str
  sample: 0.20.0
knative:
  description: Version of Knative Serving.
  returned: always
  type: str
keda:
  description: Version of KEDA.
  returned: always
  type: str
cert_manager:
  description: Version of cert-manager.
  returned: always
  type: str
kyverno:
  description: Version of Kyverno.
  returned: always
  type: str
default_mode:
  description: Deployment mode of InferenceServices that do not name one, V(Knative) or V(Standard).
  returned: always
  type: str
domain:
  description: Domain of their addresses.
  returned: always
  type: str
domain_template:
  description: Template of their host names, where KServe has one set.
  returned: always
  type: str
request_metrics:
  description: Whether Knative counts requests, which a canary's judgement needs in Knative mode.
  returned: always
  type: bool
gpus:
  description: NVIDIA GPUs that the nodes offer, as C(allocatable) and C(nodes).
  returned: always
  type: dict
  sample: {"allocatable": 8, "nodes": 2}
prometheus_operator:
  description: Whether the kinds PodMonitor and PrometheusRule of the Prometheus operator are known.
  returned: always
  type: bool
missing_rights:
  description: What the credential may not do in O(namespace), and what that is needed for.
  returned: always
  type: list
  elements: dict
  sample: [{"verb": "get", "resource": "pods/proxy", "needed_to": "read metrics from the pods where there is no Prometheus"}]
unread:
  description: What could not be read, with the reason.
  returned: always
  type: dict
  sample: {"keda": "no Deployment keda-operator in namespace keda"}
store:
  description: Whether the store is ready, as C(ready) and C(why).
  returned: when a database is named
  type: dict
"""

import os
import typing as t

from ansible.module_utils.basic import AnsibleModule, env_fallback

from ..module_utils._adapters.cluster import KServeCluster
from ..module_utils._ansible.argspec import serving_spec
from ..module_utils._ansible.connections import cluster_parameters, open_store, store_parameters
from ..module_utils._ansible.module import Result, run
from ..module_utils._domain.errors import ServingError

SPEC = serving_spec(
    {
        "namespace": {"type": "str", "default": "mlops-serving", "fallback": (env_fallback, ["KSERVE_NAMESPACE"])},
        "kserve_namespace": {"type": "str", "default": "kserve"},
        "knative_namespace": {"type": "str", "default": "knative-serving"},
    }
)


def look(module: AnsibleModule, result: Result) -> None:
    if store_parameters(module.params, os.environ):
        result["store"] = _store(module)
    cluster = KServeCluster.connect(cluster_parameters(module))
    try:
        namespaces = {name: module.params[name] for name in ("kserve_namespace", "knative_namespace")}
        result.update(cluster.info(**namespaces))
        try:
            result["missing_rights"] = cluster.missing_rights(module.params["namespace"])
        except ServingError as error:
            result["missing_rights"] = None
            result["unread"]["missing_rights"] = str(error)
    finally:
        cluster.close()


def _store(module: AnsibleModule) -> Result:
    try:
        store = open_store(module)
    except ServingError as error:
        return {"ready": False, "why": str(error)}
    try:
        store.ready()
    except ServingError as error:
        return {"ready": False, "why": str(error)}
    finally:
        store.close()
    return {"ready": True, "why": None}


def main() -> t.NoReturn:
    run(SPEC, look)


if __name__ == "__main__":
    main()
