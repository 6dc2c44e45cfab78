"""Versions that appear in image names, package names and module paths: each in one place."""

from __future__ import annotations

CERT_MANAGER = "v1.11.5"
COREDNS = "v1.13.1"
ENVOY_TAG = "v1.36-latest"
KEDA = "2.18.0"
KNATIVE = "v0.48.1"
KOURIER = "v0.48.0"
KSERVE = "v0.20.0"
KUBE_RBAC_PROXY = "v0.19.1"  # KServe's manifest names v0.18.0, which does not build with Kubernetes 1.34
KYVERNO = "v1.18.2"
METRICS_SERVER = "v0.8.0"
PROMETHEUS = "v3.9.1"
SEAWEEDFS = "4.48"
TRITON_TAG = "24.08-py3"
