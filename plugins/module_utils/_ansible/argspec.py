# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that modules share, and the object that carries them with their constraints.

Every module is in the action group ``serving`` and in the groups of what it talks to. A group default that a module
does not know is an error, so every module takes ``CONNECTIONS``: the store's, the cluster's and the object store's
options together. That fixes who owns a name: ``host``, ``username``, ``password``, ``ca_cert``, ``client_cert`` and
``client_key`` are the cluster's (kubernetes.core), the store's are ``login_*`` and ``ssl_*`` (community.postgresql, whose
``ca_cert`` is ``login_ca_cert`` here), and ``validate_certs`` is both the cluster's and the object store's.
"""

from __future__ import annotations

import copy
import typing as t
from dataclasses import dataclass, field

from ansible.module_utils.basic import AnsibleModule, env_fallback

Options = dict[str, dict[str, t.Any]]


def env(*names: str) -> tuple[t.Callable[..., t.Any], list[str]]:
    return (env_fallback, list(names))


# No environment fallbacks here: DATABASE_URL and PG* rank below any login_* argument (see connections.store_parameters).
STORE: Options = {
    "database_url": {"type": "str", "no_log": True},
    "login_host": {"type": "str"},
    "login_port": {"type": "int"},
    "login_user": {"type": "str", "aliases": ["login"]},
    "login_password": {"type": "str", "no_log": True},
    "login_db": {"type": "str", "aliases": ["db"]},
    "login_unix_socket": {"type": "path"},
    "login_ca_cert": {"type": "path", "aliases": ["ssl_rootcert"]},
    "ssl_mode": {"type": "str", "choices": ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]},
    "ssl_cert": {"type": "path"},
    "ssl_key": {"type": "path"},
    "connect_params": {"type": "dict"},
}

CLUSTER: Options = {
    "kubeconfig": {"type": "path", "fallback": env("K8S_AUTH_KUBECONFIG")},
    "context": {"type": "str", "fallback": env("K8S_AUTH_CONTEXT")},
    "host": {"type": "str", "fallback": env("K8S_AUTH_HOST")},
    "api_key": {"type": "str", "no_log": True, "fallback": env("K8S_AUTH_API_KEY")},
    "username": {"type": "str", "fallback": env("K8S_AUTH_USERNAME")},
    "password": {"type": "str", "no_log": True, "fallback": env("K8S_AUTH_PASSWORD")},
    "client_cert": {"type": "path", "aliases": ["cert_file"], "fallback": env("K8S_AUTH_CERT_FILE")},
    "client_key": {"type": "path", "aliases": ["key_file"], "no_log": False, "fallback": env("K8S_AUTH_KEY_FILE")},
    "ca_cert": {"type": "path", "aliases": ["ssl_ca_cert"], "fallback": env("K8S_AUTH_SSL_CA_CERT")},
    "validate_certs": {"type": "bool", "aliases": ["verify_ssl"]},
    "proxy": {"type": "str", "fallback": env("K8S_AUTH_PROXY")},
    "no_proxy": {"type": "str", "fallback": env("K8S_AUTH_NO_PROXY")},
    "impersonate_user": {"type": "str", "fallback": env("K8S_AUTH_IMPERSONATE_USER")},
    "impersonate_groups": {"type": "list", "elements": "str", "fallback": env("K8S_AUTH_IMPERSONATE_GROUPS")},
}

ARTIFACTS: Options = {
    "endpoint_url": {
        "type": "str",
        "aliases": ["aws_endpoint_url", "s3_url"],
        "fallback": env("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_URL", "S3_URL"),
    },
    "access_key": {
        "type": "str",
        "aliases": ["aws_access_key_id", "aws_access_key"],
        "no_log": False,
        "fallback": env("AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY"),
    },
    "secret_key": {
        "type": "str",
        "aliases": ["aws_secret_access_key", "aws_secret_key"],
        "no_log": True,
        "fallback": env("AWS_SECRET_ACCESS_KEY", "AWS_SECRET_KEY"),
    },
    "session_token": {
        "type": "str",
        "aliases": ["aws_session_token"],
        "no_log": True,
        "fallback": env("AWS_SESSION_TOKEN"),
    },
    "profile": {"type": "str", "aliases": ["aws_profile"], "fallback": env("AWS_PROFILE", "AWS_DEFAULT_PROFILE")},
    "region": {"type": "str", "aliases": ["aws_region"], "fallback": env("AWS_REGION", "AWS_DEFAULT_REGION")},
    "aws_ca_bundle": {"type": "path", "fallback": env("AWS_CA_BUNDLE")},
    "addressing_style": {"type": "str", "choices": ["auto", "path", "virtual"]},
    "validate_certs": {"type": "bool", "aliases": ["verify_ssl"]},
}

NATS: Options = {
    "nats_servers": {"type": "list", "elements": "str", "fallback": env("NATS_URL")},
    "nats_user": {"type": "str"},
    "nats_password": {"type": "str", "no_log": True},
    "nats_token": {"type": "str", "no_log": True},
    "nats_credentials_file": {"type": "path"},
    "nats_nkey_seed_file": {"type": "path"},
    "nats_tls_ca_file": {"type": "path"},
    "nats_tls_cert_file": {"type": "path"},
    "nats_tls_key_file": {"type": "path", "no_log": False},
}

CONNECTIONS: Options = {**STORE, **CLUSTER, **ARTIFACTS}

DEPLOY: Options = {
    "deploy_mode": {
        "type": "str",
        "choices": ["simulate", "kserve", "k8s"],
        "default": "simulate",
        "fallback": env("DEPLOY_MODE"),
    },
    "namespace": {"type": "str", "default": "mlops-serving", "fallback": env("KSERVE_NAMESPACE")},
    "name_prefix": {"type": "str", "default": "isvc", "fallback": env("KSERVE_NAME_PREFIX")},
    "timeout": {"type": "int", "default": 600, "fallback": env("DEPLOY_TIMEOUT_SECONDS")},
}


@dataclass
class ArgumentSpec:
    """A module's options with the constraints between them; ``merge`` adds a shared group of options."""

    options: Options
    mutually_exclusive: list[tuple[str, ...]] = field(default_factory=list)
    required_together: list[tuple[str, ...]] = field(default_factory=list)
    required_one_of: list[tuple[str, ...]] = field(default_factory=list)
    required_if: list[tuple[t.Any, ...]] = field(default_factory=list)
    required_by: dict[str, t.Any] = field(default_factory=dict)
    supports_check_mode: bool = True

    def merge(self, *groups: Options) -> ArgumentSpec:
        """Add the options of ``groups``; an option that the module itself defines keeps the module's definition."""
        merged: Options = {}
        for group in groups:
            merged.update(copy.deepcopy(group))
        merged.update(self.options)
        self.options = merged
        return self

    def create_module(self) -> AnsibleModule:
        return AnsibleModule(
            argument_spec=self.options,
            mutually_exclusive=self.mutually_exclusive,
            required_together=self.required_together,
            required_one_of=self.required_one_of,
            required_if=self.required_if,
            required_by=self.required_by,
            supports_check_mode=self.supports_check_mode,
        )


def serving_spec(options: Options, *groups: Options, **constraints: t.Any) -> ArgumentSpec:
    """A module's spec: its own ``options``, the connection options that every module takes, and further ``groups``."""
    return ArgumentSpec(options=options, **constraints).merge(CONNECTIONS, *groups)


__all__ = (
    "ARTIFACTS",
    "CLUSTER",
    "CONNECTIONS",
    "DEPLOY",
    "NATS",
    "STORE",
    "ArgumentSpec",
    "Options",
    "env",
    "serving_spec",
)
