"""Runs the tiers of the tests, several at a time, and closes with a table: `run_tiers.py [TIER...]`.

Each tier is a make target; what it prints goes to .build/logs/TIER.log and to the console only when it failed. The last line counts what
pytest counted; a tier that failed without a failed test counts as one.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOGS = ROOT / ".build" / "logs"
LANES = (os.cpu_count() or 1) + 1  # one more than there are cores: much of the time is spent waiting for servers
# The longest first, so that the lanes end together. Those of LAST come after them, one after the other.
TIERS = (
    "integration-worker",
    "integration",
    "integration-doors",
    "molecule",
    "oldest",
    "unit",
    "demo-twice",
)
# What waits for nothing: where the cluster's tests run, in the processor time that they leave.
QUIET = ("sanity", "lint", "environments", "importer", "kubeflow-test", "resolve")
# The build is a row of its own: how long the tests waited for one that had begun before, or for their own.
LAST = ("cluster-test-build", "test-cluster")
# What says why in the logs of pytest, Ansible and make; a reader of a long log sees its end alone.
REASON = re.compile(r"^(?:FAILED|ERROR) \S+::|^(?:fatal|failed): \[|^E  +\S*(?:Error|Exception)")
SUMMARY = re.compile(r"^=*\s*((?:\d+ [a-z]+(?:, )?)+) in [\d.]+s.*?=*$")


@dataclass
class Outcome:
    """:param cpu: seconds of processor time, without that of servers that outlive who started them"""

    tier: str
    code: int
    seconds: float
    cpu: float
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    reasons: tuple[str, ...] = ()


def count(text: str) -> dict[str, int]:
    """Tests by their outcome, summed over every closing line of pytest's in `text`."""
    counts: dict[str, int] = {}
    for line in text.splitlines():
        match = SUMMARY.match(re.sub(r"\x1b\[[\d;]*m", "", line).strip())
        for number, word in re.findall(r"(\d+) ([a-z]+)", match.group(1) if match else ""):
            counts[word] = counts.get(word, 0) + int(number)
    return counts


def reasons(text: str) -> tuple[str, ...]:
    """The lines of `text` that say why it failed: the last ten, each cut where it grows long."""
    lines = [line.replace("\\n", " ") for line in text.splitlines() if REASON.match(line)]
    return tuple(line if len(line) <= 1000 else f"{line[:500]} ... {line[-500:]}" for line in lines[-10:])


def run(tier: str, lock: threading.Lock, *, quietly: bool = False) -> Outcome:
    """:param quietly: only when nobody else wants to compute"""
    log = LOGS / f"{tier}.log"
    started = time.monotonic()
    with log.open("w") as output:
        command = [*(["nice", "-n", "19"] if quietly else []), "make", "--no-print-directory", tier]
        process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)
        _pid, status, used = os.wait4(process.pid, 0)
        code = process.returncode = os.waitstatus_to_exitcode(status)
    text = log.read_text(errors="replace")
    counts = count(text)
    failed = counts.get("failed", 0) + counts.get("error", 0) + counts.get("errors", 0)
    cpu = used.ru_utime + used.ru_stime
    outcome = Outcome(
        tier, code, time.monotonic() - started, cpu, counts.get("passed", 0), failed, counts.get("skipped", 0)
    )
    if code and not failed:
        outcome.failed = 1
    if os.environ.get("CI") == "true" and outcome.skipped:
        outcome.code = outcome.code or 1  # in CI a test that could not run has failed
    if outcome.code:
        outcome.reasons = reasons(text)
    with lock:
        print(f"{tier}: {verdict(outcome)} ({outcome.seconds:.0f} s)", flush=True)
        if outcome.code:
            print(f"----- {log.relative_to(ROOT)}\n{text}\n----- end of {log.relative_to(ROOT)}", flush=True)
    return outcome


def verdict(outcome: Outcome) -> str:
    return "FAILED" if outcome.code else "ok"


def cluster_is_built() -> bool:
    """Whether the cluster's tool would have nothing left to build."""
    groups = os.environ["CLUSTER_TEST_GROUPS"]  # from the Makefile
    command = [sys.executable, "-m", "tools.cluster", "build", "--groups", groups, "--list"]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return answer.returncode == 0 and not answer.stdout.strip()


@dataclass(frozen=True)
class Choice:
    """Tiers to run side by side, those to run one after the other afterwards, and those beside the latter."""

    together: tuple[str, ...]
    alone: tuple[str, ...] = ()
    quiet: tuple[str, ...] = ()
    left_out: bool = False


def chosen(arguments: list[str]) -> Choice:
    if arguments:
        together = tuple(tier for tier in arguments if tier not in LAST)
        return Choice(together, tuple(tier for tier in LAST if tier in arguments))
    if os.environ.get("CI") == "true" or cluster_is_built():
        return Choice(TIERS, LAST, QUIET)
    return Choice((*TIERS, *QUIET), left_out=True)


def run_all(choice: Choice) -> list[Outcome]:
    lock = threading.Lock()
    with ThreadPoolExecutor(LANES) as lanes:
        outcomes = list(lanes.map(lambda tier: run(tier, lock), choice.together))
    with ThreadPoolExecutor(1) as beside:
        quiet = beside.map(lambda tier: run(tier, lock, quietly=True), choice.quiet)
        for tier in choice.alone:
            outcomes.append(run(tier, lock))
            if outcomes[-1].code and tier == LAST[0]:
                break  # without the build there is nothing to test
        outcomes += quiet
    return outcomes


def main() -> int:
    LOGS.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    choice = chosen(sys.argv[1:])
    outcomes = run_all(choice)
    print(f"\n{'tier':<18} {'result':<7} {'seconds':>7} {'CPU':>7} {'passed':>7} {'failed':>7} {'skipped':>7}")
    for outcome in outcomes:
        numbers = (
            f"{outcome.seconds:>7.0f} {outcome.cpu:>7.0f} {outcome.passed:>7} {outcome.failed:>7} {outcome.skipped:>7}"
        )
        print(f"{outcome.tier:<18} {verdict(outcome):<7} {numbers}")
    print(f"{'all':<18} {'':<7} {time.monotonic() - started:>7.0f}")
    for outcome in outcomes:
        for line in outcome.reasons:
            print(f"{outcome.tier}: {line}")
    if choice.left_out:
        print(
            "The tests on a real cluster did not run: its binaries are not built yet. `make test-cluster` builds them and runs the tests."
        )
    failed = sum(outcome.failed for outcome in outcomes)
    print(f"\n{sum(outcome.passed for outcome in outcomes)} passed, {failed} failed")
    return 1 if any(outcome.code for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
