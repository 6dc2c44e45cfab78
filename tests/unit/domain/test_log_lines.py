# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines of a log for programs."""

from __future__ import annotations

import json
from datetime import datetime, timezone

from ansible_collections.mlops.serving.plugins.module_utils._domain.log_lines import log_line


def test_a_line_is_one_object_whatever_is_in_it() -> None:
    at = datetime(2026, 1, 31, 14, 2, 13, 402999, tzinfo=timezone.utc)
    line = log_line(
        at, 'two\nlines, "quoted"', event="endpoint.failed", level="error", endpoint="demo", url=None, error={"x": at}
    )
    assert "\n" not in line
    assert json.loads(line) == {
        "time": "2026-01-31T14:02:13.402Z",
        "level": "error",
        "event": "endpoint.failed",
        "endpoint": "demo",
        "error": {"x": "2026-01-31 14:02:13.402999+00:00"},
        "message": 'two\nlines, "quoted"',
    }
