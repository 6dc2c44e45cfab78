# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module webhook_certificate: a Secret with a certificate that is good, made or renewed where it is not."""

from __future__ import annotations

import base64
import typing as t

from ansible.module_utils.basic import AnsibleModule

from .._adapters.certificates import Issued, issue, usable
from .._adapters.objects import Objects
from .._domain.documents import collect
from .._domain.errors import InvalidIntent
from .connections import cluster_parameters
from .module import Result, diff

__all__ = ("keep",)

_KEYS = {"ca": "ca.crt", "certificate": "tls.crt", "key": "tls.key"}


def keep(module: AnsibleModule, result: Result) -> None:
    params = module.params
    if not 0 <= params["renew_before_days"] < params["days"]:
        raise InvalidIntent(
            "is not shorter than the certificate is good for",
            field="renew_before_days",
            value=params["renew_before_days"],
            cure=f"use less than the {params['days']} days, and not less than 0",
        )
    service, namespace = params["service"], params["namespace"]
    names = [f"{service}.{namespace}.svc", f"{service}.{namespace}.svc.cluster.local", f"{service}.{namespace}"]
    objects = Objects.connect(cluster_parameters(module))
    try:
        secret: dict[str, t.Any] = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": params["name"], "namespace": namespace},
        }
        live = objects.get(collect("definition", [secret])[0])
        found = _opened(live)
        why = usable(found, names[:1], params["renew_before_days"]) if found else "is not there"
        if found and not why:
            result["ca"] = found.ca
            return
        made = issue(names, params["days"])
        result.update(ca=made.ca, changed=True, why=f"Secret {namespace}/{params['name']} {why}")
        module.no_log_values.add(made.key)
        if module._diff:
            before = found.certificate if found else ""
            result["diff"] = [diff(before, made.certificate, header=f"Secret {namespace}/{params['name']}")]
        if not module.check_mode:
            data = {key: base64.b64encode(getattr(made, field).encode()).decode() for field, key in _KEYS.items()}
            (item,) = collect("definition", [{**secret, "type": "kubernetes.io/tls", "data": data}])
            objects.apply(item, live, manager="mlops.serving", force=True)
    finally:
        objects.close()


def _opened(live: dict[str, t.Any] | None) -> Issued | None:
    data = (live or {}).get("data") or {}
    try:
        return Issued(**{field: base64.b64decode(data[key]).decode() for field, key in _KEYS.items()})
    except (KeyError, ValueError):
        return None
