#!/usr/bin/python

# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: webhook_certificate
short_description: Keep a certificate for a webhook where there is no cert-manager
version_added: 1.0.0
description:
  - Makes a Secret with a certificate for a Service of the cluster, and renews it in good time. One that is good stays.
  - Give RV(ca) to O(mlops.serving.manifest#module:webhook_ca), so that the API server trusts it.
  - Whoever renews it has to run this again in time; cert-manager does that by itself and is the better choice where it may run.
author:
  - mlops.serving contributors (!UNKNOWN)
options:
  name:
    description: Name of the Secret.
    type: str
    required: true
  namespace:
    description: Its namespace, which has to be there.
    type: str
    required: true
  service:
    description: The Service that the certificate is for, in the same namespace.
    type: str
    required: true
  days:
    description: How long a new certificate is good for.
    type: int
    default: 365
  renew_before_days:
    description: How many days before its end a certificate is made anew.
    type: int
    default: 60
extends_documentation_fragment:
  - mlops.serving._attributes
  - mlops.serving._attributes.writes
  - mlops.serving._attributes.group_cluster
  - mlops.serving._store
  - mlops.serving._cluster
  - mlops.serving._artifacts
requirements:
  - cryptography
seealso:
  - module: mlops.serving.manifest
"""

EXAMPLES = r"""
- name: Keep a certificate for KServe's webhooks
  mlops.serving.webhook_certificate:
    name: kserve-webhook-server-cert
    namespace: kserve
    service: kserve-webhook-server-service
  register: certificate

- name: Install KServe with it
  mlops.serving.manifest:
    src: [/srv/manifests/kserve.yaml]
    exclude:
      - {kind: Certificate}
      - {kind: Issuer}
    webhook_ca: "{{ certificate.ca }}"
"""

RETURN = r"""
ca:
  description:
    - Certificate authority in PEM. In check mode, where one would be made, another one than the next run makes.
  returned: success
  type: str
why:
  description: Why a certificate was made.
  returned: changed
  type: str
  sample: Secret kserve/kserve-webhook-server-cert ends in 12 days
"""

import typing as t

from ..module_utils._ansible.argspec import serving_spec
from ..module_utils._ansible.module import run
from ..module_utils._ansible.webhook_certificates import keep

SPEC = serving_spec(
    {
        "name": {"type": "str", "required": True},
        "namespace": {"type": "str", "required": True},
        "service": {"type": "str", "required": True},
        "days": {"type": "int", "default": 365},
        "renew_before_days": {"type": "int", "default": 60},
    }
)


def main() -> t.NoReturn:
    run(SPEC, keep)


if __name__ == "__main__":
    main()
