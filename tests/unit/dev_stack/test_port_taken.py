# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two stacks started at once choose the same free port: one of them goes on to another."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "roles" / "dev_stack" / "files"))

from dev_stack import stack
from dev_stack.processes import StackError


class Part:
    """A server whose first ports are taken while it starts."""

    def __init__(self, *ports: int, taken: int) -> None:
        self.ports, self.taken, self.passwords = list(ports), taken, []

    def plan(self, settings: Any, kept: dict[str, Any], running: bool) -> dict[str, Any]:
        return {"port": self.ports[0]}

    def start(self, settings: Any, spec: dict[str, Any], kept: dict[str, Any]) -> dict[str, Any]:
        self.passwords.append(kept.setdefault("password", f"made for {spec['port']}"))
        if self.taken:
            self.taken -= 1
            if len(self.ports) > 1:
                self.ports.pop(0)
            raise StackError("Address already in use")
        return {**kept, "port": spec["port"]}


def test_goes_on_to_a_free_port_with_the_same_password() -> None:
    part = Part(5432, 40001, 40002, taken=2)
    kept = stack._started(part, None, {"port": 5432}, {})
    assert kept == {"port": 40002, "password": "made for 5432", "spec": {"port": 40002}}
    assert set(part.passwords) == {"made for 5432"}


def test_a_port_that_is_still_free_was_not_the_reason() -> None:
    with pytest.raises(StackError, match="in use"):
        stack._started(Part(5432, taken=1), None, {"port": 5432}, {})
