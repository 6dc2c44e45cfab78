# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a revision's pods have counted, asked of the pods themselves through the API server: no monitoring is needed."""

from __future__ import annotations

import typing as t
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

from .._domain.errors import Forbidden, ServingError, Unavailable
from .._domain.evidence import Pod, Reading, Series
from .._domain.knative_metrics import NAMES, TRITON_NAMES, counters
from .._domain.pods import REVISION_LABEL, parse_pods, runs
from .kubernetes_client import KubernetesClient
from .prometheus_text import TextFormat
from .service_reader import ServiceReader

__all__ = ("PodMetrics",)

QUEUE_PROXY_PORT = 9091
TRITON_PORT = 8002

# A pod that answers later than this is left out of the reading: the next one follows soon.
_SECONDS = 5.0
_THREADS = 16
_ACCEPT = "text/plain;version=0.0.4, */*;q=0.1"


class PodMetrics:
    """Counters of queue-proxy and, where asked for, of Triton.

    After each reading ``pods`` are all pods of the service, ``answered`` the names of those whose requests are in
    it, and ``missing`` says which of them did not answer, and why.

    :param triton: read Triton's counters too, for gates on its queue
    """

    name = "pods"

    def __init__(self, client: KubernetesClient, namespace: str, service: str, *, triton: bool = False) -> None:
        self._client = client
        self._reader = ServiceReader(client)
        self._namespace = namespace
        self._service = service
        self._ports = (QUEUE_PROXY_PORT, TRITON_PORT) if triton else (QUEUE_PROXY_PORT,)
        self._format = TextFormat()
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="metrics")
        self.pods: tuple[Pod, ...] = ()
        self.answered: list[str] = []
        self.missing: list[str] = []

    def close(self) -> None:
        """The client belongs to the caller."""
        self._threads.shutdown(wait=False)

    def read(self, revisions: t.Sequence[str]) -> Reading:
        """One list of the pods, then all of them at once.

        :raises Unavailable: where pods of these revisions run and none of them answers
        :raises Forbidden: names the rule that is missing
        """
        try:
            documents = self._reader.pods(self._namespace, self._service)
        except Forbidden as error:
            raise self._forbidden(error, "pods", "list") from error
        self.pods = parse_pods(documents)
        leaving = {pod.name for pod in self.pods if pod.terminating}
        asked: dict[str, str] = {
            document["metadata"]["name"]: document["metadata"]["labels"][REVISION_LABEL]
            for document in documents
            if runs(document) and (document["metadata"].get("labels") or {}).get(REVISION_LABEL) in revisions
        }
        doors = [(name, port) for name in asked for port in self._ports]
        reading: Reading = {}
        silent: dict[tuple[str, int], ServingError] = {}
        for (name, port), answer in zip(doors, self._threads.map(self._ask, doors), strict=True):
            if isinstance(answer, ServingError):
                silent[name, port] = answer
                continue
            for (counter, label), value in answer.items():
                reading[Series(asked[name], name, counter, label)] = value
        self.answered = [name for name in asked if (name, QUEUE_PROXY_PORT) not in silent]
        # One that is about to end may be gone already.
        lost = {door: refusal for door, refusal in silent.items() if door[0] not in leaving}
        self.missing = [refusal.what for refusal in lost.values()]
        for refusal in lost.values():
            if isinstance(refusal, Forbidden):
                raise self._forbidden(refusal, "pods/proxy", "get") from refusal
        if lost and not self.answered:
            raise self._unavailable(next(iter(lost.values())), len(asked)) from next(iter(lost.values()))
        return reading

    def _ask(self, door: tuple[str, int]) -> dict[tuple[str, str], float] | ServingError:
        try:
            return self._page(*door)
        except ServingError as error:
            return error

    def _page(self, name: str, port: int) -> dict[tuple[str, str], float]:
        action = f"read the counters of pod {self._namespace}/{name} at port {port}"
        path = f"/api/v1/namespaces/{quote(self._namespace, safe='')}/pods/{quote(name, safe='')}:{port}/proxy/metrics"
        response = self._client.stream(path, action=action, query={}, read_seconds=_SECONDS, accept=_ACCEPT)
        try:
            page = response.read().decode("utf-8", "replace")
        except Exception as error:  # urllib3's, when the connection breaks or falls silent in the middle
            response.close()
            raise Unavailable(f"cannot {action}: the answer broke off ({type(error).__name__})") from error
        finally:
            response.release_conn()
        try:
            return counters(self._format.samples(page, TRITON_NAMES if port == TRITON_PORT else NAMES))
        except ValueError as error:
            raise Unavailable(f"cannot {action}: it is not in Prometheus' text format ({error})") from error

    def _forbidden(self, refusal: ServingError, resource: str, verb: str) -> Forbidden:
        rule = f'{{apiGroups: [""], resources: [{resource}], verbs: [{verb}]}}'
        return Forbidden(
            refusal.what,
            cure=f"add this rule to a Role of this credential in namespace {self._namespace}: {rule}; or read the counters"
            " from a Prometheus",
        )

    def _unavailable(self, refusal: ServingError, pods: int) -> Unavailable:
        return Unavailable(
            f"{f'none of {pods} pods answers: ' if pods > 1 else ''}{refusal.what}",
            cure="set request-metrics-protocol: prometheus in the ConfigMap config-observability of knative-serving and make"
            " a new revision (Knative 1.19 and later give out nothing by default), or read the counters from a Prometheus",
        )
