# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every module says about check mode, diff and action groups."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and return the changed status prediction without modifying anything.
  diff_mode:
    description: Returns details on what has changed, or possibly needs changing in C(check_mode), in diff mode.
  idempotent:
    description: When run twice in a row, with the same arguments and nothing else changing, the second run reports no change.
  action_group:
    description: The action groups whose C(module_defaults) reach this module.
"""

    INFO_MODULE = r"""
options: {}
attributes:
  check_mode:
    support: full
    details: This module changes nothing.
  diff_mode:
    support: N/A
    details: This module changes nothing.
  idempotent:
    support: full
    details: This module changes nothing.
"""

    WRITES = r"""
options: {}
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
"""

    GROUP_STORE = r"""
options: {}
attributes:
  action_group:
    support: full
    details: Use C(group/mlops.serving.store) or C(group/mlops.serving.serving) in C(module_defaults).
    membership:
      - mlops.serving.store
      - mlops.serving.serving
"""

    GROUP_CLUSTER = r"""
options: {}
attributes:
  action_group:
    support: full
    details: Use C(group/mlops.serving.cluster) or C(group/mlops.serving.serving) in C(module_defaults).
    membership:
      - mlops.serving.cluster
      - mlops.serving.serving
"""

    GROUP_STORE_CLUSTER = r"""
options: {}
attributes:
  action_group:
    support: full
    details: Use C(group/mlops.serving.store), C(group/mlops.serving.cluster) or C(group/mlops.serving.serving) in C(module_defaults).
    membership:
      - mlops.serving.store
      - mlops.serving.cluster
      - mlops.serving.serving
"""

    GROUP_ARTIFACTS = r"""
options: {}
attributes:
  action_group:
    support: full
    details: Use C(group/mlops.serving.artifacts) or C(group/mlops.serving.serving) in C(module_defaults).
    membership:
      - mlops.serving.artifacts
      - mlops.serving.serving
"""

    GROUP_SERVING = r"""
options: {}
attributes:
  action_group:
    support: full
    details: Use C(group/mlops.serving.serving) in C(module_defaults).
    membership:
      - mlops.serving.serving
"""
