"""What a workload must not be started before: a pod that starts too early fails, and is then tried ever more seldom.

Without this the cluster comes up too, half a minute later.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from .errors import ClusterError
from .kube import Json, Kube

Check = Callable[[Kube], str]  # empty when it is there, else what is missing
# Envoy asks this Service for its configuration at its start, and waits long before it asks again.
ENDPOINTS = {"3scale-kourier-gateway": ("knative-serving", "net-kourier-controller")}


def checks(manifests: Iterable[Json]) -> dict[str, list[Check]]:
    """Deployments by name, with what each waits for, as far as the manifests themselves tell.

    A Deployment that mounts a Secret which a Certificate is still to become waits for it, and then for all definitions too: such a
    Secret is that of a webhook, and a controller with a webhook ends when it does not find its kinds.
    """
    listed = list(manifests)
    certificates = [
        m for m in listed if str(m["apiVersion"]).startswith("cert-manager.io/") and m["kind"] == "Certificate"
    ]
    made = {(m["metadata"].get("namespace"), m["spec"]["secretName"]) for m in certificates}
    kinds = [kind_served(m) for m in listed if m["kind"] == "CustomResourceDefinition"]
    found: dict[str, list[Check]] = {}
    for manifest in listed:
        if manifest["kind"] != "Deployment":
            continue
        name, namespace = manifest["metadata"]["name"], manifest["metadata"].get("namespace")
        volumes = manifest["spec"]["template"]["spec"].get("volumes", [])
        mounted = [volume.get("secret", {}).get("secretName") for volume in volumes]
        awaited = [secret_there(namespace, secret) for secret in mounted if (namespace, secret) in made]
        if awaited:
            found[name] = [*awaited, *kinds]
        if name in ENDPOINTS:
            found[name] = [endpoints_there(*ENDPOINTS[name])]
    return found


def secret_there(namespace: str, name: str) -> Check:
    def check(kube: Kube) -> str:
        status, _ = kube.raw("GET", f"/api/v1/namespaces/{namespace}/secrets/{name}")
        return "" if status == 200 else f"Secret {namespace}/{name} is not there"

    return check


def kind_served(definition: Json) -> Check:
    """The newest version of a definition is listed by the server: a large one takes seconds after it was accepted."""
    spec = definition["spec"]
    version = [v["name"] for v in spec["versions"] if v.get("served", True)][-1]

    def check(kube: Kube) -> str:
        try:
            known = kube.get(f"/apis/{spec['group']}/{version}")["resources"]
        except ClusterError:
            known = []
        served = any(resource["name"] == spec["names"]["plural"] for resource in known)
        return "" if served else f"{spec['names']['plural']}.{spec['group']} is not served"

    return check


def endpoints_there(namespace: str, name: str) -> Check:
    def check(kube: Kube) -> str:
        try:
            subsets = kube.get(f"/api/v1/namespaces/{namespace}/endpoints/{name}").get("subsets", [])
        except ClusterError:
            subsets = []
        return (
            "" if any(subset.get("addresses") for subset in subsets) else f"Service {namespace}/{name} has no endpoints"
        )

    return check
