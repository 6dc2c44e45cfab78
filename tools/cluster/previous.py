"""The KServe that an upgrade begins with: its images are built and its manifests laid out, and nothing of it is started.

It is the newest release before ours that can update what it serves in Knative mode, and whose sources can be had as a module.
"""

from __future__ import annotations

from . import render
from .releases import Release

GROUP = "kserve-previous"  # of the family too
VERSION = "v0.17.0"
_MODULE = "github.com/kserve/kserve"
_MANIFESTS = ("kserve.yaml", "kserve-cluster-resources.yaml")


def releases(tools: render.Tools) -> list[Release]:
    """Its manifests, out of the archive of today's release: they were written only after its own tag."""
    install = tools.module("kubernetes", _MODULE) / "install" / VERSION
    return [Release("kserve", VERSION.removeprefix("v"), name, (install / name).read_text()) for name in _MANIFESTS]
