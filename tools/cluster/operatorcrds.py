"""CustomResourceDefinitions of the Prometheus operator, out of its module's archive: so that an API server can judge objects of its kinds.

The operator itself is not built. The archive is 4 MB; what is kept of it are two files.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from . import gobuild, modules
from .errors import ClusterError
from .layout import Home
from .locks import held

MODULE = "github.com/prometheus-operator/prometheus-operator"
VERSION = "v0.85.0"
SUM = "h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s="
KINDS = ("podmonitors", "prometheusrules")


def files(home: Home) -> list[Path]:
    """The definitions' YAML files, downloaded once. Needs the go command."""
    target = home.manifests / f"prometheus-operator-{VERSION}"
    with held(home, target.name):
        if not target.exists():
            gobuild.check_go()
            _fetch(home, target)
    return [target / f"{kind}.yaml" for kind in KINDS]


def _fetch(home: Home, target: Path) -> None:
    work = target.with_suffix(".partial")
    shutil.rmtree(work, ignore_errors=True)
    (work / "found").mkdir(parents=True)
    # A module cache of its own: the shared one may be dropped while this runs, and its files are read-only.
    settings = {**gobuild.environment(home), "GOFLAGS": "-modcacherw"}
    if not os.environ.get("GOMODCACHE"):
        settings["GOMODCACHE"] = str(work / "modules")
    try:
        answer = gobuild.download(f"{MODULE}@{VERSION}", work, settings)
        found = json.loads(answer).get("Sum")
        if found != SUM:
            raise ClusterError(f"module {MODULE} {VERSION} has the sum {found}, not {SUM}")
        folder = modules.path_in_download(answer) / "example" / "prometheus-operator-crd"
        for kind in KINDS:
            shutil.copyfile(folder / f"monitoring.coreos.com_{kind}.yaml", work / "found" / f"{kind}.yaml")
        (work / "found").rename(target)
    finally:
        shutil.rmtree(work, ignore_errors=True)
