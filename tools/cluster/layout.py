"""Where everything lives: one folder of caches, and in it one folder a cluster.

MLOPS_CLUSTER_HOME overrides the folder; the default is ${XDG_CACHE_HOME:-~/.cache}/mlops-serving/cluster.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from .errors import ClusterError

HOME_VARIABLE = "MLOPS_CLUSTER_HOME"
NAME = re.compile(r"[a-z]([a-z0-9-]{0,8}[a-z0-9])?")  # network interfaces have at most 15 characters


@dataclass(frozen=True)
class Home:
    """The folder that holds what all clusters of this machine share."""

    root: Path

    @classmethod
    def from_environment(cls) -> Home:
        named = os.environ.get(HOME_VARIABLE)
        if named:
            return cls(Path(named).absolute())
        base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
        return cls(Path(base) / "mlops-serving" / "cluster")

    @property
    def binaries(self) -> Path:
        return self.root / "bin"

    @property
    def debian(self) -> Path:
        return self.root / "debian"

    @property
    def wheels(self) -> Path:
        return self.root / "wheels"

    @property
    def images(self) -> Path:
        return self.root / "images"

    @property
    def registry(self) -> Path:
        return self.root / "registry"

    @property
    def manifests(self) -> Path:
        return self.root / "manifests"

    @property
    def go_build(self) -> Path:
        return self.root / "go" / "build"

    @property
    def go_modules(self) -> Path:
        return self.root / "go" / "modules"

    @property
    def clusters(self) -> Path:
        return self.root / "clusters"

    def cluster(self, name: str) -> Folder:
        if not NAME.fullmatch(name):
            raise ClusterError(
                f"cluster name {name!r}: use 1 to 10 characters a-z, 0-9 and '-', starting with a letter"
            )
        return Folder(self.clusters / name)


@dataclass(frozen=True)
class Folder:
    """The folder of one cluster: everything but the shared caches."""

    root: Path

    @property
    def name(self) -> str:
        return self.root.name

    @property
    def plan(self) -> Path:
        return self.root / "plan.json"

    @property
    def pki(self) -> Path:
        return self.root / "pki"

    @property
    def kubeconfig(self) -> Path:
        return self.root / "kubeconfig"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def pids(self) -> Path:
        return self.root / "pids"

    @property
    def config(self) -> Path:
        return self.root / "config"

    @property
    def run(self) -> Path:
        """What dies with the cluster: sockets, etcd, the kubelet's folder, the address pool of the pods."""
        return self.root / "run"

    @property
    def containerd_root(self) -> Path:
        """Unpacked images: kept when the cluster stops, so that the next start pulls nothing."""
        return self.root / "containerd"

    @property
    def containerd_socket(self) -> Path:
        return self.run / "containerd.sock"
