# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the module of the same name and shows its timeline while it works."""

from __future__ import annotations

import typing as t

from ansible import constants

from ..plugin_utils._live import LiveAction


class ActionModule(LiveAction):
    def _environment(self, task_vars: dict[str, t.Any]) -> dict[str, str]:
        """AWX tells the play who has started the job, and the module's process does not hear of it."""
        user = task_vars.get("awx_user_name")
        if not user:
            return {}
        job = task_vars.get("awx_job_id")
        return {"MLOPS_ROLLOUT_BY": f"{user} (AWX job {job})" if job else str(user)}

    def _color(self, line: str) -> str | None:
        color: str | None = None
        if "FAIL" in line or "rolled back" in line:
            color = constants.COLOR_ERROR
        elif "promoted" in line:
            color = constants.COLOR_OK
        return color

    def _farewell(self) -> str:
        return (
            f"this run ends here, and the rollout of {self._task.args.get('endpoint')} stays where it is: run the task again"
            " to go on, or with action: abort to go back"
        )
