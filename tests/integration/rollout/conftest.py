"""The fixtures ``world``, ``run``, ``reconcile`` and ``start``."""

from __future__ import annotations

from world import reconcile, run, start, world

__all__ = ("reconcile", "run", "start", "world")
