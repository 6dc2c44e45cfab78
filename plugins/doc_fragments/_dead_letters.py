# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """Which dead letters are meant."""

    DOCUMENTATION = r"""
options:
  ids:
    description: Only these.
    type: list
    elements: int
  subject:
    description: Only events of this subject.
    type: str
  endpoint:
    description: Only events that name this endpoint, by its name or id.
    type: str
  reason:
    description: Only those with this text somewhere in their reason.
    type: str
  since:
    description: Only those that were last seen at this time or later. A time such as V(2026-01-31T14:00:00Z), or an age such as V(2h) or V(7d).
    type: str
  before:
    description: Only those that were last seen before this time, written as in O(since).
    type: str
"""
