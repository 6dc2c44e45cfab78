"""Roll-outs on a running cluster at constant load, measured: `python -m tools.soak` (`make soak`).

Prints Markdown tables: a candidate that fails 30 %, a good one, both with 1 % errors, and what the engine adds to a step
over KServe's own convergence. Times are the client's and the database's, on one machine.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from tools.bench.machine import describe, load
from tools.bench.server import private_postgres
from tools.soak.picture import draw
from tools.soak.scenes import Played, Scene, bare_steps, play
from tools.soak.summary import bad_table, good_table, same_table, step_table

# The default paces its steps by a harm budget of 10; the other waits for each step's part of min_requests.
PLANS: dict[str, dict[str, int]] = {"default": {}, "harm_budget: 0": {"harm_budget": 0}}
ROOT = Path(__file__).resolve().parents[2]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.soak", description=__doc__)
    parser.add_argument("--rate", type=float, default=40, help="requests a second")
    parser.add_argument(
        "--bad",
        type=int,
        default=5,
        help="roll-outs of a candidate that fails 30 %%, each with and without a harm budget",
    )
    parser.add_argument("--good", type=int, default=2, help="the same of a good candidate")
    parser.add_argument("--same", type=int, default=20, help="roll-outs where both versions fail 1 %%")
    parser.add_argument("--cluster-name", default=os.environ.get("MLOPS_CLUSTER_NAME", "main"))
    parser.add_argument(
        "--picture",
        type=Path,
        help="measure nothing; play one bad roll-out and draw it to FOLDER/rollout.svg, rollout-dark.svg and .html",
    )
    return parser.parse_args()


def measure(scene: Scene, given: argparse.Namespace) -> None:
    """Prints what there is when it is interrupted, too."""
    before = load()
    bare: list[float] = []
    bad: dict[str, list[Played]] = {name: [] for name in PLANS}
    good: dict[str, list[Played]] = {name: [] for name in PLANS}
    same: list[Played] = []
    try:
        bare += bare_steps(scene)
        for runs, fails, times in ((bad, 0.3, given.bad), (good, 0.0, given.good)):
            for name, plan in PLANS.items():
                for _ in range(times):
                    runs[name].append(play(scene, 0.0, fails, plan))
        for _ in range(given.same):
            # 1 % is the default's own limit, and the true ratio of both.
            same.append(play(scene, 0.01, 0.01, {}))
    finally:
        engine = [seconds for one in (*good["default"], *good["harm_budget: 0"], *same) for seconds in one.steps]
        print(
            f"Measured on: {describe(scene.server, before, load())}. {given.rate:g} requests a second through Envoy, steps 1, 5, 10, 25, 50.\n"
        )
        for table in (bad_table(bad), good_table(good), same_table(same), step_table(engine, bare)):
            print(f"{table}\n")


def main() -> int:
    given = arguments()
    with private_postgres(ROOT) as server:
        scene = Scene(given.cluster_name, server, given.rate)
        try:
            if given.picture:
                draw(scene, given.picture)
                return 0
            measure(scene, given)
        finally:
            scene.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
