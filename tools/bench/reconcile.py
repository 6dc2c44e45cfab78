"""`reconcile` in simulate: from empty, with nothing changed, with one in a hundred changed."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from pathlib import Path

from tools.bench.module_process import Run, run_module
from tools.bench.server import Server, query
from tools.bench.table import Table

_ROWS = """
insert into models (tenant_id, project_id, name) values (gen_random_uuid(), gen_random_uuid(), 'add_sub');
insert into model_versions (tenant_id, project_id, model_id, version, artifact_uri)
    select tenant_id, project_id, id, n, 's3://models/add_sub/v' || n || '/' from models, generate_series(1, 2) n;
insert into endpoints (tenant_id, project_id, name, runtime, model_id, model_version_id, autoscaling, runtime_config)
    select tenant_id, project_id, 'endpoint-' || n, 'kserve-triton', model_id, id, '{{"minReplicas": 1, "maxReplicas": 4}}',
        '{{"modelFormat": "triton", "protocolVersion": "v2", "runtimeVersion": "24.08-py3", "gpu": true}}'
    from model_versions, generate_series(1, {count}) n where version = 1;
"""
_CHANGE = """
update endpoints set model_version_id = (select id from model_versions where version = {version})
    where id in (select id from endpoints order by id limit {count})
"""


def measure_reconcile(root: Path, server: Server, *, endpoints: int, repetitions: int) -> Table:
    url = server.fresh()
    run_module(root, "endpoint_store", database_url=url)
    query(url, _ROWS.format(count=endpoints))
    # Compiles what is not compiled yet.
    run_module(root, "reconcile", database_url=url, deploy_mode="simulate", endpoints=[])

    def measured(
        expected: int, prepare: Callable[[int], object] = lambda number: None, times: int = repetitions
    ) -> list[Run]:
        runs = []
        for number in range(times):
            prepare(number)
            runs.append(run_module(root, "reconcile", database_url=url, deploy_mode="simulate"))
            done = len(runs[-1].result["endpoints"])
            if done != expected:
                raise SystemExit(
                    f"{done} endpoints were worked on, not {expected}: the figures would mean something else"
                )
        return runs

    some = max(1, endpoints // 100)
    first = measured(endpoints, times=1)
    none = measured(0)
    few = measured(some, lambda number: query(url, _CHANGE.format(version=2 - number % 2, count=some)))
    table = Table(
        f"`reconcile`, {endpoints} endpoints, simulate",
        ("", "engine's `seconds`", "of the first", "module process", "of the first", "its CPU time"),
    )
    base = _medians(first)
    for words, runs in (
        ("from empty", first),
        (f"nothing changed (median of {repetitions})", none),
        (f"{some} changed to another model (median of {repetitions})", few),
    ):
        engine, process, cpu = _medians(runs)
        shares = f"{engine / base[0]:.2%}", f"{process / base[1]:.2%}"
        table.add(words, f"{engine:.3f} s", shares[0], f"{process:.3f} s", shares[1], f"{cpu:.3f} s")
    return table


def _medians(runs: list[Run]) -> tuple[float, float, float]:
    columns = zip(*((run.result["seconds"], run.process, run.cpu) for run in runs), strict=True)
    engine, process, cpu = (statistics.median(column) for column in columns)
    return engine, process, cpu
