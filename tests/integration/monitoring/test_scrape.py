# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The scrape configuration's relabelling on a real Prometheus, fed with what discovery says of pods.

Debian's Prometheus is built without discovery in Kubernetes; tests/cluster/test_monitoring_role.py has one with it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from metrics.conftest import Pages

from .conftest import Prometheus, Written, play, write

POD = "__meta_kubernetes_pod"


def container(address: str, name: str, port: str = "", **more: str) -> dict[str, Any]:
    """What discovery gives for one port of a container of a pod."""
    ip, number = (address, "") if address.count(":") > 1 else (*address.split(":"), "")[:2]
    labels = {
        f"{POD}_ip": ip,
        f"{POD}_name": "isvc-predictor-00001-deployment-1",
        "__meta_kubernetes_namespace": "ns",
        f"{POD}_phase": "Running",
        f"{POD}_container_name": name,
        f"{POD}_label_serving_kserve_io_inferenceservice": "isvc",
        f"{POD}_label_serving_knative_dev_revision": "isvc-predictor-00001",
        **({f"{POD}_container_port_name": port, f"{POD}_container_port_number": number} if port else {}),
        **more,
    }
    return {"targets": [address], "labels": {name: value for name, value in labels.items() if value}}


def fed(written: Written, pods: list[dict[str, Any]], folder: Path) -> dict[str, Any]:
    """The role's configuration, with these pods in the place of discovery."""
    file = folder / "pods.yml"
    file.write_text(yaml.safe_dump(pods))
    jobs = yaml.safe_load(written.text("scrape.yml"))["scrape_configs"]
    for job in jobs:
        assert job.pop("kubernetes_sd_configs")[0]["role"] == "pod"
        job["file_sd_configs"] = [{"files": [str(file)]}]
    return {"global": {"scrape_interval": "1s"}, "scrape_configs": jobs}


def test_queue_proxy_and_model_get_the_labels_by_which_revisions_are_told_apart(
    tmp_path: Path, promtool: Callable[..., str], pages: Pages
) -> None:
    written = write(tmp_path, monitoring_scrape_interval="1s")
    pages.pages["/own"] = pages.pages["/metrics"] = "answers 1\n"
    port = pages.address.partition(":")[2]
    annotated = {f"{POD}_annotation_prometheus_kserve_io_port": port}
    own_path = {**annotated, f"{POD}_annotation_prometheus_kserve_io_path": "/own"}
    standard = {f"{POD}_label_serving_knative_dev_revision": "", f"{POD}_name": "raw-predictor-1"}
    pods = [
        container(pages.address, "queue-proxy", "http-usermetric", **annotated),
        container("127.0.0.1:9090", "queue-proxy", "http-autometric", **annotated),
        # Two ports of the model's container: one target all the same.
        container("127.0.0.1:8080", "kserve-container", "user-port", **own_path),
        container("127.0.0.1:9000", "kserve-container", "grpc", **own_path),
        container("127.0.0.1", "kserve-container", **annotated, **standard),
        container("fd00::1", "kserve-container", **annotated, **{f"{POD}_name": "six"}),
        container(
            "127.0.0.1", "kserve-container", **annotated, **{f"{POD}_name": "ended", f"{POD}_phase": "Succeeded"}
        ),
        container("127.0.0.1", "kserve-container", **{f"{POD}_name": "without-annotation"}),
        container(
            "127.0.0.1:9091",
            "queue-proxy",
            "http-usermetric",
            **{f"{POD}_name": "knative-alone", f"{POD}_label_serving_kserve_io_inferenceservice": ""},
        ),
    ]
    server = Prometheus(tmp_path / "server", fed(written, pods, tmp_path))
    try:
        promtool("check", "config", server.file)
        server.wait_for("up", 4)
        server.wait_for("answers", 3)
        found = sorted(server.get("targets")["activeTargets"], key=lambda one: (one["labels"]["job"], one["scrapeUrl"]))
    finally:
        server.close()
    revision = {"namespace": "ns", "inferenceservice": "isvc", "revision": "isvc-predictor-00001"}
    pod = "isvc-predictor-00001-deployment-1"
    assert [({k: v for k, v in one["labels"].items() if k != "instance"}, one["scrapeUrl"]) for one in found] == [
        (
            {"job": "mlops-serving-model", "namespace": "ns", "inferenceservice": "isvc", "pod": "raw-predictor-1"},
            f"http://127.0.0.1:{port}/metrics",
        ),
        ({"job": "mlops-serving-model", **revision, "pod": pod}, f"http://127.0.0.1:{port}/own"),
        ({"job": "mlops-serving-model", **revision, "pod": "six"}, f"http://[fd00::1]:{port}/metrics"),
        ({"job": "mlops-serving-queue-proxy", **revision, "pod": pod}, f"http://127.0.0.1:{port}/metrics"),
    ]


def test_namespaces_and_intervals_are_variables(tmp_path: Path) -> None:
    written = write(tmp_path, monitoring_watch_namespaces=["a", "b"], monitoring_scrape_interval="30s")
    for job in yaml.safe_load(written.text("scrape.yml"))["scrape_configs"]:
        assert job["scrape_interval"] == "30s"
        assert job["kubernetes_sd_configs"] == [{"role": "pod", "namespaces": {"names": ["a", "b"]}}]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"monitoring_kind": "files"}, "monitoring_folder"),
        ({"monitoring_latency_p99": 12}, "12.0 s could never fire"),
        (
            {"monitoring_objectives": [{"namespace": "a", "inferenceservice": "b", "latency_p99": 10}]},
            "10.0 s could never fire",
        ),
        ({"monitoring_quantiles": [0.5]}, "monitoring_quantiles: 0.99 is missing"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_written(
    tmp_path: Path, given: dict[str, Any], words: str
) -> None:
    out = tmp_path / "out"
    folder = {} if given.get("monitoring_kind") else {"monitoring_kind": "files", "monitoring_folder": str(out)}
    assert words in play(tmp_path, fails=True, **folder, **given).output
    assert not out.exists()


def test_files_change_nothing_twice_check_mode_writes_nothing_and_absent_removes_them(tmp_path: Path) -> None:
    files = {"monitoring_kind": "files", "monitoring_folder": str(tmp_path / "out")}
    play(tmp_path, "--check", **files)
    assert not (tmp_path / "out").exists()
    written = write(tmp_path)
    assert sorted(path.name for path in written.folder.iterdir()) == ["dashboard.json", "rules.yml", "scrape.yml"]
    assert play(tmp_path, **files).changed == 0
    assert play(tmp_path, monitoring_state="absent", **files).changed == 1
    assert list(written.folder.iterdir()) == []
    assert play(tmp_path, monitoring_state="absent", **files).changed == 0
