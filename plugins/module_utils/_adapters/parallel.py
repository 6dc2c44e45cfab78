# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The same work on many things, several at a time."""

from __future__ import annotations

import typing as t
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

__all__ = ("several",)

Item = t.TypeVar("Item")


def several(work: Callable[[Item], object], items: Iterable[Item], workers: int) -> None:
    """Work on each item in ``workers`` threads, of which never more than twice as many items wait.

    After the first failure nothing new is begun; what runs is waited for, and that failure is raised.
    """
    waiting: set[Future[object]] = set()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for item in items:
                if len(waiting) >= 2 * workers:
                    done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                    for future in done:
                        future.result()
                waiting.add(pool.submit(work, item))
            while waiting:
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                for future in done:
                    future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
