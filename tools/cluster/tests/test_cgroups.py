"""Finding control group hierarchies of both versions."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.cluster.cgroups import parse_mounts

V1 = """tmpfs /sys/fs/cgroup tmpfs rw 0 0
cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,relatime,cpu,cpuacct 0 0
cgroup /sys/fs/cgroup/memory cgroup rw,relatime,memory 0 0
cgroup /sys/fs/cgroup/systemd cgroup rw,relatime,name=systemd 0 0
cgroup2 /sys/fs/cgroup/unified cgroup2 rw,relatime 0 0
"""
V2 = "cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid,nodev,noexec,relatime 0 0\n"


def test_version_1_has_a_root_a_mount() -> None:
    found = parse_mounts(V1)
    assert found.roots() == [
        Path("/sys/fs/cgroup/cpu,cpuacct"),
        Path("/sys/fs/cgroup/memory"),
        Path("/sys/fs/cgroup/systemd"),
    ]
    assert found.v1["cpu"] == found.v1["cpuacct"]
    assert found.tracker == Path("/sys/fs/cgroup/systemd")


def test_the_unified_mount_beside_version_1_is_not_used_but_cleared() -> None:
    found = parse_mounts(V1)
    assert found.unified is None
    assert Path("/sys/fs/cgroup/unified") not in found.roots()
    assert Path("/sys/fs/cgroup/unified") in found.all_roots()


def test_version_2_has_one_root() -> None:
    found = parse_mounts(V2)
    assert found.roots() == [Path("/sys/fs/cgroup")]
    assert found.tracker == Path("/sys/fs/cgroup")


def test_no_hierarchy_is_an_error() -> None:
    with pytest.raises(OSError, match="no control group"):
        _ = parse_mounts("proc /proc proc rw 0 0\n").tracker
