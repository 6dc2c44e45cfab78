"""Pushing images: against a registry of this test that keeps what it is sent."""

from __future__ import annotations

import hashlib
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from tools.cluster.errors import ClusterError
from tools.cluster.oci import Image, Layer, Store
from tools.cluster.push import Registry


class Handler(http.server.BaseHTTPRequestHandler):
    """The part of the distribution interface that a push uses."""

    blobs: dict[tuple[str, str], bytes] = {}
    manifests: dict[str, bytes] = {}
    mounts = 0
    broken = False

    def _answer(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": "0"}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def do_HEAD(self) -> None:
        repository, kind, name = self.path.removeprefix("/v2/").rsplit("/", 2)
        if kind == "blobs":
            self._answer(200 if (repository, name) in Handler.blobs else 404)
        elif f"{repository}:{name}" in Handler.manifests:
            digest = hashlib.sha256(Handler.manifests[f"{repository}:{name}"]).hexdigest()
            self._answer(200, Docker_Content_Digest=f"sha256:{digest}")
        else:
            self._answer(404)

    def do_POST(self) -> None:
        url = urlsplit(self.path)
        repository, query = url.path.removeprefix("/v2/").removesuffix("/blobs/uploads/"), parse_qs(url.query)
        if "mount" in query:
            Handler.mounts += 1
            Handler.blobs[repository, query["mount"][0]] = Handler.blobs[query["from"][0], query["mount"][0]]
            self._answer(201)
        else:
            self._answer(202, Location=f"http://registry/v2/{repository}/blobs/uploads/1?state=x")

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        url = urlsplit(self.path)
        if Handler.broken:
            self._answer(500)
            return
        if "/manifests/" in url.path:
            repository, tag = url.path.removeprefix("/v2/").split("/manifests/")
            Handler.manifests[f"{repository}:{tag}"] = body
        else:
            digest = parse_qs(url.query)["digest"][0]
            assert digest == f"sha256:{hashlib.sha256(body).hexdigest()}"
            Handler.blobs[url.path.removeprefix("/v2/").split("/blobs/")[0], digest] = body
        self._answer(201)

    def log_message(self, *_words: object) -> None:
        pass


@pytest.fixture
def registry() -> Iterator[Registry]:
    Handler.blobs, Handler.manifests, Handler.mounts, Handler.broken = {}, {}, 0, False
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield Registry(f"127.0.0.1:{server.server_port}")
    server.shutdown()
    server.server_close()


SHARED = Layer(texts={"/etc/passwd": "root"})


def test_image_arrives_whole_and_is_not_sent_twice(registry: Registry, tmp_path: Path) -> None:
    store, image = Store(tmp_path), Image("docker.io/kserve/x:v1", (SHARED,), ("/x",))
    assert registry.push(image, store)
    content, blobs = store.image(image)
    assert Handler.manifests == {"docker.io/kserve/x:v1": content}
    assert {digest for _, digest in Handler.blobs} == {blob.digest for blob in blobs}
    assert not registry.push(image, store)


def test_changed_image_is_sent_again(registry: Registry, tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert registry.push(Image("docker.io/a:1", (SHARED,), ("/x",)), store)
    assert registry.push(Image("docker.io/a:1", (SHARED,), ("/y",)), store)


def test_layer_of_another_image_is_mounted_not_sent(registry: Registry, tmp_path: Path) -> None:
    store = Store(tmp_path)
    registry.push(Image("docker.io/a:1", (SHARED,), ("/x",)), store)
    registry.push(Image("docker.io/b:1", (SHARED,), ("/y",)), store)
    assert Handler.mounts == 1


def test_refusal_names_image_and_log(registry: Registry, tmp_path: Path) -> None:
    Handler.broken = True
    with pytest.raises(ClusterError, match=r"refused a layer of docker\.io/a \(500\)"):
        registry.push(Image("docker.io/a:1", (SHARED,)), Store(tmp_path))


def test_a_registry_that_is_not_there_is_not_ready() -> None:
    assert not Registry("127.0.0.1:1").ready()
