"""An S3 server of one test, which may kill it and start it again on what it had written."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

DEV_STACK = Path(__file__).resolve().parents[3] / "roles" / "dev_stack" / "files" / "dev_stack"


class MortalS3:
    def __init__(self, state: Path) -> None:
        self._state = state
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        self.start()
        environment = json.loads((state / "env.json").read_text())
        self.endpoint_url: str = environment["AWS_ENDPOINT_URL"]
        self.access_key: str = environment["AWS_ACCESS_KEY_ID"]
        self.secret_key: str = environment["AWS_SECRET_ACCESS_KEY"]

    def start(self) -> None:
        binaries = str(Path(sys.executable).parent)
        self._run("up", "--services", "s3", "--s3-port", str(self._port), "--buckets", "", "--binaries", binaries)

    def stop(self) -> None:
        # Nobody wants its data any more, and asked politely it may take half a minute for them.
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid(), signal.SIGKILL)
        self._run("down", "--remove")

    def pid(self) -> int:
        return int(json.loads((self._state / "stack.json").read_text())["s3"]["process"]["pid"])

    def client(self) -> Any:
        import boto3

        return boto3.client(
            "s3",
            endpoint_url=self.endpoint_url,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            region_name="us-east-1",
        )

    def _run(self, verb: str, *options: str) -> None:
        command = [sys.executable, str(DEV_STACK), verb, "--state", str(self._state), *options]
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
        if answer.returncode:
            raise RuntimeError(answer.stderr)
