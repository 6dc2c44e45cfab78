"""KServe's own storage initializer, which fills /mnt/models before a model server starts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from .environment import environment

# What its path for S3 imports; its declared dependencies are three times as much (Azure, Google, Hugging Face).
PACKAGES = (
    *("kserve-storage==0.21.0", "boto3", "botocore", "s3transfer", "jmespath", "python-dateutil", "six", "urllib3"),
    *("requests", "idna", "charset-normalizer", "certifi", "pyyaml"),
)
PROGRAM = "import sys; from kserve_storage import Storage; Storage.download(sys.argv[1], sys.argv[2])"


class Initializer:
    """Its virtual environment; installed on first use (6 s, 60 MB)."""

    def __init__(self) -> None:
        name = f"kserve-storage-{sys.version_info[0]}.{sys.version_info[1]}"
        self.python = environment(name, sys.executable, PACKAGES) / "bin" / "python"

    def download(self, uri: str, target: Path, credentials: dict[str, str]) -> list[str]:
        """Copy as a pod's init container does; the paths that are there afterwards.

        :param credentials: AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, as KServe takes them from a Secret
        """
        given = {
            **os.environ,
            **credentials,
            "S3_USE_HTTPS": "0",
            "S3_VERIFY_SSL": "0",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        command = [str(self.python), "-c", PROGRAM, uri, str(target)]
        done = subprocess.run(command, env=given, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode:
            raise RuntimeError(done.stderr)
        return sorted(str(path.relative_to(target)) for path in target.rglob("*") if path.is_file())
