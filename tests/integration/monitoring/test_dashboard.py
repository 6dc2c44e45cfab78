# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every panel of the dashboard and every alert on a real Prometheus, where everything happens at once that they are for."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator

import pytest
from ansible_runs import ROOT
from metrics.conftest import START_SECONDS, Pages

from .conftest import Prometheus, Written, write

DASHBOARD = json.loads((ROOT / "roles" / "monitoring" / "files" / "dashboard.json").read_text())
PANELS = [(panel["title"], target["expr"]) for panel in DASHBOARD["panels"] for target in panel["targets"]]
# Every threshold is passed at once.
EAGER = {
    "monitoring_window": "5s",
    "monitoring_rule_interval": "1s",
    "monitoring_alert_for": "0s",
    "monitoring_down_for": "0s",
    "monitoring_error_ratio": 0.01,
    "monitoring_latency_p99": 0.01,
    "monitoring_min_rate": 0.01,
    "monitoring_pending_requests": 1,
    "monitoring_queue_share": 0.1,
}
KUBE_STATE = """
kube_pod_status_ready{namespace="ns",pod="sick-predictor-1",condition="true"} 0
kube_pod_status_phase{namespace="ns",pod="sick-predictor-1",phase="Running"} 1
kube_pod_status_scheduled{namespace="ns",pod="waiting-predictor-1",condition="false"} 1
kube_pod_status_ready{namespace="ns",pod="unseen-predictor-1",condition="true"} 1
"""
WORKER = """
mlops_serving_worker_oldest_due_seconds 100000
mlops_serving_worker_dead_letters 2
mlops_serving_worker_events_unpublished 3
"""


def queue_proxy(at: int) -> str:
    name = "kn_serving_invocation_duration_seconds"
    page = [f'{name}_count{{http_response_status_code="{code}"}} {10 * at}' for code in ("200", "500")]
    for code in ("200", "500"):
        page += [f'{name}_bucket{{http_response_status_code="{code}",le="{le}"}} {10 * at}' for le in ("0.5", "+Inf")]
        page.append(f'{name}_sum{{http_response_status_code="{code}"}} {at}')
    return "\n".join(page) + "\n"


def triton(at: int) -> str:
    model = 'model="m",version="1"'
    counters = {
        "nv_inference_request_success": 10,
        "nv_inference_count": 20,
        "nv_inference_exec_count": 5,
        "nv_inference_request_duration_us": 40000,
        "nv_inference_queue_duration_us": 20000,
        "nv_inference_compute_infer_duration_us": 10000,
    }
    page = [f"{name}{{{model}}} {each * at}" for name, each in counters.items()]
    page += [f'nv_inference_request_failure{{{model},reason="OTHER"}} {at}']
    page += [f"nv_inference_pending_request_count{{{model}}} 9", 'nv_gpu_utilization{gpu_uuid="g"} 0.5']
    page += ['nv_gpu_memory_used_bytes{gpu_uuid="g"} 1e9', 'nv_gpu_memory_total_bytes{gpu_uuid="g"} 4e9']
    return "\n".join(page) + "\n"


def targets() -> dict[str, dict[str, str]]:
    def pod(service: str, revision: str, number: int) -> dict[str, str]:
        name = f"{service}-predictor-0000{revision}"
        return {"namespace": "ns", "inferenceservice": service, "revision": name, "pod": f"{name}-deployment-{number}"}

    return {
        "/stable": pod("busy", "1", 1),
        "/stable-model": pod("busy", "1", 1),
        "/stable-gone": pod("busy", "1", 2),
        "/candidate": pod("busy", "2", 1),
        "/starting-gone": pod("busy", "3", 1),
        "/dark-gone": pod("dark", "1", 1),
        "/mute-model": pod("mute", "1", 1),
        "/kube-state": {},
        "/worker": {"namespace": "workers"},
    }


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Prometheus, Written]]:
    """A Prometheus with the role's rules, once every alert fires."""
    folder = tmp_path_factory.mktemp("busy")
    written, pages = write(folder, **EAGER), Pages()
    configuration = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(written.folder / "rules.yml")],
        "scrape_configs": [
            {
                "job_name": path.strip("/"),
                "metrics_path": path,
                "static_configs": [{"targets": [pages.address], "labels": labels}],
            }
            for path, labels in targets().items()
        ],
    }
    pages.pages |= {"/kube-state": KUBE_STATE, "/worker": WORKER}
    server = Prometheus(folder / "server", configuration)
    wanted = {rule["alert"] for rule in written.rules if "alert" in rule}
    try:
        begun, firing = time.monotonic(), set[str]()
        while firing != wanted:
            seconds = time.monotonic() - begun
            for path in targets():
                if path.endswith("-model"):
                    pages.pages[path] = triton(int(10 * seconds))
                elif path in ("/stable", "/candidate"):
                    pages.pages[path] = queue_proxy(int(10 * seconds))
            try:
                firing = {alert["labels"]["alertname"] for alert in server.get("alerts")["alerts"]}
            except OSError:
                assert server._process.poll() is None, (folder / "server" / "log").read_text()[-2000:]
            assert seconds < START_SECONDS, f"these alerts do not fire: {sorted(wanted - firing)}"
            time.sleep(0.1)
        yield server, written
    finally:
        server.close()
        pages.close()


def test_every_rule_is_evaluated_without_an_error(busy: tuple[Prometheus, Written]) -> None:
    server, written = busy
    rules = [rule for group in server.get("rules")["groups"] for rule in group["rules"]]
    assert len(rules) == len(written.rules)
    assert {rule["name"]: rule["lastError"] for rule in rules if rule.get("lastError")} == {}
    assert {rule["health"] for rule in rules} == {"ok"}


def test_every_alert_is_a_sentence_about_somebody(busy: tuple[Prometheus, Written]) -> None:
    server, _written = busy
    for alert in server.get("alerts")["alerts"]:
        for text in alert["annotations"].values():
            assert not re.search(r"\{\{|<no value>|<error|  |/ | /|\(\)", text.replace(" /targets", "")), text
        named = {alert["labels"].get(label) for label in ("inferenceservice", "revision", "pod")} - {None}
        named = named or {alert["labels"]["namespace"]}  # of workers
        assert any(name in alert["annotations"]["summary"] for name in named), alert


@pytest.mark.parametrize(("title", "expr"), PANELS)
def test_every_expression_of_the_dashboard_gives_something(
    busy: tuple[Prometheus, Written], title: str, expr: str
) -> None:
    server, written = busy
    text = expr.replace("$namespace", "ns").replace("$endpoint", ".+")
    assert "$" not in text
    assert server.query(text), f"{title}: {expr}"
    if title != "Alerts":
        names = {rule.get("record") for rule in written.rules}
        assert set(re.findall(r"\b\w+:\w+:\w+\b", expr)) <= names


def test_variables_of_the_dashboard_find_what_there_is(busy: tuple[Prometheus, Written]) -> None:
    server, _written = busy
    variables = {one["name"]: one for one in DASHBOARD["templating"]["list"]}
    assert list(variables) == ["datasource", "namespace", "endpoint"]
    assert variables["datasource"]["type"] == "datasource"
    for name, expected in (("namespace", {"ns"}), ("endpoint", {"busy", "dark", "mute"})):
        found = re.fullmatch(r"label_values\((.+), (\w+)\)", variables[name]["query"]["query"])
        assert found is not None
        metric, label = found.groups()
        assert {one["metric"][label] for one in server.query(metric.replace("$namespace", "ns"))} == expected


def test_the_dashboard_is_whole() -> None:
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert max(x for x, _y in cells) < 24
        taken |= cells
        for target in panel["targets"]:
            assert target["datasource"]["uid"] == panel["datasource"]["uid"] == "${datasource}"
    # Of whose figures nothing is to be kept: an import makes its own number.
    assert DASHBOARD["id"] is None
