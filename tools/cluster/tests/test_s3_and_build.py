"""Signatures of S3 requests, keys of binaries, and what a build calls its outputs."""

from __future__ import annotations

import datetime
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tools.cluster import gobuild
from tools.cluster.errors import ClusterError
from tools.cluster.families import FAMILIES, Binary, Family
from tools.cluster.layout import Home
from tools.cluster.s3 import signed_headers

WHEN = datetime.datetime(2013, 5, 24, tzinfo=datetime.timezone.utc)


def test_signature_covers_body_path_and_key() -> None:
    def signature(path: str = "/b/k", body: bytes = b"x", secret: str = "s") -> str:
        headers = signed_headers("PUT", "h:1", path, body, ("id", secret), WHEN)
        return headers["Authorization"].rsplit("Signature=", 1)[1]

    same = signature()
    assert same == signature()
    assert len({same, signature(path="/b/l"), signature(body=b"y"), signature(secret="t")}) == 4


def test_signed_headers_name_their_scope_and_leave_host_to_the_client() -> None:
    headers = signed_headers("PUT", "h:1", "/b/k", b"", ("id", "secret"), WHEN)
    assert "Credential=id/20130524/us-east-1/s3/aws4_request" in headers["Authorization"]
    assert headers["x-amz-date"] == "20130524T000000Z"
    assert "host" not in headers


def _family(folder: Path, monkeypatch: pytest.MonkeyPatch, ldflags: str = "") -> Family:
    monkeypatch.setattr("tools.cluster.families.GO_FOLDER", folder)
    return Family("f", (Binary("a", "example.org/a", "base"), Binary("b", "example.org/b", "kserve")), {}, ldflags)


def test_key_follows_every_source_of_the_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "go.mod").write_text("module f\n")
    first = _family(tmp_path, monkeypatch).key()
    assert _family(tmp_path, monkeypatch).key() == first
    assert _family(tmp_path, monkeypatch, ldflags="-s").key() != first
    (tmp_path / "f" / "go.mod").write_text("module f // changed\n")
    assert _family(tmp_path, monkeypatch).key() != first


def test_only_binaries_of_the_groups_that_are_not_there_are_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "f").mkdir()
    family = _family(tmp_path, monkeypatch)
    monkeypatch.setattr(gobuild, "FAMILIES", (family,))
    home = Home(tmp_path / "home")
    assert [b.name for _, _, found in gobuild.missing(home, ["base", "kserve"]) for b in found] == ["a", "b"]
    place = gobuild.place(home, family)
    place.mkdir(parents=True)
    (place / "a").touch()
    assert [b.name for _, _, found in gobuild.missing(home, ["base", "kserve"]) for b in found] == ["b"]


def test_binaries_of_sources_that_are_gone_are_forgotten_after_two_weeks_without_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "f").mkdir()
    family = _family(tmp_path, monkeypatch)
    monkeypatch.setattr(gobuild, "FAMILIES", (family,))
    home = Home(tmp_path / "home")
    current, gone, other = gobuild.place(home, family), home.binaries / "f-0123", home.binaries / "f-4567"
    now, day = time.time(), 24 * 3600
    for folder, age in ((current, 30), (gone, 15), (other, 13)):
        folder.mkdir(parents=True)
        (folder / "a").touch()
        os.utime(folder, (now - age * day, now - age * day))
    gobuild.forget(home)
    assert sorted(home.binaries.iterdir()) == sorted([current, other])
    assert current.stat().st_mtime >= now - 1, "the use of today is written down"


@pytest.mark.parametrize(
    ("package", "name"),
    [("go.etcd.io/etcd/server/v3", "server"), ("./coredns", "coredns"), ("knative.dev/serving/cmd/queue", "queue")],
)
def test_output_names_are_those_of_the_go_command(package: str, name: str) -> None:
    assert gobuild.output_name(package) == name


def test_every_binary_is_built_once_and_named_once() -> None:
    names = [binary.name for family in FAMILIES for binary in family.binaries]
    assert len(names) == len(set(names))


def test_every_family_has_its_sums_and_an_estimate_for_each_group() -> None:
    for family in FAMILIES:
        assert (family.folder / "go.mod").exists()
        assert (family.folder / "go.sum").exists()
        assert {binary.group for binary in family.binaries} == set(family.seconds)


@pytest.mark.parametrize(
    ("script", "stalled"),
    [("exec sleep 30", True), ("sleep 0.5 & wait", False)],
    ids=["waits for the network", "has a compiler running"],
)
def test_a_build_that_only_waits_is_ended(script: str, stalled: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gobuild, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(gobuild, "STALL_SECONDS", 0.2)
    process = subprocess.Popen(["sh", "-c", script])
    watch = gobuild.Watch(process.pid)
    assert process.wait(timeout=10) == (-signal.SIGKILL if stalled else 0)
    assert watch.stalled is stalled


@pytest.mark.parametrize("name", ["", "Main", "a/b", "twelve-chars", "-a", "a-", ".."])
def test_names_that_make_no_folder_or_interface_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ClusterError, match="1 to 10 characters"):
        Home(tmp_path).cluster(name)


def test_good_names(tmp_path: Path) -> None:
    for name in ("main", "a", "ten-chars9"):
        assert Home(tmp_path).cluster(name).name == name
