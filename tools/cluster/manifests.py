"""Manifests of each group, taken from the module archives, rendered once and kept as JSON."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from .families import FAMILIES
from .kube import Json
from .layout import Home

RENDER_VERSION = "1"  # raise it when rendering changes


def file(home: Home, group: str) -> Path:
    """The key covers the modules that the manifests come from."""
    keys = [family.key() for family in FAMILIES if family.wanted([group])]
    digest = hashlib.sha256(json.dumps([RENDER_VERSION, group, keys]).encode()).hexdigest()[:12]
    return home.manifests / f"{group}-{digest}.json"


def render(home: Home, group: str) -> None:
    rendered: list[Json] = []
    target = file(home, group)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(".partial")
    partial.write_text(json.dumps(rendered))
    partial.rename(target)


def load(home: Home, group: str) -> list[Json]:
    loaded: list[Json] = json.loads(file(home, group).read_text())
    return loaded


def storage_entrypoint(home: Home) -> Path:
    return home.manifests / "initializer-entrypoint"
