"""Several workers on one store: each takes a few endpoints at a time, and together they do each one once."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

from ansible_collections.mlops.serving.plugins.module_utils._adapters.simulator import Simulator
from ansible_collections.mlops.serving.plugins.module_utils._adapters.store import Scope, Store
from ansible_collections.mlops.serving.plugins.module_utils._adapters.store import Settings as ClaimSettings
from ansible_collections.mlops.serving.plugins.module_utils._engine.deployment import Result, Settings
from ansible_collections.mlops.serving.plugins.module_utils._engine.reconcile import Reconciler

MANY, WORKERS, AT_A_TIME = 200, 4, 7


def test_workers_share_what_is_due(world: Any, database: str) -> None:
    world.many(MANY, world.model("s3://models/add_sub/v1/")[0])
    done: dict[int, list[Result]] = {number: [] for number in range(WORKERS)}
    together = threading.Barrier(WORKERS)
    troubles: list[BaseException] = []

    def work(number: int) -> None:
        store = Store.connect(database)
        since, settings = store.now(), ClaimSettings()

        def claim(room: int, only: Any) -> tuple[list[Any], float]:
            return store.claim(f"worker-{number}", scope=Scope(), limit=room, ttl=60, settings=settings, since=since), store.now()

        engine = Reconciler(
            lambda: Store.connect(database),
            Simulator(store.database),
            claim,
            Settings(timeout=60),
            workers=1,
            in_flight=AT_A_TIME,
            on_result=done[number].append,
            others=lambda: store.held(f"worker-{number}", scope=Scope(), settings=settings),
        )
        together.wait()
        try:
            engine.run()
        except BaseException as trouble:
            troubles.append(trouble)
        finally:
            store.close()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(WORKERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert troubles == []
    assert all(done.values()), "every worker had a part of it"
    assert [result.error for results in done.values() for result in results if result.error] == []
    assert set(Counter(result.name for results in done.values() for result in results).values()) == {1}
    held = world.sql("select d.epoch, d.generation, e.status from serving.deployment d join endpoints e on e.id = d.endpoint_id")
    assert len(held) == MANY
    assert {(row["epoch"], row["generation"], row["status"]) for row in held} == {(1, 1, "READY")}
