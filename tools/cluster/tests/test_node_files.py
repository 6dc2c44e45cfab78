"""Configuration files, certificates and command lines of a cluster."""

from __future__ import annotations

import json
from pathlib import Path

from tools.cluster import controlplane, nodefiles, pki
from tools.cluster.addresses import Plan
from tools.cluster.layout import Folder
from tools.cluster.shell import run

PLAN = Plan("two", 1)
FOLDER = Folder(Path("/state/two"))


def test_a_missing_image_is_never_asked_of_the_real_registry() -> None:
    lines = nodefiles.mirror("quay.io", PLAN).splitlines()
    assert lines[0] == f'server = "http://{PLAN.registry}/v2/quay.io"'
    assert f'[host."http://{PLAN.registry}/v2/quay.io"]' in lines


def test_registry_listens_on_the_node_only() -> None:
    assert json.loads(nodefiles.registry(Path("/r"), PLAN))["http"]["addr"] == f"{PLAN.node_ip}:5000"


def test_containerd_keeps_to_the_cluster_s_folder_and_programs() -> None:
    text = nodefiles.containerd(FOLDER, Path("/cni"), Path("/deb/runc"))
    assert 'root = "/state/two/containerd"' in text
    assert 'BinaryName = "/deb/runc"' in text
    assert 'bin_dir = "/cni"' in text
    assert "disabled_plugins" not in text


def test_containerd_without_the_node_part() -> None:
    assert 'disabled_plugins = ["io.containerd.grpc.v1.cri"]' in nodefiles.containerd(
        FOLDER, Path("/c"), Path("/r"), cri=False
    )


def test_kubelet_stays_below_the_cluster_s_control_group_and_folder() -> None:
    config = json.loads(nodefiles.kubelet(FOLDER, PLAN))
    assert config["cgroupRoot"] == f"/{PLAN.cgroup}"
    assert config["podLogsDir"].startswith("/state/two/")
    assert config["clusterDNS"] == [PLAN.dns_ip]


def test_server_certificate_covers_every_name_it_is_called_by() -> None:
    names = {c.name: c.names for c in pki.certificates(PLAN)}["apiserver"]
    assert {"DNS:kubernetes.default.svc", f"IP:{PLAN.node_ip}", f"IP:{PLAN.kubernetes_ip}", "IP:127.0.0.1"} <= set(
        names
    )


def test_kubelet_certificate_is_that_of_its_node() -> None:
    kubelet = {c.name: c for c in pki.certificates(PLAN)}["kubelet"]
    assert kubelet.subject == f"/O=system:nodes/CN=system:node:{PLAN.node_name}"
    assert f"IP:{PLAN.node_ip}" in kubelet.names


def test_nothing_listens_on_all_addresses() -> None:
    binary = Path("/bin/x")
    lines = [
        controlplane.etcd(binary, FOLDER),
        controlplane.apiserver(binary, FOLDER, PLAN),
        controlplane.controller_manager(binary, FOLDER, PLAN),
        controlplane.scheduler(binary, FOLDER),
        controlplane.proxy(binary, FOLDER, PLAN),
    ]
    assert not [word for line in lines for word in line if "0.0.0.0" in word]


def test_certificates_are_made_once_and_verify(tmp_path: Path) -> None:
    pki.create(tmp_path / "pki", PLAN)
    first = (tmp_path / "pki" / "admin.crt").read_text()
    pki.create(tmp_path / "pki", PLAN)
    assert (tmp_path / "pki" / "admin.crt").read_text() == first
    folder = tmp_path / "pki"
    said = run(["openssl", "verify", "-CAfile", folder / "ca.crt", folder / "apiserver.crt", folder / "kubelet.crt"])
    assert said.count("OK") == 2
    assert folder.stat().st_mode & 0o077 == 0
