"""Stopping a cluster, and clearing whatever a crash left of one."""

from __future__ import annotations

import shutil
from pathlib import Path

from . import cgroups, debian, network, nodefiles
from .errors import ClusterError
from .layout import Folder, Home
from .shell import run
from .state import Cluster, ctr, find, locked, need_root, wait


def clean(cluster: Cluster) -> None:
    """Whatever is left of the cluster's processes, mounts, network and groups goes; unpacked images stay."""
    plan, folder = cluster.plan, cluster.folder
    left = cgroups.kill_all(plan.cgroup)
    if left:
        raise ClusterError(f"processes {sorted(left)} of cluster {plan.name} do not end; see /proc/<id>/stack")
    _unmount(folder)
    network.remove(plan)
    if (folder.containerd_root / "io.containerd.metadata.v1.bolt").exists() and (folder.run / "containerd").exists():
        _forget_containers(cluster)
    cgroups.remove(plan.cgroup)
    for path in (folder.run, folder.pids, folder.pki, folder.config):
        shutil.rmtree(path, ignore_errors=True)
    folder.kubeconfig.unlink(missing_ok=True)


def _unmount(folder: Folder) -> None:
    for _ in range(3):
        mounts = [
            line.split()[1] for line in Path("/proc/mounts").read_text().splitlines() if f" {folder.root}/" in line
        ]
        if not mounts:
            return
        for mount in sorted(mounts, key=len, reverse=True):
            run(["umount", "-l", mount], check=False)


def _forget_containers(cluster: Cluster) -> None:
    """Containers of the stopped cluster leave the image store: containerd runs for a moment without the node's part."""
    folder, plan = cluster.folder, cluster.plan
    shutil.rmtree(folder.run / "containerd", ignore_errors=True)
    folder.containerd_socket.unlink(missing_ok=True)
    cgroups.create(plan.cgroup)
    run(["ip", "netns", "add", plan.namespace], check=False)
    nodefiles.write(
        folder, plan, cluster.home.registry, debian.cni_plugins(cluster.home), debian.program(cluster.home, "runc")
    )
    daemons = cluster.daemons
    try:
        daemons.start(
            "containerd", [debian.program(cluster.home, "containerd"), "-c", folder.config / "containerd-plain.toml"]
        )
        wait("containerd", folder.containerd_socket.exists, 20, cluster, "containerd")
        command = ctr(cluster)
        names = run([*command, "containers", "ls", "-q"]).split()
        if names:
            run([*command, "containers", "rm", *names], check=False)
        left = run([*command, "containers", "ls", "-q"]).split()
    except ClusterError:
        left = ["unknown"]
    daemons.stop("containerd")
    cgroups.kill_all(plan.cgroup)
    network.remove(plan)
    _unmount(folder)
    if left:
        shutil.rmtree(folder.containerd_root, ignore_errors=True)


def down(home: Home, name: str, *, purge: bool = False) -> bool:
    """Stops the cluster and leaves nothing of it running. False if there was nothing to stop."""
    folder = home.cluster(name)
    cluster = find(home, name)
    if cluster is None:
        return False
    need_root()
    with locked(folder):
        there = (
            bool(cgroups.processes(cluster.plan.cgroup))
            or network.namespace_path(cluster.plan).exists()
            or folder.run.exists()
            or any((root / cluster.plan.cgroup).exists() for root in cgroups.hierarchies().all_roots())
        )
        if there:
            clean(cluster)
        if purge:
            shutil.rmtree(folder.root, ignore_errors=True)
    return there
