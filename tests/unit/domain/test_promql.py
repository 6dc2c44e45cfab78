# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Prometheus' answers mean. That it takes the queries is tested on a real one (tests/integration/metrics)."""

from __future__ import annotations

import pytest
from ansible_collections.mlops.serving.plugins.module_utils._domain.evidence import LATENCY, REQUESTS, Series
from ansible_collections.mlops.serving.plugins.module_utils._domain.knative_metrics import Sample
from ansible_collections.mlops.serving.plugins.module_utils._domain.promql import (
    Found,
    Labelling,
    counters_query,
    read_probe,
    read_vector,
    text,
)

STABLE, CANDIDATE = "x-predictor-00001", "x-predictor-00002"
COUNT = "kn_serving_invocation_duration_seconds_count"


def requests(value: float, status: str = "200", **labels: str) -> Sample:
    return Sample(COUNT, {"http_response_status_code": status, **labels}, value)


@pytest.mark.parametrize(
    ("samples", "found"),
    [
        ([], Found(None, False)),
        ([Sample("up", {"revision": STABLE}, 1)], Found(Labelling.LABEL, False)),
        ([Sample("up", {"revision": STABLE}, 1), Sample(COUNT, {"revision": STABLE}, 1)], Found(Labelling.LABEL, True)),
        ([Sample("target_info", {"kn_revision_name": STABLE}, 1)], Found(Labelling.JOIN, True)),
        ([Sample("revision_app_request_count", {"revision_name": STABLE}, 1)], Found(Labelling.OLD, True)),
        # Both: the label is what somebody has set up.
        (
            [
                Sample("target_info", {"kn_revision_name": STABLE}, 1),
                Sample("target_info", {"kn_revision_name": STABLE, "revision": STABLE}, 1),
            ],
            Found(Labelling.LABEL, True),
        ),
    ],
)
def test_what_the_probe_finds(samples: list[Sample], found: Found) -> None:
    assert read_probe(samples) == found


@pytest.mark.parametrize("labelling", list(Labelling))
def test_the_namespace_is_in_every_selector(labelling: Labelling) -> None:
    query = counters_query(labelling, "team-a", [STABLE])
    selectors = [part.partition("}")[0] for part in query.split("{")[1:]]
    alone = [s for s in selectors if 'namespace="team-a"' not in s and '_name="team-a"' not in s]
    # With a join the counters' own selector is bound by the target_info that it is joined to.
    assert len(alone) == (1 if labelling is Labelling.JOIN else 0)
    assert (" and on (job, instance) target_info{" in query) == (labelling is Labelling.JOIN)


def test_strings_cannot_break_out() -> None:
    assert text('a"} or vector(1) #\\') == '"a\\"} or vector(1) #\\\\"'
    assert 'revision=~"a\\\\.b"' in counters_query(Labelling.LABEL, "ns", ["a.b"])


def test_a_label_leads_to_the_revision() -> None:
    given = [
        requests(5, revision=STABLE, pod="s-1"),
        requests(2, "500", revision=STABLE, pod="s-1"),
        requests(7, revision=CANDIDATE, pod="c-1"),
        requests(9, revision="other", pod="o-1"),
    ]
    reading, missing = read_vector(given, [STABLE, CANDIDATE])
    assert reading == {
        Series(STABLE, "s-1", REQUESTS, "200"): 5,
        Series(STABLE, "s-1", REQUESTS, "500"): 2,
        Series(CANDIDATE, "c-1", REQUESTS, "200"): 7,
    }
    assert missing == []


def test_target_info_leads_to_the_revision() -> None:
    info = {"job": "q", "instance": "10.0.0.1:9091", "kn_revision_name": STABLE, "k8s_pod_name": "s-1"}
    given = [
        requests(5, job="q", instance="10.0.0.1:9091"),
        requests(6, job="q", instance="10.0.0.2:9091"),  # no info: not ours
        Sample("target_info", info, 1),
    ]
    assert read_vector(given, [STABLE]) == ({Series(STABLE, "s-1", REQUESTS, "200"): 5}, [])


def test_triton_is_told_by_its_pod() -> None:
    pod = f"{STABLE}-deployment-6b8d-abc"
    reading, _missing = read_vector([Sample("nv_inference_queue_duration_us", {"pod": pod}, 3e6)], [STABLE, CANDIDATE])
    assert [(series.revision, series.pod) for series in reading] == [(STABLE, pod)]


def test_a_pod_that_is_scraped_twice_counts_once() -> None:
    given = []
    for job, value in (("queue-proxy", 5.0), ("pods", 4.0)):
        where = {"revision": STABLE, "pod": "s-1", "job": job, "instance": "10.0.0.1:9091"}
        given += [
            requests(value, **where),
            requests(1, "500", **where),
            Sample("kn_serving_invocation_duration_seconds_bucket", {"le": "1", **where}, value),
        ]
    reading, _missing = read_vector(given, [STABLE])
    assert reading == {
        Series(STABLE, "s-1", REQUESTS, "200"): 5,
        Series(STABLE, "s-1", REQUESTS, "500"): 1,
        Series(STABLE, "s-1", LATENCY, "1"): 5,
    }


def test_a_target_that_is_down_is_named() -> None:
    given = [
        Sample("up", {"revision": STABLE, "pod": "s-1", "job": "queue-proxy"}, 1),
        Sample("up", {"revision": STABLE, "pod": "s-2", "job": "queue-proxy"}, 0),
    ]
    assert read_vector(given, [STABLE]) == ({}, ["s-2 (queue-proxy)"])
