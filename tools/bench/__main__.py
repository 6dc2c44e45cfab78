"""Measures everything in one run on a private Postgres and prints it as Markdown: `python -m tools.bench`.
Events need NATS and Java besides: `--only events`. The uploads need no Postgres, but an S3 server, and the tools beside which they
are measured: `--only uploads`.

Seconds depend on the machine; ratios of one run are what to look at. Nothing here fails because something is slow.
"""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from tools.bench.calls import measure_calls
from tools.bench.events import measure_events
from tools.bench.machine import describe, load
from tools.bench.reconcile import measure_reconcile
from tools.bench.server import private, private_postgres
from tools.bench.table import Table
from tools.bench.uploads import measure_uploads


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.bench", description=__doc__)
    parser.add_argument("--endpoints", type=int, default=1000, help="how many endpoints are reconciled")
    parser.add_argument("--repetitions", type=int, default=5, help="how often what is short is measured; medians count")
    parser.add_argument("--calls", type=int, default=20, help="module calls in a loop")
    parser.add_argument("--loops", type=int, default=3, help="how often that loop is run; medians count")
    parser.add_argument("--files", type=int, default=2000, help="small files that are uploaded")
    parser.add_argument("--big", type=int, default=2048, help="MiB of the big file that is uploaded")
    parser.add_argument("--peers", type=Path, default=Path(".build/bench-peers"), help="environments of what uploads are measured beside")
    parser.add_argument("--events", type=int, default=2000, help="events that are drained")
    parser.add_argument("--seconds", type=int, default=20, help="how long each rate of events is kept")
    parser.add_argument("--only", choices=["store", "events", "uploads"], help="one part; all by default")
    return parser.parse_args()


def main() -> int:
    given = arguments()
    # Whoever ends it ends its Postgres too.
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(143))
    root = Path(__file__).resolve().parents[2]
    before = load()
    tables: list[Table] = []
    if given.only in (None, "store"):
        with private_postgres(root) as server:
            tables += [
                measure_reconcile(root, server, endpoints=given.endpoints, repetitions=given.repetitions),
                measure_calls(root, server, calls=given.calls, repetitions=given.loops),
            ]
            print(describe(server, before, load()))
    if given.only in (None, "events"):
        # When a row was committed is what latencies are made of.
        with private_postgres(root, track_commit_timestamp="on") as server, private(root, "nats") as found:
            tables += measure_events(root, server, found["NATS_URL"], drained=given.events, seconds=given.seconds)
            print(describe(server, before, load()))
    if given.only in (None, "uploads"):
        tables += measure_uploads(root, given.peers.resolve(), files=given.files, big=given.big)
    for table in tables:
        print(f"\n{table}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
