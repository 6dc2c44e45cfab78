"""Puts the collection where `import ansible_collections.mlops.serving` finds it, from a plain clone too."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

subprocess.run([str(ROOT / "tools" / "dev" / "link-collection")], check=True)
if str(ROOT / ".build") not in sys.path:
    sys.path.insert(0, str(ROOT / ".build"))
