"""A running cluster as tests see it: inference, load, breaking and mending its parts, and what to show of a failure."""

from __future__ import annotations

import http.client
import json
import signal
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from . import lifecycle, monitoring, s3, serving
from .apply import apply_all
from .errors import ClusterError
from .inference import Answer, Load, infer
from .kube import ApiError, Json, Kube

Inputs = Mapping[str, Sequence[float]]


@dataclass(frozen=True)
class Access:
    """What a test may do with the cluster."""

    cluster: lifecycle.Cluster

    @property
    def kubeconfig(self) -> Path:
        return self.cluster.folder.kubeconfig

    @property
    def kube(self) -> Kube:
        return self.cluster.kube

    @property
    def gateway(self) -> str:
        """Address of Envoy, host and port."""
        return f"{self.cluster.plan.gateway_ip}:80"

    @property
    def bucket(self) -> s3.Bucket:
        return lifecycle.bucket(self.cluster)

    def infer(self, host: str, model: str, inputs: Inputs) -> Answer:
        """One inference through the gateway. host: as in the InferenceService's URL, without http://."""
        return infer(self.gateway, host, model, inputs)

    def infer_service(self, namespace: str, service: str, model: str, inputs: Inputs) -> Answer:
        """One inference past the gateway, at the address of a Service: Standard mode's Ingress is served by nobody here."""
        spec = self.kube.get(f"/api/v1/namespaces/{namespace}/services/{service}")["spec"]
        return infer(f"{spec['clusterIP']}:{spec['ports'][0]['port']}", service, model, inputs)

    def load(self, host: str, model: str, inputs: Inputs, *, rate: float) -> Load:
        """Constant load through the gateway, to be used in a `with`. rate: requests a second."""
        return Load(self.gateway, host, model, inputs, rate)

    def apply(self, manifests: Iterable[Json]) -> None:
        """Applies all of them as an installer would: namespaces and definitions first, and again what is refused at first."""
        apply_all(self.kube, manifests)

    def prometheus(self, query: str) -> list[tuple[dict[str, str], float]]:
        """Labels and value of each series that the query gives now. Needs the group prometheus."""
        where = f"/api/v1/namespaces/{monitoring.NAMESPACE}/services/prometheus"
        address = self.kube.get(where)["spec"]["clusterIP"]
        connection = http.client.HTTPConnection(address, monitoring.PORT, timeout=30)
        try:
            connection.request("GET", f"/api/v1/query?{urlencode({'query': query})}")
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        if answer.status != 200:
            raise ClusterError(f"Prometheus at {address}: {answer.status} {text[:300].decode(errors='replace')}")
        return [(series["metric"], float(series["value"][1])) for series in json.loads(text)["data"]["result"]]

    def delete_pods(self, namespace: str, selector: str) -> int:
        """Deletes pods at once, as a crash of the node would; returns how many."""
        pods = self.kube.items(f"/api/v1/namespaces/{namespace}/pods", labelSelector=selector)
        for pod in pods:
            path = f"/api/v1/namespaces/{namespace}/pods/{pod['metadata']['name']}"
            self.kube.delete(path, {"gracePeriodSeconds": 0})
        return len(pods)

    @contextmanager
    def paused(self, daemon: str) -> Iterator[None]:
        """Stops a daemon (lifecycle.DAEMONS) in its tracks for the length of the block."""
        self.cluster.daemons.send(daemon, signal.SIGSTOP)
        try:
            yield
        finally:
            self.cluster.daemons.send(daemon, signal.SIGCONT)

    @contextmanager
    def killed(self, daemon: str) -> Iterator[None]:
        """Kills a daemon; it is started again after the block."""
        self.cluster.daemons.stop(daemon, signal.SIGKILL)
        try:
            yield
        finally:
            lifecycle.restart(self.cluster)

    def tell(self, namespace: str, lines: int = 30) -> str:
        """Events and the ends of the pods' logs of a namespace, for the report of a failed test."""
        try:
            return "\n".join([*self._events(namespace), *self._logs(namespace, lines)])
        except (ClusterError, OSError) as error:
            return f"the cluster does not tell: {error}"

    def _events(self, namespace: str) -> list[str]:
        events = self.kube.items(f"/api/v1/namespaces/{namespace}/events")
        events.sort(key=lambda event: event.get("lastTimestamp") or event.get("eventTime") or "")
        return [
            f"{e['type']} {e['involvedObject']['kind']}/{e['involvedObject'].get('name', '')} {e.get('reason', '')}: {e.get('message', '')}"
            for e in events[-40:]
        ]

    def _logs(self, namespace: str, lines: int) -> list[str]:
        told = []
        for pod in self.kube.items(f"/api/v1/namespaces/{namespace}/pods"):
            name, spec = pod["metadata"]["name"], pod["spec"]
            for container in [*spec.get("initContainers", []), *spec["containers"]]:
                path = f"/api/v1/namespaces/{namespace}/pods/{name}/log?container={container['name']}&tailLines={lines}"
                try:
                    text = self.kube.text(path)
                except ApiError as error:
                    text = error.message
                told.append(f"--- {name}/{container['name']} ({pod['status'].get('phase')}):\n{text}")
        return told


@dataclass(frozen=True)
class Space:
    """A namespace of one test, with the right to read the example models."""

    name: str
    storage_uri: str = f"s3://{serving.BUCKET}/triton/add_sub/"
    storage_uri_v2: str = f"s3://{serving.BUCKET}/triton/add_sub_v2/"

    def host(self, isvc: str) -> str:
        """Host header of an InferenceService in Knative mode."""
        return serving.host_of(f"{isvc}-predictor", self.name)


def make_space(access: Access, name: str, labels: dict[str, str] | None = None) -> Space:
    for manifest in serving.serving_namespace(name, labels):
        access.kube.apply(manifest)
    return Space(name)


def remove_space(access: Access, name: str) -> None:
    """Starts the removal; InferenceServices go first, so that their controllers still answer."""
    path = f"/apis/serving.kserve.io/v1beta1/namespaces/{name}/inferenceservices"
    status, _ = access.kube.raw("GET", path)
    if status == 200:
        access.kube.delete(path)
    access.kube.delete(f"/api/v1/namespaces/{name}")


def objects_of(kube: Kube, path: str) -> list[Json]:
    """Items of a list that may not exist because its group is not started."""
    try:
        return kube.items(path)
    except ApiError as error:
        if error.status == 404:
            return []
        raise
