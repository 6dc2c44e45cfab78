"""Runs module rollout and dies by SIGKILL at one of its outside calls: `python kill_rollout.py NUMBER before|after < arguments`.

Counted are the calls by which a rollout's driver reaches the store and the cluster. With number 0 it counts to the end and
writes the count into the file that MLOPS_COUNT_FILE names.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from ansible.module_utils import basic
from ansible_collections.mlops.serving.plugins.module_utils._engine import rollout as engine

NUMBER, LATE = int(sys.argv[1]), sys.argv[2] == "after"
count = 0


class Mortal:
    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if not callable(found) or name == "watch":
            return found

        def call(*values: Any, **named: Any) -> Any:
            global count
            count += 1
            mine = count
            if mine == NUMBER and not LATE:
                os.kill(os.getpid(), signal.SIGKILL)
            answer = found(*values, **named)
            if mine == NUMBER and LATE:
                os.kill(os.getpid(), signal.SIGKILL)
            return answer

        return call


class Driver(engine.RolloutDriver):
    def __init__(self, store: Any, rollouts: Any, cluster: Any, *values: Any, **named: Any) -> None:
        super().__init__(Mortal(store), Mortal(rollouts), Mortal(cluster), *values, **named)

    def run(self, command: str | None = "run") -> None:
        try:
            super().run(command)
        finally:
            if not NUMBER:
                Path(os.environ["MLOPS_COUNT_FILE"]).write_text(str(count))


from ansible_collections.mlops.serving.plugins.module_utils._ansible import rollout_run
from ansible_collections.mlops.serving.plugins.modules import rollout

rollout_run.RolloutDriver = Driver  # type: ignore[misc]
basic._ANSIBLE_ARGS = sys.stdin.buffer.read()
basic._ANSIBLE_PROFILE = "legacy"
rollout.main()
