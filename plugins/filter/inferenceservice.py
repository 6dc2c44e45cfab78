# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: inferenceservice
author:
  - mlops.serving contributors (!UNKNOWN)
version_added: 1.0.0
short_description: Render an endpoint intent as a KServe InferenceService
description:
  - Gives the same InferenceService that P(mlops.serving.reconcile#module) deploys, without a database and without a cluster.
positional: _input
options:
  _input:
    description:
      - The endpoint as its row has it, with C(id), C(name), C(tenant_id), C(project_id), C(runtime), C(artifact_uri),
        C(traffic), C(autoscaling) and C(runtime_config).
    type: dict
    required: true
  namespace:
    description: Namespace, or a template over the endpoint's columns such as C(tenant-{tenant_id}).
    type: str
    default: mlops-serving
  name:
    description: Name of the InferenceService. The prefix and the first eight hexadecimal digits of the id where not given.
    type: str
  name_prefix:
    description: Start of the name.
    type: str
    default: isvc
  default_mode:
    description: Deployment mode of an endpoint that does not need a certain one.
    type: str
    choices: [Knative, Standard]
    default: Knative
  kserve_version:
    description: Version of the KServe to render for. The newest where not given.
    type: str
  strict:
    description: Whether an unknown key is an error. Otherwise it is left out.
    type: bool
    default: true
"""

EXAMPLES = r"""
- name: Show what an endpoint becomes
  ansible.builtin.debug:
    msg: "{{ endpoint | mlops.serving.inferenceservice(namespace='models') | to_nice_yaml }}"
  vars:
    endpoint:
      id: 7d4f0a52-1c1e-4a39-9c7b-0c3f1f1f0001
      name: demo-triton
      runtime: kserve-triton
      artifact_uri: s3://mlops-artifacts/triton/add_sub/
      runtime_config: {modelFormat: triton, protocolVersion: v2}
"""

RETURN = r"""
_value:
  description: The InferenceService.
  type: dict
"""

import typing as t

from ansible.errors import AnsibleFilterError

from ..module_utils._domain.errors import InvalidIntent, ServingError
from ..module_utils._domain.intent import Endpoint, parse
from ..module_utils._domain.manifest import Target, render
from ..module_utils._domain.naming import namespace_for, service_name
from ..module_utils._domain.versions import KNATIVE, Version, normal_mode, parse_version

_FIELDS = ("tenant_id", "project_id", "runtime", "model_version_id", "artifact_uri", "traffic", "autoscaling", "runtime_config")


def inferenceservice(
    endpoint: t.Any,
    *,
    namespace: str = "mlops-serving",
    name: str | None = None,
    name_prefix: str = "isvc",
    default_mode: str = KNATIVE,
    kserve_version: str | None = None,
    strict: bool = True,
) -> dict[str, t.Any]:
    if not isinstance(endpoint, dict) or not endpoint.get("id") or not endpoint.get("name"):
        raise AnsibleFilterError("mlops.serving.inferenceservice: give an endpoint as a mapping with at least id and name")
    given = {field: endpoint[field] for field in _FIELDS if endpoint.get(field) is not None}
    try:
        intent = parse(Endpoint(id=str(endpoint["id"]), name=str(endpoint["name"]), **given), strict=strict)
        target = Target(
            namespace=namespace_for(namespace, endpoint),
            name=name or service_name(name_prefix, str(endpoint["id"])),
            default_mode=_mode(default_mode),
            kserve_version=_version(kserve_version) if kserve_version else None,
        )
        return render(intent, target).manifest
    except ServingError as error:
        raise AnsibleFilterError(f"mlops.serving.inferenceservice: {error.at(str(endpoint['name']))}") from error


def _mode(given: t.Any) -> str:
    mode = normal_mode(str(given))
    if mode is None:
        raise InvalidIntent("is not a deployment mode", field="default_mode", value=given, cure="use Knative or Standard")
    return mode


def _version(given: t.Any) -> Version:
    version = parse_version(given) if isinstance(given, str) else None
    if version is None:
        raise InvalidIntent("is not a version", field="kserve_version", value=given, cure="write one such as 0.20.0, in quotes")
    return version


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"inferenceservice": inferenceservice}
