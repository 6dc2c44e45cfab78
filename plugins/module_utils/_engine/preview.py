# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Check mode: the first step that a run would take, asked of the cluster as a dry run, and nothing written."""

from __future__ import annotations

import typing as t

from .._domain.convergence import Apply, Converged, Create, Delete, Failed, converge
from .._domain.errors import ServingError
from .._domain.readiness import to_be_stopped
from .deployment import Result, Settings, desired, owned
from .ports import Cluster

__all__ = ("preview",)


def preview(claim: t.Any, cluster: Cluster, settings: Settings, now: float) -> Result:
    """What would become of one endpoint. The claim is rolled back by the caller."""
    endpoint = claim.endpoint
    result = Result(
        endpoint.name, endpoint.id, claim.namespace, claim.name, status=endpoint.status, url=endpoint.url, done=True
    )
    try:
        wanted, rendered = desired(claim, settings, None)
        observed = cluster.observe(claim.namespace, claim.name)
        manifest = rendered.manifest if rendered else None
        result.before, result.after = owned(observed.live, manifest), owned(manifest, manifest)
        result.warnings = list(rendered.warnings) if rendered else []
        result.mode = rendered.mode if rendered else claim.serving_mode
        step = converge(wanted, claim.record, observed, now)
        if isinstance(step, Failed):
            raise step.error
        if isinstance(step, (Create, Apply)):
            cluster.apply(step.manifest, dry_run=True, previous=claim.record.written)
        if isinstance(step, (Create, Apply, Delete)):
            result.writes.append(step.why)
        status = "STOPPED" if rendered is not None and to_be_stopped(rendered.manifest) else "READY"
        result.changed = not isinstance(step, Converged) or endpoint.status != status or endpoint.url != step.url
        result.status = "DELETED" if rendered is None else status
    except ServingError as error:
        result.error = error.at(endpoint.name)
    return result
