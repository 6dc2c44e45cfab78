# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a rollout reads of a real canary that fails 30 % of its requests is what the client saw, by revision and status."""

from __future__ import annotations

import copy
import time
import typing as t
import uuid
from dataclasses import dataclass

import pytest
from ansible_collections.mlops.serving.plugins.module_utils._adapters.cluster import KServeCluster
from ansible_collections.mlops.serving.plugins.module_utils._adapters.prometheus import Prometheus
from ansible_collections.mlops.serving.plugins.module_utils._domain.counters import Counts, Ledger
from ansible_collections.mlops.serving.plugins.module_utils._domain.errors import Forbidden, InvalidIntent
from ansible_collections.mlops.serving.plugins.module_utils._domain.evidence import REQUESTS, Reading

from tools.cluster import monitoring
from tools.cluster.access import Access, Space, make_space, remove_space

from .conftest import ROOT, TENANT
from .test_serving import INPUTS, example, ready
from .waiting import wait_for

pytestmark = pytest.mark.groups("triton")

NAME = "judged"
STABLE, CANDIDATE = f"{NAME}-predictor-00001", f"{NAME}-predictor-00002"
PERCENT = 40
SENT = 300
# Of ten requests three are answered with an error, as by a model that cannot cope with some inputs.
FAILING = """
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def initialize(self, args):
        self.seen = 0

    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        self.seen += 1
        if self.seen % 10 < 3:
            return pb_utils.InferenceResponse(error=pb_utils.TritonError("made to fail"))
        left, right = (pb_utils.get_input_tensor_by_name(request, name).as_numpy() for name in ("INPUT0", "INPUT1"))
        return pb_utils.InferenceResponse([pb_utils.Tensor("OUTPUT0", left + right), pb_utils.Tensor("OUTPUT1", left - right)])
"""


@dataclass
class Canary:
    """A service with two revisions that share the traffic; the newer one fails 30 % of its requests."""

    cluster: Access
    space: Space
    kserve: KServeCluster

    def load(self) -> dict[str, dict[str, int]]:
        """Sends requests; how many came back, by revision and status, as the client saw it."""
        with self.cluster.load(self.space.host(NAME), "add_sub", INPUTS, rate=60) as load:
            wait_for(lambda: load.sent, lambda sent: sent >= SENT, timeout=60, what=f"{SENT} requests")
        assert set(load.statuses) == {200, 500}, load.errors
        # Stable never fails, and a good answer names the version that gave it.
        return {
            STABLE: {"200": load.versions["1"]},
            CANDIDATE: {"200": load.versions["2"], "500": load.statuses[500]},
        }


@pytest.fixture(scope="module")
def canary(cluster: Access) -> t.Iterator[Canary]:
    space = make_space(cluster, f"t-{uuid.uuid4().hex[:8]}", TENANT)
    kserve = KServeCluster.connect({"kubeconfig": str(cluster.kubeconfig)})
    try:
        made = Canary(cluster, space, kserve)
        failing = f"triton/{space.name}-failing"
        settings = (ROOT / "examples/triton/model-repository/add_sub_v2/config.pbtxt").read_bytes()
        cluster.bucket.put(f"{failing}/add_sub/config.pbtxt", settings)
        cluster.bucket.put(f"{failing}/add_sub/2/model.py", FAILING.encode())
        newer = example("triton-canary", space)
        newer["metadata"]["name"] = NAME
        newer["spec"]["predictor"]["canaryTrafficPercent"] = PERCENT
        older = copy.deepcopy(newer)
        del older["spec"]["predictor"]["canaryTrafficPercent"]
        older["spec"]["predictor"]["model"]["storageUri"] = space.storage_uri
        newer["spec"]["predictor"]["model"]["storageUri"] = f"{space.storage_uri.split('/triton/')[0]}/{failing}/"
        cluster.kube.apply(older)
        ready(cluster, older)
        cluster.kube.apply(newer)
        wanted = {STABLE: 100 - PERCENT, CANDIDATE: PERCENT}
        wait_for(
            lambda: kserve.observe(space.name, NAME),
            lambda seen: seen.shares == wanted,
            timeout=120,
            what=f"shares {wanted}",
        )
        yield made
    finally:
        kserve.close()
        remove_space(cluster, space.name)


def by_status(before: Reading, after: Reading) -> dict[str, dict[str, int]]:
    """Requests between two readings, by revision and status."""
    found: dict[str, dict[str, int]] = {}
    for series, value in after.items():
        more = round(value - before.get(series, 0))
        if series.counter == REQUESTS and more:
            statuses = found.setdefault(series.revision, {})
            statuses[series.label] = statuses.get(series.label, 0) + more
    return found


def test_pods_tell_what_the_client_saw(canary: Canary) -> None:
    metrics = canary.kserve.metrics(canary.space.name, NAME, triton=True)
    try:
        before = metrics.read([STABLE, CANDIDATE])
        assert len(metrics.answered) == 2
        client = canary.load()
        after = wait_for(
            lambda: metrics.read([STABLE, CANDIDATE]),
            lambda seen: by_status(before, seen) == client,
            timeout=10,
            what=f"the client's counts {client}",
        )
        _ledger, counts = Ledger.start(before).take(after)
        for revision in (STABLE, CANDIDATE):
            counted = counts[revision]
            assert counted.requests == counted.measured == sum(client[revision].values())
            assert counted.failed == client[revision].get("500", 0)
            # A few milliseconds each, in the unit that they should have.
            assert 0.0005 < t.cast(float, counted.mean()) < 1
            assert 0 < counted.queued < counted.busy < counted.requests
        assert metrics.missing == []
    finally:
        metrics.close()


def test_a_reading_takes_less_than_a_tenth_of_a_second(canary: Canary) -> None:
    metrics = canary.kserve.metrics(canary.space.name, NAME)
    try:
        took = []
        for _look in range(15):
            begun = time.perf_counter()
            metrics.read([STABLE, CANDIDATE])
            took.append(time.perf_counter() - begun)
        # The best of several: the machine may be busy with something else.
        assert min(took) < 0.1
    finally:
        metrics.close()


def test_pods_and_the_end_of_one(canary: Canary) -> None:
    kserve, space = canary.kserve, canary.space.name

    def pods(revision: str) -> list[t.Any]:
        return [pod for pod in kserve.pods(space, NAME) if pod.revision == revision and not pod.terminating]

    (first,) = pods(CANDIDATE)
    assert (first.ready, first.restarts, first.failing) == (True, 0, "")
    canary.cluster.delete_pods(space, f"serving.knative.dev/revision={CANDIDATE}")
    wait_for(
        lambda: pods(CANDIDATE),
        lambda seen: len(seen) == 1 and seen[0].ready and seen[0].name != first.name,
        timeout=120,
        what="a new pod",
    )
    # The new pod starts from 0, and what was counted before is not counted again.
    metrics = kserve.metrics(space, NAME)
    try:
        ledger = Ledger.start(metrics.read([STABLE, CANDIDATE]))
        client = canary.load()
        expected = {revision: sum(statuses.values()) for revision, statuses in client.items()}

        def look() -> dict[str, int]:
            _ledger, counts = ledger.take(metrics.read([STABLE, CANDIDATE]))
            return {revision: counted.requests for revision, counted in counts.items()}

        wait_for(look, lambda seen: seen == expected, timeout=10, what=f"the client's counts {expected}")
    finally:
        metrics.close()


def test_the_rule_that_an_error_names_is_the_one_that_is_missing(canary: Canary) -> None:
    user, group = "metrics-reader", "rbac.authorization.k8s.io"
    space = canary.space.name
    options = {"kubeconfig": str(canary.cluster.kubeconfig), "impersonate_user": user}
    binding = {
        "apiVersion": f"{group}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": user, "namespace": space},
        "roleRef": {"apiGroup": group, "kind": "Role", "name": user},
        "subjects": [{"apiGroup": group, "kind": "User", "name": user}],
    }
    role: dict[str, t.Any] = {
        "apiVersion": f"{group}/v1",
        "kind": "Role",
        "metadata": {"name": user, "namespace": space},
        "rules": [],
    }
    canary.cluster.kube.apply(binding)
    for resource, verb in (("pods", "list"), ("pods/proxy", "get")):
        canary.cluster.kube.apply(role)
        reader = KServeCluster.connect(options)
        metrics = reader.metrics(space, NAME)
        rule = f'{{apiGroups: [""], resources: [{resource}], verbs: [{verb}]}}'
        try:

            def refusal(metrics: t.Any = metrics) -> str:
                try:
                    metrics.read([STABLE])
                except Forbidden as error:
                    return str(error)
                return ""

            wait_for(refusal, lambda told, rule=rule: rule in told, timeout=10, what=f"an error that names {rule}")
        finally:
            metrics.close()
            reader.close()
        role["rules"].append({"apiGroups": [""], "resources": [resource], "verbs": [verb]})
    canary.cluster.kube.apply(role)
    reader = KServeCluster.connect(options)
    metrics = reader.metrics(space, NAME)

    def answered() -> list[str]:
        try:
            metrics.read([STABLE])
        except Forbidden:
            return []
        return t.cast("list[str]", metrics.answered)

    try:
        wait_for(answered, lambda seen: len(seen) == 1, timeout=10, what="a reading")
    finally:
        metrics.close()
        reader.close()


@pytest.mark.groups("prometheus")
def test_prometheus_tells_what_the_client_saw(canary: Canary) -> None:
    space = canary.space.name
    where = canary.cluster.kube.get(f"/api/v1/namespaces/{monitoring.NAMESPACE}/services/prometheus")["spec"][
        "clusterIP"
    ]
    prometheus = Prometheus(f"http://{where}:{monitoring.PORT}", namespace=space, service=NAME)
    pods = canary.kserve.metrics(space, NAME)
    revisions = [STABLE, CANDIDATE]
    try:
        # Every pod scraped, and what came before the load with it.
        now = pods.read(revisions)
        before = wait_for(
            lambda: prometheus.read(revisions),
            lambda seen: (
                {s: v for s, v in seen.items() if s in now and s.counter == REQUESTS}
                == {s: v for s, v in now.items() if s.counter == REQUESTS}
            ),
            timeout=30,
            what="the pods' counters",
        )
        client = canary.load()
        after = wait_for(
            lambda: prometheus.read(revisions),
            lambda seen: by_status(before, seen) == client,
            timeout=30,
            what=f"the client's counts {client}",
        )
        direct = pods.read(revisions)
        # The same series under the same names: a rollout may change its source.
        assert {s: v for s, v in after.items() if s in direct} == direct
        counts = Ledger.start(before).take(after)[1]
        assert counts.get(CANDIDATE, Counts()).failed == client[CANDIDATE]["500"]
        name = "kn_serving_invocation_duration_seconds_count"
        own = f'sum({name}{{namespace="{space}",revision="{CANDIDATE}",http_response_status_code="500"}})'
        assert t.cast(float, prometheus.value(own)) >= client[CANDIDATE]["500"]
        with pytest.raises(InvalidIntent, match="series"):
            prometheus.value(f'{name}{{namespace="{space}"}}')
    finally:
        prometheus.close()
        pods.close()
