from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from .initializer import Initializer
from .server import Triton

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the example: Triton writes compiled Python beside the models that it serves."""
    return shutil.copytree(
        ROOT / "examples" / "triton" / "model-repository", tmp_path_factory.mktemp("example") / "models"
    )


@pytest.fixture(scope="session")
def triton() -> Triton:
    """The installed Triton. A machine that cannot run it skips, except in CI."""
    try:
        return Triton()
    except RuntimeError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def initializer() -> Initializer:
    return Initializer()
