# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where and how endpoints are deployed."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  deploy_mode:
    description:
      - V(simulate) keeps InferenceServices in the store and follows the rules of KServe without a cluster.
      - V(kserve) deploys to the cluster. V(k8s) is the platform's name for the same.
      - Also read from E(DEPLOY_MODE).
    type: str
    choices: [simulate, kserve, k8s]
    default: simulate
  namespace:
    description:
      - Namespace of the InferenceServices, or a template over the columns of the endpoint row such as C(tenant-{tenant_id}).
      - Also read from E(KSERVE_NAMESPACE).
    type: str
    default: mlops-serving
  name_prefix:
    description:
      - An InferenceService is named by this prefix, a dash and the first hexadecimal digits of the endpoint's id.
      - Also read from E(KSERVE_NAME_PREFIX).
    type: str
    default: isvc
  timeout:
    description: Longest time in seconds to wait for one endpoint. Also read from E(DEPLOY_TIMEOUT_SECONDS).
    type: int
    default: 600
"""
