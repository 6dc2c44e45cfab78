# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From module options to what an adapter connects with."""

from __future__ import annotations

import os
import typing as t
from urllib.parse import parse_qsl, unquote, urlsplit

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.parsing.convert_bool import boolean

from .._adapters.store import Store
from .._domain.errors import InvalidIntent
from .argspec import ARTIFACTS, CLUSTER

_LIBPQ_NAMES = {
    "login_host": "host",
    "login_port": "port",
    "login_user": "user",
    "login_password": "password",
    "login_db": "dbname",
    "login_ca_cert": "sslrootcert",
    "ssl_mode": "sslmode",
    "ssl_cert": "sslcert",
    "ssl_key": "sslkey",
}
_SECRET_NAMES = ("password", "sslpassword")


def open_store(module: AnsibleModule) -> Store:
    """Connect to the store that the module's options and environment name; passwords become unprintable first."""
    parameters = store_parameters(module.params, os.environ)
    module.no_log_values.update(str(parameters[name]) for name in _SECRET_NAMES if parameters.get(name))
    return Store.connect(parameters)


def store_parameters(params: t.Mapping[str, t.Any], environ: t.Mapping[str, str]) -> dict[str, t.Any]:
    """libpq parameters: arguments, then ``DATABASE_URL``; what is missing libpq takes from ``PG*`` itself.

    ``DATABASE_URL`` from the environment is left out as a whole when an argument names another server, so that its
    password is never sent there.
    """
    connect_params = params.get("connect_params") or {}
    for name in _SECRET_NAMES:
        if name in connect_params:
            raise InvalidIntent(
                "a secret does not belong here", field=f"connect_params.{name}", cure="use login_password"
            )
    url = params.get("database_url")
    if not url and not params.get("login_host") and not params.get("login_unix_socket"):
        url = environ.get("DATABASE_URL")
    found: dict[str, t.Any] = parse_url(url) if url else {}
    for option, name in _LIBPQ_NAMES.items():
        if params.get(option) is not None:
            found[name] = params[option]
    if params.get("login_unix_socket"):
        found["host"] = params["login_unix_socket"]
    found.update(connect_params)
    return found


def parse_url(url: str) -> dict[str, str]:
    """libpq parameters of a database URL; tolerates SQLAlchemy's ``postgresql+driver`` and its query options."""
    parts = urlsplit(url)
    scheme = parts.scheme.partition("+")[0]
    try:
        port = parts.port
    except ValueError:
        port = -1
    if scheme not in ("postgresql", "postgres") or port == -1:
        raise InvalidIntent(
            "is not the URL of a Postgres database",
            field="database_url",
            cure="write it as postgresql://user:password@host:5432/database",
        )
    found = {
        "host": unquote(parts.hostname or ""),
        "port": str(port or ""),
        "user": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "dbname": unquote(parts.path.lstrip("/")),
    }
    for name, value in parse_qsl(parts.query):
        found["sslmode" if name == "ssl" else name] = value
    return {name: value for name, value in found.items() if value}


def cluster_parameters(module: AnsibleModule) -> dict[str, t.Any]:
    """The cluster's options under their own names, those that are set only; ``validate_certs`` is always there."""
    found = {name: module.params[name] for name in CLUSTER if module.params.get(name) is not None}
    if "validate_certs" not in found:
        found["validate_certs"] = boolean(os.environ.get("K8S_AUTH_VERIFY_SSL", "true"), strict=False)
    return found


def artifacts_parameters(module: AnsibleModule) -> dict[str, t.Any]:
    """The object store's options under their own names, those that are set only; ``validate_certs`` is always there."""
    found = {name: module.params[name] for name in ARTIFACTS if module.params.get(name) is not None}
    found.setdefault("validate_certs", True)
    return found


def deploy_mode(params: t.Mapping[str, t.Any]) -> str:
    """``simulate`` or ``kserve``; the platform's ``k8s`` is the latter."""
    return "simulate" if params["deploy_mode"] == "simulate" else "kserve"


__all__ = (
    "artifacts_parameters",
    "cluster_parameters",
    "deploy_mode",
    "open_store",
    "parse_url",
    "store_parameters",
)
