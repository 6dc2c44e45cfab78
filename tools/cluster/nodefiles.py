"""Configuration files of the node's programs, as text. JSON serves wherever the program reads YAML."""

from __future__ import annotations

import json
from pathlib import Path

from .addresses import Plan
from .layout import Folder

MIRRORED = ("docker.io", "gcr.io", "ghcr.io", "quay.io", "nvcr.io", "registry.k8s.io", "reg.kyverno.io")
PAUSE = "registry.k8s.io/pause:3.10"


def registry(storage: Path, plan: Plan) -> str:
    return json.dumps(
        {
            "version": "0.1",
            "log": {"level": "warn", "accesslog": {"disabled": True}},
            "storage": {"filesystem": {"rootdirectory": str(storage)}},
            "http": {"addr": plan.registry},
        }
    )


def mirror(registry_name: str, plan: Plan) -> str:
    """hosts.toml of one registry. `server` names the mirror too, or a missing image would be asked of the real one."""
    url = f"http://{plan.registry}/v2/{registry_name}"
    return f"""server = "{url}"
override_path = true
[host."{url}"]
  capabilities = ["pull", "resolve"]
  override_path = true
"""


def containerd(folder: Folder, cni_bin: Path, runc: Path, *, cri: bool = True) -> str:
    """Without cri it serves only `ctr`, to clear up what a stopped cluster left in the store."""
    disabled = "" if cri else 'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n'
    plugin = 'plugins."io.containerd.grpc.v1.cri"'
    return f"""version = 2
{disabled}root = "{folder.containerd_root}"
state = "{folder.run / "containerd"}"
oom_score = 0
[grpc]
  address = "{folder.containerd_socket}"
[{plugin}]
  sandbox_image = "{PAUSE}"
  restrict_oom_score_adj = true
  disable_apparmor = true
  max_concurrent_downloads = 6
  netns_mounts_under_state_dir = true
  [{plugin}.cni]
    bin_dir = "{cni_bin}"
    conf_dir = "{folder.config / "cni"}"
  [{plugin}.containerd]
    snapshotter = "overlayfs"
    discard_unpacked_layers = true
    [{plugin}.containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [{plugin}.containerd.runtimes.runc.options]
        BinaryName = "{runc}"
  [{plugin}.registry]
    config_path = "{folder.config / "certs.d"}"
"""


def cni(folder: Folder, plan: Plan) -> str:
    ipam = {
        "type": "host-local",
        "dataDir": str(folder.run / "cni"),
        "ranges": [[{"subnet": plan.pod_cidr}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    bridge = {"type": "bridge", "bridge": "cni0", "isGateway": True, "ipMasq": True, "hairpinMode": True, "ipam": ipam}
    portmap = {"type": "portmap", "capabilities": {"portMappings": True}}
    return json.dumps({"cniVersion": "1.0.0", "name": plan.name, "plugins": [bridge, portmap]})


def kubelet(folder: Folder, plan: Plan) -> str:
    pki = folder.pki
    return json.dumps(
        {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": str(pki / "ca.crt")},
            },
            "authorization": {"mode": "Webhook"},
            "tlsCertFile": str(pki / "kubelet.crt"),
            "tlsPrivateKeyFile": str(pki / "kubelet.key"),
            "containerRuntimeEndpoint": f"unix://{folder.containerd_socket}",
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{plan.cgroup}",
            "cgroupsPerQOS": True,
            "enforceNodeAllocatable": [],
            "failSwapOn": False,
            "failCgroupV1": False,
            "address": plan.node_ip,
            "clusterDNS": [plan.dns_ip],
            "clusterDomain": "cluster.local",
            "resolvConf": str(folder.config / "resolv.conf"),
            "podLogsDir": str(folder.run / "podlogs"),
            "imageGCHighThresholdPercent": 100,
            "evictionHard": {"nodefs.available": "1%", "imagefs.available": "1%", "memory.available": "100Mi"},
            "maxPods": 250,
            "oomScoreAdj": 0,
            "registryPullQPS": 0,
            "serializeImagePulls": False,
            "syncFrequency": "10s",
            "volumeStatsAggPeriod": "-1s",
        }
    )


def write(folder: Folder, plan: Plan, storage: Path, cni_bin: Path, runc: Path) -> None:
    """All files in the cluster's config folder; the same input writes the same files."""
    for path in (folder.config / "cni", folder.run / "cni", folder.run / "podlogs", folder.run / "kubelet"):
        path.mkdir(parents=True, exist_ok=True)
    for name in MIRRORED:
        path = folder.config / "certs.d" / name / "hosts.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(mirror(name, plan))
    (folder.config / "registry.yml").write_text(registry(storage, plan))
    (folder.config / "containerd.toml").write_text(containerd(folder, cni_bin, runc))
    (folder.config / "containerd-plain.toml").write_text(containerd(folder, cni_bin, runc, cri=False))
    (folder.config / "cni" / "10-bridge.conflist").write_text(cni(folder, plan))
    (folder.config / "kubelet.json").write_text(kubelet(folder, plan))
    (folder.config / "resolv.conf").write_text(f"nameserver {plan.dns_ip}\n")
