"""What one call of a module costs in a playbook, beside ansible.builtin.ping, which does nothing."""

from __future__ import annotations

import json
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tools.bench.module_process import environment, run_module
from tools.bench.server import Server, query
from tools.bench.table import Table

_NOTHING = "ansible.builtin.ping"


def measure_calls(root: Path, server: Server, *, calls: int, repetitions: int) -> Table:
    url = server.fresh()
    run_module(root, "endpoint_store", database_url=url)
    query(
        url,
        "insert into models (tenant_id, project_id, name) values (gen_random_uuid(), gen_random_uuid(), 'add_sub');"
        " insert into model_versions (tenant_id, project_id, model_id, version, artifact_uri)"
        " select tenant_id, project_id, id, 1, 's3://models/add_sub/v1/' from models",
    )
    intent = {"name": "demo", "model": "add_sub", "model_version": 1, "database_url": url}
    run_module(root, "endpoint", **intent)
    run_module(root, "reconcile", database_url=url, deploy_mode="simulate")
    modules: dict[str, dict[str, Any]] = {
        _NOTHING: {},
        "mlops.serving.endpoint_info": {"database_url": url},
        "mlops.serving.endpoint": intent,
        "mlops.serving.reconcile": {"database_url": url, "deploy_mode": "simulate"},
    }
    seconds = _play(root, modules, calls, repetitions)
    table = Table(
        f"one call, {calls} in a loop on a local connection, median of {repetitions} repetitions",
        ("module, with nothing to change", "seconds a call", "beside ping", "times ping"),
    )
    nothing = statistics.median(seconds[_NOTHING])
    for name in modules:
        call = statistics.median(seconds[name])
        table.add(f"`{name}`", f"{call:.3f} s", f"{call - nothing:+.3f} s", f"{call / nothing:.2f}")
    return table


def _play(root: Path, modules: dict[str, dict[str, Any]], calls: int, repetitions: int) -> dict[str, list[float]]:
    """Seconds a call by module, one figure a repetition; the modules take turns, so that a slow minute hits all of them."""
    tasks: list[dict[str, Any]] = []
    # The first round fills Ansible's cache of built modules and is not counted.
    for repetition in range(repetitions + 1):
        for name, options in modules.items():
            tasks.append(_clock(f"before {name} {repetition}"))
            tasks.append({"name": name, name: options, "loop": list(range(calls if repetition else 1))})
        tasks.append(_clock(f"end {repetition}"))
    play = [{"name": "Measure", "hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}]
    with tempfile.TemporaryDirectory(prefix="mlops-bench-") as folder:
        playbook = Path(folder) / "calls.json"
        playbook.touch(mode=0o600)
        playbook.write_text(json.dumps(play))
        answer = subprocess.run(
            [
                str(Path(sys.executable).with_name("ansible-playbook")),
                str(playbook),
                "-e",
                f"ansible_python_interpreter={sys.executable}",
            ],
            cwd=root,
            env=environment(root),
            capture_output=True,
            text=True,
            check=False,
        )
    if answer.returncode:
        raise SystemExit(answer.stdout + answer.stderr)
    moments = [float(moment) for moment in re.findall(r"MOMENT ([\d.]+)", answer.stdout)]
    seconds: dict[str, list[float]] = {name: [] for name in modules}
    width = len(modules) + 1
    for repetition in range(1, repetitions + 1):
        turn = moments[repetition * width : (repetition + 1) * width]
        for name, began, ended in zip(modules, turn, turn[1:], strict=False):
            seconds[name].append((ended - began) / calls)
    return seconds


def _clock(name: str) -> dict[str, Any]:
    return {"name": name, "ansible.builtin.debug": {"msg": "MOMENT {{ now().timestamp() }}"}}
