# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the module of the same name and shows how far a long publication is."""

from __future__ import annotations

from ..plugin_utils._live import LiveAction


class ActionModule(LiveAction):
    def _farewell(self) -> str:
        return "this run ends here, and nothing that it sent counts as published; the next run sends it whole"
