"""The event source in a process of its own, without ansible-rulebook: `python intake.py < arguments.json`."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

SOURCE = Path(__file__).resolve().parents[2] / "extensions/eda/plugins/event_source/jetstream.py"


def plugin() -> Any:
    """Loaded by its path, as ansible-rulebook does."""
    spec = importlib.util.spec_from_file_location("jetstream", SOURCE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


async def main() -> None:
    queue: asyncio.Queue[Any] = asyncio.Queue(1)

    async def read() -> None:
        while True:
            event = await queue.get()
            if "state" in event["mlops_serving"]:
                print(event["mlops_serving"]["state"], flush=True)

    reader = asyncio.create_task(read())
    await plugin().main(queue, json.loads(sys.stdin.read()))
    reader.cancel()


if __name__ == "__main__":
    asyncio.run(main())
