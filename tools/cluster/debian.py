"""Debian packages: what Debian's own containerd or Docker could clash with is only unpacked, the small tools are installed.

containerd, runc, the registry and the CNI plugins are taken out of their packages into the cache: nothing of the machine's
own containerd, Docker or Kubernetes is replaced, no service is started, no configuration written.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from pathlib import Path

from .errors import ClusterError
from .layout import Home
from .shell import run

UNPACKED = ("containerd", "runc", "docker-registry", "containernetworking-plugins", "busybox-static")
INSTALLED = {
    "ip": "iproute2",
    "iptables": "iptables",
    "conntrack": "conntrack",
    "openssl": "openssl",
    "mount": "mount",
    "nsenter": "util-linux",
    "modprobe": "kmod",
    "mmdebstrap": "mmdebstrap",
}
LOCK_SECONDS = 300
_QUIET = {"DEBIAN_FRONTEND": "noninteractive"}


def root(home: Home) -> Path:
    """Folder into which the packages are unpacked (below it usr/bin/containerd and so on)."""
    return home.debian / hashlib.sha256(" ".join(UNPACKED).encode()).hexdigest()[:12]


def missing_tools() -> list[str]:
    """Packages to install: those whose command is not on PATH."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    return sorted({package for command, package in INSTALLED.items() if shutil.which(command, path=path) is None})


def _apt(*words: str, folder: Path | None = None) -> None:
    """Runs apt-get; while somebody else holds its locks, waits."""
    end = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            run(["apt-get", "-o", f"DPkg::Lock::Timeout={LOCK_SECONDS}", "-q", *words], cwd=folder, env=_QUIET)
            return
        except ClusterError as error:
            if "lock" not in str(error).lower() or time.monotonic() > end:
                raise
            time.sleep(2)


def _update_once(home: Home) -> None:
    """apt-get update, unless it ran within the last hour."""
    lists = Path("/var/lib/apt/lists/partial")
    stamp = home.debian / "updated"
    if stamp.exists() and lists.exists() and stamp.stat().st_mtime >= lists.stat().st_mtime:
        return
    _apt("update")
    home.debian.mkdir(parents=True, exist_ok=True)
    stamp.touch()


def ensure(home: Home) -> None:
    """Everything from Debian is there afterwards. Needs root and apt-get only where something is missing."""
    target, missing = root(home), missing_tools()
    if target.exists() and not missing:
        return
    if shutil.which("apt-get") is None:
        raise ClusterError(
            f"this machine has no apt-get: install {', '.join(sorted({*UNPACKED, *missing}))} yourself, or use Debian 12 or later"
        )
    if missing:
        if os.geteuid() != 0:
            raise ClusterError(f"packages are missing: run once as root, or: apt-get install {' '.join(missing)}")
        _update_once(home)
        _apt("install", "-y", "--no-install-recommends", *missing)
    if not target.exists():
        _update_once(home)
        _unpack(target)


def _unpack(target: Path) -> None:
    work = target.with_suffix(".partial")
    shutil.rmtree(work, ignore_errors=True)
    packages = work / "packages"
    packages.mkdir(parents=True)
    packages.chmod(0o777)  # apt drops to its own user while it downloads
    _apt("download", *UNPACKED, folder=packages)
    for package in sorted(packages.glob("*.deb")):
        run(["dpkg", "-x", package, work / "root"])
    (work / "root").rename(target)
    shutil.rmtree(work)


def program(home: Home, name: str) -> Path:
    """Path of a program of the unpacked packages."""
    for folder in ("usr/bin", "usr/sbin", "bin", "sbin"):
        path = root(home) / folder / name
        if path.exists():
            return path
    raise ClusterError(f"{name} is not in {root(home)}: remove that folder and start again")


def cni_plugins(home: Home) -> Path:
    return root(home) / "usr/lib/cni"
