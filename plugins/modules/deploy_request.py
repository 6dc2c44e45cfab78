#!/usr/bin/python

# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: deploy_request
short_description: Say which model an endpoint shall serve, and request its deployment by an event
version_added: 1.0.0
description:
  - Writes endpoint intents like M(mlops.serving.endpoint), with an event for each one that changed in the same transaction, and
    publishes the events to NATS JetStream. A worker elsewhere carries them out.
  - An event is a hint. Where NATS cannot be reached, the intents are written all the same, the events are published by the next
    run or by the event source, and workers find the intents without them.
  - Without any endpoint it only publishes what is left from before.
author:
  - mlops.serving contributors (!UNKNOWN)
options:
  state:
    description: V(present) requests deployments, V(absent) deletions, as in M(mlops.serving.endpoint).
    type: str
    choices: [present, absent]
    default: present
  again:
    description: Whether to request endpoints also whose intent is not changed, such as one that failed and shall be tried again now.
    type: bool
    default: false
  trace_id:
    description:
      - Trace id of the events, 32 hexadecimal digits or a UUID; a new one where this is not given. It is in the payload as C(trace_id)
        and in the header C(traceparent) (W3C Trace Context), and the lines of the workers about these endpoints tell it.
    type: str
  deploy_subject:
    description: Subject of requests for deployments.
    type: str
    default: mlops.serving.deploy_requested
  delete_subject:
    description: Subject of requests for deletions.
    type: str
    default: mlops.serving.delete_requested
extends_documentation_fragment:
  - mlops.serving._intent
  - mlops.serving._nats
  - mlops.serving._attributes
  - mlops.serving._attributes.writes
  - mlops.serving._attributes.group_store
  - mlops.serving._store
  - mlops.serving._cluster
  - mlops.serving._artifacts
requirements:
  - nats-py >= 2.9 (to publish)
seealso:
  - module: mlops.serving.endpoint
  - module: mlops.serving.reconcile
"""

EXAMPLES = r"""
- name: Serve version 4 and let a worker carry it out
  mlops.serving.deploy_request:
    name: demo-canary
    model_version: 4
    nats_servers: [nats://nats.example.com:4222]
    nats_credentials_file: /etc/mlops-serving/publisher.creds

- name: Try again now what has failed
  mlops.serving.deploy_request:
    name: demo-triton
    again: true

- name: Publish what is left from before
  mlops.serving.deploy_request:
"""

RETURN = r"""
endpoints:
  description: The endpoints, with C(name), C(id), C(tenant_id), C(project_id), C(status), C(url), C(changed), C(action) and C(warnings).
  returned: always
  type: list
  elements: dict
trace_id:
  description: The trace id of the events.
  returned: always
  type: str
requested:
  description: The events that were written.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: Name of the endpoint.
      type: str
    id:
      description: Its id.
      type: str
    message_id:
      description: The event's message id, by which the stream knows a second copy.
      type: str
published:
  description: How many events were published, those that were left from before among them.
  returned: always
  type: int
waiting:
  description: How many events are not published yet.
  returned: without check mode
  type: int
failed_endpoints:
  description: The endpoints whose intent cannot work, as in M(mlops.serving.endpoint).
  returned: when there are any
  type: list
  elements: dict
"""

import typing as t

from ..module_utils._ansible.argspec import NATS, serving_spec
from ..module_utils._ansible.endpoint_options import ENDPOINTS, ONE_OR_MANY
from ..module_utils._ansible.module import run
from ..module_utils._ansible.requests import deploy_request

SPEC = serving_spec(
    {
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "again": {"type": "bool", "default": False},
        "trace_id": {"type": "str"},
        "deploy_subject": {"type": "str", "default": "mlops.serving.deploy_requested"},
        "delete_subject": {"type": "str", "default": "mlops.serving.delete_requested"},
        **ENDPOINTS,
    },
    NATS,
    mutually_exclusive=ONE_OR_MANY,
)


def main() -> t.NoReturn:
    run(SPEC, deploy_request)


if __name__ == "__main__":
    main()
