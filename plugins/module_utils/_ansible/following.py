# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module reconcile as a worker that does not end: signals, lines, metrics and health around the engine's worker."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import threading
import time
import typing as t

from ansible.module_utils.basic import AnsibleModule

from .._adapters.at_rest import at_rest
from .._adapters.backlog import backlog
from .._adapters.store import Scope, Store
from .._adapters.web_server import WebServer
from .._domain.errors import InvalidIntent, LeaseLost, ServingError
from .._domain.worker_metrics import EVENTS, Outcome, WorkerMetrics
from .._engine.deployment import Result as Ended
from .._engine.drift import Drift
from .._engine.reconcile import Reconciler
from .._engine.worker import Worker
from .connections import deploy_mode, open_store, store_parameters
from .endpoint_lines import EndpointLines
from .module import Result
from .reconciliation import claim_settings, make_run, open_cluster, open_lines, owner, take

__all__ = ("follow",)

# The next look for drift after one that failed, at the latest.
_SOON = 30.0


def follow(module: AnsibleModule, result: Result) -> None:
    """Returns after SIGTERM or SIGINT; ``result`` gets ``worked`` with counts by outcome."""
    if module.params["endpoints"] is not None:
        cure = "leave endpoints out, or choose by tenant_id and project_id"
        raise InvalidIntent("cannot go with follow: a worker serves all that are due", field="endpoints", cure=cure)
    with _Following(module) as following:
        try:
            following.run()
        finally:
            result["worked"] = following.metrics.outcomes
            result["changed"] = any(result["worked"].values())
            result["host"] = following.host


class _Following:
    def __init__(self, module: AnsibleModule) -> None:
        self._module = module
        self._scope = Scope(tenant_id=module.params["tenant_id"], project_id=module.params["project_id"])
        self._settings = dataclasses.replace(claim_settings(module, everything=False), patient=True)
        self._me = owner()
        self._lines = open_lines(module, self._me)
        self._endpoints = EndpointLines(self._lines)
        self.metrics = WorkerMetrics()
        self._parameters = store_parameters(module.params, os.environ)
        self._store = open_store(module)
        self._cluster: t.Any = None
        self._run: Reconciler | None = None
        self._drift = Drift()
        self._looked_at: set[str] = set()
        self._looks = self._repaired = self._retries = 0
        self._deploying = threading.Event()
        self._over = threading.Event()
        self._since: float | None = None
        self._lock = threading.Lock()
        self._closing = contextlib.ExitStack()
        self.host = ""
        self._worker = Worker(
            lambda: Store.connect(self._parameters),
            self._make_run,
            sweep=float(module.params["sweep"]),
            before_sweep=self._note_time,
            say=lambda sentence: self._lines.say(sentence, event="worker.interrupted", level="warning"),
            on_stop=lambda: self._lines.say("asked to stop: gives back what is in hand", event="worker.stopping"),
        )

    def __enter__(self) -> _Following:
        self._closing.callback(self._store.close)
        try:
            self._store.ready()
            address = self._module.params["address"]
            if address:
                web = WebServer(address, {"/metrics": self._metrics_page, "/healthz": self._health_page})
                self._closing.enter_context(web)
                self._lines.say(f"metrics and health on {web.address}", event="worker.address", address=web.address)
        except BaseException:
            self._closing.close()
            raise
        return self

    def __exit__(self, *_exception: object) -> None:
        self._closing.close()
        if self._cluster is not None:
            self._cluster.close()

    def run(self) -> None:
        before = {number: signal.signal(number, self._ended) for number in (signal.SIGTERM, signal.SIGINT)}
        drift = threading.Thread(target=self._look_for_drift, name="drift", daemon=True)
        try:
            told = f"{self._me} looks for work every {self._module.params['sweep']} s and whenever it is told"
            self._lines.say(told, event="worker.started")
            if self._module.params["drift"]:
                drift.start()
            self._worker.run()
            self._lines.say("stopped; what was in hand is given back", event="worker.stopped")
        finally:
            self._over.set()
            self._deploying.set()
            if drift.is_alive():
                drift.join()
            for number, handler in before.items():
                signal.signal(number, handler)

    def _ended(self, _number: int, _frame: t.Any) -> None:
        self._worker.stop()

    def _note_time(self) -> None:
        """What failed or converged after this is handed out again at the next sweep, or when its row changes."""
        self._since = self._store.now()

    def _make_run(self) -> Reconciler:
        self._store.release_all(self._me)
        if self._cluster is None:
            self._cluster = open_cluster(self._module, self._store)
            self.host = self._cluster.host
            self._lines.say(f"deploys to {self.host}", event="worker.cluster", host=self.host)
        self._run = make_run(self._module, self._store, self._cluster, self._claim, on_result=self._tell, follow=True)
        self._deploying.set()
        return self._run

    def _look_for_drift(self) -> None:
        """Names what is not as it was, now and then; the run looks at it, and puts right what is not right."""
        self._deploying.wait()
        period = float(self._module.params["drift_every"])
        while not self._over.is_set():
            pause = period
            try:
                places = at_rest(self._store.database, self._scope, deploy_mode(self._module.params))
                found = self._drift.look(places, self._cluster.versions)
                self._looks += 1
                if found and self._run is not None:
                    self._run.wake(found)
            except ServingError as error:
                self._lines.say(f"no look for drift: {error}", event="drift.failed", level="warning")
                pause = min(period, _SOON)
            self._over.wait(pause)

    def _claim(self, room: int, only: t.Collection[str] | None) -> tuple[list[t.Any], float]:
        claims, now = self._next(room, only)
        self._retries += sum(claim.attempts > 0 for claim in claims)
        return claims, now

    def _next(self, room: int, only: t.Collection[str] | None) -> tuple[list[t.Any], float]:
        """What drift may have touched, whatever its row says, and what is due."""
        looked_at = self._drift.take(room, only)
        if not looked_at:
            return self._due(room, only)
        scope = dataclasses.replace(self._scope, ids=tuple(looked_at))
        settings = dataclasses.replace(self._settings, everything=True)
        claims, now = take(self._store, self._me, room, scope=scope, settings=settings, since=None)
        self._looked_at.update(claim.endpoint.id for claim in claims if not claim.refused)
        rest = None if only is None else set(only).difference(looked_at)
        if len(claims) < room and rest != set():
            more, now = self._due(room - len(claims), rest)
            claims += more
        return claims, now

    def _due(self, room: int, only: t.Collection[str] | None) -> tuple[list[t.Any], float]:
        if only is None:
            scope, settings, since = self._scope, self._settings, self._since
        else:  # a deletion that is asked for changes no intent: whoever is named is looked at, however lately it was
            scope = dataclasses.replace(self._scope, ids=tuple(only))
            settings, since = dataclasses.replace(self._settings, everything=False), None
        return take(self._store, self._me, room, scope=scope, settings=settings, since=since)

    def _tell(self, ended: Ended) -> None:
        looked_at = ended.id in self._looked_at
        self._looked_at.discard(ended.id)
        if looked_at and ended.error is None and not ended.changed:
            return  # it was as it should be, which is no news
        self._repaired += looked_at and bool(ended.writes) and ended.error is None
        with self._lock:
            self.metrics.observe(outcome_of(ended), ended.seconds)
        self._endpoints.tell(ended)

    def _metrics_page(self) -> tuple[int, str]:
        figures: dict[str, float] = {
            "sweeps_total": self._worker.sweeps,
            "notifications_total": self._worker.notifications,
            "retries_total": self._retries,
            "interruptions_total": self._worker.interruptions,
            "drift_looks_total": self._looks,
            "drift_repaired_total": self._repaired,
        }
        # The worker's own figures are told also while the store is away.
        with contextlib.suppress(ServingError), Store.connect(self._parameters) as store:
            waiting = backlog(store.database, self._scope, self._settings)
            figures |= {
                "endpoints_due": waiting["due"],
                "endpoints_in_hand": waiting["in_hand"],
                "endpoints_failed": waiting["failed"],
                "oldest_due_seconds": waiting["oldest_seconds"],
                "dead_letters": waiting["dead_letters"],
                "events_unpublished": waiting["unpublished"],
                **{f"events_{name}": waiting[name] for name in EVENTS},
            }
        with self._lock:
            return 200, self.metrics.text(figures)

    def _health_page(self) -> tuple[int, str]:
        if self._worker.healthy(time.monotonic()):
            return 200, "ok\n"
        return 503, "the last look at all endpoints was too long ago: see the worker's lines for what is away\n"


def outcome_of(ended: Ended) -> Outcome:
    if isinstance(ended.error, LeaseLost):
        return "superseded"
    if ended.error is not None:
        return "refused" if ended.error.code == "refused" and not ended.writes else "failed"
    return "deleted" if ended.status == "DELETED" else "ready"
