"""Many endpoints on a real API server with KServe's webhooks: `python -m tools.scale` (`make scale`).

Prints Markdown tables: `reconcile` of 60 endpoints with KServe as it is, of 1,000 and 10,000 with its webhooks alone, within the limits of
KServe's manifest and without them, and 60 documents by others in both. It starts a cluster of its own and stops it at the end.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tools.bench.machine import describe, load
from tools.bench.server import Server, private_postgres
from tools.bench.table import Table
from tools.cluster import access, groups, lifecycle
from tools.cluster.layout import Home
from tools.scale.ours import Ours, Run
from tools.scale.peers import Peers
from tools.scale.progress import Progress, Watch
from tools.scale.raw import compare, documents, write
from tools.scale.stand_in import StandIn, lift_limits, status_of_stopped, take_lead

ROOT = Path(__file__).resolve().parents[2]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.scale", description=__doc__)
    parser.add_argument(
        "--endpoints",
        type=int,
        nargs="+",
        default=[1000, 10000],
        help="how many are reconciled while KServe's webhooks answer and its controller waits, without the limits of its manifest",
    )
    parser.add_argument("--small", type=int, nargs="*", default=[1000], help="the same, within those limits")
    parser.add_argument("--led", type=int, default=60, help="how many are reconciled first, with KServe's controller")
    parser.add_argument("--documents", type=int, default=60, help="how many the others write")
    parser.add_argument("--peers", type=Path, default=Path(".build/scale-peers"), help="their environment")
    parser.add_argument("--cluster-name", default="scale")
    return parser.parse_args()


def namespace(where: access.Access, name: str) -> str:
    where.kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    return name


def own_table(title: str, count: int, runs: list[Run], beside: Progress) -> Table:
    """:param beside: of the writers that do nothing else, and of who stops them"""
    columns = ("", "last one written", "of the bare writers", "all stopped", "of the bare writers")
    process = ("module process", "its CPU time", "memory", "requests")
    table = Table(f"`reconcile`, {count:,} endpoints that are kept stopped, {title}", (*columns, *process))
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


@dataclass(frozen=True)
class Pair:
    """Ours and the bare writers, with the same documents.

    :param created: is told of each new InferenceService; None where KServe sees them itself
    """

    where: access.Access
    server: Server
    title: str
    name: str
    created: Callable[[str, str], None] | None = None

    def measure(self, count: int) -> Table:
        source = f"{self.name}-{count}"
        ours = Ours(ROOT, self.server, self.where, namespace(self.where, source))
        runs = ours.measure(count, self.created)
        table = own_table(self.title, count, runs, self._bare(source, f"bare-{source}", count))
        print(f"\n{table}", file=sys.stderr, flush=True)
        return table

    def _bare(self, source: str, into: str, count: int) -> Progress:
        """Until all are stopped."""
        same = documents(self.where.kube, source, namespace(self.where, into), count)
        with Watch(self.where.kube, into, self.created) as watch:
            write(self.where.kube, same)
            return watch.wait(count)


def measure(given: argparse.Namespace, where: access.Access) -> list[Table]:
    with private_postgres(ROOT) as server:
        before = load()
        tables = [Pair(where, server, "KServe as it is", "led").measure(given.led)]
        take_lead(where.kube)
        with StandIn(where.kube, status_of_stopped(where.kube, f"led-{given.led}")) as stand_in:
            pair = Pair(where, server, "KServe's webhooks alone", "small", stand_in.tell)
            tables += [pair.measure(count) for count in given.small]
            tables.append(others(given, where, "KServe's webhooks alone", "within"))
            lift_limits(where.kube)
            pair = Pair(where, server, "KServe's webhooks alone, without their limits", "ours", stand_in.tell)
            tables += [pair.measure(count) for count in given.endpoints]
        tables.append(others(given, where, "KServe's webhooks alone, without their limits", "without"))
        print(f"Measured on: {describe(server, before, load())}.")
    return tables


def others(given: argparse.Namespace, where: access.Access, title: str, name: str) -> Table:
    """:param name: of the namespaces"""
    given.peers.mkdir(parents=True, exist_ok=True)
    peers = Peers(given.peers.resolve(), where.kubeconfig)
    count = given.documents
    source = f"led-{given.led}"
    table = Table(
        f"{count} InferenceServices by others, {title}", ("way", "create", "again", "1,000 created, at this pace")
    )
    for number, (way, command) in enumerate(peers.ways().items()):
        peers.write(documents(where.kube, source, namespace(where, f"peer-{name}-{number}"), count))
        first, again = peers.seconds(command), peers.seconds(command)
        table.add(way, f"{first:.2f} s", f"{again:.2f} s", f"{first * 1000 / count:.0f} s")
    bare = documents(where.kube, source, namespace(where, f"peer-{name}-bare"), count)
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
