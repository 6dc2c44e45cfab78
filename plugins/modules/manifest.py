#!/usr/bin/python

# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: manifest
short_description: Apply Kubernetes manifests, and wait until they do their work
version_added: 1.0.0
description:
  - Brings documents from files, folders, addresses and the task itself to a cluster by server-side apply, or takes them away.
  - Namespaces come first, then CustomResourceDefinitions, which are waited for; then what pods need, roles, bindings, workloads,
    APIServices, webhook configurations and policies; custom resources last. What can be applied at the same time is.
  - Custom resources, and what a webhook stands before, are tried again while their CRD or webhook is not there yet,
    until O(timeout) is over.
  - RV(ignore:changed) is true where an object says something else than before. Its status, its C(generation) and the API
    server's bookkeeping do not count.
  - Every document has a name and, where its kind needs one, a namespace. Fields that only an API server says are left out.
author:
  - mlops.serving contributors (!UNKNOWN)
options:
  src:
    description:
      - Files, folders and C(http) or C(https) addresses of manifests in YAML or JSON, read on the host of the task.
      - Of a folder, all files that end in C(.yaml), C(.yml) or C(.json), in the order of their names, without subfolders.
      - Proxies are taken from the environment. In check mode addresses are read as well; one that does not answer is a warning,
        and is listed in RV(unread).
    type: list
    elements: str
  definition:
    description: Documents as mappings. They come after those of O(src).
    type: list
    elements: dict
  checksum:
    description:
      - SHA-256 by file or address, written as in O(src); a file of a folder by its path.
      - Where one differs, nothing is applied.
    type: dict
  src_ca_cert:
    description: Certificate authorities that may sign the certificates of the addresses in O(src), besides the system's.
    type: path
  state:
    description:
      - Whether the objects are to be there.
      - With V(absent), they are deleted in the reverse order, each kind of them when the ones after it are gone.
        A Namespace goes with all that is in it. CustomResourceDefinitions stay without O(delete_crds).
    type: str
    choices: [present, absent]
    default: present
  images:
    description:
      - Other images by image, repository, path or registry, such as C(docker.io) or C(gcr.io/knative-releases). The longest one that
        fits counts. Tag and digest stay where the new name has none. A tag alone, such as C(:24.08-py3), is set, and the other
        entries still count for the name.
      - Only the field C(image) of containers is looked at, in pod templates and in custom resources, and ConfigMaps of O(config).
        Images in arguments, environment variables and other ConfigMaps, and fields of other names, are changed by O(patches).
    type: dict
  config:
    description:
      - ConfigMaps among the documents that are merged with what is on the cluster, key by key, and in keys that hold a JSON object
        field by field. What is set here counts most; then what has been changed on the cluster since the last run, with a
        warning where the documents say otherwise; then the documents.
      - O(images) also counts for their keys and JSON fields whose name ends in C(image).
      - What was written is remembered in the annotation C(mlops.platform/written-config). Without it, all that differs counts
        as changed on the cluster.
      - One that sets nothing and is not among the documents is passed over.
    type: list
    elements: dict
    suboptions:
      name:
        description: Name of the ConfigMap.
        type: str
        required: true
      namespace:
        description: Its namespace.
        type: str
        required: true
      data:
        description: What is set, by key. A mapping is merged into a key that holds JSON; V(null) takes a field of it out.
        type: dict
      restart:
        description:
          - Names of Deployments among the documents, of the same namespace, that read it at their start. They carry a digest of it in
            their pods' annotations, and so start again when it says something else, and only then.
        type: list
        elements: str
      groups:
        description: API groups that these Deployments look for at their start. They start again when one comes or goes.
        type: list
        elements: str
  webhook_ca:
    description:
      - Certificate authority in PEM of the webhooks in the documents' webhook configurations and CustomResourceDefinitions, where
        no cert-manager writes it in.
    type: str
  exclude:
    description: Documents to leave out. One without C(*) that fits no document is a warning.
    type: list
    elements: dict
    suboptions:
      kind:
        description: The kind. Any, where this is not given. C(*) stands for any letters here and in the others.
        type: str
      name:
        description: The name. Any, where this is not given.
        type: str
      namespace:
        description: The namespace. Any, where this is not given.
        type: str
  patches:
    description: Changes of documents, in order, after O(images). One that fits no document is an error.
    type: list
    elements: dict
    suboptions:
      target:
        description: The documents that are meant.
        type: dict
        required: true
        suboptions:
          kind:
            description: The kind. Any, where this is not given.
            type: str
          name:
            description: The name. Any, where this is not given.
            type: str
          namespace:
            description: The namespace. Any, where this is not given.
            type: str
      patch:
        description:
          - JSON merge patch; V(null) takes a field out, and lists are replaced.
          - Where the entries of a list have names, such as the containers of a pod, a dictionary changes those that it names, or adds them.
        type: dict
        required: true
  field_manager:
    description: Name under which the fields are applied.
    type: str
    default: mlops.serving
  force_conflicts:
    description: Whether to take over fields that another manager has set to something else. It is an error otherwise.
    type: bool
    default: false
  wait:
    description:
      - Whether to wait until all objects are ready, as their kind means it, or gone.
      - Deployments, StatefulSets and DaemonSets are rolled out, Jobs complete, Pods ready, CustomResourceDefinitions established,
        APIServices available, and webhook configurations have a certificate authority. Custom resources with a condition C(Ready) have
        it. All other kinds are ready when they are there, Services of type C(LoadBalancer) as well.
    type: bool
    default: true
  probe:
    description:
      - Documents that are tried by dry run at the end, until the webhooks that stand before them answer, be it by a refusal.
      - Only with O(wait).
    type: list
    elements: dict
  timeout:
    description: Longest time in seconds to try again and to wait.
    type: int
    default: 300
  delete_crds:
    description:
      - Whether O(state=absent) deletes CustomResourceDefinitions as well.
      - It is refused, before anything is deleted, while custom resources of theirs exist that are not among the documents.
    type: bool
    default: false
  in_use_by:
    description:
      - Kinds of which no object may be there, besides those of the documents, for O(state=absent). It is refused, before anything is
        deleted, while there are such objects.
    type: list
    elements: dict
    suboptions:
      api_version:
        description: Its API version.
        type: str
        required: true
      kind:
        description: Its name.
        type: str
        required: true
  force:
    description: Whether O(delete_crds) and O(in_use_by) let such objects go too, the first of all.
    type: bool
    default: false
  workers:
    description: How many requests are in flight at a time.
    type: int
    default: 8
extends_documentation_fragment:
  - mlops.serving._attributes
  - mlops.serving._attributes.writes
  - mlops.serving._attributes.group_cluster
  - mlops.serving._store
  - mlops.serving._cluster
  - mlops.serving._artifacts
requirements:
  - PyYAML, where O(src) is used
seealso:
  - module: mlops.serving.inferenceservice
    description: For InferenceServices, whose changes need more than one step.
"""

EXAMPLES = r"""
- name: Install a release from a mirror, with the images of a registry of one's own
  mlops.serving.manifest:
    src:
      - https://mirror.example.com/kserve/v0.20.0/kserve.yaml
    checksum:
      https://mirror.example.com/kserve/v0.20.0/kserve.yaml: "{{ kserve_checksum }}"
    images:
      docker.io: registry.example.com/docker.io
      quay.io/brancz/kube-rbac-proxy: registry.example.com/kube-rbac-proxy

- name: Apply the files of a folder, but leave one object out and make another one bigger
  mlops.serving.manifest:
    src: [/srv/manifests/knative-serving]
    exclude:
      - {kind: HorizontalPodAutoscaler, name: webhook, namespace: knative-serving}
    patches:
      - target: {kind: Deployment, name: activator, namespace: knative-serving}
        patch: {spec: {replicas: 3}}

- name: Wait until the webhook admits
  mlops.serving.manifest:
    src: [/srv/manifests/cert-manager.yaml]
    probe:
      - apiVersion: cert-manager.io/v1
        kind: Issuer
        metadata: {name: probe, namespace: default}
        spec: {selfSigned: {}}

- name: Take it away, with its definitions
  mlops.serving.manifest:
    src: [/srv/manifests/cert-manager.yaml]
    state: absent
    delete_crds: true
"""

RETURN = r"""
objects:
  description: What became of each object that was reached, without the ones that were not because of an error.
  returned: always
  type: list
  elements: dict
  contains:
    kind:
      description: Its kind.
      type: str
    namespace:
      description: Its namespace, null where it has none.
      type: str
    name:
      description: Its name.
      type: str
    action:
      description: V(created), V(changed), V(unchanged) or V(deleted).
      type: str
counts:
  description: How many objects were V(created), V(changed), V(unchanged) and V(deleted).
  returned: always
  type: dict
  sample: {created: 2, changed: 0, unchanged: 41, deleted: 0}
unread:
  description: Addresses that did not answer.
  returned: in check mode, when there are any
  type: list
  elements: str
requests:
  description: How many requests the cluster was asked.
  returned: when the documents are good
  type: int
seconds:
  description: How long it took, without the start of the module.
  returned: when the documents are good
  type: float
host:
  description: The cluster that was used.
  returned: when the documents are good
  type: str
"""

import typing as t

from ..module_utils._ansible.argspec import serving_spec
from ..module_utils._ansible.manifests import bring
from ..module_utils._ansible.module import run

TARGET = {"kind": {"type": "str"}, "name": {"type": "str"}, "namespace": {"type": "str"}}

SPEC = serving_spec(
    {
        "src": {"type": "list", "elements": "str"},
        "definition": {"type": "list", "elements": "dict"},
        "checksum": {"type": "dict"},
        "src_ca_cert": {"type": "path"},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "images": {"type": "dict"},
        "config": {
            "type": "list",
            "elements": "dict",
            "options": {
                "name": {"type": "str", "required": True},
                "namespace": {"type": "str", "required": True},
                "data": {"type": "dict"},
                "restart": {"type": "list", "elements": "str"},
                "groups": {"type": "list", "elements": "str"},
            },
        },
        "webhook_ca": {"type": "str"},
        "exclude": {"type": "list", "elements": "dict", "options": TARGET},
        "patches": {
            "type": "list",
            "elements": "dict",
            "options": {
                "target": {"type": "dict", "required": True, "options": TARGET},
                "patch": {"type": "dict", "required": True},
            },
        },
        "field_manager": {"type": "str", "default": "mlops.serving"},
        "force_conflicts": {"type": "bool", "default": False},
        "wait": {"type": "bool", "default": True},
        "probe": {"type": "list", "elements": "dict"},
        "timeout": {"type": "int", "default": 300},
        "delete_crds": {"type": "bool", "default": False},
        "in_use_by": {
            "type": "list",
            "elements": "dict",
            "options": {"api_version": {"type": "str", "required": True}, "kind": {"type": "str", "required": True}},
        },
        "force": {"type": "bool", "default": False},
        "workers": {"type": "int", "default": 8},
    },
    required_one_of=[("src", "definition")],
)


def main() -> t.NoReturn:
    run(SPEC, bring)


if __name__ == "__main__":
    main()
