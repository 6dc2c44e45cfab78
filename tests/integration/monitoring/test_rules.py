# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Recording rules and alerts by Prometheus' own unit tests: each rule has its figure, each alert fires alone and only where it must."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.mlops.serving.plugins.module_utils._domain.knative_metrics import NAMES

from .conftest import Written, write

HERE = Path(__file__).parent
Promtool = Callable[..., str]

SERVED = 'namespace="ns",inferenceservice="isvc",revision="r1",pod="isvc-predictor-00001-deployment-1"'
OTHER = 'namespace="ns",inferenceservice="isvc",revision="r2",pod="isvc-predictor-00002-deployment-1"'
SECOND = 'namespace="ns",inferenceservice="isvc",revision="r1",pod="isvc-predictor-00001-deployment-2"'
KUBE = 'namespace="ns",pod="isvc-predictor-00001-deployment-1"'
MODEL = 'model="m",version="1"'
COUNT, BUCKET = "kn_serving_invocation_duration_seconds_count", "kn_serving_invocation_duration_seconds_bucket"
WORKER, WORKERS = "mlops_serving_worker", 'namespace="mlops",instance="worker-1"'
# All that the alerts look at, and all well: 10 requests a second, of which 1 % fails, faster than 0.1 s.
GOOD = {
    f'{COUNT}{{{SERVED},http_response_status_code="200"}}': "0+594x40",
    f'{COUNT}{{{SERVED},http_response_status_code="500"}}': "0+6x40",
    f'{BUCKET}{{{SERVED},http_response_status_code="200",le="0.1"}}': "0+600x40",
    f'{BUCKET}{{{SERVED},http_response_status_code="200",le="2.5"}}': "0+600x40",
    f'{BUCKET}{{{SERVED},http_response_status_code="200",le="+Inf"}}': "0+600x40",
    f'{COUNT}{{{OTHER},http_response_status_code="200"}}': "0+12x40",
    f'{COUNT}{{{OTHER},http_response_status_code="500"}}': "0+0x40",
    f'up{{job="queue-proxy",{SERVED}}}': "1x40",
    f'up{{job="model",{SERVED}}}': "1x40",
    f'up{{job="queue-proxy",{SECOND}}}': "1x40",
    f'up{{job="queue-proxy",{OTHER}}}': "1x40",
    f'kube_pod_status_ready{{condition="true",{KUBE}}}': "1x40",
    f'kube_pod_status_phase{{phase="Running",{KUBE}}}': "1x40",
    f'kube_pod_status_scheduled{{condition="false",{KUBE}}}': "0x40",
    f"nv_inference_request_success{{{SERVED},{MODEL}}}": "0+600x40",
    f"nv_inference_request_duration_us{{{SERVED},{MODEL}}}": "0+6000000x40",
    f"nv_inference_queue_duration_us{{{SERVED},{MODEL}}}": "0+600000x40",
    f"nv_inference_pending_request_count{{{SERVED},{MODEL}}}": "5x40",
    f"{WORKER}_oldest_due_seconds{{{WORKERS}}}": "30x40",
    f"{WORKER}_dead_letters{{{WORKERS}}}": "0x40",
    f"{WORKER}_events_unpublished{{{WORKERS}}}": "0x40",
}
STANDARD = {series.replace(',revision="r1"', ""): values for series, values in GOOD.items() if series.startswith("nv_")}

RARE: dict[str, str | None] = {
    f'{COUNT}{{{SERVED},http_response_status_code="200"}}': None,
    f'{COUNT}{{{SERVED},http_response_status_code="500"}}': None,
    f'{COUNT}{{{OTHER},http_response_status_code="200"}}': None,
    f'{COUNT}{{{OTHER},http_response_status_code="500"}}': None,
}

# What is changed in the good world, and which alerts fire then, all of them.
CASES: dict[str, tuple[dict[str, str | None], set[str]]] = {
    "every tenth request fails": (
        {f'{COUNT}{{{SERVED},http_response_status_code="500"}}': "0+66x40"},
        {"ServingEndpointErrors", "ServingRevisionErrors"},
    ),
    "every second one of a candidate with 2 % of the traffic fails": (
        {f'{COUNT}{{{OTHER},http_response_status_code="500"}}': "0+12x40"},
        {"ServingRevisionErrors"},
    ),
    "one request a minute fails": (
        {**RARE, f'{COUNT}{{{SERVED},http_response_status_code="500"}}': "0+1x40"},
        set(),
    ),
    "one request a minute is slow": (
        {
            **RARE,
            f'{COUNT}{{{SERVED},http_response_status_code="200"}}': "0+1x40",
            f'{BUCKET}{{{SERVED},http_response_status_code="200",le="0.1"}}': "0+0x40",
            f'{BUCKET}{{{SERVED},http_response_status_code="200",le="2.5"}}': "0+1x40",
            f'{BUCKET}{{{SERVED},http_response_status_code="200",le="+Inf"}}': "0+1x40",
        },
        set(),
    ),
    "two percent are slower than the objective": (
        {f'{BUCKET}{{{SERVED},http_response_status_code="200",le="0.1"}}': "0+588x40"},
        {"ServingEndpointSlow"},
    ),
    "no pod answers": (
        {series: "0x40" for series in GOOD if series.startswith("up{")},
        {"ServingEndpointDown"},
    ),
    "no pod of the candidate answers": (
        {f'up{{job="queue-proxy",{OTHER}}}': "0x40"},
        {"ServingRevisionNotReady"},
    ),
    "one of two pods does not answer": (
        {f'up{{job="queue-proxy",{SECOND}}}': "0x40"},
        {"ServingPodDown"},
    ),
    "the model of one of two pods does not answer, its queue-proxy does": (
        {f'up{{job="model",{SERVED}}}': "0x40"},
        {"ServingPodDown"},
    ),
    "a pod runs and is not ready": (
        {f'kube_pod_status_ready{{condition="true",{KUBE}}}': "0x40"},
        {"ServingPodNotReady"},
    ),
    "a pod has no node": (
        {
            f'kube_pod_status_ready{{condition="true",{KUBE}}}': "0x40",
            f'kube_pod_status_phase{{phase="Running",{KUBE}}}': "0x40",
            f'kube_pod_status_scheduled{{condition="false",{KUBE}}}': "1x40",
        },
        {"ServingPodUnscheduled"},
    ),
    "a ready pod is no target": (
        {f'up{{job="queue-proxy",{SERVED}}}': None, f'up{{job="model",{SERVED}}}': None},
        {"ServingPodNotScraped"},
    ),
    "Knative does not count": (
        {series: None for series in GOOD if series.startswith("kn_")},
        {"ServingRequestsNotCounted"},
    ),
    "two hundred requests wait in two pods": (
        {f"nv_inference_pending_request_count{{{SERVED},{MODEL}}}": "200x40"},
        {"ServingTritonPending"},
    ),
    "most of the time is the queue, and that is long": (
        {
            f"nv_inference_queue_duration_us{{{SERVED},{MODEL}}}": "0+90000000x40",
            f"nv_inference_request_duration_us{{{SERVED},{MODEL}}}": "0+120000000x40",
        },
        {"ServingTritonQueue"},
    ),
    "one inference a minute is in the queue for most of its time": (
        {
            f"nv_inference_request_success{{{SERVED},{MODEL}}}": "0+1x40",
            f"nv_inference_queue_duration_us{{{SERVED},{MODEL}}}": "0+1000000x40",
            f"nv_inference_request_duration_us{{{SERVED},{MODEL}}}": "0+1200000x40",
        },
        set(),
    ),
    "most of a few milliseconds is the queue, as batching wants it": (
        {f"nv_inference_queue_duration_us{{{SERVED},{MODEL}}}": "0+4000000x40"},
        set(),
    ),
    "an endpoint waits for half an hour": (
        {f"{WORKER}_oldest_due_seconds{{{WORKERS}}}": "1800x40"},
        {"ServingWorkerBehind"},
    ),
    "an event could not be taken in": (
        {f"{WORKER}_dead_letters{{{WORKERS}}}": "1x40"},
        {"ServingDeadLetters"},
    ),
    "an event is not published": (
        {f"{WORKER}_events_unpublished{{{WORKERS}}}": "2x40"},
        {"ServingEventsUnpublished"},
    ),
    "all is well": ({}, set()),
}
# The same in Standard mode, where Triton alone counts.
STANDARD_POD = SERVED.replace(',revision="r1"', "")
STANDARD_CASES: dict[str, tuple[dict[str, str | None], set[str]]] = {
    "all is well in Standard mode": ({}, set()),
    "every second request fails in Standard mode": (
        {f'nv_inference_request_failure{{{STANDARD_POD},{MODEL},reason="BACKEND"}}': "0+600x40"},
        {"ServingEndpointErrors"},
    ),
    "a request takes two seconds in Standard mode": (
        {f"nv_inference_request_duration_us{{{STANDARD_POD},{MODEL}}}": "0+1200000000x40"},
        {"ServingEndpointSlow"},
    ),
}


def verdict(series: dict[str, str], firing: set[str], when: str = "16m") -> dict[str, Any]:
    """A unit test: these alerts fire then, and no other. All but the targets themselves is there twice, as of two scrapes."""
    twice = {name.replace("{", '{job="twice",', 1): v for name, v in series.items() if not name.startswith("up{")}
    return {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in {**series, **twice}.items()],
        "promql_expr_test": [
            {
                "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
                "eval_time": when,
                "exp_samples": [{"labels": f'{{alertname="{alert}"}}', "value": 1} for alert in sorted(firing)],
            }
        ],
    }


def run(promtool: Promtool, rules: Written, folder: Path, *tests: dict[str, Any]) -> None:
    """JSON is YAML."""
    file = folder / "test.yml"
    content = {"rule_files": [str(rules.folder / "rules.yml")], "evaluation_interval": "1m", "tests": list(tests)}
    file.write_text(json.dumps(content))
    promtool("test", "rules", file)


def test_the_rules_are_good_and_nothing_is_left_of_ansibles_templates(written: Written, promtool: Promtool) -> None:
    said = promtool("check", "rules", "--lint-fatal", written.folder / "rules.yml")
    assert f"SUCCESS: {len(written.rules)} rules found" in said
    assert "<<" not in written.text("rules.yml")


def test_every_recording_rule_has_the_figure_that_it_should(
    written: Written, promtool: Promtool, tmp_path: Path
) -> None:
    cases = (HERE / "rules_test.yml").read_text()
    asked = {
        test["expr"]
        for case in yaml.safe_load(cases)["tests"]
        for test in case["promql_expr_test"]
        if test["exp_samples"]
    }
    records = {rule["record"] for rule in written.rules if "record" in rule}
    assert {record for record in records if not any(re.search(rf"{record}\b", expr) for expr in asked)} == set()
    shutil.copy(written.folder / "rules.yml", tmp_path)
    (tmp_path / "rules_test.yml").write_text(cases)
    promtool("test", "rules", tmp_path / "rules_test.yml")


def test_what_two_jobs_scrape_is_counted_once(written: Written, promtool: Promtool, tmp_path: Path) -> None:
    tests = yaml.safe_load((HERE / "rules_test.yml").read_text())["tests"]
    for test in tests:
        for one in list(test["input_series"]):
            if "job=" not in one["series"]:
                test["input_series"].append({**one, "series": one["series"].replace("{", '{job="twice",', 1)})
    run(promtool, written, tmp_path, *tests)


@pytest.mark.parametrize("case", CASES)
def test_an_alert_fires_where_it_must_and_no_other_one(
    written: Written, promtool: Promtool, tmp_path: Path, case: str
) -> None:
    changes, firing = CASES[case]
    series = {name: values for name, values in {**GOOD, **changes}.items() if values is not None}
    # At once nothing fires: every alert waits for a while.
    run(promtool, written, tmp_path, verdict(series, firing), verdict(series, set(), when="4m"))


@pytest.mark.parametrize("case", STANDARD_CASES)
def test_standard_mode(written: Written, promtool: Promtool, tmp_path: Path, case: str) -> None:
    changes, firing = STANDARD_CASES[case]
    series = {name: values for name, values in {**STANDARD, **changes}.items() if values is not None}
    run(promtool, written, tmp_path, verdict(series, firing))


def test_every_alert_fires_in_some_case_and_says_what_to_do(written: Written) -> None:
    alerts = {rule["alert"]: rule for rule in written.rules if "alert" in rule}
    assert set(alerts) == set().union(*(firing for _changes, firing in CASES.values()))
    for name, rule in alerts.items():
        assert rule["labels"]["severity"] in ("critical", "warning"), name
        assert "$labels." in rule["annotations"]["summary"], name
        # Something to type, to look at or to set.
        assert re.search(
            r"kubectl|mlops\.serving\.|revision:|raise|Set |/targets", rule["annotations"]["description"]
        ), name


def test_the_names_are_those_by_which_rollouts_are_judged(written: Written) -> None:
    used = {name for name in NAMES if re.search(rf"\b{name}\b", written.text("rules.yml"))}
    assert used == set(NAMES)


def test_an_endpoint_has_objectives_of_its_own_and_thresholds_are_variables(promtool: Promtool, tmp_path: Path) -> None:
    objectives = [{"namespace": "ns", "inferenceservice": "isvc", "error_ratio": 0.2, "latency_p99": 5}]
    ours = write(tmp_path, monitoring_objectives=objectives, monitoring_alert_labels={"team": "ml"})
    other = {name.replace('inferenceservice="isvc"', 'inferenceservice="other"'): v for name, v in GOOD.items()}
    failing = f'{COUNT}{{{SERVED},http_response_status_code="500"}}'
    slow = f'{BUCKET}{{{SERVED},http_response_status_code="200",le="0.1"}}'
    worse = {**GOOD, failing: "0+66x40", slow: "0+588x40"}
    run(
        promtool,
        ours,
        tmp_path,
        verdict(worse, set()),
        verdict({**worse, failing: "0+240x40"}, {"ServingEndpointErrors", "ServingRevisionErrors"}),
    )
    elsewhere = {**other, failing.replace('"isvc"', '"other"'): "0+66x40"}
    run(promtool, ours, tmp_path, verdict(elsewhere, {"ServingEndpointErrors", "ServingRevisionErrors"}))
    assert all(rule["labels"]["team"] == "ml" for rule in ours.rules if "alert" in rule)
