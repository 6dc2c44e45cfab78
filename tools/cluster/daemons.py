"""Long-running processes of a cluster: started in its namespace and its control group, found again by file and group."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from . import cgroups, network
from .addresses import Plan
from .errors import ClusterError
from .layout import Folder

LOG_LIMIT = 50 << 20


@dataclass(frozen=True)
class Daemons:
    """Starts, stops and looks at the daemons of one cluster."""

    folder: Folder
    plan: Plan

    def log(self, name: str) -> Path:
        return self.folder.logs / f"{name}.log"

    def pid(self, name: str) -> int | None:
        """Process id if that daemon runs: the file's number counts only for a process of this cluster's control group."""
        try:
            pid = int((self.folder.pids / name).read_text())
        except (OSError, ValueError):
            return None
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
            groups = Path(f"/proc/{pid}/cgroup").read_text()
        except OSError:
            return None
        return pid if state != "Z" and f"/{self.plan.cgroup}/" in groups else None

    def start(self, name: str, command: Sequence[str | Path], env: dict[str, str] | None = None) -> bool:
        """Starts the daemon unless it runs. True if it was started now."""
        if self.pid(name) is not None:
            return False
        for folder in (self.folder.logs, self.folder.pids):
            folder.mkdir(parents=True, exist_ok=True)
        words = [*network.inside(self.plan), *(str(word) for word in command)]
        join = cgroups.join_file(self.plan.cgroup)

        def enter_group() -> None:
            join.write_text(str(os.getpid()))

        log = self.log(name)
        if log.exists() and log.stat().st_size > LOG_LIMIT:
            log.unlink()
        with log.open("ab") as out:
            process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                cwd=self.folder.root,
                env={
                    "PATH": os.environ.get("PATH", "") + ":/usr/sbin:/sbin",
                    "HOME": str(self.folder.run),
                    **(env or {}),
                },
                start_new_session=True,
                preexec_fn=enter_group,
            )
        (self.folder.pids / name).write_text(str(process.pid))
        return True

    def send(self, name: str, number: signal.Signals) -> None:
        pid = self.pid(name)
        if pid is None:
            raise ClusterError(f"{name} of cluster {self.plan.name} does not run")
        os.kill(pid, number)

    def stop(self, name: str, number: signal.Signals = signal.SIGTERM, seconds: float = 10) -> None:
        """Ends the daemon and waits until it is gone; one that does not run is no error."""
        pid = self.pid(name)
        if pid is None:
            return
        os.kill(pid, number)
        end = time.monotonic() + seconds
        while self.pid(name) == pid:
            try:
                os.waitpid(pid, os.WNOHANG)  # it may be our own child
            except ChildProcessError:
                pass
            if time.monotonic() > end:
                os.kill(pid, signal.SIGKILL)
                end += seconds
            time.sleep(0.02)
        (self.folder.pids / name).unlink(missing_ok=True)

    def tail(self, name: str, lines: int = 15) -> str:
        try:
            return "\n".join(self.log(name).read_text(errors="replace").splitlines()[-lines:])
        except OSError:
            return "(no log)"
