# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A real Prometheus that scrapes pages which the tests write; its program comes from Debian's package, unpacked into the cache.

Nothing is installed on the machine: the package's JavaScript dependencies are not needed, and no service is started.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import socket
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

CACHE = Path(
    os.environ.get("MLOPS_SERVING_CACHE")
    or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mlops.serving"
)
PACKAGE = "prometheus"
SCRAPE_SECONDS = 1
START_SECONDS = 30.0


def program() -> Path:
    """Prometheus on the PATH, else from the cache, where it is unpacked first."""
    installed = shutil.which("prometheus")
    if installed:
        return Path(installed)
    folder = CACHE / "prometheus-debian"
    found = folder / "usr" / "bin" / "prometheus"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "prometheus-debian.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not found.exists():
            _unpack(folder)
    return found


def _unpack(folder: Path) -> None:
    if shutil.which("apt-get") is None:
        _without("this machine has no prometheus, and no apt-get to fetch it with")
    work = folder.with_suffix(".partial")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    work.chmod(0o777)  # apt downloads as its own user
    try:
        if _apt("download", PACKAGE, folder=work).returncode:
            if os.geteuid() != 0:
                _without("Debian's package of prometheus cannot be downloaded: run apt-get update as root first")
            _apt("update", folder=work)
            answer = _apt("download", PACKAGE, folder=work)
            if answer.returncode:
                _without(f"Debian's package of prometheus cannot be downloaded: {answer.stderr.strip()}")
        (package,) = work.glob("*.deb")
        subprocess.run(["dpkg", "-x", str(package), str(work / "root")], check=True)
        (work / "root").rename(folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _apt(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = ["apt-get", "-q", "-o", "DPkg::Lock::Timeout=300", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def _without(why: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(why, pytrace=False)
    pytest.skip(why)


class Pages:
    """Pages of metrics by path, as pods would serve them; a path without a page answers 404."""

    def __init__(self) -> None:
        self.pages: dict[str, str] = {}
        pages = self.pages

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_args: Any) -> None:
                pass

            def do_GET(self) -> None:
                page = pages.get(self.path)
                self.send_response(404 if page is None else 200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.end_headers()
                self.wfile.write((page or "").encode())

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        self.address = f"127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def scraping(pages: Pages, jobs: dict[str, dict[str, str]]) -> dict[str, Any]:
    """A configuration with one job a path of ``pages``: the path is also the job's name, and its labels are its targets'."""
    return {
        "global": {"scrape_interval": f"{SCRAPE_SECONDS}s"},
        "scrape_configs": [
            {
                "job_name": path.strip("/"),
                "metrics_path": path,
                # A pod's own address, as an instance has it: the pages share one.
                "static_configs": [{"targets": [pages.address], "labels": {"instance": f"{path}:9091", **labels}}],
            }
            for path, labels in jobs.items()
        ],
    }


class Server:
    """A real Prometheus with this configuration."""

    def __init__(self, folder: Path, configuration: dict[str, Any]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self._log = (folder / "log").open("wb")
        self.file = folder / "prometheus.yml"
        # JSON is YAML.
        self.file.write_text(json.dumps(configuration))
        command = [
            str(program()),
            f"--config.file={self.file}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ]
        self._process = subprocess.Popen(command, stdout=self._log, stderr=subprocess.STDOUT, cwd=folder)

    def query(self, text: str) -> list[dict[str, Any]]:
        with urllib.request.urlopen(f"{self.url}/api/v1/query?{urllib.parse.urlencode({'query': text})}") as answer:
            result: list[dict[str, Any]] = json.loads(answer.read())["data"]["result"]
        return result

    def wait_for(self, query: str, series: int) -> None:
        """Until a query gives that many series."""
        deadline = time.monotonic() + START_SECONDS
        seen: Any = None
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            try:
                seen = self.query(query)
            except OSError as error:
                seen = error
            else:
                if len(seen) == series:
                    return
            time.sleep(0.05)
        raise AssertionError(f"{query} does not give {series} series: {seen}\n{Path(self._log.name).read_text()[-2000:]}")

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(20)
        self._log.close()


@pytest.fixture(scope="session")
def pages() -> Iterator[Pages]:
    opened = Pages()
    yield opened
    opened.close()
