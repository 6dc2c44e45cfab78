# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster that is installed by the collection's playbooks, out of a folder of manifests, as a user without a way out does it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import typing as t
from pathlib import Path

import yaml
from ansible_collections.mlops.serving.plugins.plugin_utils._processes import descendants
from ansible_runs import ROOT, Shown, ansible_playbook, command, environment

from tools.cluster import lifecycle, order, serving, versions
from tools.cluster.access import Access
from tools.cluster.apply import not_ready

from .role_runs import lay_out_releases
from .waiting import wait_for

__all__ = ("ROOT", "Installation", "Shown")

GROUPS = ("knative", "kserve", "keda", "kyverno")
SECONDS = 900


class Installation:
    def __init__(self, cluster: Access, folder: Path, groups: t.Sequence[str] = GROUPS) -> None:
        self.cluster = cluster
        gateway = {"kind": "Service", "name": "kourier", "namespace": "kourier-system"}
        self.variables: dict[str, t.Any] = {
            "serving_manifests": lay_out_releases(cluster, folder, groups),
            # The one that the manifest names does not build with this Kubernetes.
            "serving_images": {"quay.io/brancz/kube-rbac-proxy": f":{versions.KUBE_RBAC_PROXY}"},
            "cert_manager_version": versions.CERT_MANAGER,
            "knative_serving_registries_skipping_tag_resolving": ["nvcr.io", "index.docker.io", "gcr.io", "quay.io"],
            "knative_serving_patches": [
                {"target": gateway, "patch": {"spec": {"clusterIP": cluster.cluster.plan.gateway_ip}}}
            ],
        }
        self._own = {"K8S_AUTH_KUBECONFIG": str(cluster.kubeconfig)}

    def play(self, name: str, *flags: str, fails: bool = False, **variables: t.Any) -> Shown:
        """A playbook of the collection, by its name."""
        given = {**self.variables, **variables}
        return ansible_playbook(f"mlops.serving.{name}", *flags, own=self._own, fails=fails, timeout=SECONDS, **given)

    def kill(self, name: str, when: t.Callable[[], bool], **variables: t.Any) -> None:
        """Starts a playbook and ends it, and all that it has started, without a warning once the condition holds."""
        process = subprocess.Popen(
            command(f"mlops.serving.{name}", **{**self.variables, **variables}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=ROOT,
            env=environment(self._own),
        )
        try:
            wait_for(
                lambda: process.poll() is not None or when(),
                bool,
                timeout=SECONDS,
                what="the moment to kill",
                every=0.02,
            )
            assert process.poll() is None, "it was over before it could be killed"
        finally:
            for pid in (process.pid, *descendants(process.pid)):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            process.wait()

    def models(self) -> None:
        """The S3 server with the example models."""
        self.cluster.apply(serving.s3_server())
        wait_for(
            lambda: not_ready(self.cluster.kube), lambda late: late == [], timeout=240, what="the S3 server is ready"
        )
        lifecycle.upload_examples(self.cluster.cluster)

    @contextlib.contextmanager
    def istio_definitions(self) -> t.Iterator[None]:
        """The kinds of Istio are known for a while, so that the API server judges what net-istio makes of them."""
        kube = self.cluster.kube
        (file,) = Path(self.variables["serving_manifests"]).glob("istio/*/istio.yaml")
        definitions = [document for document in yaml.safe_load_all(file.read_text()) if document]
        self.cluster.apply(definitions)
        for definition in definitions:
            served = order.kind_served(definition)
            wait_for(
                lambda served=served: served(kube), lambda missing: missing == "", timeout=60, what="Istio's kinds"
            )
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
