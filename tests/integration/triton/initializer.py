"""KServe's own storage initializer, which fills /mnt/models before a model server starts."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

# What its path for S3 imports; its declared dependencies are three times as much (Azure, Google, Hugging Face).
PACKAGES = (
    *("kserve-storage==0.21.0", "boto3", "botocore", "s3transfer", "jmespath", "python-dateutil", "six", "urllib3"),
    *("requests", "idna", "charset-normalizer", "certifi", "pyyaml"),
)
PROGRAM = "import sys; from kserve_storage import Storage; Storage.download(sys.argv[1], sys.argv[2])"


class Initializer:
    """A virtual environment with it; made on first use (6 s, 60 MB), kept in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.python = folder / "bin" / "python"
        if not (folder / "complete").exists():
            shutil.rmtree(folder, ignore_errors=True)
            subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
            pip = [str(self.python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
            subprocess.run([*pip, *PACKAGES], check=True)
            (folder / "complete").touch()

    def download(self, uri: str, target: Path, environment: dict[str, str]) -> list[str]:
        """Copy as a pod's init container does; the paths that are there afterwards.

        :param environment: AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, as KServe takes them from a Secret
        """
        given = {
            **os.environ,
            **environment,
            "S3_USE_HTTPS": "0",
            "S3_VERIFY_SSL": "0",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        command = [str(self.python), "-c", PROGRAM, uri, str(target)]
        done = subprocess.run(command, env=given, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode:
            raise RuntimeError(done.stderr)
        return sorted(str(path.relative_to(target)) for path in target.rglob("*") if path.is_file())
