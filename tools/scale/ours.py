"""`reconcile` of many endpoints that are kept stopped, so that what is measured is what is written and not what is loaded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tools.bench.module_process import run_module
from tools.bench.progress import say
from tools.bench.server import Server, query
from tools.cluster.access import Access
from tools.scale.progress import Watch
from tools.scale.raw import SERVICES
from tools.scale.requests import Requests

_ROWS = """
insert into models (tenant_id, project_id, name) values (gen_random_uuid(), gen_random_uuid(), 'add_sub');
insert into model_versions (tenant_id, project_id, model_id, version, artifact_uri)
    select tenant_id, project_id, id, n, 's3://models/add_sub/v' || n || '/' from models, generate_series(1, 2) n;
insert into endpoints (tenant_id, project_id, name, runtime, model_id, model_version_id, runtime_config)
    select tenant_id, project_id, 'endpoint-' || n, 'kserve-triton', model_id, id,
        '{{"modelFormat": "triton", "runtimeVersion": "24.08-py3", "deploymentMode": "Standard", "stopped": true}}'
    from model_versions, generate_series(1, {count}) n where version = 1;
"""
_CHANGE = """
update endpoints set model_version_id = (select id from model_versions where version = 2)
    where id in (select id from endpoints order by id limit {count})
"""


@dataclass(frozen=True)
class Run:
    """:param seconds: of the engine; :param process: with the start of Python; :param memory: MiB of the largest process

    :param requests: for InferenceServices, by verb
    :param written: seconds of the engine until the last one was created, None where nothing is
    """

    what: str
    seconds: float
    process: float
    cpu: float
    memory: float
    requests: Counter[str]
    written: float | None = None


class Ours:
    def __init__(self, root: Path, server: Server, access: Access, namespace: str) -> None:
        self._root, self._access, self._namespace = root, access, namespace
        self._url = server.fresh()
        run_module(root, "endpoint_store", database_url=self._url)

    def measure(self, count: int, created: Callable[[str, str], None] | None) -> list[Run]:
        """From empty, with nothing to do, with one in a hundred changed in the store, and with a look for what somebody changed on the cluster.

        :param created: is told of each new InferenceService
        """
        query(self._url, _ROWS.format(count=count))
        some = max(1, count // 100)
        with Watch(self._access.kube, self._namespace, created) as watch:
            first = self._run("from empty", count)
            seen = watch.wait(count)
        # The watch began with the process, the engine after the start of Python.
        runs = [replace(first, written=seen.created - (first.process - first.seconds))]
        runs.append(self._run("nothing changed", 0))
        query(self._url, _CHANGE.format(count=some))
        runs.append(self._run("1 % changed", some))
        runs.append(self._run("drift, the first look", 0, drift=True))
        runs.append(self._run("drift, nothing edited", 0, drift=True))
        self._edit(some)
        runs.append(self._run("drift, 1 % edited", some, drift=True))
        return runs

    def _edit(self, count: int) -> None:
        """By hand, as somebody with kubectl would."""
        kube, path = self._access.kube, SERVICES.format(self._namespace)
        for service in kube.items(path, limit=str(count))[:count]:
            model = {"storageUri": "s3://models/elsewhere/"}
            kube.merge(f"{path}/{service['metadata']['name']}", {"spec": {"predictor": {"model": model}}})

    def _run(self, what: str, changed: int, **options: Any) -> Run:
        say(f"reconcile, {what}")
        requests = Requests(self._access.kube)
        done = run_module(
            self._root,
            "reconcile",
            database_url=self._url,
            deploy_mode="kserve",
            kubeconfig=str(self._access.kubeconfig),
            namespace=self._namespace,
            timeout=3600,
            **options,
        )
        written = sum(one["changed"] for one in done.result["endpoints"])
        if written != changed or done.result.get("failed_endpoints"):
            raise SystemExit(f"{what}: {written} endpoints were changed, not {changed}")
        return Run(what, done.result["seconds"], done.process, done.cpu, done.memory, requests.since())
