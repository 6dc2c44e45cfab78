# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names: of InferenceServices, of namespaces, and the address that a simulated endpoint gets."""

from __future__ import annotations

import re
import typing as t

from .errors import InvalidIntent

__all__ = (
    "LONGEST_NAME",
    "LONGEST_STANDARD_HOST",
    "candidate_names",
    "check_name",
    "check_standard_host",
    "namespace_for",
    "service_name",
    "simulated_url",
)

# With tag routing Knative makes the host latest-<name>-predictor; a DNS label holds 63 characters.
LONGEST_NAME = 46
# In Standard mode KServe makes the host <name>-predictor-<namespace> out of one DNS label.
LONGEST_STANDARD_HOST = 52

_SHORTEST_ID = 8
_NAME = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_PLACEHOLDER = re.compile(r"\{([a-z_][a-z0-9_]*)\}")


def service_name(prefix: str, endpoint_id: str, digits: int = _SHORTEST_ID) -> str:
    """``isvc`` and an id give ``isvc-1a2b3c4d``; more digits where that name is taken."""
    return check_name(f"{prefix}-{_hex(endpoint_id)[:digits]}")


def candidate_names(prefix: str, endpoint_id: str) -> t.Iterator[str]:
    """All names an endpoint may get, the shortest first. The first one that nobody holds is its name.

    :raises InvalidIntent: where not even the shortest is a name
    """
    for digits in range(_SHORTEST_ID, len(_hex(endpoint_id)) + 1):
        if digits > _SHORTEST_ID and len(prefix) + 1 + digits > LONGEST_NAME:
            return
        yield service_name(prefix, endpoint_id, digits)


def check_name(name: str) -> str:
    """KServe wants a lower-case letter first and no dot (inference_service_validation.go); its hosts limit the length."""
    if not _NAME.fullmatch(name):
        raise InvalidIntent(
            "is not a name that KServe accepts",
            field="name",
            value=name,
            cure="use lower-case letters, digits and dashes, starting with a letter (name_prefix gives the start)",
        )
    if len(name) > LONGEST_NAME:
        raise InvalidIntent(
            f"is longer than {LONGEST_NAME} characters, which the host name of a canary cannot hold",
            field="name",
            value=name,
            cure="use a shorter name_prefix",
        )
    return name


def check_standard_host(name: str, namespace: str) -> None:
    if len(name) + len(namespace) > LONGEST_STANDARD_HOST:
        raise InvalidIntent(
            f"name and namespace are {len(name) + len(namespace)} characters together; in Standard mode KServe makes "
            f"one host label of both, which holds {LONGEST_STANDARD_HOST}",
            field="namespace",
            value=f"{namespace}/{name}",
            cure="use a shorter namespace or name_prefix, or set ingress.domainTemplate in KServe's configuration",
        )


def namespace_for(template: str, columns: t.Mapping[str, t.Any]) -> str:
    """A fixed namespace, or a template over the endpoint's row such as ``tenant-{tenant_slug}``."""

    def column(match: re.Match[str]) -> str:
        value = columns.get(match.group(1))
        if value is None or value == "":
            raise InvalidIntent(
                f"names the column {match.group(1)}, which this endpoint's row does not have or which is empty",
                field="namespace",
                value=template,
                cure=f"use one of: {', '.join(sorted(k for k, v in columns.items() if isinstance(v, str) and v))}",
            )
        return str(value).lower()

    namespace = _PLACEHOLDER.sub(column, template)
    if not _NAMESPACE.fullmatch(namespace):
        raise InvalidIntent(
            "is not a Kubernetes namespace name",
            field="namespace",
            value=namespace,
            cure="use at most 63 lower-case letters, digits and dashes",
        )
    return namespace


def simulated_url(name: str) -> str:
    return f"http://{name}.example.local"


def _hex(endpoint_id: str) -> str:
    return endpoint_id.replace("-", "").lower()
