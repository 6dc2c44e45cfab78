# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a rollout asks of the world beside the cluster and its counters: hooks, golden requests, gates of the user's own."""

from __future__ import annotations

import os
import threading
import typing as t
from urllib.parse import urlsplit

from .._adapters.probes import GoldenRequests, command_answer, http_answer, http_hook
from .._domain.errors import ServingError
from .._domain.gates import Answer, Gate
from .._domain.plan import Hook, Plan

__all__ = ("World",)

_SMOKE_ATTEMPTS = 3


class World:
    """
    :param query: answers a PromQL expression with one number, or None for no data
    :param simulated: nothing is sent: there is no server behind the addresses
    :param context: what commands and addresses are told: endpoint, namespace, service, revisions
    """

    def __init__(
        self,
        plan: Plan,
        *,
        simulated: bool,
        query: t.Callable[[str], float | None] | None,
        context: t.Callable[[], t.Mapping[str, t.Any]],
    ) -> None:
        self._plan, self._simulated, self._query, self._context = plan, simulated, query, context
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._wrong: str | None = None

    def ask(self, gate: Gate) -> Answer:
        """A gate that is not about counters."""
        context = self._context()
        if gate.metric == "prometheus":
            if self._query is None:
                return Answer(why="prometheus_url is not set")
            try:
                return Answer(value=self._query(_filled(gate.query, context)))
            except ServingError as error:
                return Answer(why=error.what)
        if gate.metric == "command":
            named = {f"ROLLOUT_{name.upper()}": str(value) for name, value in context.items() if value is not None}
            return command_answer(gate.command, environment=named)
        return http_answer(gate.url, body=dict(context))

    def hook(self, point: str, key: str, context: t.Mapping[str, t.Any]) -> tuple[str | None, str]:
        """Calls the hooks of a point; what speaks against going on, and a line for the record."""
        share = key.rpartition(" ")[2]
        told = []
        for hook in self._plan.hooks:
            if hook.at != point or (hook.steps and share.isdigit() and int(share) not in hook.steps):
                continue
            try:
                answer = self._call(hook, {**context, "at": point})
            except ServingError as error:
                if hook.on_failure == "abort":
                    return f"hook {hook.name}: {error.what}", f"hook {hook.name} failed: {error.what}"
                answer = f"{error.what} (ignored)"
            told.append(f"{hook.name}: {answer}")
        return None, "; ".join(told)

    def smoke(self, address: str | None) -> tuple[str | None, str]:
        """Each golden request once, before anybody else's request reaches the candidate."""
        count = len(self._plan.golden)
        if self._simulated:
            return None, f"SIMULATED: {count} golden requests not sent, there is no server"
        if address is None:
            why = "the candidate has no address of its own, so its smoke test cannot be made"
            return why, why
        sender = self._sender(address)
        try:
            for number, request in enumerate(self._plan.golden, start=1):
                good, why = False, ""
                # The gateway may learn of a new address a moment after Knative says that it is there.
                for _attempt in range(_SMOKE_ATTEMPTS):
                    good, why, _seconds = sender.send(request)
                    if good or not why.startswith(("status 404", "status 503")):
                        break
                    self._stop.wait(0.5)
                if not good:
                    said = f"smoke test, request {number} of {count} to {request['path']}: {why}"
                    return said, said
            return None, f"smoke test: {count} golden requests answered as expected"
        finally:
            sender.close()

    def load(self, candidate: str | None, stable: str | None) -> str | None:
        """Keeps golden requests coming at the plan's rate, to both sides so that they can be compared; the first wrong answer."""
        if self._thread is None and candidate is not None and not self._simulated:
            self._thread = threading.Thread(
                target=self._send, args=(candidate, stable), name="golden requests", daemon=True
            )
            self._thread.start()
        return self._wrong

    def close(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=15)

    def _send(self, candidate: str, stable: str | None) -> None:
        sender, other = self._sender(candidate), self._sender(stable) if stable else None
        try:
            number = 0
            while not self._stop.wait(1 / self._plan.golden_rate):
                request = self._plan.golden[number % len(self._plan.golden)]
                number += 1
                good, why, _seconds = sender.send(request)
                # A failed request is counted by the pods and judged there; a wrong answer only we can see.
                if not good and not why.startswith(("status ", "cannot ")) and self._wrong is None:
                    self._wrong = f"golden request to {request['path']}: {why}"
                if other is not None:
                    other.send(request)
        finally:
            sender.close()
            if other is not None:
                other.close()

    def _sender(self, address: str) -> GoldenRequests:
        gateway = self._plan.gateway_url
        if gateway is None:
            return GoldenRequests(address)
        return GoldenRequests(gateway, urlsplit(address).netloc)

    def _call(self, hook: Hook, context: t.Mapping[str, t.Any]) -> str:
        headers = {}
        for name, variable in (hook.headers_from_env or {}).items():
            if variable not in os.environ:
                raise ServingError(f"the environment variable {variable} for its header {name} is not set")
            headers[name] = os.environ[variable]
        body = None if hook.method == "GET" else dict(context)
        return http_hook(hook.method, hook.url, body=body, headers=headers, timeout=hook.timeout)


def _filled(query: str, context: t.Mapping[str, t.Any]) -> str:
    """{candidate}, {stable}, {namespace}, {service} of a query; other braces are PromQL's own."""
    for name in ("candidate", "stable", "namespace", "service", "endpoint"):
        query = query.replace("{" + name + "}", str(context.get(name) or ""))
    return query
