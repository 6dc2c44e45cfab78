# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A pull of the event source that ends with nothing: the server's status can come without a message."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from event_source import load


class Pull:
    """Gives what it is told to, a pull at a time, and then ends the source."""

    def __init__(self, answers: list[list[Any]]) -> None:
        self.answers = answers

    async def fetch(self, _batch: int, timeout: float) -> list[Any]:
        assert timeout > 0
        if not self.answers:
            raise asyncio.CancelledError
        return self.answers.pop(0)

    async def pull_subscribe_bind(self, _consumer: str, stream: str) -> Pull:
        assert stream == "MLOPS_SERVING"
        return self


def test_it_is_no_batch_and_does_not_end_the_source() -> None:
    jetstream = load("jetstream_with_an_empty_pull")
    settings = jetstream.settings_from({"window": 0}, {"DATABASE_URL": "postgresql://127.0.0.1:1/none"})
    pull = Pull([[], []])

    async def taken(_letters: list[Any]) -> None:
        pytest.fail("there was nothing to take in")

    async def consume() -> int:
        queue: asyncio.Queue[Any] = asyncio.Queue()
        intake = jetstream.Intake(settings, queue, jetstream.Store(settings.database))
        intake._stream = pull
        intake._take_in = taken
        try:
            await intake._consume("deploy-worker")
        except asyncio.CancelledError:
            pass
        return queue.qsize()

    assert asyncio.run(consume()) == 0
    assert pull.answers == []
