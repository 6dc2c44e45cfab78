# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which cluster is meant: argument, K8S_AUTH_*, kubeconfig, in-cluster; and no credential goes to another cluster."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from ansible_collections.mlops.serving.plugins.module_utils._adapters.kubernetes_connection import printable, resolve
from ansible_collections.mlops.serving.plugins.module_utils._domain.errors import Unavailable
from kubernetes.config import incluster_config

TOKEN = "s3cr3t-token"


def kubeconfig(path: Path, host: str, token: str = "of-the-file", **cluster: object) -> str:
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "one",
        "clusters": [
            {"name": "c", "cluster": {"server": host, **cluster}},
            {"name": "d", "cluster": {"server": "https://second.test:6443"}},
        ],
        "users": [{"name": "u", "user": {"token": token}}],
        "contexts": [
            {"name": "one", "context": {"cluster": "c", "user": "u"}},
            {"name": "two", "context": {"cluster": "d", "user": "u"}},
        ],
    }
    path.write_text(json.dumps(config))  # JSON is YAML
    return str(path)


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """An environment without anything that names a cluster."""
    return {"HOME": str(tmp_path)}


def token_of(connection: object) -> str | None:
    settings = connection.configuration.auth_settings().get("BearerToken") or {}
    return settings.get("value")


def test_an_argument_wins_over_the_environment(home: dict[str, str]) -> None:
    found = resolve({"host": "https://argument.test", "api_key": TOKEN}, {**home, "K8S_AUTH_HOST": "https://env.test"})
    assert (found.host, found.source) == ("https://argument.test", "the argument host")
    assert token_of(found) == f"Bearer {TOKEN}"


def test_the_environment_wins_over_a_kubeconfig(home: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / ".kube").mkdir()
    kubeconfig(tmp_path / ".kube" / "config", "https://file.test")
    found = resolve(
        {}, {**home, "K8S_AUTH_HOST": "https://env.test", "K8S_AUTH_API_KEY": TOKEN, "K8S_AUTH_VERIFY_SSL": "no"}
    )
    assert (found.host, found.source) == ("https://env.test", "K8S_AUTH_HOST")
    assert token_of(found) == f"Bearer {TOKEN}"
    assert found.configuration.verify_ssl is False


def test_a_value_that_an_argument_fallback_copied_from_the_environment_is_the_environments(
    home: dict[str, str], tmp_path: Path
) -> None:
    file = kubeconfig(tmp_path / "task", "https://task.test")
    inherited = {"K8S_AUTH_HOST": "https://awx.test", "K8S_AUTH_API_KEY": TOKEN}
    found = resolve({"kubeconfig": file, "host": "https://awx.test", "api_key": TOKEN}, {**home, **inherited})
    assert found.host == "https://task.test"
    assert token_of(found) == "Bearer of-the-file"


def test_credentials_of_the_environment_never_go_to_a_kubeconfig_named_in_the_task(
    home: dict[str, str], tmp_path: Path
) -> None:
    file = kubeconfig(tmp_path / "task", "https://task.test")
    found = resolve({"kubeconfig": file}, {**home, "K8S_AUTH_API_KEY": TOKEN, "K8S_AUTH_HOST": "https://awx.test"})
    assert found.host == "https://task.test"
    assert token_of(found) == "Bearer of-the-file"


def test_a_host_alone_takes_no_credentials_from_a_kubeconfig_that_lies_about(
    home: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / ".kube").mkdir()
    kubeconfig(tmp_path / ".kube" / "config", "https://file.test")
    found = resolve({"host": "http://127.0.0.1:8001"}, home)
    assert token_of(found) is None


def test_a_kubeconfig_wins_over_in_cluster_and_a_context_is_followed(home: dict[str, str], tmp_path: Path) -> None:
    file = kubeconfig(tmp_path / "config", "https://file.test/")
    environ = {**home, "KUBECONFIG": file, "KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443"}
    assert resolve({}, environ).host == "https://file.test"
    second = resolve({"context": "two"}, environ)
    assert second.host == "https://second.test:6443"
    assert file in second.source
    assert "two" in second.source


def test_a_host_beside_a_kubeconfig_replaces_its_address_only(home: dict[str, str], tmp_path: Path) -> None:
    file = kubeconfig(tmp_path / "config", "https://file.test")
    found = resolve({"kubeconfig": file, "host": "bastion.test:6443"}, home)
    assert found.host == "https://bastion.test:6443"
    assert token_of(found) == "Bearer of-the-file"


def test_a_token_is_not_overruled_by_a_certificate_of_the_kubeconfig(home: dict[str, str], tmp_path: Path) -> None:
    file = kubeconfig(tmp_path / "config", "https://file.test")
    config = json.loads(Path(file).read_text())
    (tmp_path / "cert").write_text("a certificate")
    config["users"][0]["user"] = {"client-certificate": str(tmp_path / "cert"), "client-key": str(tmp_path / "cert")}
    Path(file).write_text(json.dumps(config))
    assert resolve({"kubeconfig": file}, home).configuration.cert_file == str(tmp_path / "cert")
    assert resolve({"kubeconfig": file, "api_key": TOKEN}, home).configuration.cert_file is None


def test_an_insecure_kubeconfig_stays_so_unless_told(home: dict[str, str], tmp_path: Path) -> None:
    file = kubeconfig(tmp_path / "config", "https://file.test", **{"insecure-skip-tls-verify": True})
    assert resolve({"kubeconfig": file, "validate_certs": True}, home).configuration.verify_ssl is False


def test_no_cluster_at_all_says_what_was_looked_for(home: dict[str, str]) -> None:
    with pytest.raises(Unavailable, match=r"no Kubernetes cluster is named.*\.kube/config.*K8S_AUTH_KUBECONFIG"):
        resolve({}, home)


@pytest.mark.parametrize("option", ["kubeconfig", "ca_cert", "client_cert"])
def test_a_missing_file_is_named(home: dict[str, str], option: str) -> None:
    with pytest.raises(Unavailable, match="/nowhere/file"):
        resolve({"host": "https://x.test" if option != "kubeconfig" else None, option: "/nowhere/file"}, home)


def test_a_broken_kubeconfig_is_named_without_its_content(home: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "broken"
    file.write_text("users: [{name: u, user: {token: very-secret}}]\ncurrent-context: missing\n")
    with pytest.raises(Unavailable, match="broken cannot be used") as caught:
        resolve({"kubeconfig": str(file)}, home)
    assert "very-secret" not in str(caught.value)


def test_a_token_of_an_exec_plugin_is_used(home: dict[str, str], tmp_path: Path) -> None:
    file = kubeconfig(tmp_path / "config", "https://file.test")
    config = json.loads(Path(file).read_text())
    version = "client.authentication.k8s.io/v1"
    credential = {"kind": "ExecCredential", "apiVersion": version, "status": {"token": "of-the-plugin"}}
    plugin = tmp_path / "plugin.py"
    plugin.write_text(f"print({json.dumps(json.dumps(credential))})")
    run = {"apiVersion": version, "command": sys.executable, "args": [str(plugin)], "interactiveMode": "Never"}
    config["users"][0]["user"] = {"exec": run}
    Path(file).write_text(json.dumps(config))
    assert token_of(resolve({"kubeconfig": file}, home)) == "Bearer of-the-plugin"


def test_in_a_pod_the_service_account_is_used_last(
    home: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_text("of-the-pod")
    (tmp_path / "ca.crt").write_text("a certificate")
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(tmp_path / "token"))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(tmp_path / "ca.crt"))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    found = resolve({}, {**home, "KUBERNETES_SERVICE_HOST": "10.0.0.1"})
    assert (found.host, found.source) == ("https://10.0.0.1:443", "the pod's service account")
    assert str(token_of(found)).lower() == "bearer of-the-pod"
    assert (
        resolve({"host": "https://asked.test"}, {**home, "KUBERNETES_SERVICE_HOST": "10.0.0.1"}).host
        == "https://asked.test"
    )


def test_impersonation_becomes_headers(home: dict[str, str]) -> None:
    environ = {**home, "K8S_AUTH_IMPERSONATE_GROUPS": "a, b"}
    found = resolve({"host": "http://x.test", "impersonate_user": "jane"}, environ)
    assert found.headers == (("Impersonate-User", "jane"), ("Impersonate-Group", "a"), ("Impersonate-Group", "b"))


def test_credentials_in_an_address_are_not_printed() -> None:
    assert printable("https://user:password@api.test:6443/") == "https://api.test:6443"
