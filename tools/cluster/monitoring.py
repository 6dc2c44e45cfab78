"""Prometheus that discovers pods: queue-proxies and Triton servers by revision, and whatever carries prometheus.io annotations."""

from __future__ import annotations

import json

from .kube import Json
from .versions import PROMETHEUS

NAMESPACE = "monitoring"
PORT = 9090
_POD = "__meta_kubernetes_pod"


def _labels() -> list[Json]:
    """Labels by which rollouts are judged: revision, InferenceService, namespace, pod."""
    sources = {
        "revision": f"{_POD}_label_serving_knative_dev_revision",
        "inferenceservice": f"{_POD}_label_serving_kserve_io_inferenceservice",
        "namespace": "__meta_kubernetes_namespace",
        "pod": f"{_POD}_name",
    }
    return [{"source_labels": [source], "target_label": target} for target, source in sources.items()]


def _address(port_annotation: str) -> Json:
    return {
        "source_labels": [f"{_POD}_ip", f"{_POD}_annotation_{port_annotation}"],
        "regex": "(.+);(.+)",
        "replacement": "$1:$2",
        "target_label": "__address__",
    }


def configuration() -> Json:
    pods = [{"role": "pod"}]
    queue_proxy = {
        "source_labels": [f"{_POD}_label_serving_knative_dev_revision", f"{_POD}_container_port_name"],
        "regex": ".+;http-usermetric",
        "action": "keep",
    }
    triton = {
        "source_labels": [f"{_POD}_annotation_prometheus_kserve_io_port", f"{_POD}_container_name"],
        "regex": ".+;kserve-container",
        "action": "keep",
    }
    annotated = {"source_labels": [f"{_POD}_annotation_prometheus_io_scrape"], "regex": "true", "action": "keep"}
    path = {
        "source_labels": [f"{_POD}_annotation_prometheus_io_path"],
        "regex": "(.+)",
        "target_label": "__metrics_path__",
    }
    jobs = {
        "queue-proxy": [queue_proxy],
        "triton": [triton, _address("prometheus_kserve_io_port")],
        "pods": [annotated, path, _address("prometheus_io_port")],
    }
    return {
        "global": {"scrape_interval": "2s", "evaluation_interval": "2s"},
        "scrape_configs": [
            {"job_name": name, "kubernetes_sd_configs": pods, "relabel_configs": [*rules, *_labels()]}
            for name, rules in jobs.items()
        ],
    }


def objects() -> list[Json]:
    where = {"name": "prometheus", "namespace": NAMESPACE}
    labels = {"app": "prometheus"}
    rbac = "rbac.authorization.k8s.io"
    rules = [
        {"apiGroups": [""], "resources": ["pods", "services", "endpoints", "nodes"], "verbs": ["get", "list", "watch"]}
    ]
    container = {
        "name": "prometheus",
        "image": f"docker.io/prom/prometheus:{PROMETHEUS}",
        "args": [
            "--config.file=/etc/prometheus/prometheus.yml",
            "--storage.tsdb.path=/data",
            "--storage.tsdb.retention.time=2h",
        ],
        "ports": [{"containerPort": PORT}],
        "readinessProbe": {"httpGet": {"path": "/-/ready", "port": PORT}},
        "volumeMounts": [{"name": "config", "mountPath": "/etc/prometheus"}, {"name": "data", "mountPath": "/data"}],
    }
    pod = {
        "serviceAccountName": "prometheus",
        "containers": [container],
        "volumes": [{"name": "config", "configMap": {"name": "prometheus"}}, {"name": "data", "emptyDir": {}}],
    }
    name = {"name": "prometheus-discovery"}
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": where},
        {"apiVersion": f"{rbac}/v1", "kind": "ClusterRole", "metadata": name, "rules": rules},
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": name,
            "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": name["name"]},
            "subjects": [{"kind": "ServiceAccount", **where}],
        },
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": where,
            "data": {"prometheus.yml": json.dumps(configuration())},
        },
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": where,
            "spec": {
                "replicas": 1,
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": pod},
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": where,
            "spec": {"selector": labels, "ports": [{"name": "web", "port": PORT, "targetPort": PORT}]},
        },
    ]
