# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Labels and annotations that the collection writes on an InferenceService, and that a row may not."""

from __future__ import annotations

import typing as t

from .errors import InvalidIntent

__all__ = (
    "AUTOSCALER_ANNOTATION",
    "ENDPOINT_LABEL",
    "MODE_ANNOTATION",
    "PROJECT_LABEL",
    "SCRAPING_ANNOTATION",
    "STOP_ANNOTATION",
    "TAG_ROUTING_ANNOTATION",
    "TEMPLATE_ANNOTATION",
    "TENANT_LABEL",
    "check_not_reserved",
)

TENANT_LABEL = "mlops.tenancy/tenant_id"
PROJECT_LABEL = "mlops.tenancy/project_id"
ENDPOINT_LABEL = "mlops.platform/endpoint_id"
MODE_ANNOTATION = "serving.kserve.io/deploymentMode"
# A digest of all that a revision is made of. KServe makes no revision for a change that says its default aloud (minReplicas: 1,
# a runtime's name, protocolVersion), and a percentage without a new revision sends the traffic to the model before. With it
# every change makes one, and a Deployment's pod template says which rendering it comes from.
TEMPLATE_ANNOTATION = "mlops.platform/template"

AUTOSCALER_ANNOTATION = "serving.kserve.io/autoscalerClass"
SCRAPING_ANNOTATION = "serving.kserve.io/enable-prometheus-scraping"
TAG_ROUTING_ANNOTATION = "serving.kserve.io/enable-tag-routing"
# KServe takes everything away that it has made, and keeps the InferenceService.
STOP_ANNOTATION = "serving.kserve.io/stop"
_FOLLOWS = {
    MODE_ANNOTATION: "runtime_config.deploymentMode",
    AUTOSCALER_ANNOTATION: "runtime_config.autoscalerClass",
    SCRAPING_ANNOTATION: "runtime_config.enablePrometheusScraping",
    STOP_ANNOTATION: "runtime_config.stopped",
    TAG_ROUTING_ANNOTATION: "nothing: every Knative endpoint has it",
    TEMPLATE_ANNOTATION: "what is rendered",
    TENANT_LABEL: "the endpoint's tenant_id",
    PROJECT_LABEL: "the endpoint's project_id",
    ENDPOINT_LABEL: "the endpoint's id",
}


def check_not_reserved(field: str, given: t.Mapping[str, str]) -> None:
    """:raises InvalidIntent: for a key that is written by the collection"""
    for key, value in given.items():
        if key in _FOLLOWS:
            raise InvalidIntent(
                "is written by the collection",
                field=f"{field}.{key}",
                value=value,
                cure=f"leave it out; it follows {_FOLLOWS[key]}",
            )
