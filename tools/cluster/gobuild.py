"""Builds the families' binaries with the go command and keeps them by a key of their sources.

Go's own caches take gigabytes. They lie in the cache folder and are dropped when a build is complete, unless GOCACHE or
GOMODCACHE of the environment name places of their own, which are used and kept.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

from .errors import ClusterError
from .families import FAMILIES, Binary, Family
from .layout import Home
from .shell import run

MINIMUM_GO = (1, 26)


def environment(home: Home) -> dict[str, str]:
    """Settings of a build. GOFLAGS of the user are not taken: they are not part of the key."""
    return {
        "CGO_ENABLED": "0",
        "GOFLAGS": "-buildvcs=false",
        "GOWORK": "off",
        "GOCACHE": os.environ.get("GOCACHE") or str(home.go_build),
        "GOMODCACHE": os.environ.get("GOMODCACHE") or str(home.go_modules),
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
            wanted = [b for b in family.wanted([group]) if not (place(home, family) / b.name).exists()]
            if wanted:
                todo.append((family, group, wanted))
    return todo


def module_folder(home: Home, family: Family, module: str) -> Path:
    """Folder of a module's sources at the version that the family's go.mod chose (downloaded if need be)."""
    env = environment(home)
    if family.archive:
        said = run(["go", "mod", "download", "-json", module], cwd=family.folder, env=env)
        return Path(json.loads(said)["Dir"])
    version = run(["go", "list", "-m", "-f", "{{.Version}}", module], cwd=family.folder, env=env).strip()
    return Path(json.loads(run(["go", "mod", "download", "-json", f"{module}@{version}"], cwd=family.folder, env=env))["Dir"])


def build(home: Home, family: Family, binaries: list[Binary], detail: Callable[[str], None]) -> None:
    """Builds the binaries of one family in one call, which compiles what they share once."""
    target = place(home, family)
    partial = target.with_name(f"{target.name}.partial{os.getpid()}")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    target.mkdir(parents=True, exist_ok=True)
    where = module_folder(home, family, family.archive) if family.archive else family.folder
    try:
        for batch in _batches(binaries):
            _go_build(home, family, where, [b.package for b in batch], partial, detail)
            for binary in batch:
                (partial / _output(binary.package)).rename(target / binary.name)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _output(package: str) -> str:
    """Name that `go build -o folder/` gives to a package's binary: the last part of its path that is not a major version."""
    parts = [part for part in package.split("/") if not re.fullmatch(r"v\d+", part)]
    return parts[-1]


def _batches(binaries: list[Binary]) -> list[list[Binary]]:
    """Binaries that can share one call: no two with the same output name."""
    result: list[list[Binary]] = []
    for binary in binaries:
        for batch in result:
            if all(_output(binary.package) != _output(other.package) for other in batch):
                batch.append(binary)
                break
        else:
            result.append([binary])
    return result


def _go_build(home: Home, family: Family, where: Path, packages: list[str], out: Path, detail: Callable[[str], None]) -> None:
    command = ["go", "build", "-v", "-mod=readonly", "-trimpath", "-ldflags", family.ldflags, "-o", f"{out}/", *packages]
    process = subprocess.Popen(
        command, cwd=where, env={**os.environ, **environment(home)}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    compiled, said = 0, []
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("go: downloading"):
            detail(f"downloading {line.split()[2]}")
        elif re.fullmatch(r"[\w./\-~+!]+\n", line):
            compiled += 1
            detail(f"{compiled} packages compiled")
        else:
            said.append(line)
    if process.wait() != 0:
        raise ClusterError(f"go build of {family.name} failed: {''.join(said)[-2000:] or 'it said nothing'}")


def drop_caches(home: Home) -> None:
    """Go's own caches that are ours. Modules are read-only on disk, so that go itself must remove them."""
    for variable, folder, flag in (("GOCACHE", home.go_build, "-cache"), ("GOMODCACHE", home.go_modules, "-modcache")):
        if not os.environ.get(variable) and folder.exists():
            run(["go", "clean", flag], env={**environment(home), "GOFLAGS": ""}, check=False)
            shutil.rmtree(folder, ignore_errors=True)
