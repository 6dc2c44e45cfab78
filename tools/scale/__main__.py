"""Many endpoints on a real API server with KServe's webhooks: `python -m tools.scale` (`make scale`).

Prints Markdown tables: `reconcile` of 1,000 and 10,000 endpoints, and 60 documents by others beside it. It starts a cluster of its own and
stops it at the end.
"""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from tools.bench.machine import describe, load
from tools.bench.server import private_postgres
from tools.bench.table import Table
from tools.cluster import access, groups, lifecycle
from tools.cluster.layout import Home
from tools.scale.ours import Ours, Run
from tools.scale.peers import Peers
from tools.scale.progress import Progress, Watch
from tools.scale.raw import compare, documents, write

ROOT = Path(__file__).resolve().parents[2]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.scale", description=__doc__)
    parser.add_argument(
        "--endpoints",
        type=int,
        nargs="+",
        default=[60, 1000, 10000],
        help="how many are reconciled, each in a namespace of its own",
    )
    parser.add_argument("--documents", type=int, default=60, help="how many the others write")
    parser.add_argument("--peers", type=Path, default=Path(".build/scale-peers"), help="their environment")
    parser.add_argument("--cluster-name", default="scale")
    return parser.parse_args()


def namespace(where: access.Access, name: str) -> str:
    where.kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    return name


def own_table(count: int, runs: list[Run], beside: Progress) -> Table:
    """:param beside: of the writers that do nothing else, and of KServe after them"""
    columns = ("", "last one written", "of the bare writers", "all stopped", "of KServe after them")
    process = ("module process", "its CPU time", "memory", "requests")
    table = Table(f"`reconcile`, {count} endpoints on the API server, kept stopped", (*columns, *process))
    written, stopped = beside.created, beside.stopped
    cells = (f"{written:.2f} s", "1.00", f"{stopped:.2f} s", "1.00", "", "", "", f"{count} APPLY")
    table.add("bare writers, 8 connections", *cells)
    for run in runs:
        asked = ", ".join(f"{number} {verb}" for verb, number in sorted(run.requests.items()))
        first = ("", "") if run.written is None else (f"{run.written:.2f} s", f"{run.written / written:.2f}")
        share = "" if run.written is None else f"{run.seconds / stopped:.2f}"
        own = (f"{run.process:.2f} s", f"{run.cpu:.2f} s", f"{run.memory:.0f} MiB", asked)
        table.add(run.what, *first, f"{run.seconds:.2f} s", share, *own)
    return table


def bare(where: access.Access, count: int) -> Progress:
    """The same documents by writers that do nothing else, until KServe has stopped all."""
    same = documents(where.kube, f"ours-{count}", namespace(where, f"bare-{count}"), count)
    with Watch(where.kube, f"bare-{count}") as watch:
        write(where.kube, same)
        return watch.wait(count)


def measure(given: argparse.Namespace, where: access.Access) -> list[Table]:
    tables = []
    with private_postgres(ROOT) as server:
        before = load()
        for count in given.endpoints:
            ours = Ours(ROOT, server, where, namespace(where, f"ours-{count}"))
            runs = ours.measure(count)
            tables.append(own_table(count, runs, bare(where, count)))
            print(f"\n{tables[-1]}", file=sys.stderr, flush=True)
        tables.append(others(given, where))
        print(f"Measured on: {describe(server, before, load())}.")
    return tables


def others(given: argparse.Namespace, where: access.Access) -> Table:
    given.peers.mkdir(parents=True, exist_ok=True)
    peers = Peers(given.peers.resolve(), where.kubeconfig)
    count = given.documents
    source = f"ours-{max(given.endpoints)}"
    table = Table(f"{count} InferenceServices by others", ("way", "create", "again", "1,000 created, at this pace"))
    for number, (name, command) in enumerate(peers.ways().items()):
        peers.write(documents(where.kube, source, namespace(where, f"peer-{number}"), count))
        first, again = peers.seconds(command), peers.seconds(command)
        table.add(name, f"{first:.2f} s", f"{again:.2f} s", f"{first * 1000 / count:.0f} s")
    bare = documents(where.kube, source, namespace(where, "peer-bare"), count)
    first = write(where.kube, bare)
    table.add(
        "bare writers, 8 connections",
        f"{first:.2f} s",
        f"{write(where.kube, bare):.2f} s",
        f"{first * 1000 / count:.0f} s",
    )
    table.add("one LIST and a comparison", "", f"{compare(where.kube, bare):.2f} s", "")
    return table


def main() -> int:
    given = arguments()
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(143))
    home = Home.from_environment()
    lifecycle.down(home, given.cluster_name)
    try:
        where = access.Access(lifecycle.up(home, given.cluster_name, groups.closure(["kserve"])))
        tables = measure(given, where)
    finally:
        lifecycle.down(home, given.cluster_name)
    for table in tables:
        print(f"\n{table}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
