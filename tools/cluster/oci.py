"""Images without an image builder: layers are plain tar files, named by what is in them.

A layer is kept by a key of its recipe and the sizes and times of its sources, so that nothing is packed twice.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import tarfile
from dataclasses import asdict, dataclass, field
from pathlib import Path

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"


@dataclass(frozen=True)
class Layer:
    """Either a ready tar file, or folders, texts, links and files by their place in the image."""

    tar: str = ""
    folders: tuple[str, ...] = ()
    texts: dict[str, str] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)

    def key(self) -> str:
        sources = sorted([*self.files.values(), *([self.tar] if self.tar else [])])
        stats = [(path, os.stat(path).st_mtime_ns, os.stat(path).st_size) for path in sources]
        return hashlib.sha256(json.dumps([asdict(self), stats], sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Image:
    """name: as manifests write it, registry included ("docker.io/kserve/storage-initializer:v0.20.0")."""

    name: str
    layers: tuple[Layer, ...]
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    user: str = ""
    env: dict[str, str] = field(default_factory=dict)
    folder: str = "/"

    @property
    def repository(self) -> str:
        return self.name.rsplit(":", 1)[0]

    @property
    def tag(self) -> str:
        return self.name.rsplit(":", 1)[1]


@dataclass(frozen=True)
class Blob:
    digest: str
    size: int

    @property
    def file(self) -> str:
        return self.digest.removeprefix("sha256:")


class Store:
    """Folder of blobs by digest, and of keys that say which blob a layer became."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in ("blobs", "keys"):
            (root / name).mkdir(parents=True, exist_ok=True)

    def path(self, blob: Blob) -> Path:
        return self.root / "blobs" / blob.file

    def put(self, data: bytes) -> Blob:
        blob = Blob(f"sha256:{hashlib.sha256(data).hexdigest()}", len(data))
        self.path(blob).write_bytes(data)
        return blob

    def layer(self, layer: Layer) -> Blob:
        known = self.root / "keys" / layer.key()
        if known.exists():
            blob = Blob(**json.loads(known.read_text()))
            if self.path(blob).exists():
                return blob
        partial = self.root / f"partial.{os.getpid()}"
        if layer.tar:
            shutil.copyfile(layer.tar, partial)
        else:
            with tarfile.open(partial, "w", format=tarfile.GNU_FORMAT) as archive:
                _pack(archive, layer)
        digest = hashlib.sha256()
        with partial.open("rb") as source:
            while block := source.read(1 << 20):
                digest.update(block)
        blob = Blob(f"sha256:{digest.hexdigest()}", partial.stat().st_size)
        partial.rename(self.path(blob))
        known.write_text(json.dumps(asdict(blob)))
        return blob

    def image(self, image: Image) -> tuple[bytes, list[Blob]]:
        """Manifest, and the blobs that must be in a registry before it: configuration first, then layers."""
        layers = [self.layer(layer) for layer in image.layers]
        config = self.put(json.dumps(_config(image, layers), sort_keys=True).encode())
        return manifest(config, layers), [config, *layers]


def _config(image: Image, layers: list[Blob]) -> dict[str, object]:
    env = {"PATH": PATH, **image.env}
    return {
        "architecture": "amd64",
        "os": "linux",
        "config": {
            "User": image.user,
            "Entrypoint": list(image.entrypoint) or None,
            "Cmd": list(image.command) or None,
            "WorkingDir": image.folder,
            "Env": [f"{key}={value}" for key, value in env.items()],
        },
        "rootfs": {"type": "layers", "diff_ids": [layer.digest for layer in layers]},
        "history": [{"created_by": "tools.cluster"}] * len(layers),
    }


def manifest(config: Blob, layers: list[Blob]) -> bytes:
    def entry(kind: str, blob: Blob) -> dict[str, object]:
        return {"mediaType": kind, "digest": blob.digest, "size": blob.size}

    content = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": entry(CONFIG, config),
        "layers": [entry(LAYER, layer) for layer in layers],
    }
    return json.dumps(content).encode()


def _clean(info: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """The same bytes whoever packs it and when; compiled Python of this machine stays out."""
    if "__pycache__" in info.name:
        return None
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    info.mtime = 0
    return info


def _pack(archive: tarfile.TarFile, layer: Layer) -> None:
    made: set[str] = set()

    def folders(path: str) -> None:
        parts = path.strip("/").split("/")
        for end in range(1, len(parts) + 1):
            name = "/".join(parts[:end])
            if name and name not in made:
                made.add(name)
                info = tarfile.TarInfo(name)
                info.type = tarfile.DIRTYPE
                info.mode = 0o1777 if name in ("tmp", "var/tmp") else 0o755
                archive.addfile(info)

    for folder in layer.folders:
        folders(folder)
    for place, text in layer.texts.items():
        folders(os.path.dirname(place))
        data = text.encode()
        info = tarfile.TarInfo(place.strip("/"))
        info.size, info.mode = len(data), 0o755
        archive.addfile(info, io.BytesIO(data))
    for place, target in layer.links.items():
        folders(os.path.dirname(place))
        info = tarfile.TarInfo(place.strip("/"))
        info.type, info.linkname = tarfile.SYMTYPE, target
        archive.addfile(info)
    for place, source in layer.files.items():
        folders(os.path.dirname(place))
        archive.add(source, place.strip("/"), filter=_clean)
