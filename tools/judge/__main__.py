"""Simulates whole roll-outs under four judges and prints what came of them as Markdown: `python -m tools.judge`."""

from __future__ import annotations

import argparse
import sys
import time
import typing as t
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT / ".build") not in sys.path:
    sys.path.insert(0, str(ROOT / ".build"))

from tools.judge.batch import Batch
from tools.judge.others import kayenta, threshold
from tools.judge.world import Row, World, summary

TRAFFIC = (1.0, 10.0, 100.0)
RATIOS = ((0.002, 0.002), (0.01, 0.01), (0.002, 0.02), (0.002, 0.10), (0.002, 0.30), (0.02, 0.002))
BUDGET = 10.0
NAMES = ("ours, harm budget 0", f"ours, harm budget {BUDGET:g} (default)", "fixed threshold", "Mann-Whitney")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.judge", description=__doc__)
    parser.add_argument("--runs", type=int, default=5000, help="roll-outs a row and judge")
    parser.add_argument("--replayed", type=int, default=10, help="of these, how many the plugins' own code plays again")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def cells(world: World, runs: int, replayed: int, seeds: t.Sequence[int]) -> t.Iterator[str]:
    """Each judge has a generator of its own in each row, so that a row comes out the same whatever is run before it."""
    randoms = [np.random.default_rng([*seeds, number]) for number in range(4)]
    for budget, random in zip((None, BUDGET), randoms[:2], strict=True):
        yield cell(summary(Batch(world, budget, runs, replayed, random).run()))
    for judge, random in zip((threshold, kayenta), randoms[2:], strict=True):
        yield cell(summary([judge(world, random) for _ in range(runs)]))


def cell(row: Row) -> str:
    shares = [row.rolled_back, row.promoted, *([row.held] if row.held else [])]
    failed = "" if row.failed is None else f", {row.failed:.0f} failed"
    return f"{' / '.join(f'{share:.1f}' for share in shares)} %, {row.seconds:.0f} s{failed}"


def main() -> int:
    given = arguments()
    started = time.monotonic()
    print(f"`python -m tools.judge --runs {given.runs} --replayed {given.replayed} --seed {given.seed}`\n")
    print("| requests a second | stable errors | candidate errors | " + " | ".join(NAMES) + " |")
    print("|---|---|---" + "|---" * len(NAMES) + "|")
    for i, traffic in enumerate(TRAFFIC):
        for j, (stable, candidate) in enumerate(RATIOS):
            world = World(traffic, stable, candidate)
            row = " | ".join(cells(world, given.runs, given.replayed, (given.seed, i, j)))
            print(f"| {traffic:g} | {100 * stable:g} % | {100 * candidate:g} % | {row} |", flush=True)
    print(f"took {time.monotonic() - started:.0f} s", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
