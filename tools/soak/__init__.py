"""Roll-outs on a real cluster, measured."""

import sys
from pathlib import Path

# Where the collection lies under the name by which it is imported (make venv sees to it).
_PLACE = str(Path(__file__).resolve().parents[2] / ".build")
if _PLACE not in sys.path:
    sys.path.insert(0, _PLACE)
