"""Objects of our own for serving: an S3 server in a pod, and a namespace that may read from it.

The keys are no secret: the server is reachable from this machine only, holds test models, and dies with the cluster.
"""

from __future__ import annotations

import json

from .kube import Json
from .settings import DOMAIN
from .versions import SEAWEEDFS

BUCKET = "mlops-artifacts"
REGION = "us-east-1"
S3_NAMESPACE = "mlops-s3"
S3_PORT = 9000
S3_ENDPOINT = f"s3.{S3_NAMESPACE}.svc.cluster.local:{S3_PORT}"
WRITER = ("cluster-writer", "cluster-writer-secret")
READER = ("cluster-reader", "cluster-reader-secret")
SERVING_NAMESPACE = "mlops-serving"
ACCESS = "mlops-s3"  # name of the Secret, and of the ServiceAccount that carries it


def identities() -> Json:
    """Who may do what, in the server's own format."""

    def identity(name: str, keys: tuple[str, str], actions: list[str]) -> Json:
        return {"name": name, "credentials": [{"accessKey": keys[0], "secretKey": keys[1]}], "actions": actions}

    return {
        "identities": [
            identity("writer", WRITER, ["Admin", "Read", "List", "Write", "Tagging"]),
            identity("reader", READER, [f"Read:{BUCKET}", f"List:{BUCKET}"]),
        ]
    }


def s3_server() -> list[Json]:
    where = {"name": "s3", "namespace": S3_NAMESPACE}
    labels = {"app": "s3"}
    arguments = [
        *(
            "mini",
            "-dir=/data",
            "-ip=127.0.0.1",
            "-ip.bind=0.0.0.0",
            "-s3.port=8333",
            "-admin.ui=false",
            "-webdav=false",
        ),
        *("-s3.port.iceberg=0", "-master.telemetry=false", "-s3.config=/etc/s3/s3.json", "-s3.autoCreateBucket=false"),
    ]
    container = {
        "name": "s3",
        "image": f"docker.io/chrislusf/seaweedfs:{SEAWEEDFS}",
        "args": arguments,
        "ports": [{"containerPort": 8333}],
        "readinessProbe": {"tcpSocket": {"port": 8333}, "periodSeconds": 1},
        "volumeMounts": [{"name": "config", "mountPath": "/etc/s3"}, {"name": "data", "mountPath": "/data"}],
    }
    volumes = [{"name": "config", "secret": {"secretName": "s3"}}, {"name": "data", "emptyDir": {}}]
    pod = {"containers": [container], "volumes": volumes, "terminationGracePeriodSeconds": 1}
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": S3_NAMESPACE}},
        {"apiVersion": "v1", "kind": "Secret", "metadata": where, "stringData": {"s3.json": json.dumps(identities())}},
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": where,
            "spec": {
                "replicas": 1,
                "strategy": {"type": "Recreate"},
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": pod},
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": where,
            "spec": {"selector": labels, "ports": [{"name": "s3", "port": S3_PORT, "targetPort": 8333}]},
        },
    ]


def serving_namespace(name: str, labels: dict[str, str] | None = None) -> list[Json]:
    """A namespace whose InferenceServices can load from the bucket.

    The Secret hangs on the namespace's default ServiceAccount too: the platform's InferenceServices name none.
    """
    annotations = {
        "serving.kserve.io/s3-endpoint": S3_ENDPOINT,
        "serving.kserve.io/s3-usehttps": "0",
        "serving.kserve.io/s3-region": REGION,
    }
    keys = {"AWS_ACCESS_KEY_ID": READER[0], "AWS_SECRET_ACCESS_KEY": READER[1]}
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels or {}}},
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": ACCESS, "namespace": name, "annotations": annotations},
            "stringData": keys,
        },
        *(
            {
                "apiVersion": "v1",
                "kind": "ServiceAccount",
                "metadata": {"name": account, "namespace": name},
                "secrets": [{"name": ACCESS}],
            }
            for account in (ACCESS, "default")
        ),
    ]


def host_of(service: str, namespace: str) -> str:
    """Host header under which the gateway knows a Knative service ("<isvc>-predictor")."""
    return f"{service}.{namespace}.{DOMAIN}"


def objects() -> list[Json]:
    return [*s3_server(), *serving_namespace(SERVING_NAMESPACE, {"mlops-saas.io/tenant": "true"})]
