# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tool itself: a second cluster beside the first, what a crash leaves, and that a stop leaves nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest

from tools.cluster import cgroups, lifecycle, network
from tools.cluster.access import Access
from tools.cluster.apply import not_ready
from tools.cluster.errors import ClusterError
from tools.cluster.groups import closure
from tools.cluster.layout import Home

from .conftest import ROOT
from .waiting import wait_for

SECOND = "second"
PAUSE = "registry.k8s.io/pause:3.10"


@pytest.fixture
def home(cluster: Access) -> t.Iterator[Home]:
    """The shared caches; the second cluster is gone before and after."""
    lifecycle.down(cluster.cluster.home, SECOND, purge=True)
    yield cluster.cluster.home
    lifecycle.down(cluster.cluster.home, SECOND, purge=True)


def traces(cluster: lifecycle.Cluster) -> list[str]:
    """What of a cluster is found on the machine."""
    plan = cluster.plan
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    rules = subprocess.run(["iptables-save"], capture_output=True, text=True, check=False).stdout
    found = {
        "processes": cgroups.processes(plan.cgroup),
        "control groups": [root for root in cgroups.hierarchies().all_roots() if (root / plan.cgroup).exists()],
        "mounts": [mount for mount in mounts if mount.startswith(f"{cluster.folder.root}/")],
        "namespace": network.namespace_path(plan).exists(),
        "interface": Path(f"/sys/class/net/{plan.host_link}").exists(),
        "routes": [route for route in network.routes() if route in (plan.service_cidr, plan.pod_cidr)],
        "rules": [line for line in rules.splitlines() if plan.network.rsplit(".", 2)[0] + "." in line],
    }
    return [f"{name}: {value}" for name, value in found.items() if value]


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "tools.cluster", *words, "--name", SECOND]


def test_a_second_cluster_runs_beside_the_first_and_leaves_nothing(cluster: Access, home: Home) -> None:
    second = lifecycle.up(home, SECOND, closure(["bare"]))
    assert second.healthy()
    assert cluster.cluster.healthy()
    assert second.plan.network != cluster.cluster.plan.network
    assert {n["metadata"]["name"] for n in second.kube.items("/api/v1/nodes")} == {second.plan.node_name}
    before = second.kube.get("/api/v1/namespaces/kube-system")["metadata"]["uid"]

    again = lifecycle.up(home, SECOND, closure(["bare"]))
    assert again.kube.get("/api/v1/namespaces/kube-system")["metadata"]["uid"] == before

    assert lifecycle.down(home, SECOND)
    assert traces(second) == []
    assert cluster.cluster.healthy()
    quiet = subprocess.run(command("down"), cwd=ROOT, capture_output=True, text=True, check=True)
    assert (quiet.stdout, quiet.stderr) == ("", "")


@pytest.mark.parametrize("victim", ["all daemons", "the start itself"])
def test_what_a_crash_leaves_is_cleared_by_the_next_stop_or_start(home: Home, victim: str) -> None:
    if victim == "all daemons":
        crashed = lifecycle.up(home, SECOND, closure(["bare"]))
        for name in lifecycle.DAEMONS:
            crashed.daemons.send(name, signal.SIGKILL)
    else:
        start = subprocess.Popen(
            command("up", "--groups", "bare"), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        folder = home.cluster(SECOND)
        wait_for(
            (folder.pids / "kube-apiserver").exists,
            bool,
            timeout=60,
            what="the API server is started",
            every=0.01,
        )
        os.kill(start.pid, signal.SIGKILL)
        start.wait()
        found = lifecycle.find(home, SECOND)
        assert found is not None
        crashed = found
    assert traces(crashed) != []
    assert lifecycle.up(home, SECOND, closure(["bare"])).healthy()
    lifecycle.down(home, SECOND)
    assert traces(crashed) == []


def test_a_killed_daemon_is_started_again(home: Home) -> None:
    second = Access(lifecycle.up(home, SECOND, closure(["bare"])))
    with second.killed("kube-apiserver"):
        assert not second.cluster.healthy()
    assert second.cluster.healthy()
    with second.paused("kube-scheduler"):
        assert second.cluster.running()["kube-scheduler"] is not None


def test_a_bare_cluster_has_a_node_and_no_kserve_and_takes_what_an_installer_applies(bare_cluster: Access) -> None:
    node = bare_cluster.kube.get(f"/api/v1/nodes/{bare_cluster.cluster.plan.node_name}")
    assert {c["type"]: c["status"] for c in node["status"]["conditions"]}["Ready"] == "True"
    definitions = bare_cluster.kube.items("/apis/apiextensions.k8s.io/v1/customresourcedefinitions")
    assert [d["metadata"]["name"] for d in definitions if "kserve" in d["metadata"]["name"]] == []

    labels = {"app": "installed"}
    pod = {"containers": [{"name": "pause", "image": PAUSE}]}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "installed", "namespace": "installed"},
        "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": pod}},
    }
    bare_cluster.apply([deployment])  # its namespace is made too
    wait_for(
        lambda: not_ready(bare_cluster.kube), lambda waiting: waiting == [], timeout=60, what="the deployment is ready"
    )


def test_nothing_listens_on_an_address_of_the_machine(cluster: Access) -> None:
    """All sockets of the cluster are in its own namespace: none of its processes is in the machine's."""
    machine = os.stat("/proc/self/ns/net").st_ino
    outside = []
    for pid in cgroups.processes(cluster.cluster.plan.cgroup):
        try:
            if os.stat(f"/proc/{pid}/ns/net").st_ino == machine:
                outside.append(Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " "))
        except OSError:
            continue
    assert outside == []


def test_a_stop_of_what_never_was_is_no_error(home: Home) -> None:
    assert lifecycle.down(home, "never") is False


def test_one_start_at_a_time(home: Home) -> None:
    folder = home.cluster(SECOND)
    with (
        lifecycle.locked(folder),
        pytest.raises(ClusterError, match="under way"),
        lifecycle.locked(folder, seconds=0.1),
    ):
        pass
