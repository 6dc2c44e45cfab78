# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which cluster is meant, and with which credentials: argument, K8S_AUTH_*, kubeconfig, in-cluster, in this order."""

from __future__ import annotations

import os
import typing as t
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from .._domain.errors import Unavailable

__all__ = ("Connection", "printable", "resolve")

_ENVIRONMENT = {
    "kubeconfig": "K8S_AUTH_KUBECONFIG",
    "context": "K8S_AUTH_CONTEXT",
    "host": "K8S_AUTH_HOST",
    "api_key": "K8S_AUTH_API_KEY",
    "username": "K8S_AUTH_USERNAME",
    "password": "K8S_AUTH_PASSWORD",
    "client_cert": "K8S_AUTH_CERT_FILE",
    "client_key": "K8S_AUTH_KEY_FILE",
    "ca_cert": "K8S_AUTH_SSL_CA_CERT",
    "validate_certs": "K8S_AUTH_VERIFY_SSL",
    "proxy": "K8S_AUTH_PROXY",
    "no_proxy": "K8S_AUTH_NO_PROXY",
    "impersonate_user": "K8S_AUTH_IMPERSONATE_USER",
    "impersonate_groups": "K8S_AUTH_IMPERSONATE_GROUPS",
}
# What belongs to one cluster: taken from the environment together or not at all.
_OF_ONE_CLUSTER = ("host", "api_key", "username", "password", "client_cert", "client_key", "ca_cert")
_FALSE = ("0", "false", "no", "off", "n", "f")
_SERVICE_HOST = "KUBERNETES_SERVICE_HOST"
# Many writes run at once over kept connections; a smaller pool would open a new TLS connection for each.
_POOL = 32


@dataclass(frozen=True)
class Connection:
    """A resolved cluster.

    :param host: its address, without credentials, for results and messages
    :param source: where the address came from, in words
    :param configuration: the ``Configuration`` of the kubernetes library
    :param headers: further headers of each request (impersonation)
    """

    host: str
    source: str
    configuration: t.Any
    headers: tuple[tuple[str, str], ...] = ()


def resolve(options: t.Mapping[str, t.Any], environ: t.Mapping[str, str] | None = None) -> Connection:
    """Find the cluster that options and environment name.

    :param options: kubernetes.core's names (kubeconfig, context, host, api_key ...); what is None or missing is not set
    :raises Unavailable: without the kubernetes library, without any cluster, or for a kubeconfig that cannot be used
    """
    environ = os.environ if environ is None else environ
    library = _library()
    chosen, origin = _gather(options, environ)
    configuration = library.client.Configuration()
    configuration.connection_pool_maxsize = _POOL
    if chosen.get("host") and not chosen.get("kubeconfig") and not chosen.get("context"):
        source = f"{origin['host']}"
    else:
        source = _load(library, configuration, chosen, origin, environ)
    _apply(configuration, chosen)
    return Connection(
        host=printable(configuration.host), source=source, configuration=configuration, headers=_impersonation(chosen)
    )


def printable(host: str) -> str:
    """An address without the credentials that somebody may have put into it."""
    parts = urlsplit(host)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", "")).rstrip("/")


def _library() -> t.Any:
    # Imported here: it takes 0.3 s, which runs without a cluster need not pay.
    try:
        import kubernetes
        import kubernetes.client
        import kubernetes.config
    except ImportError as error:
        raise Unavailable(
            f"the Python library kubernetes cannot be imported ({error})",
            cure="install it with: pip install 'kubernetes>=31'",
        ) from error
    return kubernetes


def _gather(options: t.Mapping[str, t.Any], environ: t.Mapping[str, str]) -> tuple[dict[str, t.Any], dict[str, str]]:
    """Chosen values, and where each came from. A value equal to its variable is counted as the variable's."""
    chosen: dict[str, t.Any] = {}
    origin: dict[str, str] = {}
    for name, variable in _ENVIRONMENT.items():
        given, inherited = options.get(name), environ.get(variable) or None
        if given is not None and str(given) != inherited:
            chosen[name], origin[name] = given, f"the argument {name}"
        elif inherited is not None:
            chosen[name], origin[name] = inherited, variable
    named = any(origin.get(name, "").startswith("the argument") for name in ("kubeconfig", "context"))
    if named:
        # AWX injects a host and a token: they must neither win over a kubeconfig named in the task nor be sent there.
        for name in _OF_ONE_CLUSTER:
            if origin.get(name) == _ENVIRONMENT[name]:
                del chosen[name], origin[name]
    return chosen, origin


def _load(
    library: t.Any,
    configuration: t.Any,
    chosen: dict[str, t.Any],
    origin: dict[str, str],
    environ: t.Mapping[str, str],
) -> str:
    """Fill ``configuration`` from a kubeconfig, else from the pod's service account; returns the source in words."""
    path = chosen.get("kubeconfig") or environ.get("KUBECONFIG") or os.path.join(_home(environ), ".kube", "config")
    files = [os.path.expanduser(part) for part in str(path).split(os.pathsep) if part]
    asked = chosen.get("kubeconfig") is not None or chosen.get("context") is not None
    if asked or any(os.path.isfile(name) for name in files):
        _load_kubeconfig(library, configuration, files, chosen.get("context"))
        where = origin.get("kubeconfig") or ("KUBECONFIG" if environ.get("KUBECONFIG") else "the default place")
        context = f", context {chosen['context']}" if chosen.get("context") else ""
        return f"kubeconfig {os.pathsep.join(files)} ({where}{context})"
    if environ.get(_SERVICE_HOST):
        try:
            library.config.load_incluster_config(client_configuration=configuration)
        except library.config.ConfigException as error:
            raise Unavailable(
                f"the pod's service account cannot be used: {error}",
                cure="mount a service account token, or name the cluster with kubeconfig or host",
            ) from error
        return "the pod's service account"
    raise Unavailable(
        f"no Kubernetes cluster is named: no host, no kubeconfig at {os.pathsep.join(files)}, and not in a pod",
        cure="set kubeconfig or host, or one of K8S_AUTH_KUBECONFIG, K8S_AUTH_HOST and KUBECONFIG",
    )


def _load_kubeconfig(library: t.Any, configuration: t.Any, files: list[str], context: str | None) -> None:
    shown = os.pathsep.join(files)
    if not any(os.path.isfile(name) for name in files):
        raise Unavailable(f"kubeconfig {shown} does not exist", cure="name an existing file with kubeconfig")
    try:
        library.config.load_kube_config(
            config_file=os.pathsep.join(files),
            context=context,
            client_configuration=configuration,
            persist_config=False,
        )
    except Exception as error:  # the library raises its own, yaml's and plain KeyErrors here
        raise Unavailable(
            f"kubeconfig {shown} cannot be used: {str(error).splitlines()[0] if str(error) else type(error).__name__}",
            cure="try it with: kubectl --kubeconfig FILE config view",
        ) from error


def _apply(configuration: t.Any, chosen: dict[str, t.Any]) -> None:
    """Options over what a kubeconfig said, as kubernetes.core does it."""
    if chosen.get("host"):
        host = str(chosen["host"])
        configuration.host = host if "://" in host else f"https://{host}"
    configuration.host = configuration.host.rstrip("/")
    if chosen.get("api_key"):
        configuration.api_key = {"authorization": f"Bearer {chosen['api_key']}"}
        configuration.refresh_api_key_hook = None
    if chosen.get("api_key") or chosen.get("username"):
        # An API server looks at a certificate before a token: a kubeconfig's would win over what was asked for.
        configuration.cert_file = configuration.key_file = None
    for name in ("username", "password", "no_proxy", "proxy"):
        if chosen.get(name):
            setattr(configuration, name, str(chosen[name]))
    for name, attribute in (("client_cert", "cert_file"), ("client_key", "key_file"), ("ca_cert", "ssl_ca_cert")):
        if chosen.get(name):
            path = os.path.expanduser(str(chosen[name]))
            if not os.path.isfile(path):
                raise Unavailable(f"the file {path} does not exist", field=name, cure="name an existing file")
            setattr(configuration, attribute, path)
    # True is also the default that stands for "not set": a kubeconfig's insecure-skip-tls-verify keeps its word then.
    if str(chosen.get("validate_certs", "true")).lower() in _FALSE:
        configuration.verify_ssl = False


def _impersonation(chosen: dict[str, t.Any]) -> tuple[tuple[str, str], ...]:
    groups = chosen.get("impersonate_groups") or ()
    if isinstance(groups, str):
        groups = [group.strip() for group in groups.split(",") if group.strip()]
    user = chosen.get("impersonate_user")
    found = [("Impersonate-User", str(user))] if user else []
    return (*found, *(("Impersonate-Group", str(group)) for group in groups))


def _home(environ: t.Mapping[str, str]) -> str:
    return environ.get("HOME") or os.path.expanduser("~")
