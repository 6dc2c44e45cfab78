"""Command lines of the control plane and the node, one function a program."""

from __future__ import annotations

from pathlib import Path

from .addresses import Plan
from .layout import Folder

ETCD = "http://127.0.0.1:2379"


def etcd(binary: Path, folder: Folder) -> list[str]:
    return [
        str(binary),
        f"--data-dir={folder.run / 'etcd'}",
        f"--listen-client-urls={ETCD}",
        f"--advertise-client-urls={ETCD}",
        "--listen-peer-urls=http://127.0.0.1:2380",
        "--unsafe-no-fsync",  # the data dies with the cluster
        "--log-level=warn",
    ]


def apiserver(binary: Path, folder: Folder, plan: Plan) -> list[str]:
    pki = folder.pki
    return [
        str(binary),
        f"--etcd-servers={ETCD}",
        "--secure-port=6443",
        f"--bind-address={plan.node_ip}",
        f"--advertise-address={plan.node_ip}",
        f"--tls-cert-file={pki}/apiserver.crt",
        f"--tls-private-key-file={pki}/apiserver.key",
        f"--client-ca-file={pki}/ca.crt",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={pki}/service-account.pub",
        f"--service-account-signing-key-file={pki}/service-account.key",
        f"--service-cluster-ip-range={plan.service_cidr}",
        "--authorization-mode=Node,RBAC",
        "--allow-privileged=true",
        "--kubelet-preferred-address-types=InternalIP",  # or `kubectl logs` asks DNS for the node's name
        f"--kubelet-client-certificate={pki}/apiserver-kubelet-client.crt",
        f"--kubelet-client-key={pki}/apiserver-kubelet-client.key",
        f"--kubelet-certificate-authority={pki}/ca.crt",
        "--enable-aggregator-routing=true",
        f"--requestheader-client-ca-file={pki}/ca.crt",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        f"--proxy-client-cert-file={pki}/front-proxy-client.crt",
        f"--proxy-client-key-file={pki}/front-proxy-client.key",
        "--feature-gates=MutatingAdmissionPolicy=true",
        "--runtime-config=admissionregistration.k8s.io/v1beta1=true",
        "--profiling=false",
    ]


def controller_manager(binary: Path, folder: Folder, plan: Plan) -> list[str]:
    config, pki = folder.config / "controller-manager.conf", folder.pki
    return [
        str(binary),
        f"--kubeconfig={config}",
        f"--authentication-kubeconfig={config}",
        f"--authorization-kubeconfig={config}",
        "--bind-address=127.0.0.1",
        f"--service-account-private-key-file={pki}/service-account.key",
        f"--root-ca-file={pki}/ca.crt",
        "--use-service-account-credentials=true",
        f"--cluster-cidr={plan.pod_cidr}",
        "--leader-elect=false",
        f"--cluster-signing-cert-file={pki}/ca.crt",
        f"--cluster-signing-key-file={pki}/ca.key",
        "--horizontal-pod-autoscaler-sync-period=5s",
        "--profiling=false",
    ]


def scheduler(binary: Path, folder: Folder) -> list[str]:
    config = folder.config / "scheduler.conf"
    return [
        str(binary),
        f"--kubeconfig={config}",
        f"--authentication-kubeconfig={config}",
        f"--authorization-kubeconfig={config}",
        "--bind-address=127.0.0.1",
        "--leader-elect=false",
        "--profiling=false",
    ]


def kubelet(binary: Path, folder: Folder, plan: Plan) -> list[str]:
    return [
        str(binary),
        f"--kubeconfig={folder.config / 'kubelet.conf'}",
        f"--config={folder.config / 'kubelet.json'}",
        f"--hostname-override={plan.node_name}",
        f"--node-ip={plan.node_ip}",
        f"--root-dir={folder.run / 'kubelet'}",
        f"--cert-dir={folder.run / 'kubelet' / 'pki'}",
    ]


def proxy(binary: Path, folder: Folder, plan: Plan) -> list[str]:
    return [
        str(binary),
        f"--kubeconfig={folder.config / 'proxy.conf'}",
        f"--cluster-cidr={plan.pod_cidr}",
        f"--hostname-override={plan.node_name}",
        "--proxy-mode=iptables",
        "--oom-score-adj=0",
        "--conntrack-max-per-core=0",
        "--conntrack-tcp-timeout-established=0",
        "--conntrack-tcp-timeout-close-wait=0",
        "--iptables-min-sync-period=100ms",
        "--metrics-bind-address=127.0.0.1:10249",
        f"--healthz-bind-address={plan.node_ip}:10256",
    ]
