"""Start, stop and state of one cluster."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from . import (
    cgroups,
    controlplane,
    corefiles,
    debian,
    gobuild,
    manifests,
    network,
    nodefiles,
    parts,
    pki,
    s3,
    serving,
    settings,
    wheels,
)
from .addresses import Plan, choose_slot
from .apply import apply_all, not_ready
from .daemons import Daemons
from .errors import ClusterError
from .groups import NEEDS
from .kube import Kube
from .layout import Folder, Home
from .oci import Store
from .progress import Progress
from .push import Registry
from .shell import run

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
EXAMPLES = Path(__file__).parents[2] / "examples" / "triton" / "model-repository"
NODE_SECONDS = 90
READY_SECONDS = 300
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


def _make_plan(home: Home, folder: Folder) -> Plan:
    found = read_plan(folder)
    if found:
        return found
    others = [plan for path in home.clusters.glob("*/plan.json") if (plan := read_plan(Folder(path.parent)))]
    plan = Plan(folder.name, choose_slot([other.slot for other in others], network.routes()))
    folder.root.mkdir(parents=True, exist_ok=True)
    folder.plan.write_text(plan.to_json())
    return plan


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


def _wait(what: str, check: object, seconds: float, cluster: Cluster, daemon: str) -> None:
    assert callable(check)
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


def start_node(cluster: Cluster, say: Progress) -> None:
    """From nothing, or from whatever runs already, to a node that is Ready."""
    home, folder, plan, daemons = cluster.home, cluster.folder, cluster.plan, cluster.daemons
    network.create(plan)
    cgroups.create(plan.cgroup)
    pki.create(folder.pki, plan)
    home.registry.mkdir(parents=True, exist_ok=True)
    nodefiles.write(folder, plan, home.registry, debian.cni_plugins(home), debian.program(home, "runc"))
    for name in ("controller-manager", "scheduler", "kubelet", "proxy"):
        text = pki.kubeconfig(folder.pki, plan, name)
        (folder.config / f"{name}.conf").write_text(text)
        (folder.config / f"{name}.conf").chmod(0o600)
    folder.kubeconfig.write_text(pki.kubeconfig(folder.pki, plan, "admin"))
    folder.kubeconfig.chmod(0o600)

    def binary(name: str) -> Path:
        return gobuild.path_of(home, name)

    unpacked = str(debian.root(home) / "usr/bin")
    path = {"PATH": f"{unpacked}:{debian.root(home) / 'usr/sbin'}:{os.environ.get('PATH', '')}:/usr/sbin:/sbin"}
    daemons.start("registry", [debian.program(home, "docker-registry"), "serve", folder.config / "registry.yml"])
    daemons.start("containerd", [debian.program(home, "containerd"), "-c", folder.config / "containerd.toml"], path)
    daemons.start("etcd", controlplane.etcd(binary("etcd"), folder))
    daemons.start("kube-apiserver", controlplane.apiserver(binary("kube-apiserver"), folder, plan))
    kube = cluster.kube
    _wait("the API server", lambda: kube.raw("GET", "/readyz")[0] == 200, NODE_SECONDS, cluster, "kube-apiserver")
    say.say("API server is ready")
    daemons.start(
        "kube-controller-manager", controlplane.controller_manager(binary("kube-controller-manager"), folder, plan)
    )
    daemons.start("kube-scheduler", controlplane.scheduler(binary("kube-scheduler"), folder))
    _wait("containerd", folder.containerd_socket.exists, 30, cluster, "containerd")
    daemons.start("kubelet", controlplane.kubelet(binary("kubelet"), folder, plan), path)
    daemons.start("kube-proxy", controlplane.proxy(binary("kube-proxy"), folder, plan))


def restart(cluster: Cluster) -> None:
    """Starts again whatever daemon was killed, and waits until API server and node answer."""
    start_node(cluster, Progress({}))
    _wait("the node", lambda: node_ready(cluster.kube, cluster.plan.node_name), NODE_SECONDS, cluster, "kubelet")


def node_ready(kube: Kube, name: str) -> bool:
    status, _ = kube.raw("GET", f"/api/v1/nodes/{name}")
    if status != 200:
        return False
    conditions = kube.get(f"/api/v1/nodes/{name}").get("status", {}).get("conditions", [])
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def advertise_gpus(kube: Kube, node: str, count: int) -> None:
    """The node offers that many nvidia.com/gpu as an extended resource: the scheduler counts them, no device is behind them."""
    kube.merge(f"/api/v1/nodes/{node}/status", {"status": {"capacity": {"nvidia.com/gpu": str(count)}}})


def push_images(cluster: Cluster, groups: list[str], say: Progress) -> None:
    registry, store = Registry(cluster.plan.registry), Store(cluster.home.images)
    _wait("the registry", registry.ready, 20, cluster, "registry")
    sent = [image.name for image in parts.group_images(cluster.home, groups) if registry.push(image, store)]
    if sent:
        # An older image of the same name may be unpacked already, and would be taken.
        run([*_ctr(cluster), "images", "rm", *sent], check=False)
        say.say(f"{len(sent)} images sent to the local registry")


def _ctr(cluster: Cluster) -> list[str]:
    return [
        str(debian.program(cluster.home, "ctr")),
        "--address",
        str(cluster.folder.containerd_socket),
        "-n",
        "k8s.io",
    ]


def up(home: Home, name: str, groups: list[str], *, gpus: int | None = None, images: tuple[str, ...] = ()) -> Cluster:
    """Brings the cluster up, or adds what it lacks. groups: with all that they need (groups.closure).

    images: groups whose images go to the registry too, though nothing of them is started.
    """
    need_root()
    folder = home.cluster(name)
    parts.build(home, sorted({*groups, *images}, key=list(NEEDS).index))
    with locked(folder):
        cluster = Cluster(home, folder, _make_plan(home, folder))
        say = Progress({})
        if any(cluster.running().values()) and not cluster.healthy():
            say.say("the cluster is half there: it is stopped first")
        if not cluster.healthy():
            clean(cluster)
        start_node(cluster, say)
        push_images(cluster, sorted({*groups, *images}), say)
        kube, plan = cluster.kube, cluster.plan
        _wait("the node", lambda: node_ready(kube, plan.node_name), NODE_SECONDS, cluster, "kubelet")
        say.say("node is Ready")
        if gpus is not None:
            advertise_gpus(kube, plan.node_name, gpus)
        started = groups_of(folder)
        objects = [m for group in groups if group not in started for m in manifests.load(home, group)]
        if "base" not in started:
            objects += corefiles.objects(plan)
        if "triton" in groups and "triton" not in started:
            objects += serving.objects()
        apply_all(kube, settings.adjust(objects, plan), say=say.say)
        _wait_ready(cluster, say)
        if "triton" in groups:
            upload_examples(cluster)
        merged = [group for group in NEEDS if group in {*started, *groups}]
        (folder.run / "groups.json").write_text(json.dumps(merged))
    return cluster


def bucket(cluster: Cluster) -> s3.Bucket:
    """The bucket of the platform's artifacts, with the right to write; it is there afterwards."""
    service = cluster.kube.get(f"/api/v1/namespaces/{serving.S3_NAMESPACE}/services/s3")
    made = s3.Bucket(f"{service['spec']['clusterIP']}:{serving.S3_PORT}", serving.BUCKET, serving.WRITER)
    made.create()
    return made


def upload_examples(cluster: Cluster) -> None:
    """The example models, each as a repository of its own: triton/<folder>/add_sub/..."""
    target = bucket(cluster)
    for model in sorted(path for path in EXAMPLES.iterdir() if path.is_dir()):
        target.put_folder(model, f"triton/{model.name}/add_sub")


def _wait_ready(cluster: Cluster, say: Progress) -> None:
    end, shown, kube = time.monotonic() + READY_SECONDS, "", cluster.kube
    while waiting := not_ready(kube):
        if time.monotonic() > end:
            raise ClusterError(
                f"not ready after {READY_SECONDS} s: {', '.join(waiting)}; `kubectl describe pods -A` says why"
            )
        text = f"waiting for {', '.join(name.split('/')[1] for name in waiting)}"
        if text != shown:
            say.say(text)
            shown = text
        time.sleep(0.3)


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
        _wait("containerd", folder.containerd_socket.exists, 20, cluster, "containerd")
        ctr = _ctr(cluster)
        names = run([*ctr, "containers", "ls", "-q"]).split()
        if names:
            run([*ctr, "containers", "rm", *names], check=False)
        left = run([*ctr, "containers", "ls", "-q"]).split()
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


def environment(cluster: Cluster) -> dict[str, str]:
    """What a shell needs to use the cluster."""
    return {
        "KUBECONFIG": str(cluster.folder.kubeconfig),
        "NO_PROXY": cluster.plan.no_proxy,
        "no_proxy": cluster.plan.no_proxy,
    }


def kubectl(home: Home) -> Path:
    return wheels.kubectl(home)
