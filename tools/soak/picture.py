"""A picture of a real roll-out, for the README: the report's own charts of one that went back."""

from __future__ import annotations

from pathlib import Path

import psycopg2
import psycopg2.extras
from ansible_collections.mlops.serving.plugins.module_utils._domain.report import html, svg

from tools.soak.scenes import Scene, play


def draw(scene: Scene, folder: Path) -> None:
    """A candidate that fails 8 %: it shows itself only when it gets a little more than 1 % of the traffic."""
    play(scene, 0.0, 0.08, {"step_timeout": "10m"})
    done = scene.last["rollout"]
    connection = psycopg2.connect(scene.database)
    with connection.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor:
        cursor.execute("select * from serving.rollout_event where rollout_id = %s order by id", (done["id"],))
        events = [{**row, "at": row["at"].isoformat()} for row in cursor.fetchall()]
    connection.close()
    # The name under which people know it, whatever the scene calls its endpoints.
    named = {**done, "endpoint": "demo-canary", "created_by": "release-pipeline"}
    for name, text in (
        ("rollout.svg", svg(named, events)),
        ("rollout-dark.svg", svg(named, events, dark=True)),
        ("rollout.html", html(named, events)),
    ):
        (folder / name).write_text(text, encoding="utf-8")
        print(folder / name)
