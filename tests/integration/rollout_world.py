"""Fixtures of the rollouts' tests: an endpoint that serves, and versions of its model that behave in different ways."""

from __future__ import annotations

from typing import Any

import pytest

# Options of a rollout that has its evidence in a moment.
FAST = {"interval": "0.05", "step_timeout": "20s", "timeout": 30, "deploy_mode": "simulate"}


@pytest.fixture
def versions(world: Any) -> dict[str, str]:
    """Versions 1 (good), 2 (good), 3 (fails 30 %), 4 (does not load) of one model."""
    model = world._insert("models", name="add_sub")
    rps = {"rps": 3000, "latency_ms": 20}
    return {
        "1": world.version(model, 1, "s3://b/one/", simulate={**rps, "error_ratio": 0.002}),
        "2": world.version(model, 2, "s3://b/two/", simulate={**rps, "error_ratio": 0.002}),
        "3": world.version(model, 3, "s3://b/three/", simulate={**rps, "error_ratio": 0.3}),
        "4": world.version(model, 4, "s3://b/four/", simulate={**rps, "load_error": "no such file"}),
    }


@pytest.fixture
def served(world: Any, versions: dict[str, str], reconcile: Any) -> dict[str, str]:
    """Version 1 is served by endpoint ``demo``."""
    world.endpoint("demo", versions["1"], runtime="triton", runtime_config={"deploymentMode": "Knative"})
    reconcile()
    return versions
