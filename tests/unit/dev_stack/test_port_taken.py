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

from dev_stack import processes, stack
from dev_stack.processes import EndedEarly, StackError


class Part:
    """A server whose first ports are taken while it starts."""

    def __init__(self, *ports: int, taken: int, error: type[StackError] = StackError) -> None:
        self.ports, self.taken, self.error, self.passwords = list(ports), taken, error, []

    def plan(self, settings: Any, kept: dict[str, Any], running: bool) -> dict[str, Any]:
        return {"port": self.ports[0]}

    def start(self, settings: Any, spec: dict[str, Any], kept: dict[str, Any]) -> dict[str, Any]:
        self.passwords.append(kept.setdefault("password", f"made for {spec['port']}"))
        if self.taken:
            self.taken -= 1
            if len(self.ports) > 1:
                self.ports.pop(0)
            raise self.error("Address already in use")
        return {**kept, "port": spec["port"]}


def test_goes_on_to_a_free_port_with_the_same_password() -> None:
    part = Part(5432, 40001, 40002, taken=2)
    kept = stack._started(part, None, {"port": 5432}, {})
    assert kept == {"port": 40002, "password": "made for 5432", "spec": {"port": 40002}}
    assert set(part.passwords) == {"made for 5432"}


def test_a_port_that_is_still_free_was_not_the_reason() -> None:
    part = Part(5432, taken=1)
    with pytest.raises(StackError, match="in use"):
        stack._started(part, None, {"port": 5432}, {})
    assert len(part.passwords) == 1


def test_a_server_that_ended_is_started_again_on_the_same_port() -> None:
    part = Part(5432, taken=2, error=EndedEarly)  # one of its inner ports was taken
    assert stack._started(part, None, {"port": 5432}, {})["port"] == 5432
    assert len(part.passwords) == 3


def test_a_server_that_ends_each_time_is_given_up() -> None:
    part = Part(5432, taken=9, error=EndedEarly)
    with pytest.raises(EndedEarly, match="in use"):
        stack._started(part, None, {"port": 5432}, {})
    assert len(part.passwords) == 3


def test_ports_are_below_those_of_outgoing_connections() -> None:
    for _turn in range(20):
        ports = processes.free_run(6, distance=10_000)
        assert ports == list(range(ports[0], ports[0] + 6))
        assert ports[-1] + 10_000 < processes.OUTGOING
        assert all(processes.is_free(port + distance) for port in ports for distance in (0, 10_000))
