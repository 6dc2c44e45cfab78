# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A worker's figures as Prometheus reads them."""

from __future__ import annotations

from ansible_collections.mlops.serving.plugins.module_utils._domain.worker_metrics import EVENTS, PREFIX, WorkerMetrics


def samples(text: str) -> dict[str, float]:
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return {line.rpartition(" ")[0].removeprefix(PREFIX): float(line.rpartition(" ")[2]) for line in lines}


def test_outcomes_and_the_histogram_of_seconds() -> None:
    metrics = WorkerMetrics()
    metrics.observe("ready", 0.2)
    metrics.observe("ready", 700.0)
    metrics.observe("failed", 0.25)
    found = samples(metrics.text({}))
    assert found['endpoints_total{outcome="ready"}'] == 2
    assert found['endpoints_total{outcome="failed"}'] == 1
    assert found['endpoints_total{outcome="deleted"}'] == 0
    assert [found[f'endpoint_seconds_bucket{{le="{limit}"}}'] for limit in ("0.1", "0.25", "600", "+Inf")] == [0, 2, 2, 3]
    assert found["endpoint_seconds_count"] == 3
    assert abs(found["endpoint_seconds_sum"] - 700.45) < 1e-6
    assert metrics.outcomes["ready"] == 2


def test_figures_that_are_not_known_are_left_out() -> None:
    found = samples(WorkerMetrics().text({"sweeps_total": 4, "oldest_due_seconds": 12.5}))
    assert found["sweeps_total"] == 4
    assert found["oldest_due_seconds"] == 12.5
    assert "dead_letters" not in found


def test_events_are_told_together_or_not_at_all() -> None:
    known = {f"events_{name}": float(number) for number, name in enumerate(EVENTS, 1)}
    found = samples(WorkerMetrics().text(known))
    assert [found[f'events_total{{result="{name}"}}'] for name in EVENTS] == [1, 2, 3, 4]
    known.popitem()
    assert "events_total" not in WorkerMetrics().text(known)


def test_each_metric_has_its_type_before_its_samples() -> None:
    lines = WorkerMetrics().text({"sweeps_total": 1, "endpoints_due": 2}).splitlines()
    kinds = {line.split()[2]: line.split()[3] for line in lines if line.startswith("# TYPE")}
    assert kinds[f"{PREFIX}endpoint_seconds"] == "histogram"
    assert kinds[f"{PREFIX}sweeps_total"] == "counter"
    assert kinds[f"{PREFIX}endpoints_due"] == "gauge"
