# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the module of the same name and shows each endpoint when it comes to its end."""

from __future__ import annotations

import re

from ansible import constants

from ..plugin_utils._live import LiveAction

_STATUS = re.compile(r"^\S+  \S.*?  (READY|STOPPED|DELETED|ERROR|left)\b")


class ActionModule(LiveAction):
    def _color(self, line: str) -> str | None:
        found = _STATUS.match(line)
        color: str | None = None
        if found:
            failed = found[1] == "ERROR" or "  not changed: " in line
            color = constants.COLOR_ERROR if failed else constants.COLOR_OK
        return color

    def _farewell(self) -> str:
        return "this run ends here; what was in hand is given back, and the next run takes it up"
