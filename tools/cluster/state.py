"""One cluster as it is found on disk and on the machine: its plan, its daemons, its lock."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from . import debian
from .addresses import Plan
from .daemons import Daemons
from .errors import ClusterError
from .kube import Kube
from .layout import Folder, Home

DAEMONS = (
    "registry",
    "containerd",
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "kube-proxy",
)
LOCK_SECONDS = 600


def need_root() -> None:
    if os.geteuid() != 0:
        raise ClusterError(
            "root is needed: the cluster makes a network namespace, control groups and containers. Run the same command with sudo"
        )


@contextmanager
def locked(folder: Folder, seconds: float = LOCK_SECONDS) -> Iterator[None]:
    """One start or stop of a cluster at a time: a second one waits for the first."""
    folder.root.parent.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + seconds
    with folder.root.with_suffix(".lock").open("w") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > end:
                    raise ClusterError(
                        f"another start or stop of cluster {folder.name} is under way for {seconds:.0f} s"
                    ) from None
                time.sleep(0.2)
        yield


def read_plan(folder: Folder) -> Plan | None:
    try:
        return Plan.from_json(folder.plan.read_text())
    except (OSError, ValueError, KeyError):
        return None


def groups_of(folder: Folder) -> list[str]:
    """Groups that were started."""
    try:
        return list(json.loads((folder.run / "groups.json").read_text()))
    except (OSError, ValueError):
        return []


@dataclass(frozen=True)
class Cluster:
    """A cluster that has a plan: running or not."""

    home: Home
    folder: Folder
    plan: Plan

    @property
    def daemons(self) -> Daemons:
        return Daemons(self.folder, self.plan)

    @property
    def kube(self) -> Kube:
        return Kube(self.plan.node_ip, self.folder.pki)

    def running(self) -> dict[str, int | None]:
        return {name: self.daemons.pid(name) for name in DAEMONS}

    def healthy(self) -> bool:
        """All daemons run and the API server says that it is ready."""
        return all(self.running().values()) and self.kube.raw("GET", "/readyz")[0] == 200


def find(home: Home, name: str) -> Cluster | None:
    folder = home.cluster(name)
    plan = read_plan(folder)
    return Cluster(home, folder, plan) if plan else None


def wait(what: str, check: Callable[[], bool], seconds: float, cluster: Cluster, daemon: str) -> None:
    end = time.monotonic() + seconds
    while not check():
        if cluster.daemons.pid(daemon) is None:
            raise ClusterError(
                f"{daemon} ended while waiting for {what}; its log {cluster.daemons.log(daemon)} ends:\n{cluster.daemons.tail(daemon)}"
            )
        if time.monotonic() > end:
            raise ClusterError(
                f"{what} did not come within {seconds:.0f} s; see {cluster.folder.logs}:\n{cluster.daemons.tail(daemon)}"
            )
        time.sleep(0.1)


def ctr(cluster: Cluster) -> list[str]:
    return [
        str(debian.program(cluster.home, "ctr")),
        "--address",
        str(cluster.folder.containerd_socket),
        "-n",
        "k8s.io",
    ]
