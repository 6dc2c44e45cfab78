"""A real Triton on this machine: the CPU build that the nvidia-pytriton wheel carries, without Docker.

Release 0.5.11 holds Triton 2.49.0, which is what the image 24.08-py3 holds. The wheel wants glibc 2.35; its stubs of the
Python backend are for CPython 3.8 to 3.12 and need the shared libpython of that version.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .environment import environment

PACKAGES = ("nvidia-pytriton==0.5.11", "numpy<2")  # with NumPy 2 the model is ready and every answer is HTTP 500
PYTHONS = ("3.12", "3.11", "3.10")
READY_SECONDS = 60  # a Python model without model.py hangs the server for ever: every wait has an end
PROBE = "import sysconfig as s; print(s.get_python_version(), s.get_config_var('LIBDIR'), s.get_path('purelib'))"


class Triton:
    """The installed server; installed on first use (5 to 20 s, 160 MB)."""

    def __init__(self) -> None:
        folder = environment("triton-0.5.11", self._find_python(), PACKAGES)
        self.python = folder / "bin" / "python"
        version, libdir, site = self._probe(str(self.python))
        self.folder = Path(site) / "pytriton" / "tritonserver"
        self.libraries = f"{libdir}:{Path(site) / 'nvidia_pytriton.libs'}"
        self.backends = folder / "backends"
        self._lay_out_backend(version)

    @classmethod
    def _find_python(cls) -> str:
        """The first Python of a fitting version that comes with the shared library that the stub loads."""
        for command in (sys.executable, *(f"python{version}" for version in PYTHONS)):
            try:
                version, libdir, _site = cls._probe(command)
            except (OSError, subprocess.CalledProcessError):
                continue
            if version in PYTHONS and (Path(libdir) / f"libpython{version}.so.1.0").exists():
                return command
        raise RuntimeError(f"Triton's Python backend needs one of Python {', '.join(PYTHONS)} with its shared library")

    @staticmethod
    def _probe(python: str) -> list[str]:
        return subprocess.run([python, "-c", PROBE], check=True, capture_output=True, text=True).stdout.split()

    def _lay_out_backend(self, version: str) -> None:
        """The wheel keeps the stubs elsewhere; Triton looks for one beside the backend."""
        target = self.backends / "python"
        stub = target / "triton_python_backend_stub"
        if stub.exists():
            return
        target.mkdir(parents=True, exist_ok=True)
        for file in (self.folder / "backends" / "python").iterdir():
            if file.suffix in (".so", ".py"):
                shutil.copy2(file, target)
        shutil.copy2(self.folder / "python_backend_stubs" / version / stub.name, stub)


class Server:
    """One tritonserver on a model repository, on three free ports of the loopback interface."""

    def __init__(self, triton: Triton, repository: Path, log: Path, *arguments: str, grace: float = 15) -> None:
        """:param grace: seconds to end by itself before it is killed"""
        ports = free_ports(3)
        self.url = f"http://127.0.0.1:{ports[0]}"
        self.log = log
        self.grace = grace
        command = [str(triton.folder / "bin" / "tritonserver")]
        command += [f"--model-store={repository}", f"--backend-directory={triton.backends}"]
        for name, port in zip(("http", "grpc", "metrics"), ports, strict=True):
            command += [f"--{name}-address=127.0.0.1", f"--{name}-port={port}"]
        path = f"{triton.python.parent}:{os.environ['PATH']}"
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [*command, "--allow-gpu-metrics=false", *arguments],
                env={
                    **os.environ,
                    "PATH": path,
                    "LD_LIBRARY_PATH": triton.libraries,
                    "PYTHONDONTWRITEBYTECODE": "1",
                },
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def __enter__(self) -> Server:
        try:
            self.wait_until_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_exception: object) -> None:
        self.stop()

    def wait_until_ready(self) -> None:
        end = time.monotonic() + READY_SECONDS
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise RuntimeError(f"tritonserver ended with {self.process.returncode}:\n{self.tail()}")
            try:
                if self.request("GET", "/v2/health/ready")[0] == 200:
                    return
            except OSError:
                pass
            time.sleep(0.05)
        raise TimeoutError(f"tritonserver is not ready after {READY_SECONDS} s:\n{self.tail()}")

    def stop(self) -> None:
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=self.grace)
        # The stubs of a server that had to be killed live on; they are in its session.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def tail(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-30:])

    def request(self, method: str, path: str, body: Any = None, timeout: float = 30) -> tuple[int, Any]:
        """Status and decoded answer, also of an answer that says no."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, method=method)
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                status, text = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read()
        return status, json.loads(text) if text.strip() else None

    def infer(
        self, model: str, left: list[list[float]], right: list[list[float]], wanted: Sequence[str] = ()
    ) -> tuple[int, Any]:
        """:param wanted: names of the outputs to ask for; all of the model's where there are none"""
        inputs = [
            {"name": name, "datatype": "FP32", "shape": [len(rows), len(rows[0])], "data": rows}
            for name, rows in (("INPUT0", left), ("INPUT1", right))
        ]
        body = {"inputs": inputs, **({"outputs": [{"name": name} for name in wanted]} if wanted else {})}
        return self.request("POST", f"/v2/models/{model}/infer", body)


def outputs(answer: Any) -> dict[str, list[float]]:
    return {output["name"]: output["data"] for output in answer["outputs"]}


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _turn in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()
