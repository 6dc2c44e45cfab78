"""The fixtures ``world``, ``run``, ``reconcile``, ``start``, ``versions`` and ``served``."""

from __future__ import annotations

from rollout_world import served, versions
from world import reconcile, run, start, world

__all__ = ("reconcile", "run", "served", "start", "versions", "world")
