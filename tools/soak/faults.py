# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fault tests again and again: `python -m tools.soak.faults` (`make soak-faults`).

Prints a Markdown table: how often each test ran and passed, and its seconds. Fails where one failed once.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PLACES = {"local": "tests/integration/faults", "cluster": "tests/cluster/test_faults.py"}


class Tally:
    """Seconds of the runs that passed, and reasons of those that did not, by test."""

    def __init__(self) -> None:
        self.passed: dict[str, list[float]] = defaultdict(list)
        self.failed: dict[str, list[str]] = defaultdict(list)

    def add(self, report: Path) -> None:
        """Takes in one run's report in JUnit's format."""
        for case in ElementTree.parse(report).iter("testcase"):
            name = f"{case.get('classname', '').rpartition('.')[2]}::{case.get('name')}"
            # A test that was skipped has shown nothing.
            bad = [child for child in case if child.tag in ("failure", "error", "skipped")]
            if bad:
                self.failed[name].append(f"{bad[0].tag}: {(bad[0].get('message') or '').splitlines()[:1]}")
            else:
                self.passed[name].append(float(case.get("time") or 0.0))

    def table(self) -> str:
        names = sorted({*self.passed, *self.failed})
        lines = ["| test | runs | passed | median s | longest s |", "|---|---|---|---|---|"]
        for name in names:
            took, bad = self.passed[name], self.failed[name]
            figures = f"{statistics.median(took):.1f} | {max(took):.1f}" if took else "- | -"
            lines.append(f"| {name} | {len(took) + len(bad)} | {len(took)} | {figures} |")
        runs, passed = (
            sum(map(len, (*self.passed.values(), *self.failed.values()))),
            sum(map(len, self.passed.values())),
        )
        return "\n".join([*lines, f"| all {len(names)} | {runs} | {passed} | | |"])


def run(place: str, tally: Tally, number: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", PLACES[place], f"--junitxml={report}"]
        answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if not report.exists():
            raise SystemExit(f"pytest gave no report:\n{answer.stdout}{answer.stderr}")
        tally.add(report)
    print(f"{place} {number}: {(answer.stdout.strip().splitlines() or ['nothing said'])[-1]}", flush=True)
    if answer.returncode:
        print(answer.stdout, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.soak.faults", description=__doc__)
    parser.add_argument("--times", type=int, default=20, help="runs of each place")
    parser.add_argument("--places", nargs="+", choices=PLACES, default=list(PLACES))
    given = parser.parse_args()
    tally = Tally()
    try:
        for number in range(1, given.times + 1):
            for place in given.places:
                run(place, tally, number)
    finally:
        # What there is when it is interrupted, too.
        print(f"\n{tally.table()}")
        for name, reasons in sorted(tally.failed.items()):
            for reason in reasons:
                print(f"{name}: {reason}")
    return int(any(tally.failed.values()))


if __name__ == "__main__":
    sys.exit(main())
