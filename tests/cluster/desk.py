# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A user's desk: runs modules and playbooks against a store and a cluster, and looks at what came of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import typing as t
from pathlib import Path

import psycopg2
import psycopg2.extras
from ansible_collections.mlops.serving.plugins.module_utils._adapters.cluster import KServeCluster
from ansible_collections.mlops.serving.plugins.module_utils._domain.readiness import observe

ROOT = Path(__file__).resolve().parents[2]
# Another release of ansible-core than the tests' own (make test-install-oldest).
PROGRAMS = Path(os.environ.get("MLOPS_ANSIBLE_PROGRAMS") or Path(sys.executable).parent)
TENANT = "11111111-1111-4111-8111-111111111111"
PROJECT = "22222222-2222-4222-8222-222222222222"
Answer = subprocess.CompletedProcess[str]

# These go through Ansible, for what their action plugin adds; the others get from their own process what Ansible would hand them, without
# the two seconds of each of its starts.
WITH_ACTION = {path.stem for path in (ROOT / "plugins" / "action").glob("*.py")}
RUNNER = ROOT / "tests" / "integration" / "run_module.py"


class Desk:
    # Where a test keeps files of its own.
    folder: Path

    def __init__(self, cluster: t.Any, namespace: t.Any, database: str) -> None:
        self.cluster = cluster
        self.namespace = namespace
        self._connection = psycopg2.connect(database)
        self._connection.autocommit = True
        self._kserve = KServeCluster.connect({"kubeconfig": str(cluster.kubeconfig)})
        self.environment = {
            **os.environ,
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "DATABASE_URL": database,
            "K8S_AUTH_KUBECONFIG": str(cluster.kubeconfig),
            "DEPLOY_MODE": "kserve",
            "KSERVE_NAMESPACE": namespace.name,
            "DEPLOY_TIMEOUT_SECONDS": "240",
        }

    def __enter__(self) -> Desk:
        self.module("endpoint_store")
        return self

    def __exit__(self, *_exception: object) -> None:
        for row in self._rows("select namespace, name from serving.deployment where name is not null"):
            self._kserve.delete(row["namespace"], row["name"])
        self._kserve.close()
        self._connection.close()

    def forget(self) -> None:
        """Nothing is left on the cluster that would have to be removed at the end."""
        self._rows("delete from serving.deployment returning endpoint_id")

    def module(self, name: str, /, *, fails: bool = False, check: bool = False, **arguments: t.Any) -> dict[str, t.Any]:
        """Runs a module as a task would; its result."""
        run = self._task if name in WITH_ACTION else self._process
        answer, start = run(name, arguments, check)
        try:
            result = json.loads(answer.stdout[answer.stdout.index(start) + len(start) - 1 :])
        except ValueError:
            raise AssertionError(f"{name} gave no result:\n{answer.stdout}\n{answer.stderr}") from None
        assert (answer.returncode != 0) == fails, f"{name}: {result.get('msg')}\n{json.dumps(result, indent=1)[:4000]}"
        return t.cast("dict[str, t.Any]", result)

    def _task(self, name: str, arguments: dict[str, t.Any], check: bool) -> tuple[Answer, str]:
        command = [
            *(str(PROGRAMS / "ansible"), "localhost", "-m", f"mlops.serving.{name}"),
            *("-e", json.dumps({"ansible_python_interpreter": str(PROGRAMS / "python")})),
            *(["-a", json.dumps(arguments)] if arguments else []),
            *(["--check"] if check else []),
        ]
        # localhost | CHANGED => { ... }
        return self._run(command), " => {"

    def _process(self, name: str, arguments: dict[str, t.Any], check: bool) -> tuple[Answer, str]:
        given = {"ANSIBLE_MODULE_ARGS": {**arguments, "_ansible_check_mode": check, "_ansible_remote_tmp": "/tmp"}}
        environment = {**self.environment, "PYTHONPATH": str(ROOT / ".build")}
        return self._run([str(PROGRAMS / "python"), str(RUNNER), name], json.dumps(given), environment), "{"

    def _run(self, command: list[str], given: str = "", environment: dict[str, str] | None = None) -> Answer:
        return subprocess.run(
            command,
            input=given,
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
            env=environment or self.environment,
        )

    def playbook(self, name: str, /, **variables: t.Any) -> str:
        """Runs a playbook of the collection by its full name; its output."""
        command = [str(PROGRAMS / "ansible-playbook"), f"mlops.serving.{name}", "-e", json.dumps(variables)]
        answer = self._run(command)
        assert answer.returncode == 0, answer.stdout + answer.stderr
        return answer.stdout

    def version(self, number: int, artifact_uri: str) -> None:
        self.module(
            "model_version",
            model="add_sub",
            version=number,
            artifact_uri=artifact_uri,
            tenant_id=TENANT,
            project_id=PROJECT,
        )

    def sql(self, statement: str) -> None:
        with self._connection.cursor() as cursor:
            cursor.execute(statement)

    def row(self, endpoint: str) -> dict[str, t.Any]:
        return self._rows(
            "select e.status, e.url, d.last_error, d.namespace, d.name as service, d.stable_revision from endpoints e"
            " left join serving.deployment d on d.endpoint_id = e.id where e.name = %s",
            endpoint,
        )[0]

    def service(self, endpoint: str) -> dict[str, t.Any] | None:
        row = self.row(endpoint)
        return self._kserve.get(row["namespace"], row["service"]) if row["service"] else None

    def shares(self, endpoint: str) -> dict[str, int]:
        """Percent of the traffic by revision, as KServe reports it."""
        return observe(self.service(endpoint)).shares

    def infer(self, endpoint: str) -> dict[str, t.Any]:
        """One request of the v2 protocol through the gateway."""
        return _outputs(self.cluster.infer(self._host(endpoint), "add_sub", INPUTS))

    def infer_standard(self, endpoint: str) -> dict[str, t.Any]:
        """The same past the gateway: nobody serves the Ingress that Standard mode makes."""
        row = self.row(endpoint)
        return _outputs(self.cluster.infer_service(row["namespace"], f"{row['service']}-predictor", "add_sub", INPUTS))

    def load(self, endpoint: str, *, rate: float) -> t.Any:
        """Constant load through the gateway for as long as the block lasts."""
        return self.cluster.load(self._host(endpoint), "add_sub", INPUTS, rate=rate)

    def _host(self, endpoint: str) -> str:
        return str(self.row(endpoint)["url"]).removeprefix("http://")

    def _rows(self, statement: str, *values: t.Any) -> list[dict[str, t.Any]]:
        with self._connection.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor:
            cursor.execute(statement, values)
            return [dict(row) for row in cursor.fetchall()]


INPUTS = {"INPUT0": [10.0, 20.0], "INPUT1": [1.0, 2.0]}


def _outputs(answer: dict[str, t.Any]) -> dict[str, t.Any]:
    outputs: dict[str, t.Any] = {output["name"]: output["data"] for output in answer["outputs"]}
    return {**outputs, "model_version": answer["model_version"]}
