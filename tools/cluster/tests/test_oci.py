"""Layers and images."""

from __future__ import annotations

import json
import os
import tarfile
from pathlib import Path

from tools.cluster.oci import Blob, Image, Layer, Store


def _names(store: Store, blob: Blob) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(store.path(blob)) as archive:
        return {member.name: member for member in archive.getmembers()}


def test_layer_holds_files_with_their_folders_links_and_texts(tmp_path: Path) -> None:
    source = tmp_path / "program"
    source.write_text("x")
    source.chmod(0o755)
    store = Store(tmp_path / "store")
    layer = Layer(
        folders=("tmp",),
        texts={"/etc/passwd": "root"},
        links={"/bin/sh": "busybox"},
        files={"/app/bin/program": str(source)},
    )
    names = _names(store, store.layer(layer))
    assert set(names) == {"tmp", "etc", "etc/passwd", "bin", "bin/sh", "app", "app/bin", "app/bin/program"}
    assert names["tmp"].mode == 0o1777
    assert names["bin/sh"].linkname == "busybox"
    assert names["app/bin/program"].mode & 0o111
    assert all(member.uid == 0 and member.mtime == 0 for member in names.values())


def test_same_content_gives_the_same_digest_whatever_its_time(tmp_path: Path) -> None:
    source = tmp_path / "program"
    source.write_text("x")
    store = Store(tmp_path / "store")
    first = store.layer(Layer(files={"/a": str(source)}))
    os.utime(source, (1, 1))
    assert store.layer(Layer(files={"/a": str(source)})) == first


def test_changed_source_gives_a_new_layer(tmp_path: Path) -> None:
    source = tmp_path / "program"
    source.write_text("x")
    store = Store(tmp_path / "store")
    first = store.layer(Layer(files={"/a": str(source)}))
    source.write_text("longer")
    assert store.layer(Layer(files={"/a": str(source)})) != first


def test_lost_blob_is_packed_again(tmp_path: Path) -> None:
    store = Store(tmp_path)
    blob = store.layer(Layer(texts={"/a": "x"}))
    store.path(blob).unlink()
    assert store.layer(Layer(texts={"/a": "x"})) == blob
    assert store.path(blob).exists()


def test_image_names_its_configuration_and_layers_by_digest(tmp_path: Path) -> None:
    store = Store(tmp_path)
    image = Image("docker.io/library/x:1", (Layer(texts={"/a": "x"}),), ("/a",), user="65532", env={"K": "v"})
    content, blobs = store.image(image)
    manifest = json.loads(content)
    config = json.loads(store.path(blobs[0]).read_text())
    assert [manifest["config"]["digest"], *(layer["digest"] for layer in manifest["layers"])] == [
        b.digest for b in blobs
    ]
    assert config["config"]["Entrypoint"] == ["/a"]
    assert config["config"]["User"] == "65532"
    assert "K=v" in config["config"]["Env"]
    assert config["rootfs"]["diff_ids"] == [blobs[1].digest]
    assert (image.repository, image.tag) == ("docker.io/library/x", "1")
