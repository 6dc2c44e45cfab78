# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A controller that runs its jobs in simulate, on a private Postgres."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from rollout_world import served, versions
from world import World, reconcile, run, world

from .definitions import definitions
from .jobs import Controller

__all__ = ("reconcile", "run", "served", "versions", "world")


@pytest.fixture
def controller(world: World, tmp_path: Path) -> Controller:
    """The store is filled in, the rest of the credentials is not."""
    secrets: dict[str, Any] = {
        "Serving: store": {"database_url": world.url},
        "Serving: NATS": {"nats_url": "nats://127.0.0.1:1"},
    }
    made = definitions(controller_deploy_mode="simulate")
    return Controller(made, tmp_path, secrets, {"rollout_interval": "100ms"})


def serving(world: World) -> dict[str, int]:
    """Percent of the traffic by the last part of the artifact's address."""
    return {uri.rstrip("/").rpartition("/")[2]: share for uri, share in world.shares("demo").items() if share}
