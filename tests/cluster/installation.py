# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster that is installed by the collection's playbooks, out of a folder of manifests, as a user without a way out does it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import typing as t
from dataclasses import dataclass
from pathlib import Path

import yaml

from tools.cluster import lifecycle, manifests, parts, releases, serving, versions
from tools.cluster.access import Access
from tools.cluster.apply import not_ready

from .waiting import wait_for

ROOT = Path(__file__).resolve().parents[2]
GROUPS = ("knative", "kserve", "keda", "kyverno")
SECONDS = 900


@dataclass(frozen=True)
class Shown:
    """:param seconds: of the whole playbook, Ansible's start included"""

    output: str
    changed: int
    seconds: float

    @property
    def tasks(self) -> int:
        """That were run, those of roles' argument specs among them."""
        return int((re.findall(r"ok=(\d+)", self.output) or ["0"])[-1])

    @property
    def requests(self) -> int:
        """To the API server, of all tasks; needs ``-v``."""
        return sum(int(number) for number in re.findall(r'"requests": (\d+)', self.output))


class Installation:
    def __init__(self, cluster: Access, folder: Path) -> None:
        self.cluster = cluster
        home = cluster.cluster.home
        parts.build(home, list(GROUPS))
        releases.lay_out(folder / "releases", [manifests.release_folder(home, group) for group in GROUPS])
        gateway = {"kind": "Service", "name": "kourier", "namespace": "kourier-system"}
        self.variables: dict[str, t.Any] = {
            "serving_manifests": str(folder / "releases"),
            # The one that the manifest names does not build with this Kubernetes.
            "serving_images": {"quay.io/brancz/kube-rbac-proxy": f":{versions.KUBE_RBAC_PROXY}"},
            "cert_manager_version": versions.CERT_MANAGER,
            "knative_serving_registries_skipping_tag_resolving": ["nvcr.io", "index.docker.io", "gcr.io", "quay.io"],
            "knative_serving_patches": [
                {"target": gateway, "patch": {"spec": {"clusterIP": cluster.cluster.plan.gateway_ip}}}
            ],
        }
        self._environment = {
            **os.environ,
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_NOCOLOR": "1",
            "K8S_AUTH_KUBECONFIG": str(cluster.kubeconfig),
            "PYTHONUNBUFFERED": "1",
        }

    def play(self, name: str, *flags: str, fails: bool = False, **variables: t.Any) -> Shown:
        begun = time.monotonic()
        run = subprocess.run(
            self._command(name, flags, variables),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
            env=self._environment,
            timeout=SECONDS,
        )
        output = run.stdout + run.stderr
        assert (run.returncode != 0) == fails, output
        return Shown(output, int((re.findall(r"changed=(\d+)", output) or ["0"])[-1]), time.monotonic() - begun)

    def kill(self, name: str, when: t.Callable[[], bool], **variables: t.Any) -> None:
        """Starts a playbook and ends it, and all that it has started, without a warning once the condition holds."""
        process = subprocess.Popen(
            self._command(name, (), variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=ROOT,
            env=self._environment,
        )
        try:
            wait_for(
                lambda: process.poll() is not None or when(), bool, timeout=SECONDS, what="the moment to kill", every=0.02
            )
            assert process.poll() is None, "it was over before it could be killed"
        finally:
            for pid in _family(process.pid):
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            process.wait()

    def models(self) -> None:
        """The S3 server with the example models."""
        self.cluster.apply(serving.s3_server())
        wait_for(lambda: not_ready(self.cluster.kube), lambda late: late == [], timeout=240, what="the S3 server is ready")
        lifecycle.upload_examples(self.cluster.cluster)

    @contextlib.contextmanager
    def istio_definitions(self) -> t.Iterator[None]:
        """The kinds of Istio are known for a while, so that the API server judges what net-istio makes of them."""
        kube = self.cluster.kube
        (file,) = Path(self.variables["serving_manifests"]).glob("istio/*/istio.yaml")
        definitions = [document for document in yaml.safe_load_all(file.read_text()) if document]
        for definition in definitions:
            kube.apply(definition)
        place = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/gateways.networking.istio.io"
        wait_for(lambda: established(kube.get(place)), bool, timeout=60, what="Istio's definitions are established")
        yield
        for definition in definitions:
            kube.delete(kube.path_of(definition))

    def s3(self, namespace: str) -> list[dict[str, t.Any]]:
        """For the role kserve's variable kserve_s3."""
        return [
            {
                "namespace": namespace,
                "endpoint": serving.S3_ENDPOINT,
                "use_https": False,
                "access_key": serving.READER[0],
                "secret_key": serving.READER[1],
            }
        ]

    def exists(self, path: str) -> bool:
        status, _body = self.cluster.kube.raw("GET", path)
        return status == 200

    def names(self, path: str) -> set[str]:
        return {item["metadata"]["name"] for item in self.cluster.kube.items(path)}

    def everything(self) -> dict[str, set[str]]:
        """Names of what is not bound to a namespace, and of the namespaces."""
        paths = {
            "namespaces": "/api/v1/namespaces",
            "definitions": "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
            "roles": "/apis/rbac.authorization.k8s.io/v1/clusterroles",
            "bindings": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
            "mutating": "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations",
            "validating": "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations",
            "services": "/apis/apiregistration.k8s.io/v1/apiservices",
            "priorities": "/apis/scheduling.k8s.io/v1/priorityclasses",
            "kube-system roles": "/apis/rbac.authorization.k8s.io/v1/namespaces/kube-system/roles",
            "kube-system bindings": "/apis/rbac.authorization.k8s.io/v1/namespaces/kube-system/rolebindings",
            "kube-system leases": "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases",
        }
        return {name: self.names(path) for name, path in paths.items()}

    def _command(self, name: str, flags: t.Iterable[str], variables: t.Mapping[str, t.Any]) -> list[str]:
        program = str(Path(sys.executable).with_name("ansible-playbook"))
        return [program, f"mlops.serving.{name}", *flags, "-e", json.dumps({**self.variables, **variables})]


def established(definition: t.Mapping[str, t.Any]) -> bool:
    conditions = (definition.get("status") or {}).get("conditions") or []
    return any(one["type"] == "Established" and one["status"] == "True" for one in conditions)


def _family(pid: int) -> list[int]:
    """A process and all that it and they have started."""
    parents: dict[int, int] = {}
    for place in Path("/proc").iterdir():
        if place.name.isdigit():
            try:
                parents[int(place.name)] = int((place / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, IndexError):
                continue
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found
