"""Starting a cluster: from nothing to all that was asked for, or from what runs already to what it lacks."""

from __future__ import annotations

import json
import os
import time
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
from .errors import ClusterError
from .groups import NEEDS
from .kube import Json, Kube
from .layout import Folder, Home
from .locks import held
from .oci import Store
from .progress import Progress
from .push import Registry
from .shell import run
from .state import DAEMONS as DAEMONS
from .state import Cluster as Cluster
from .state import ctr, groups_of, need_root, read_plan, wait
from .state import find as find
from .state import locked as locked
from .teardown import clean
from .teardown import down as down

EXAMPLES = Path(__file__).parents[2] / "examples" / "triton" / "model-repository"
NODE_SECONDS = 90
READY_SECONDS = 300


def _make_plan(home: Home, folder: Folder) -> Plan:
    found = read_plan(folder)
    if found:
        return found
    with held(home, "addresses"):
        others = [plan for path in home.clusters.glob("*/plan.json") if (plan := read_plan(Folder(path.parent)))]
        plan = Plan(folder.name, choose_slot([other.slot for other in others], network.routes()))
        folder.root.mkdir(parents=True, exist_ok=True)
        folder.plan.write_text(plan.to_json())
    return plan


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
    wait("the API server", lambda: kube.raw("GET", "/readyz")[0] == 200, NODE_SECONDS, cluster, "kube-apiserver")
    say.say("API server is ready")
    daemons.start(
        "kube-controller-manager", controlplane.controller_manager(binary("kube-controller-manager"), folder, plan)
    )
    daemons.start("kube-scheduler", controlplane.scheduler(binary("kube-scheduler"), folder))
    wait("containerd", folder.containerd_socket.exists, 30, cluster, "containerd")
    daemons.start("kubelet", controlplane.kubelet(binary("kubelet"), folder, plan), path)
    daemons.start("kube-proxy", controlplane.proxy(binary("kube-proxy"), folder, plan))


def restart(cluster: Cluster) -> None:
    """Starts again whatever daemon was killed, and waits until API server and node answer."""
    start_node(cluster, Progress({}))
    wait("the node", lambda: node_ready(cluster.kube, cluster.plan.node_name), NODE_SECONDS, cluster, "kubelet")


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
    wait("the registry", registry.ready, 20, cluster, "registry")
    sent = [image.name for image in parts.group_images(cluster.home, groups) if registry.push(image, store)]
    if sent:
        # An older image of the same name may be unpacked already, and would be taken.
        run([*ctr(cluster), "images", "rm", *sent], check=False)
        say.say(f"{len(sent)} images sent to the local registry")


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
        wait("the node", lambda: node_ready(kube, plan.node_name), NODE_SECONDS, cluster, "kubelet")
        say.say("node is Ready")
        if gpus is not None:
            advertise_gpus(kube, plan.node_name, gpus)
        started = groups_of(folder)
        objects = [m for group in groups if group not in started for m in objects_of(home, plan, group)]
        apply_all(kube, objects, say=say.say)
        _wait_ready(cluster, say)
        if "triton" in groups:
            upload_examples(cluster)
        merged = [group for group in NEEDS if group in {*started, *groups}]
        (folder.run / "groups.json").write_text(json.dumps(merged))
    return cluster


def objects_of(home: Home, plan: Plan, group: str) -> list[Json]:
    """Everything that a group puts into the cluster: upstream's manifests with our settings, and objects of our own."""
    own = {"base": lambda: corefiles.objects(plan), "triton": serving.objects}
    return [*settings.adjust(manifests.load(home, group), plan), *(own[group]() if group in own else [])]


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


def environment(cluster: Cluster) -> dict[str, str]:
    """What a shell needs to use the cluster."""
    return {
        "KUBECONFIG": str(cluster.folder.kubeconfig),
        "NO_PROXY": cluster.plan.no_proxy,
        "no_proxy": cluster.plan.no_proxy,
    }


def kubectl(home: Home) -> Path:
    return wheels.kubectl(home)
