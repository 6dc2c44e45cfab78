"""The cluster's own control groups: found below one name, so that a stop finds every process, whoever started it.

A kubelet removes pods' groups that it does not know, so that each cluster needs a root of its own. Daemons sit in
<root>/system of one hierarchy only (for finding them: their CPU share stays that of the machine), pods below <root>/kubepods.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

V1_CONTROLLERS = (
    "cpu",
    "cpuacct",
    "cpuset",
    "memory",
    "devices",
    "freezer",
    "blkio",
    "pids",
    "hugetlb",
    "name=systemd",
)
_TRACKERS = ("name=systemd", "pids", "freezer", "memory")


@dataclass(frozen=True)
class Hierarchies:
    """Where control groups are mounted: controller -> folder for version 1, or one unified folder for version 2."""

    v1: dict[str, Path]
    unified: Path | None
    beside: Path | None = None  # a unified mount beside version 1, which runc makes groups in all the same

    @property
    def tracker(self) -> Path:
        """The hierarchy in which processes are found again."""
        for name in _TRACKERS:
            if name in self.v1:
                return self.v1[name]
        if self.unified is None:
            raise OSError("no control group hierarchy is mounted")
        return self.unified

    def roots(self) -> list[Path]:
        if self.v1:
            return sorted(set(self.v1.values()))
        return [self.unified] if self.unified else []

    def all_roots(self) -> list[Path]:
        """Every place where something of a cluster may be left."""
        return [*self.roots(), *([self.beside] if self.beside else [])]


def parse_mounts(text: str) -> Hierarchies:
    """From the text of /proc/mounts. A unified mount beside version 1 controllers (hybrid) is not used."""
    v1: dict[str, Path] = {}
    unified: Path | None = None
    for line in text.splitlines():
        fields = line.split()
        if len(fields) < 4:
            continue
        if fields[2] == "cgroup2":
            unified = Path(fields[1])
        elif fields[2] == "cgroup":
            for option in fields[3].split(","):
                if option in V1_CONTROLLERS:
                    v1.setdefault(option, Path(fields[1]))
    return Hierarchies(v1, None, unified) if "memory" in v1 else Hierarchies(v1, unified)


def hierarchies() -> Hierarchies:
    return parse_mounts(Path("/proc/mounts").read_text())


def create(name: str) -> None:
    """The cluster's root in every hierarchy, and its group for daemons."""
    found = hierarchies()
    for root in found.roots():
        own = root / name
        own.mkdir(exist_ok=True)
        for setting in ("cpuset.cpus", "cpuset.mems"):
            if found.v1 and (own / setting).exists():
                (own / setting).write_text((root / setting).read_text())
    if found.unified and not found.v1:
        for group in (found.unified, found.unified / name):
            for controller in (group / "cgroup.controllers").read_text().split():
                try:
                    (group / "cgroup.subtree_control").write_text(f"+{controller}")
                except OSError:
                    continue  # not delegated to us: the kubelet names it if it needs it
    (found.tracker / name / "system").mkdir(exist_ok=True)


def join_file(name: str) -> Path:
    """File into which a daemon writes its own process id before it becomes the program."""
    return hierarchies().tracker / name / "system" / "cgroup.procs"


def processes(name: str) -> set[int]:
    """Every process of the cluster."""
    found: set[int] = set()
    for root in hierarchies().all_roots():
        for folder in _groups(root / name):
            with contextlib.suppress(OSError):
                found.update(int(line) for line in (folder / "cgroup.procs").read_text().split())
    return found - {0, os.getpid()}


def _groups(own: Path) -> Iterator[Path]:
    """A group and all below it. They come and go while one looks, which os.walk takes as it is."""
    for folder, _folders, _files in os.walk(own):
        yield Path(folder)


def _signal(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def kill_all(name: str, seconds: float = 20) -> set[int]:
    """Ends every process of the cluster; returns those that are left after the time."""
    end = time.monotonic() + seconds
    while pids := processes(name):
        for folder in _groups(hierarchies().v1.get("freezer", Path("/nonexistent")) / name):
            with contextlib.suppress(OSError):
                (folder / "freezer.state").write_text("THAWED")  # a paused process does not die
        _signal(pids, signal.SIGKILL)
        if time.monotonic() > end:
            return pids
        time.sleep(0.05)
    return set()


def remove(name: str) -> None:
    """Removes the groups bottom up; what is not there is no error."""
    for root in hierarchies().all_roots():
        own = root / name
        if not own.exists():
            continue
        groups = [folder for folder in _groups(own) if folder != own]
        for folder in [*sorted(groups, key=lambda path: len(path.parts), reverse=True), own]:
            for _ in range(100):
                try:
                    folder.rmdir()
                    break
                except FileNotFoundError:
                    break
                except OSError:
                    time.sleep(0.02)  # the kernel still frees the last task
