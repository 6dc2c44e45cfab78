# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """What an endpoint shall serve, and how; one endpoint or many."""

    DOCUMENTATION = r"""
options:
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
"""
