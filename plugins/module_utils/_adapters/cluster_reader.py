# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading off a cluster what may be read: what may not is noted with its reason, and the rest goes on."""

from __future__ import annotations

import threading
import typing as t
from concurrent.futures import ThreadPoolExecutor

from .._domain.errors import ServingError, Unavailable
from .kubernetes_client import KubernetesClient, Query

__all__ = ("Reader", "side_by_side")

Document = dict[str, t.Any]
Answer = t.TypeVar("Answer")

_PAGE = 500
_AT_A_TIME = 8


class Reader:
    """Thread safe.

    :param patient: whether a cluster that stops to answer is noted too; without, it is an error
    """

    def __init__(self, client: KubernetesClient, *, patient: bool = False) -> None:
        self.client = client
        self.unread: dict[str, str] = {}
        self._patient = patient
        self._lock = threading.Lock()

    def note(self, name: str, why: str, *, again: bool = True) -> None:
        """:param again: whether it replaces what is noted already"""
        with self._lock:
            if again or name not in self.unread:
                self.unread[name] = why

    def object(self, path: str, action: str, name: str) -> Document | None:
        """An object; None where there is none, and where it cannot be read, which is noted under ``name``."""
        return self.attempt(name, lambda: t.cast("Document | None", self.client.get(path, action=action)))

    def items(self, path: str, action: str, name: str, query: Query | None = None) -> list[Document] | None:
        """A list, page by page, as pods of all namespaces may be many megabytes."""
        return self.attempt(name, lambda: self._pages(path, action, query or {}))

    def attempt(self, name: str, work: t.Callable[[], Answer]) -> Answer | None:
        try:
            return work()
        except ServingError as error:
            if isinstance(error, Unavailable) and not self._patient:
                raise
            self.note(name, str(error))
            return None

    def _pages(self, path: str, action: str, query: Query) -> list[Document]:
        found: list[Document] = []
        more: str | None = None
        while True:
            page = self.client.request("GET", path, action=action, query={**query, "limit": _PAGE, "continue": more})
            found += page.get("items") or ()
            more = (page.get("metadata") or {}).get("continue") or None
            if more is None:
                return found


def side_by_side(work: t.Sequence[t.Callable[[], Answer]]) -> list[Answer]:
    """Results in the order of ``work``; the first error is raised once all have ended."""
    if len(work) < 2:
        return [one() for one in work]
    with ThreadPoolExecutor(min(_AT_A_TIME, len(work))) as pool:
        return [future.result() for future in [pool.submit(one) for one in work]]
