#!/usr/bin/python

# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: serving_info
short_description: See what a cluster can serve, and what can be installed on it
version_added: 1.0.0
description:
  - Reads versions, KServe's settings, what is installed and by whom, capacity, and one's own rights off a cluster.
  - What cannot be read is V(null) and is listed in RV(unread) with the reason. Only a cluster that does not answer fails the task.
  - With O(wanted) it also says whether that can be installed there. The role P(mlops.serving.preflight#role) does no more than show it.
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
  wanted:
    description:
      - What is to be installed. It is compared with what the cluster has, and nothing is written.
      - The outcome is in RV(findings) and RV(verdict); this module never fails because of it.
    type: dict
    suboptions:
      kserve_mode:
        description: In which of its modes KServe is to serve.
        type: str
        choices: [standard, knative, both]
        default: knative
      versions:
        description:
          - The versions to install, by component, out of C(cert_manager), C(knative_serving), C(kourier), C(istio), C(net_istio),
            C(kserve), C(keda) and C(kyverno). A component that is not named, or whose version is empty, is not installed.
          - Knative and its networking layer do not count in mode V(standard), nor cert-manager with O(wanted.certificates=self_signed).
        type: dict
      provided:
        description:
          - Components that somebody else installs and keeps, such as Helm or OpenShift Serverless. Who keeps them and in which version
            is theirs to decide. Those that KServe needs have to be there already.
        type: list
        elements: str
        default: []
      certificates:
        description: Where the certificate of KServe's webhooks comes from.
        type: str
        choices: [cert_manager, self_signed]
        default: cert_manager
      gpus:
        description: Whether tenants are to use NVIDIA GPUs.
        type: bool
        default: false
      ignore:
        description: Checks by name whose refusal is a warning only.
        type: list
        elements: str
        default: []
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

- name: Ask whether KServe can be installed
  mlops.serving.serving_info:
    wanted:
      kserve_mode: standard
      versions:
        kserve: 0.20.0
        cert_manager: 1.17.0
  register: serving

- name: Say what it comes to
  ansible.builtin.debug:
    msg: "{{ serving.verdict.message.splitlines() }}"

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
openshift:
  description: Whether it is OpenShift.
  returned: always
  type: bool
components:
  description:
    - What is installed, by component, out of C(kubernetes), C(gateway_api), C(cert_manager), C(knative_serving), C(kourier),
      C(net_istio), C(istio), C(kserve), C(keda), C(kyverno), C(prometheus_operator) and C(metrics_server).
  returned: always
  type: dict
  contains:
    component:
      description: One of them, under its name.
      type: dict
      contains:
        present:
          description: Whether it is there, V(null) where that cannot be read.
          type: bool
        version:
          description: Its version. Knative built from its modules has theirs, such as 0.48.1 for the release 1.21.1.
          type: str
        namespace:
          description: The namespace of its controller.
          type: str
        ready:
          description: Whether all its Deployments are available.
          type: bool
        not_ready:
          description: Those that are not.
          type: list
          elements: str
        installed_by:
          description: V(mlops.serving), V(helm), V(kubectl), V(olm) for every kind of operator, or V(unknown).
          type: str
        evidence:
          description: What that is seen by.
          type: str
          sample: release keda in namespace keda
nodes:
  description: The nodes in numbers.
  returned: always
  type: dict
  contains:
    count:
      description: How many there are.
      type: int
    ready:
      description: How many are ready.
      type: int
    schedulable:
      description: How many are ready, run Linux, and take pods without tolerations.
      type: int
    architectures:
      description: How many there are of each architecture.
      type: dict
      sample: {"amd64": 3}
    allocatable:
      description: What the schedulable ones offer, C(cpu) in cores, C(memory) in bytes, and C(pods).
      type: dict
      sample: {"cpu": 12.0, "memory": 50465865728, "pods": 330}
    requested:
      description: What the pods on them request, in the same form. V(null) where pods of all namespaces cannot be listed.
      type: dict
    free:
      description: What is left, in the same form.
      type: dict
gpus:
  description:
    - NVIDIA GPUs that the nodes offer, as C(allocatable) and C(nodes), and C(free), which is V(null) where pods of all namespaces
      cannot be listed.
  returned: always
  type: dict
  sample: {"allocatable": 8, "nodes": 2, "free": 3}
storage:
  description: StorageClasses as C(classes), each with C(name), C(provisioner) and C(default), and the name of the C(default) one.
  returned: always
  type: dict
  sample: {"classes": [{"name": "gp3", "provisioner": "ebs.csi.aws.com", "default": true}], "default": "gp3"}
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
missing_install_rights:
  description: What the credential may not do of what installing needs, in the same form.
  returned: always
  type: list
  elements: dict
unread:
  description: What could not be read, with the reason.
  returned: always
  type: dict
  sample: {"keda": "no Deployment keda-operator in namespace keda"}
findings:
  description: One entry for each check of what is wanted against what is there.
  returned: when O(wanted) is given
  type: list
  elements: dict
  contains:
    check:
      description: Its name, as O(wanted.ignore) takes it.
      type: str
    level:
      description: V(ok), V(warning) or V(refusal).
      type: str
    found:
      description: What is there, V(null) where that cannot be read.
      type: str
    wanted:
      description: What is asked for or needed.
      type: str
    why:
      description: The reason.
      type: str
    cure:
      description: What to do.
      type: str
verdict:
  description: The worst C(level) of all findings, and a C(message) with every refusal, or else with every warning.
  returned: when O(wanted) is given
  type: dict
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
from ..module_utils._domain.preflight import judge, verdict
from ..module_utils._domain.preflight_wanted import Wanted

SPEC = serving_spec(
    {
        "namespace": {"type": "str", "default": "mlops-serving", "fallback": (env_fallback, ["KSERVE_NAMESPACE"])},
        "kserve_namespace": {"type": "str", "default": "kserve"},
        "knative_namespace": {"type": "str", "default": "knative-serving"},
        "wanted": {
            "type": "dict",
            "options": {
                "kserve_mode": {"type": "str", "choices": ["standard", "knative", "both"], "default": "knative"},
                "versions": {"type": "dict"},
                "provided": {"type": "list", "elements": "str", "default": []},
                "certificates": {
                    "type": "str",
                    "choices": ["cert_manager", "self_signed"],
                    "default": "cert_manager",
                },
                "gpus": {"type": "bool", "default": False},
                "ignore": {"type": "list", "elements": "str", "default": []},
            },
        },
    }
)


def look(module: AnsibleModule, result: Result) -> None:
    wanted = None if module.params["wanted"] is None else Wanted.parse(module.params["wanted"])
    if store_parameters(module.params, os.environ):
        result["store"] = _store(module)
    cluster = KServeCluster.connect(cluster_parameters(module))
    try:
        names = ("namespace", "kserve_namespace", "knative_namespace")
        result.update(cluster.survey(**{name: module.params[name] for name in names}))
    finally:
        cluster.close()
    if wanted is not None:
        findings = judge(result, wanted)
        result["findings"] = [finding.shown() for finding in findings]
        result["verdict"] = verdict(findings, wanted)


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
