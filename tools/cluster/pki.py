"""Certificates of a cluster: made by the openssl command, elliptic curve keys, thrown away with the cluster."""

from __future__ import annotations

import base64
import json
import os
from dataclasses import dataclass
from pathlib import Path

from .addresses import Plan
from .shell import run

_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
DAYS = "365"


@dataclass(frozen=True)
class Certificate:
    """subject as openssl writes it ("/O=system:masters/CN=admin"), names as "DNS:x" or "IP:y"."""

    name: str
    subject: str
    names: tuple[str, ...] = ()


def certificates(plan: Plan) -> list[Certificate]:
    dns = (
        "localhost",
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
    )
    addresses = ("127.0.0.1", plan.kubernetes_ip, plan.node_ip)
    return [
        Certificate("apiserver", "/CN=kube-apiserver", (*(f"DNS:{n}" for n in dns), *(f"IP:{a}" for a in addresses))),
        Certificate("admin", "/O=system:masters/CN=admin"),
        Certificate(
            "kubelet",
            f"/O=system:nodes/CN=system:node:{plan.node_name}",
            (f"DNS:{plan.node_name}", f"IP:{plan.node_ip}"),
        ),
        Certificate("controller-manager", "/CN=system:kube-controller-manager"),
        Certificate("scheduler", "/CN=system:kube-scheduler"),
        Certificate("proxy", "/CN=system:kube-proxy"),
        Certificate("apiserver-kubelet-client", "/O=system:masters/CN=apiserver-kubelet-client"),
        Certificate("front-proxy-client", "/CN=front-proxy-client"),
    ]


def request_arguments(certificate: Certificate) -> list[str]:
    name = certificate.name
    return ["req", *_KEY, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", certificate.subject]


def sign_arguments(certificate: Certificate, serial: int) -> list[str]:
    name = certificate.name
    return [
        *("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-days", DAYS),
        *("-set_serial", str(serial), "-out", f"{name}.crt", "-extfile", f"{name}.ext"),
    ]


def extensions(certificate: Certificate) -> str:
    usage = "extendedKeyUsage=serverAuth,clientAuth\n"
    return usage + (f"subjectAltName={','.join(certificate.names)}\n" if certificate.names else "")


def create(folder: Path, plan: Plan) -> None:
    """All keys and certificates in the folder; complete ones are left as they are."""
    done = folder / "complete"
    if done.exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    run(
        [
            "openssl",
            "req",
            "-x509",
            *_KEY,
            "-keyout",
            "ca.key",
            "-out",
            "ca.crt",
            "-subj",
            "/CN=kubernetes-ca",
            "-days",
            DAYS,
        ],
        cwd=folder,
    )
    run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "service-account.key"], cwd=folder)
    run(["openssl", "ec", "-in", "service-account.key", "-pubout", "-out", "service-account.pub"], cwd=folder)
    for certificate in certificates(plan):
        (folder / f"{certificate.name}.ext").write_text(extensions(certificate))
        run(["openssl", *request_arguments(certificate)], cwd=folder)
        serial = int.from_bytes(os.urandom(8), "big") | 1
        run(["openssl", *sign_arguments(certificate, serial)], cwd=folder)
        (folder / f"{certificate.name}.ext").unlink()
        (folder / f"{certificate.name}.csr").unlink()
    done.touch()


def kubeconfig(folder: Path, plan: Plan, user: str) -> str:
    """Text of a kubeconfig with the keys in it (as JSON, which every reader of a kubeconfig takes)."""

    def inline(name: str) -> str:
        return base64.b64encode((folder / name).read_bytes()).decode()

    cluster = {"server": plan.server, "certificate-authority-data": inline("ca.crt")}
    keys = {"client-certificate-data": inline(f"{user}.crt"), "client-key-data": inline(f"{user}.key")}
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": plan.name, "cluster": cluster}],
        "users": [{"name": user, "user": keys}],
        "contexts": [{"name": plan.name, "context": {"cluster": plan.name, "user": user}}],
        "current-context": plan.name,
    }
    return json.dumps(content, indent=1)
