"""Publishing to S3 beside `aws s3 sync` and community.aws.s3_sync: many small files, and a big one; for the first time, and again."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tools.bench.machine import load
from tools.bench.peers import Peers, install
from tools.bench.s3_server import S3, seaweedfs, sink
from tools.bench.server_limit import bare_uploads
from tools.bench.table import Table

MIB = 1024 * 1024
SMALL_BYTES = 8 * 1024
TOOLS = ("`mlops.serving.triton_repository`", "`aws s3 sync`", "`community.aws.s3_sync`")
_BUCKETS = ("ours", "aws", "s3-sync", "bare")
_CONFIG = """backend: "python"
max_batch_size: 8
input [{ name: "A" data_type: TYPE_FP32 dims: [ 4 ] }]
output [{ name: "B" data_type: TYPE_FP32 dims: [ 4 ] }]
"""
_MODEL = "class TritonPythonModel:\n    def execute(self, requests):\n        return []\n"
# The command's own process and all that it starts count for the time, the largest of them for the memory.
_MEASURE = """
import json, resource, subprocess, sys, time
began = time.perf_counter()
answer = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
seconds, used = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([answer.returncode, answer.stdout[-3000:], seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024]))
"""


@dataclass(frozen=True)
class Figures:
    """Seconds from start to end, seconds computed, and MiB of the largest process."""

    seconds: float
    cpu: float
    memory: float


def measure_uploads(root: Path, peers_folder: Path, *, files: int, big: int) -> list[Table]:
    """:param files: how many small files; :param big: MiB of the big file"""
    peers = install(peers_folder)
    with _scratch(big) as folder:
        _fill(folder / "small", files, SMALL_BYTES)
        _fill(folder / "big", 1, big * MIB)
        tables = []
        with seaweedfs(root, folder, _BUCKETS) as server:
            tables.append(_table(root, folder, peers, server, files, big))
        with sink(root) as server:
            tables.append(_table(root, folder, peers, server, files, big))
    print(
        f"\nUploads beside {_versions(peers)}; a file is measured with its two small neighbours, and SeaweedFS shares the cores."
    )
    return tables


def _versions(peers: Peers) -> str:
    aws, ansible = peers.version("aws", "awscli"), peers.version("s3_sync", "ansible")
    return f"awscli {aws}, ansible {ansible}, boto3 {peers.version('s3_sync', 'boto3')}"


def _table(root: Path, folder: Path, peers: Peers, server: S3, files: int, big: int) -> Table:
    before = load()
    columns = (
        "",
        *(f"{what}, {when}" for what in (f"{files:,} files", f"{big:,} MiB") for when in ("first", "again")),
        "peak memory",
    )
    # The tools take turns, so that a slow minute hits all of them.
    turns = [
        [_run(root, folder / what, peers, server, number) for number in range(len(TOOLS))]
        for what in ("small", "big")
        for _when in ("first", "again")
    ]
    rows = list(zip(TOOLS, zip(*turns, strict=True), strict=True))
    ours = rows[0][1]
    bare = (
        bare_uploads(server.environment, "bare", files, SMALL_BYTES),
        bare_uploads(server.environment, "bare", big // 8, 8 * MIB),
    )
    table = Table(f"uploads to {server.name}, load {before} before and {load()} after", columns)
    for tool, runs in rows:
        cells = [
            f"{run.seconds:.1f} s ({run.seconds / own.seconds:.1f}), {run.cpu:.1f} s CPU"
            for run, own in zip(runs, ours, strict=True)
        ]
        small, large = max(run.memory for run in runs[:2]), max(run.memory for run in runs[2:])
        table.add(tool, *cells, f"{small:.0f} and {large:.0f} MiB")
    ping = f"{measure_ping(folder):.1f} s"
    table.add("`ansible.builtin.ping`, in what both modules take", ping, ping, ping, ping, "")
    table.add("the bytes alone, from memory", f"{bare[0]:.1f} s", "", f"{bare[1]:.1f} s", "", "")
    return table


def measure_ping(folder: Path) -> float:
    """Seconds that `ansible-playbook` takes for a task that does nothing, to be seen in the figures of both modules."""
    command = _ansible(Path(sys.executable), folder, "ansible.builtin.ping", {})
    answer = subprocess.run([sys.executable, "-c", _MEASURE, *command], capture_output=True, text=True, check=True)
    return float(json.loads(answer.stdout)[2])


def _ansible(python: Path, folder: Path, module: str, options: dict[str, str]) -> list[str]:
    """A playbook of one task, by the Ansible of this environment; JSON is YAML."""
    book = folder / "play.yml"
    tasks = [{"name": "Measure", module: options}]
    book.write_text(json.dumps([{"name": "Measure", "hosts": "localhost", "gather_facts": False, "tasks": tasks}]))
    program = str(python.with_name("ansible-playbook"))
    return [program, "-c", "local", "-i", "localhost,", "-e", f"ansible_python_interpreter={python}", str(book)]


def _run(root: Path, source: Path, peers: Peers, server: S3, tool: int) -> Figures:
    bucket, name = _BUCKETS[tool], source.name
    kept = {each: value for each, value in os.environ.items() if not each.startswith(("AWS_", "ANSIBLE_"))}
    environment = {**kept, **server.environment, "AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/dev/null"}
    if tool == 0:
        environment["ANSIBLE_COLLECTIONS_PATH"] = str(root / ".build")
        options = {"src": str(source), "repository": name, "bucket": bucket}
        command = _ansible(Path(sys.executable), source.parent, "mlops.serving.triton_repository", options)
    elif tool == 1:
        program = peers.program("aws", "aws")
        command = [program, "s3", "sync", "--only-show-errors", str(source), f"s3://{bucket}/{name}"]
    else:
        options = {"file_root": str(source), "bucket": bucket, "key_prefix": name}
        python = Path(peers.program("s3_sync", "python"))
        command = _ansible(python, source.parent, "community.aws.s3_sync", options)
    answer = subprocess.run(
        [sys.executable, "-c", _MEASURE, *command], env=environment, capture_output=True, text=True, check=True
    )
    code, said, *figures = json.loads(answer.stdout)
    if code:
        raise SystemExit(f"{' '.join(command)} failed: {said}")
    figure = Figures(*figures)
    print(f"{server.name}: {TOOLS[tool]} {name} {figure.seconds:.1f} s", file=sys.stderr, flush=True)
    return figure


def _fill(top: Path, files: int, size: int) -> None:
    """A repository of one model with so many files of random bytes, its config and program among them where there are many."""
    version = top / "net" / "1"
    version.mkdir(parents=True)
    (top / "net" / "config.pbtxt").write_text(_CONFIG)
    (version / "model.py").write_text(_MODEL)
    for number in range(max(1, files - 2)):
        with (version / f"weights-{number:05d}.bin").open("wb") as file:
            for left in range(size, 0, -MIB):
                file.write(os.urandom(min(left, MIB)))


@contextlib.contextmanager
def _scratch(big: int) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="mlops-bench-") as name:
        needed = 6 * big * MIB + 1024 * MIB  # what is sent, once for each tool and once bare, and the server's reserve
        free = shutil.disk_usage(name).free
        if free < needed:
            raise SystemExit(
                f"the uploads need {needed / 1024**3:.0f} GiB of disc at {name}, and {free / 1024**3:.0f} are free"
            )
        yield Path(name)
