"""What an installer sets on top of the manifests; everything else stays as upstream wrote it."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable

from .addresses import Plan
from .kube import Json

INGRESS_CLASS = "kourier.ingress.networking.knative.dev"
DOMAIN = "example.com"
PATIENCE = 10  # seconds
KNATIVE: dict[str, dict[str, str]] = {
    "config-network": {"ingress-class": INGRESS_CLASS},
    "config-domain": {DOMAIN: ""},
    # Knative would ask the registries itself, from its pod, for each tag's digest.
    "config-deployment": {
        "registries-skipping-tag-resolving": "nvcr.io,index.docker.io,gcr.io,ghcr.io,quay.io,registry.k8s.io"
    },
    "config-observability": {"request-metrics-protocol": "prometheus", "metrics-protocol": "prometheus"},
    "config-autoscaler": {"allow-zero-initial-scale": "true"},
    # Tenants with GPUs need the first two; the platform's pods may carry the others.
    "config-features": {
        "kubernetes.podspec-nodeselector": "enabled",
        "kubernetes.podspec-tolerations": "enabled",
        "kubernetes.podspec-affinity": "enabled",
    },
}


def adjust(manifests: Iterable[Json], plan: Plan) -> list[Json]:
    """Copies of the objects with the settings in them."""
    return [_adjusted(copy.deepcopy(manifest), plan) for manifest in manifests]


def _adjusted(manifest: Json, plan: Plan) -> Json:
    kind, name = manifest["kind"], manifest["metadata"]["name"]
    namespace = manifest["metadata"].get("namespace")
    if kind == "ConfigMap" and namespace == "knative-serving" and name in KNATIVE:
        manifest["data"] = {**manifest.get("data", {}), **KNATIVE[name]}
    elif kind == "ConfigMap" and name == "inferenceservice-config":
        ingress = {
            **json.loads(manifest["data"]["ingress"]),
            "disableIstioVirtualHost": True,
            "ingressClassName": INGRESS_CLASS,
        }
        manifest["data"]["ingress"] = json.dumps(ingress)
        manifest["data"]["deploy"] = json.dumps({"defaultDeploymentMode": "Knative"})
    elif kind == "Service" and namespace == "kourier-system" and name == "kourier":
        manifest["spec"]["clusterIP"] = plan.gateway_ip
    elif kind == "Deployment":
        _probe(manifest)
    elif kind == "HorizontalPodAutoscaler":
        # Admission makes the parts' requests next to nothing: any use is then hundreds of percent, and more of them is no help here.
        manifest["spec"]["maxReplicas"] = manifest["spec"].get("minReplicas", 1)
    return manifest


def _probe(deployment: Json) -> None:
    """First readiness probe after a second, not after up to thirty: a start is ready when it is, not when a delay is over.

    No answer within a second is no sign of death on a machine that does other work too, and a restart makes it busier.
    """
    for container in deployment["spec"]["template"]["spec"]["containers"]:
        for kind in ("livenessProbe", "readinessProbe"):
            if probe := container.get(kind):
                probe["timeoutSeconds"] = max(probe.get("timeoutSeconds", 1), PATIENCE)
        if probe := container.get("readinessProbe"):
            probe.update(initialDelaySeconds=1, periodSeconds=1)
