"""Objects of our own in every cluster: DNS, and the policy that makes pods' requests fit two cores."""

from __future__ import annotations

from .addresses import Plan
from .kube import Json
from .versions import COREDNS

TENANT_LABEL = "mlops-saas.io/tenant"
COREFILE = """.:5353 {
    errors
    health :8181
    ready :8182
    kubernetes cluster.local in-addr.arpa {
        pods insecure
        ttl 5
    }
    cache 5
}
"""
_SMALL = (
    "Object{spec: Object.spec{containers: object.spec.containers.map(c, Object.spec.containers{name: c.name, "
    'resources: Object.spec.containers.resources{requests: {"cpu": "1m", "memory": "8Mi"}}})}}'
)


def coredns(plan: Plan) -> list[Json]:
    where = {"name": "coredns", "namespace": "kube-system"}
    labels = {"k8s-app": "kube-dns"}
    container = {
        "name": "coredns",
        "image": f"registry.k8s.io/coredns/coredns:{COREDNS}",
        "args": ["-conf", "/etc/coredns/Corefile"],
        "ports": [{"containerPort": 5353, "protocol": protocol} for protocol in ("UDP", "TCP")],
        "readinessProbe": {"httpGet": {"path": "/ready", "port": 8182}, "periodSeconds": 1},
        "volumeMounts": [{"name": "config", "mountPath": "/etc/coredns"}],
    }
    pod = {
        "serviceAccountName": "coredns",
        "dnsPolicy": "Default",
        "priorityClassName": "system-cluster-critical",
        "containers": [container],
        "volumes": [{"name": "config", "configMap": {"name": "coredns"}}],
    }
    rules = [
        {"apiGroups": [""], "resources": ["endpoints", "services", "pods", "namespaces"], "verbs": ["list", "watch"]},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
    ]
    rbac = "rbac.authorization.k8s.io"
    name = {"name": "system:coredns"}
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": where},
        {"apiVersion": f"{rbac}/v1", "kind": "ClusterRole", "metadata": name, "rules": rules},
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": name,
            "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": "system:coredns"},
            "subjects": [{"kind": "ServiceAccount", **where}],
        },
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": where, "data": {"Corefile": COREFILE}},
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {**where, "labels": labels},
            "spec": {
                "replicas": 1,
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": pod},
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "kube-dns", "namespace": "kube-system", "labels": labels},
            "spec": {
                "clusterIP": plan.dns_ip,
                "selector": labels,
                "ports": [
                    {"name": protocol.lower(), "port": 53, "targetPort": 5353, "protocol": protocol}
                    for protocol in ("UDP", "TCP")
                ],
            },
        },
    ]


def small_requests() -> list[Json]:
    """The parts' own requests add up to more than two cores. Admission makes them tiny, so that the manifests stay as they are.

    Tenants' namespaces and Envoy's are left out: an autoscaler by CPU percent goes mad when the request is next to nothing.
    """
    selector = [
        {"key": TENANT_LABEL, "operator": "DoesNotExist"},
        {"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["kourier-system"]},
    ]
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    group = "admissionregistration.k8s.io/v1beta1"
    name = {"name": "small-requests"}
    return [
        {
            "apiVersion": group,
            "kind": "MutatingAdmissionPolicy",
            "metadata": name,
            "spec": {
                "matchConstraints": {"namespaceSelector": {"matchExpressions": selector}, "resourceRules": [rule]},
                # A pod that asks for an extended resource keeps what it asks for: applying a list of requests merges by name.
                "failurePolicy": "Ignore",
                "reinvocationPolicy": "IfNeeded",
                "mutations": [{"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": _SMALL}}],
            },
        },
        {
            "apiVersion": group,
            "kind": "MutatingAdmissionPolicyBinding",
            "metadata": name,
            "spec": {"policyName": "small-requests"},
        },
    ]


def objects(plan: Plan) -> list[Json]:
    return [*small_requests(), *coredns(plan)]
