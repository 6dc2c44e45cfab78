# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a real cluster tells before an installation: as data, and through the role preflight."""

from __future__ import annotations

import base64
import typing as t
import uuid
from pathlib import Path

import pytest
import yaml
from ansible_collections.mlops.serving.plugins.module_utils._adapters.cluster_survey import survey
from ansible_collections.mlops.serving.plugins.module_utils._adapters.kubernetes_client import KubernetesClient
from ansible_runs import ansible_playbook, write_play

from tools.cluster.access import Access, make_space, remove_space

pytestmark = pytest.mark.groups("base", "knative", "kserve")

TASKS = [{"ansible.builtin.debug": {"msg": "next role sees {{ preflight_result.verdict.level }}"}}]
# What the cluster has, so that nothing is an upgrade.
VERSIONS = {"cert_manager": "1.17.0", "knative_serving": "1.21.1", "kourier": "1.21.0", "kserve": "0.20.0"}


class Counting(KubernetesClient):
    """Remembers what it asks, tries again included."""

    def __init__(self, *arguments: t.Any, **options: t.Any) -> None:
        super().__init__(*arguments, **options)
        self.asked: list[str] = []

    def _send(self, method: str, url: str, *rest: t.Any, **options: t.Any) -> t.Any:
        self.asked.append(f"{method} {url}")
        return super()._send(method, url, *rest, **options)


class Play:
    """Runs the role as a user does."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._playbook = write_play(folder, "preflight", tasks=TASKS)
        self._environment = environment

    def run(self, *arguments: str, fails: bool = False, **variables: t.Any) -> str:
        given = {"preflight_versions": VERSIONS, **variables}
        shown = ansible_playbook(self._playbook, *arguments, own=self._environment, fails=fails, timeout=180, **given)
        assert "changed=0" in shown.output
        return shown.output


def rows(output: str) -> dict[str, list[str]]:
    """The printed table by check: level, found, wanted."""
    lines = [line.strip().rstrip(",").strip('"') for line in output.splitlines()]
    start = next(number for number, line in enumerate(lines) if line.startswith("CHECK "))
    head = lines[start]
    columns = [head.index(title) for title in ("LEVEL", "FOUND", "WANTED")]
    found = {}
    for line in lines[start + 1 : lines.index("]", start)]:
        cells = [line[at:end].strip() for at, end in zip(columns, [*columns[1:], None], strict=True)]
        found[line.split()[0]] = cells
    return found


@pytest.fixture
def play(cluster: Access, tmp_path: Path) -> Play:
    return Play(tmp_path, {"K8S_AUTH_KUBECONFIG": str(cluster.kubeconfig)})


@pytest.fixture
def space(cluster: Access) -> t.Iterator[str]:
    name = f"preflight-{uuid.uuid4().hex[:8]}"
    make_space(cluster, name)
    yield name
    remove_space(cluster, name)


@pytest.fixture
def few_rights(cluster: Access, space: str, tmp_path: Path) -> dict[str, str]:
    """A ServiceAccount's token that may look at InferenceServices of one namespace, and at nothing else."""
    root = f"/api/v1/namespaces/{space}/serviceaccounts"
    cluster.kube.post(root, {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "few"}})
    group = "rbac.authorization.k8s.io"
    rules = [{"apiGroups": ["serving.kserve.io"], "resources": ["inferenceservices"], "verbs": ["get", "list"]}]
    subject = {"kind": "ServiceAccount", "name": "few", "namespace": space}
    named = {"apiVersion": f"{group}/v1", "metadata": {"name": "few", "namespace": space}}
    cluster.apply(
        [
            {**named, "kind": "Role", "rules": rules},
            {
                **named,
                "kind": "RoleBinding",
                "roleRef": {"apiGroup": group, "kind": "Role", "name": "few"},
                "subjects": [subject],
            },
        ]
    )
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}}
    token = cluster.kube.post(f"{root}/few/token", review)["status"]["token"]
    there = yaml.safe_load(cluster.kubeconfig.read_text())["clusters"][0]["cluster"]
    authority = tmp_path / "ca.crt"
    if "certificate-authority-data" in there:
        authority.write_bytes(base64.b64decode(there["certificate-authority-data"]))
    else:
        authority.write_text(Path(there["certificate-authority"]).read_text())
    return {"K8S_AUTH_HOST": there["server"], "K8S_AUTH_API_KEY": token, "K8S_AUTH_SSL_CA_CERT": str(authority)}


@pytest.fixture
def helm_release(cluster: Access, space: str) -> str:
    """Istio as a Helm release has it, scaled to nothing."""
    labels = {"app": "istiod"}
    annotations = {"meta.helm.sh/release-name": "istiod", "meta.helm.sh/release-namespace": space}
    container = {"name": "discovery", "image": "docker.io/istio/pilot:1.27.1"}
    cluster.apply(
        [
            {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": {"name": "istiod", "namespace": space, "labels": labels, "annotations": annotations},
                "spec": {
                    "replicas": 0,
                    "selector": {"matchLabels": labels},
                    "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
                },
            }
        ]
    )
    return space


def test_a_full_cluster_in_a_few_requests(cluster: Access) -> None:
    client = Counting.connect({"kubeconfig": str(cluster.kubeconfig)})
    seen = survey(client, namespace="models")
    client.close()
    assert isinstance(client, Counting)
    # One more each where the Gateway API and the Prometheus operator are known.
    extra = sum("gateway" in one or "monitoring.coreos.com" in one for one in client.asked)
    assert len(client.asked) - extra == 9, (client.asked, seen["unread"])

    nodes = seen["nodes"]
    assert (nodes["count"], nodes["ready"], nodes["schedulable"]) == (1, 1, 1)
    assert sum(nodes["architectures"].values()) == 1
    live = cluster.kube.items("/api/v1/nodes")[0]["status"]["allocatable"]
    assert nodes["allocatable"]["cpu"] == float(live["cpu"])
    assert nodes["allocatable"]["memory"] == int(live["memory"].removesuffix("Ki")) * 1024
    assert 0 < nodes["requested"]["cpu"] < nodes["allocatable"]["cpu"]
    for name in ("cpu", "memory", "pods"):
        assert nodes["free"][name] == pytest.approx(nodes["allocatable"][name] - nodes["requested"][name])
    assert seen["gpus"] == {"allocatable": 0, "nodes": 0, "free": 0}
    assert seen["openshift"] is False
    assert (seen["missing_rights"], seen["missing_install_rights"]) == ([], [])
    components = seen["components"]
    assert (components["kserve"]["version"], components["kserve"]["namespace"]) == ("0.20.0", "kserve")
    assert components["knative_serving"]["version"] == "0.48.1"
    for name in ("cert_manager", "knative_serving", "kourier", "kserve"):
        assert components[name]["present"], name
        assert components[name]["installed_by"] in ("unknown", "mlops.serving")
    assert seen["default_mode"] in ("Knative", "Standard")
    assert set(seen["unread"]) <= {"keda", "kyverno"}, "absent, but nothing that may not be read"


@pytest.mark.parametrize("mode", ["knative", "both"])
def test_the_role_shows_one_table_and_one_verdict(play: Play, mode: str) -> None:
    first = play.run(kserve_mode=mode)
    table = rows(first)
    assert table["kubernetes"] == ["ok", "1.34.3", "1.33 or newer"]
    assert table["rights"] == ["ok", "all", "to install"]
    assert table["nodes"] == ["ok", "1 of 1 ready", "-"]
    assert table["resources"][2] == "nothing new"
    assert table["kserve_version"][0] == "ok"
    assert table["kserve_version"][2] == "0.20.0"
    assert ("metrics_server" in table) == (mode == "both")
    assert f"This cluster can take KServe in mode {mode} and what it needs" in first
    assert "next role sees" in first
    again = rows(play.run("--check", kserve_mode=mode))
    # Pods of other tests come and go.
    assert {**again, "resources": table["resources"]} == table, "check mode tells the same"


def test_all_refusals_are_in_one_message(play: Play, helm_release: str) -> None:
    asked = {**VERSIONS, "kserve": "0.19.0", "istio": "1.27.1"}
    for arguments in ((), ("--check",)):
        output = play.run(*arguments, fails=True, preflight_versions=asked)
        table = rows(output)
        assert (table["kserve_version"][0], table["kserve_version"][2]) == ("refusal", "0.19.0")
        assert table["istio_owner"][:2] == ["refusal", f"helm (release istiod in namespace {helm_release})"]
        assert "This cluster cannot take KServe in mode knative and what it needs: 2 reasons." in output
        assert "KServe 0.19.0 refuses its own first write" in output
        assert "name istio in preflight_provided" in output
        assert "next role sees" not in output

    lived_with = play.run(preflight_versions=asked, preflight_ignore=["kserve_version", "istio_owner"])
    assert "next role sees warning" in lived_with
    assert {rows(lived_with)[name][0] for name in ("kserve_version", "istio_owner")} == {"warning"}

    brought = play.run(preflight_versions={**VERSIONS, "istio": "1.27.1"}, preflight_provided=["istio"])
    assert "istio_owner" not in rows(brought)
    assert rows(brought)["istio_version"] == ["ok", "1.27.1 by helm", "provided"]
    assert rows(brought)["istio_ready"][0] == "warning"


def test_a_credential_with_few_rights(few_rights: dict[str, str], space: str, tmp_path: Path) -> None:
    given = {"host": few_rights["K8S_AUTH_HOST"], "api_key": few_rights["K8S_AUTH_API_KEY"]}
    client = KubernetesClient.connect({**given, "ca_cert": few_rights["K8S_AUTH_SSL_CA_CERT"]})
    seen = survey(client, namespace=space)
    client.close()
    assert seen["kubernetes"] == "1.34.3"
    assert seen["openshift"] is False
    for name in ("nodes", "gpus", "storage"):
        assert seen[name] is None
        assert f"system:serviceaccount:{space}:few" in seen["unread"][name]
    assert seen["components"]["kserve"]["present"] is None
    assert "cannot get resource" in seen["unread"]["kserve"]
    missing = {(one["verb"], one["resource"]) for one in seen["missing_rights"]}
    assert ("patch", "inferenceservices.serving.kserve.io") in missing
    assert ("get", "inferenceservices.serving.kserve.io") not in missing
    assert ("create", "customresourcedefinitions.apiextensions.k8s.io") in {
        (one["verb"], one["resource"]) for one in seen["missing_install_rights"]
    }

    output = Play(tmp_path, few_rights).run(fails=True)
    table = rows(output)
    assert table["rights"][0] == "refusal"
    assert table["kserve_version"] == ["warning", "-", "0.20.0"]
    assert table["nodes"] == ["warning", "-", "-"]
    assert "this credential may not create and patch customresourcedefinitions.apiextensions.k8s.io" in output
    assert few_rights["K8S_AUTH_API_KEY"] not in output


def test_a_wrong_word_is_told_before_the_cluster_is_asked(play: Play) -> None:
    assert "ignore = 'kserve': is unknown" in play.run(fails=True, preflight_ignore=["kserve"])
