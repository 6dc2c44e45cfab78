"""Everything a group needs before it can start: binaries, wheels, the Debian base, images in the store, manifests."""

from __future__ import annotations

import fcntl
import hashlib
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from . import debian, gobuild, images, manifests, previous, wheels
from .families import Binary, Family
from .layout import Home
from .locks import held
from .oci import Image, Store
from .progress import Progress, Running
from .shell import run

BASE_PACKAGES = ("python3", "python3-numpy", "libpython3.11", "ca-certificates", "busybox-static")
BASE_SUITE = "bookworm"
GO_CACHES = "go-caches"
NEEDS_BASE = ("knative", "triton", previous.GROUP)


def debian_base(home: Home) -> Path:
    """Tar file of a minimal Debian 12 with Python: what Envoy, Triton and the storage initializer stand on."""
    key = hashlib.sha256(" ".join([BASE_SUITE, *BASE_PACKAGES]).encode()).hexdigest()[:12]
    return home.debian / f"base-{key}.tar"


def make_debian_base(home: Home) -> None:
    target = debian_base(home)
    if target.exists():
        return
    partial = target.with_suffix(".partial.tar")
    run(
        [
            *("mmdebstrap", "--variant=apt", "--mode=root", f"--include={','.join(BASE_PACKAGES)}"),
            "--dpkgopt=path-exclude=/usr/share/{man,doc,locale}/*",
            *("--aptopt=Apt::Install-Recommends false", "--format=tar", BASE_SUITE, partial),
        ]
    )
    partial.rename(target)


def sources(home: Home) -> images.Sources:
    by_name = {w.name: w for w in wheels.ALL}
    return images.Sources(
        binary=lambda name: gobuild.path_of(home, name),
        wheel=lambda name: wheels.folder(home, by_name[name]),
        debian=lambda name: debian.program(home, name),
        debian_base=lambda: debian_base(home),
        storage_entrypoint=lambda version: manifests.storage_entrypoint(home, version),
    )


def group_images(home: Home, groups: Iterable[str]) -> list[Image]:
    where = sources(home)
    return [image for group in groups for image in images.BY_GROUP[group](where)]


@dataclass(frozen=True)
class Step:
    """One thing to make. aside: it waits for the network more than for the processor, and runs beside the builds."""

    name: str
    title: str
    seconds: float
    action: Callable[[Running], None]
    aside: bool = False
    lock: str = ""  # steps of one lock are made one after the other, by whatever process; the name unless given


def steps(home: Home, groups: list[str]) -> list[Step]:
    """What is missing, in the order in which it is made."""
    todo: list[Step] = []
    if not debian.root(home).exists() or debian.missing_tools():
        todo.append(Step("debian", "Debian packages", 25, lambda _: debian.ensure(home), aside=True))
    for wanted in wheels.ALL:
        if wanted.group in groups and not wheels.folder(home, wanted).exists():
            todo.append(
                Step(
                    f"wheel-{wanted.name}", f"Python package {wanted.packages[0]}", 5, _wheel(home, wanted), aside=True
                )
            )
    if any(group in NEEDS_BASE for group in groups) and not debian_base(home).exists():
        todo.append(Step("base", "Debian base of the images", 60, lambda _: make_debian_base(home), aside=True))
    for family, group, binaries in gobuild.missing(home, groups):
        names = ", ".join(binary.name for binary in binaries)
        name = f"go-{family.name}-{group}"
        todo.append(
            Step(
                name,
                f"building {names}",
                family.seconds.get(group, 60),
                _go(home, family, binaries),
                lock=f"go-{family.name}",
            )
        )
    for group in groups:
        if not manifests.file(home, group).exists():
            todo.append(Step(f"manifests-{group}", f"manifests of {group}", 5, _manifests(home, group)))
    return todo


def _wheel(home: Home, wanted: wheels.Wheels) -> Callable[[Running], None]:
    def action(_: Running) -> None:
        wheels.ensure(home, wanted)

    return action


def _go(home: Home, family: Family, binaries: list[Binary]) -> Callable[[Running], None]:
    def action(running: Running) -> None:
        left = gobuild.unbuilt(home, family, binaries)
        if left:
            gobuild.check_go()
            gobuild.build(home, family, left, lambda text: setattr(running, "detail", text))

    return action


def _manifests(home: Home, group: str) -> Callable[[Running], None]:
    return lambda _: manifests.write(home, group)


def build(home: Home, groups: list[str], *, keep_go_caches: bool = False) -> None:
    """Makes all that the groups need and that is not there yet. Stopped in the middle, it goes on where it was."""
    todo = steps(home, groups)
    if not todo:
        gobuild.forget(home)
        return
    builds = [step for step in todo if step.name.startswith("go-")]
    fetches = [step for step in todo if step.aside]
    rest = [step for step in todo if step not in builds and step not in fetches]
    progress = Progress({step.name: step.seconds for step in ([*builds, *rest] if builds else todo)})

    def make(several: list[Step]) -> None:
        for step in several:
            with progress.step(step.name, step.title) as running, held(home, step.lock or step.name):
                step.action(running)

    with ThreadPoolExecutor(1) as beside, held(home, GO_CACHES, fcntl.LOCK_SH):
        fetched = beside.submit(make, fetches)
        make(builds)
        fetched.result()
        make(rest)
    with held(home, "images"):
        store = Store(home.images)
        for image in group_images(home, groups):
            store.image(image)
    gobuild.forget(home)
    if builds and not keep_go_caches:
        _drop_go_caches(home)


def _drop_go_caches(home: Home) -> None:
    """Unless another build uses them just now: that one drops them."""
    try:
        with held(home, GO_CACHES, fcntl.LOCK_EX | fcntl.LOCK_NB):
            gobuild.drop_caches(home)
    except BlockingIOError:
        pass
