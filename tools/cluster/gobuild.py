"""Builds the families' binaries with the go command and keeps them by a key of their sources.

Go's own caches take gigabytes. They lie in the cache folder and are dropped when a build is complete, unless GOCACHE or
GOMODCACHE of the environment name places of their own, which are used and kept.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from . import modules
from .errors import ClusterError
from .families import FAMILIES, GCFLAGS, Binary, Family
from .layout import Home
from .shell import run, writable_copy

MINIMUM_GO = (1, 26)
ATTEMPTS = 4
STALL_SECONDS = 90.0
LOOK_SECONDS = 5.0
DOWNLOAD_SECONDS = 240
KEPT_SECONDS = 14 * 24 * 3600.0


def environment(home: Home) -> dict[str, str]:
    """Settings of a build. GOFLAGS of the user are not taken: they are not part of the key."""
    return {
        "CGO_ENABLED": "0",
        "GOFLAGS": "-buildvcs=false",
        "GOWORK": "off",
        "GOCACHE": os.environ.get("GOCACHE") or str(home.go_build),
        "GOMODCACHE": os.environ.get("GOMODCACHE") or str(home.go_modules),
        # The compiler spends a fifth of its processor time on its own garbage otherwise; what large packages then take is limited.
        "GOGC": "400",
        "GOMEMLIMIT": "2GiB",
    }


def check_go() -> None:
    if shutil.which("go") is None:
        raise ClusterError("go is not on PATH: install Go 1.26 or later")
    said = run(["go", "env", "GOVERSION"]).strip()
    found = re.match(r"go(\d+)\.(\d+)", said)
    if not found or (int(found[1]), int(found[2])) < MINIMUM_GO:
        raise ClusterError(f"go on PATH is {said}; the modules need Go {MINIMUM_GO[0]}.{MINIMUM_GO[1]} or later")


def place(home: Home, family: Family) -> Path:
    return home.binaries / f"{family.name}-{family.key()}"


def path_of(home: Home, name: str) -> Path:
    """Where the binary of that name is, or will be."""
    for family in FAMILIES:
        if any(binary.name == name for binary in family.binaries):
            return place(home, family) / name
    raise ClusterError(f"no family builds {name}")


def missing(home: Home, groups: Iterable[str]) -> list[tuple[Family, str, list[Binary]]]:
    """What must be built, in order: by group, and within it by family."""
    todo = []
    for group in groups:
        for family in FAMILIES:
            wanted = unbuilt(home, family, family.wanted([group]))
            if wanted:
                todo.append((family, group, wanted))
    return todo


def unbuilt(home: Home, family: Family, binaries: Iterable[Binary]) -> list[Binary]:
    return [binary for binary in binaries if not (place(home, family) / binary.name).exists()]


def module_folder(home: Home, family: Family, module: str) -> Path:
    """Folder of a module's sources at the version that the family's go.mod chose; downloaded and checked if need be."""
    version = modules.version_of((family.folder / "go.mod").read_text(), module)
    return modules.path_in_download(download(f"{module}@{version}", family.folder, environment(home)))


def download(module: str, where: Path, settings: dict[str, str]) -> str:
    """Answer of `go mod download -json`. module: with its version; where: folder of the go.mod whose sums count, if any."""
    command = ["go", "mod", "download", "-json", module]
    for _ in range(ATTEMPTS - 1):
        try:
            return run(command, cwd=where, env=settings, timeout=DOWNLOAD_SECONDS)
        except ClusterError:
            continue  # a connection that stands still, or a registry that is busy
    return run(command, cwd=where, env=settings, timeout=DOWNLOAD_SECONDS)


def build(home: Home, family: Family, binaries: list[Binary], detail: Callable[[str], None]) -> None:
    """Builds the binaries of one family in one call, which compiles what they share once."""
    target = place(home, family)
    partial = target.with_name(f"{target.name}.partial{os.getpid()}")
    for left in home.binaries.glob(f"{target.name}.partial*"):
        shutil.rmtree(left)  # of a build that was killed: there is one at a time
    partial.mkdir(parents=True)
    target.mkdir(parents=True, exist_ok=True)
    try:
        where = _sources(home, family, partial)
        for batch in _batches(binaries):
            _go_build(home, family, where, [b.package for b in batch], partial, detail)
            for binary in batch:
                (partial / output_name(binary.package)).rename(target / binary.name)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _sources(home: Home, family: Family, work: Path) -> Path:
    """Folder to build in: ours, the module's archive, or a copy of it with some files replaced."""
    if not family.archive:
        return family.folder
    archive = module_folder(home, family, family.archive)
    if not family.overlay:
        return archive
    changed = work / "sources"
    writable_copy(archive, changed)
    for place, ours in family.overlay.items():
        shutil.copyfile(family.folder / ours, changed / place)
    return changed


def output_name(package: str) -> str:
    """Name that `go build -o folder/` gives to a package's binary: the last part of its path that is not a major version."""
    parts = [part for part in package.split("/") if not re.fullmatch(r"v\d+", part)]
    return parts[-1]


def _batches(binaries: list[Binary]) -> list[list[Binary]]:
    """Binaries that can share one call: no two with the same output name."""
    result: list[list[Binary]] = []
    for binary in binaries:
        for batch in result:
            if all(output_name(binary.package) != output_name(other.package) for other in batch):
                batch.append(binary)
                break
        else:
            result.append([binary])
    return result


def _go_build(
    home: Home, family: Family, where: Path, packages: list[str], out: Path, detail: Callable[[str], None]
) -> None:
    flags = ["-v", "-mod=readonly", "-trimpath", *(f"-gcflags={flags}" for flags in GCFLAGS)]
    command = ["go", "build", *flags, "-ldflags", family.ldflags, "-o", f"{out}/", *packages]
    for attempt in range(ATTEMPTS):
        process = subprocess.Popen(
            command,
            cwd=where,
            env={**os.environ, **environment(home)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        watch = Watch(process.pid)
        compiled, said = 0, []
        assert process.stdout is not None
        for line in process.stdout:
            watch.alive()
            if line.startswith("go: downloading"):
                detail(f"downloading {line.split()[2]}")
            elif re.fullmatch(r"[\w./\-~+!]+\n", line):
                compiled += 1
                detail(f"{compiled} packages compiled")
            else:
                said.append(line)
        if process.wait() == 0:
            return
        if not watch.stalled or attempt == ATTEMPTS - 1:
            break
        detail("a download stood still: trying again")
    raise ClusterError(f"go build of {family.name} failed: {''.join(said)[-2000:] or 'it said nothing'}")


def _has_children(pid: int) -> bool:
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = path.read_text().rsplit(")", 1)[1].split()[1]
        except (OSError, IndexError):
            continue
        if parent == str(pid):
            return True
    return False


class Watch:
    """Ends a go command that waits for the network for ever: it said nothing for long and has no compiler running.

    A connection that the other side forgot keeps the go command for a quarter of an hour otherwise.
    """

    def __init__(self, pid: int) -> None:
        self.stalled = False
        self._pid = pid
        self._seen = time.monotonic()
        threading.Thread(target=self._look, daemon=True).start()

    def alive(self) -> None:
        self._seen = time.monotonic()

    def _look(self) -> None:
        while True:
            time.sleep(LOOK_SECONDS)
            if not Path(f"/proc/{self._pid}").exists():
                return
            if _has_children(self._pid):
                self.alive()
            elif time.monotonic() - self._seen > STALL_SECONDS:
                self.stalled = True
                try:
                    os.kill(self._pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
                return


def drop_caches(home: Home) -> None:
    """Go's own caches that are ours. Modules are read-only on disk, so that go itself must remove them."""
    for variable, folder, flag in (("GOCACHE", home.go_build, "-cache"), ("GOMODCACHE", home.go_modules, "-modcache")):
        if not os.environ.get(variable) and folder.exists():
            run(["go", "clean", flag], env={**environment(home), "GOFLAGS": ""}, check=False)
            shutil.rmtree(folder, ignore_errors=True)


def forget(home: Home) -> None:
    """Removes binaries of sources that are gone and that nobody used for two weeks: another checkout may be at older sources."""
    current = {place(home, family).name for family in FAMILIES}
    for folder in home.binaries.glob("*"):
        if folder.name in current:
            os.utime(folder)  # the mark of its last use
        elif time.time() - folder.stat().st_mtime > KEPT_SECONDS:
            shutil.rmtree(folder, ignore_errors=True)
