# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting for a condition, in the place of sleeping for as long as it may take."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

__all__ = ("until",)


def until(
    condition: Callable[[], Any],
    seconds: float = 20.0,
    *,
    every: float = 0.02,
    told: Callable[[], str] = lambda: "it did not come true",
) -> None:
    """
    :param told: what is known when it was in vain
    """
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, told()
        time.sleep(every)
