# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Many endpoints at once: claims what is due, and carries each one to its end.

No thread waits for a model to load. An endpoint that has to wait is put aside, and comes back when the watch reports a
change of its InferenceService, or after a pause where nothing is heard. So a few workers carry thousands of endpoints, and
the number of writes at a time is the number of workers.

A run ends when nothing is due. A run that follows does not: it waits to be told of endpoints (``wake``) until ``stop``.
"""

from __future__ import annotations

import heapq
import threading
import time
import typing as t
from concurrent.futures import ThreadPoolExecutor

from .._domain.errors import Refused, ServingError
from .deployment import Deployment, Result, Settings
from .ports import Cluster

__all__ = ("Claim", "Reconciler")

OnResult = t.Callable[[Result], None]
Claim = t.Callable[[int, "t.Collection[str] | None"], tuple[list[t.Any], float]]

# Seconds between two looks at what other runs have in hand.
_LOOK_AGAIN = 0.5


class Reconciler:
    """One run over what is due.

    :param open_store: gives a new connection to the store; each worker has its own
    :param claim: number and ids (None for all) -> claims, and the database's time; no claims end the run when nothing is in flight
    :param others: claims that other runs hold, with ``refused``. The run waits for them, at most for the timeout: at its end
        every endpoint is what its row says, or told as failed
    :param in_flight: endpoints carried at a time
    :param follow: go on until ``stop`` is called
    """

    def __init__(
        self,
        open_store: t.Callable[[], t.Any],
        cluster: Cluster,
        claim: Claim,
        settings: Settings,
        *,
        workers: int = 8,
        in_flight: int = 500,
        on_result: OnResult = lambda result: None,
        others: t.Callable[[], list[t.Any]] = list,
        follow: bool = False,
    ) -> None:
        self._open_store = open_store
        self._cluster = cluster
        self._claim = claim
        self._settings = settings
        self._workers = workers
        self._in_flight = in_flight
        self._on_result = on_result
        self._others = others
        self._follow = follow
        self._lock = threading.Condition()
        self._ready: list[Deployment] = []
        self._later: list[tuple[float, int, Deployment]] = []
        self._sequence = 0
        self._heard: set[tuple[str, str]] = set()
        self._busy: set[tuple[str, str]] = set()
        self._waiting: dict[tuple[str, str], Deployment] = {}
        self._carried: dict[str, Deployment] = {}
        self._named: set[str] = set()
        self._exhausted = False
        self._stopping = False
        self._finished_since = False
        self._over = self._asked_last = False
        self._waits_until: float | None = None
        self._error: BaseException | None = None
        self._watched: set[str] = set()
        self._stop = threading.Event()
        self._stores: list[t.Any] = []

    def run(self) -> None:
        """Returns when everything that was due has come to its end; the first unexpected error is raised again."""
        heartbeat = threading.Thread(target=self._keep_leases, name="leases", daemon=True)
        heartbeat.start()
        try:
            with ThreadPoolExecutor(max_workers=self._workers) as pool:
                try:
                    for future in [pool.submit(self._work) for _worker in range(self._workers)]:
                        future.result()
                except BaseException as error:  # Ctrl-C comes to this thread alone: the workers must hear of it
                    self._fail(error)
        finally:
            self._stop.set()
            heartbeat.join()
            for store in self._stores[:1]:
                for deployment in self._carried.values():
                    if not deployment.release(store):
                        break
            for store in self._stores:
                store.close()
        if self._error is not None:
            raise self._error

    def wake(self, ids: t.Collection[str] | None = None) -> None:
        """Something may have to be done for these endpoints; None: look at all."""
        with self._lock:
            if ids is None:
                self._exhausted = False
            else:
                self._named.update(ids)
                for endpoint_id in ids:
                    if endpoint_id in self._carried:
                        self._look_again(self._carried[endpoint_id])
            self._lock.notify_all()

    def stop(self) -> None:
        """Ends the run at once: what is unfinished is given back, and stays due."""
        with self._lock:
            self._stopping = True
            self._lock.notify_all()

    def _work(self) -> None:
        try:
            store = self._open_store()
            with self._lock:
                self._stores.append(store)
            while True:
                deployment = self._next()
                if deployment is None:
                    return
                pause = deployment.advance(store, self._cluster)
                while pause == 0.0:
                    pause = deployment.advance(store, self._cluster)
                self._put_back(deployment, pause)
        except BaseException as error:  # a worker's end must not leave the others waiting
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        with self._lock:
            self._error = self._error or error
            self._lock.notify_all()

    def _next(self) -> Deployment | None:
        """The next endpoint that can move; claims more where there is room; None when all is done."""
        with self._lock:
            while True:
                if self._error is not None or self._stopping:
                    return None
                self._wake()
                if self._ready:
                    deployment = self._ready.pop()
                    self._busy.add(deployment.key)
                    return deployment
                carried = len(self._waiting) + len(self._busy)
                if (self._named or not self._exhausted) and carried < self._in_flight:
                    self._fill(self._in_flight - carried)
                    continue
                if self._exhausted and not carried and not self._follow:
                    if self._finished_since:
                        # Rows may have changed meanwhile, those that this run has carried among them.
                        self._exhausted = False
                        continue
                    if self._over:
                        return None
                    if self._others_are_done():
                        # What they gave back between our last claim and this look is ours, so there is one claim more.
                        self._over = self._asked_last
                        self._asked_last = True
                        self._exhausted = self._over
                        self._lock.notify_all()
                        continue
                    self._lock.wait(timeout=_LOOK_AGAIN)
                    self._exhausted = False  # what they leave unfinished is ours
                    continue
                self._lock.wait(timeout=self._patience())

    def _others_are_done(self) -> bool:
        claims = self._others()
        now = time.monotonic()
        if self._waits_until is None:
            self._waits_until = now + self._settings.timeout
        if claims and now < self._waits_until:
            return False
        for claim in claims:
            self._on_result(self.refused(claim))
        self._asked_last = self._asked_last or bool(claims)
        return True

    def _fill(self, room: int) -> None:
        self._finished_since = False
        # All that is due covers whoever was named.
        only = sorted(self._named)[:room] if self._exhausted else None
        self._named.difference_update(self._named if only is None else only)
        claims, now = self._claim(room, only)
        if claims:
            self._asked_last = False
        elif only is None:
            self._exhausted = True
        for claim in claims:
            if claim.refused:
                self._on_result(self.refused(claim))
                continue
            self._listen(claim.namespace)
            deployment = Deployment(claim, self._settings, now)
            self._carried[claim.endpoint.id] = deployment
            self._ready.append(deployment)
        self._ready.reverse()
        self._lock.notify_all()

    def _listen(self, namespace: str) -> None:
        if namespace not in self._watched:
            self._watched.add(namespace)
            thread = threading.Thread(
                target=self._cluster.watch,
                args=(namespace, self._changed, self._stop),
                name=f"watch {namespace}",
                daemon=True,
            )
            thread.start()

    def _changed(self, namespace: str, name: str) -> None:
        with self._lock:
            key = (namespace, name)
            if key in self._busy:
                # Seen while we look: it may be newer than our look.
                self._heard.add(key)
            elif key in self._waiting:
                self._ready.append(self._waiting.pop(key))
                self._busy.discard(key)
                self._lock.notify()

    def _put_back(self, deployment: Deployment, pause: float | None) -> None:
        with self._lock:
            self._busy.discard(deployment.key)
            if pause is None:
                self._carried.pop(deployment.result.id, None)
                self._finished_since = True
                if self._follow:
                    # Its row may have changed meanwhile.
                    self._named.add(deployment.result.id)
                self._heard.discard(deployment.key)
                self._on_result(deployment.result)
            elif deployment.key in self._heard:
                self._heard.discard(deployment.key)
                self._ready.append(deployment)
            else:
                self._waiting[deployment.key] = deployment
                self._sequence += 1
                heapq.heappush(self._later, (time.monotonic() + pause, self._sequence, deployment))
            self._lock.notify()

    def _look_again(self, deployment: Deployment) -> None:
        deployment.row_changed()
        if self._waiting.pop(deployment.key, None) is not None:
            self._ready.append(deployment)
        elif deployment.key in self._busy:
            self._heard.add(deployment.key)

    def _keep_leases(self) -> None:
        """One statement for all that is carried: whoever waits for its turn would lose its endpoint meanwhile."""
        store = None
        while not self._stop.wait(self._settings.ttl / 3):
            with self._lock:
                carried = list(self._carried.values())
            if not carried:
                continue
            try:
                store = store or self._open_store()
                kept = store.renew_all([deployment.claim for deployment in carried], self._settings.ttl)
            except ServingError:
                continue  # each endpoint renews its own when it moves, and tells what is wrong
            for deployment in carried:
                if deployment.result.id in kept:
                    deployment.kept(kept[deployment.result.id])
        if store is not None:
            store.close()

    def _wake(self) -> None:
        now = time.monotonic()
        while self._later and self._later[0][0] <= now:
            deployment = heapq.heappop(self._later)[2]
            if self._waiting.get(deployment.key) is deployment:
                del self._waiting[deployment.key]
                self._ready.append(deployment)

    @staticmethod
    def refused(claim: t.Any) -> Result:
        """An endpoint that this run may not take, as a result."""
        endpoint = claim.endpoint
        result = Result(endpoint.name, endpoint.id, claim.namespace, claim.name, status=endpoint.status, done=True)
        result.tenant_id, result.trace_id = endpoint.tenant_id, claim.trace_id
        result.error = Refused(claim.refused.rstrip("."))
        return result

    def _patience(self) -> float:
        return max(0.01, min(self._later[0][0] - time.monotonic(), 5.0)) if self._later else 5.0
