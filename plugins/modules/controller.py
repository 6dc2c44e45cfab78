#!/usr/bin/python

# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: controller
short_description: Set up AWX or automation controller from definitions
version_added: 1.0.0
description:
  - Creates what is missing and changes what differs, in one task, by the REST API of AWX or of automation controller.
  - Objects are known by their names, and refer to one another by name. One that is referred to and not among the definitions has to be there.
  - What is not among the definitions is left alone, such as credentials that people have added to a job template, and nodes of a workflow.
    Ways from a defined node to others are brought to the definition, so those that it does not know are taken away.
  - The playbook C(mlops.serving.controller_setup) does this with the definitions of this collection.
author:
  - mlops.serving contributors (!UNKNOWN)
options:
  controller_host:
    description: Address of the controller, such as V(https://awx.example.com). Also read from E(CONTROLLER_HOST).
    type: str
  controller_username:
    description: User, with O(controller_password), where there is no O(controller_oauthtoken). Also read from E(CONTROLLER_USERNAME).
    type: str
  controller_password:
    description: Password of O(controller_username). Also read from E(CONTROLLER_PASSWORD).
    type: str
  controller_oauthtoken:
    description: Token with the scope write. Also read from E(CONTROLLER_OAUTH_TOKEN).
    type: str
  validate_certs:
    description:
      - Whether the controller's certificate is verified. When this is not set, E(CONTROLLER_VERIFY_SSL) is read; it is verified unless that
        is V(false).
      - Authorities of your own are known when the environment variable E(SSL_CERT_FILE) names their certificates.
    type: bool
    aliases: [verify_ssl]
  credential_types:
    description: Credential types, with the options of M(awx.awx.credential_type).
    type: list
    elements: dict
  credentials:
    description: Credentials. One that is there is never changed, because people fill it in.
    type: list
    elements: dict
    suboptions:
      name:
        description: Its name.
        type: str
        required: true
      description:
        description: What it is for.
        type: str
      organization:
        description: Name of its organization.
        type: str
      credential_type:
        description: Name of its type.
        type: str
        required: true
      inputs:
        description: Values of its fields. They are hidden in all output.
        type: dict
  execution_environments:
    description: Execution environments, with the options of M(awx.awx.execution_environment).
    type: list
    elements: dict
  projects:
    description: Projects, with the options of M(awx.awx.project). Job templates are written when the controller has fetched these.
    type: list
    elements: dict
  inventories:
    description: Inventories, with the options of M(awx.awx.inventory).
    type: list
    elements: dict
  hosts:
    description: Hosts, with the options of M(awx.awx.host).
    type: list
    elements: dict
  templates:
    description: Job templates, with the options of M(awx.awx.job_template). Credentials are added; C(survey_spec) is written as a whole.
    type: list
    elements: dict
  workflows:
    description:
      - Workflows, with the options of M(awx.awx.workflow_job_template). C(survey_spec) is written as a whole.
      - C(simplified_workflow_nodes) lists the nodes, with C(identifier), C(unified_job_template) or C(approval_node), and the nodes that follow
        in C(success_nodes), C(failure_nodes) and C(always_nodes).
    type: list
    elements: dict
  schedules:
    description: Schedules, with the options of M(awx.awx.schedule).
    type: list
    elements: dict
  interval:
    description: Seconds between looks at a project that the controller fetches.
    type: float
    default: 2
  timeout:
    description: Seconds in which the controller has to have fetched a project.
    type: int
    default: 300
extends_documentation_fragment:
  - mlops.serving._attributes
  - mlops.serving._attributes.writes
  - mlops.serving._attributes.group_serving
  - mlops.serving._store
  - mlops.serving._cluster
  - mlops.serving._artifacts
notes:
  - No redirect is followed, so that the login comes to no other address than the one that was given.
  - In check mode nothing is waited for, and a definition that the controller would refuse is not known to be one.
  - Variables that people have written as YAML are compared where PyYAML is installed; without it they count as changed.
"""

EXAMPLES = r"""
- name: Create a job template and run it every night
  mlops.serving.controller:
    controller_host: https://awx.example.com
    controller_oauthtoken: "{{ token }}"
    projects:
      - name: mlops.serving
        organization: Default
        scm_type: git
        scm_url: https://github.com/mlops-serving/mlops.serving.git
        scm_branch: main
    templates:
      - name: "Serving: reconcile"
        organization: Default
        project: mlops.serving
        inventory: mlops.serving
        playbook: playbooks/reconcile.yml
        credentials: ["Serving: store", "Serving: cluster"]
        extra_vars: {}
    schedules:
      - name: "Serving: nightly"
        unified_job_template: "Serving: reconcile"
        rrule: "DTSTART:20260101T020000Z RRULE:FREQ=DAILY;INTERVAL=1"

- name: See what would be changed, with the login from the environment
  mlops.serving.controller:
    inventories: "{{ controller_inventories }}"
  check_mode: true
  diff: true
"""

RETURN = r"""
changes:
  description: What was changed, in order. Until the error, where there was one.
  returned: always
  type: list
  elements: dict
  contains:
    kind:
      description: Kind of the object, as the API calls it.
      type: str
      sample: job_templates
    name:
      description: Its name. A node has that of its workflow before it.
      type: str
      sample: "Serving: reconcile"
    what:
      description: What became of it.
      type: str
      sample: changed description, extra_vars
host:
  description: Address of the controller.
  returned: when it answers
  type: str
requests:
  description: How many requests it was asked.
  returned: when it answers
  type: int
"""

import typing as t

from ..module_utils._ansible.argspec import serving_spec
from ..module_utils._ansible.controllers import CONTROLLER, DEFINITIONS, set_up
from ..module_utils._ansible.module import run

SPEC = serving_spec(
    {
        "interval": {"type": "float", "default": 2},
        "timeout": {"type": "int", "default": 300},
    },
    CONTROLLER,
    DEFINITIONS,
)


def main() -> t.NoReturn:
    run(SPEC, set_up)


if __name__ == "__main__":
    main()
