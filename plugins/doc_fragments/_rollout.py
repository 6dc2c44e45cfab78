# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gates, and where their evidence comes from."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  gates:
    description:
      - What the candidate must keep to. Each is a mapping with C(metric) and its limits; a limit in percent is written V(1%), a
        time V(500ms). Where none is given, errors may be 1 % and 1 % more than those of stable.
      - C(errors) with C(max), C(over_stable) or both is the share of answers with a status of 500 to 599.
      - C(latency) with C(p50), C(p90), C(p95), C(p99) or C(p99.9), and C(over_stable) on the share of slow requests.
      - C(mean_latency) with C(max). C(queue_share) with C(max), the share of Triton's time that requests wait; looked at, not tested.
      - C(prometheus) with C(query) and C(max), C(min) or both; V({candidate}), V({stable}), V({namespace}) and V({service}) are filled in.
      - C(command) with a list C(command); it ends with 0 to pass, 75 for no answer, else it fails. It runs where this module runs.
      - C(url) with C(url); a status of 200 to 299 passes, 503 is no answer, 400 and above fails.
      - The last three take C(name), and C(looks), after how many looks in a row beyond the limit they fail.
      - Evidence against the candidate is counted for each gate, and stays valid however often it is looked at.
    type: list
    elements: dict
  alpha:
    description:
      - Probability that a candidate which keeps its limits is sent back all the same, over the whole rollout and all gates together.
    type: float
    default: 0.01
  interval:
    description: Time between two looks.
    type: str
    default: 1s
  evidence:
    description:
      - V(pods) reads the counters of the revisions' pods through the API server; it needs no monitoring, and the right to C(get)
        C(pods/proxy).
      - V(prometheus) reads the same counters from O(prometheus_url).
      - V(auto) is V(pods). In O(deploy_mode=simulate) the counters are made up by C(metrics.simulate) of the model version.
    type: str
    choices: [auto, pods, prometheus]
    default: auto
  prometheus_url:
    description: Address of Prometheus, without user and password. Also read from E(PROMETHEUS_URL).
    type: str
  prometheus_token:
    description: Bearer token for Prometheus. Also read from E(PROMETHEUS_TOKEN).
    type: str
  prometheus_username:
    description: User for Prometheus. Also read from E(PROMETHEUS_USERNAME).
    type: str
  prometheus_password:
    description: Its password. Also read from E(PROMETHEUS_PASSWORD).
    type: str
  prometheus_ca_cert:
    description: Certificate authority that signed Prometheus' certificate.
    type: path
  prometheus_validate_certs:
    description: Whether Prometheus' certificate is checked.
    type: bool
    default: true
"""
