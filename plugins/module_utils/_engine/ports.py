# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the engine needs of the systems around it. The adapters, and the simulator, have these methods."""

from __future__ import annotations

import threading
import typing as t

from .._domain.convergence import Pending, Record
from .._domain.intent import Endpoint
from .._domain.readiness import Observed

__all__ = ("Claim", "Cluster", "Store")


class Cluster(t.Protocol):
    """KServe, or the simulator that follows its rules. Every error is a ServingError."""

    @property
    def host(self) -> str: ...
    @property
    def poll_seconds(self) -> float: ...

    def observe(self, namespace: str, name: str) -> Observed: ...

    def create(self, manifest: dict[str, t.Any], *, fence: int | None = None) -> dict[str, t.Any]: ...

    def apply(
        self,
        manifest: dict[str, t.Any],
        *,
        resource_version: str | None = None,
        fence: int | None = None,
        dry_run: bool = False,
        previous: dict[str, t.Any] | None = None,
        live: dict[str, t.Any] | None = None,
    ) -> dict[str, t.Any]: ...

    def delete(
        self,
        namespace: str,
        name: str,
        *,
        uid: str | None = None,
        resource_version: str | None = None,
        fence: int | None = None,
    ) -> None: ...

    def forget(self, namespace: str, name: str, epoch: int) -> None: ...
    def take(self, namespace: str, name: str, epoch: int) -> Observed: ...

    def watch(self, namespace: str | None, on_change: t.Callable[[str, str], None], stop: threading.Event) -> None: ...


class Claim(t.Protocol):
    """One endpoint under our lease, and what is recorded of its deployment."""

    @property
    def endpoint(self) -> Endpoint: ...
    @property
    def record(self) -> Record: ...
    @property
    def namespace(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def epoch(self) -> int: ...
    @property
    def serving_mode(self) -> str | None: ...
    @property
    def refused(self) -> str | None: ...
    @property
    def trace_id(self) -> str | None: ...


class Store(t.Protocol):
    """The part of the store that one endpoint's deployment needs; each write fails with LeaseLost when the lease is."""

    def now(self) -> float: ...

    def renew(self, claim: t.Any, ttl: float) -> str: ...

    def renew_all(self, claims: t.Iterable[t.Any], ttl: float) -> dict[str, str]: ...

    def reload(self, claim: t.Any) -> t.Any: ...

    def record_pending(self, claim: t.Any, pending: Pending, serving_mode: str) -> None: ...

    def record_converged(
        self,
        claim: t.Any,
        *,
        intent_hash: str,
        version_id: str | None,
        revision: str | None,
        spec: dict[str, t.Any] | None,
        promoted: bool,
        url: str | None,
        serving_mode: str,
        warnings: t.Sequence[str],
        host: str,
        keep: bool,
        status: str,
        observed_version: str | None,
    ) -> None: ...

    def record_failed(self, claim: t.Any, message: str, *, serving: bool, keep: bool) -> None: ...

    def record_deleted(self, claim: t.Any) -> None: ...

    def release(self, claim: t.Any) -> None: ...
