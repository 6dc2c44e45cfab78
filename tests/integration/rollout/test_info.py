"""Module rollout_info: the record of rollouts as data, as lines and as a report."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.mlops.serving.plugins.modules import rollout_info
from rollout_world import FAST


def documented(entries: dict[str, Any]) -> dict[str, Any]:
    """Names of returned values, nested."""
    return {name: documented(entry.get("contains") or {}) for name, entry in entries.items()}


def undocumented(told: dict[str, Any], names: dict[str, Any]) -> set[str]:
    found = set(told) - set(names)
    for name, value in told.items():
        items = value if isinstance(value, list) else [value]
        for item in items:
            if isinstance(item, dict) and names.get(name):
                found |= {f"{name}.{inner}" for inner in undocumented(item, names[name])}
    return found


def test_a_finished_rollout_in_full(world: Any, served: dict[str, str], run: Any, tmp_path: Path) -> None:
    before = time.time()
    run("rollout", endpoint="demo", model_version="2", **FAST)
    page = tmp_path / "reports" / "demo.html"
    told = run("rollout_info", endpoint="demo", events=True, timeline=True, report=str(page))
    assert not told["changed"]
    (one,) = told["rollouts"]
    assert undocumented(told, documented(yaml.safe_load(rollout_info.RETURN))) <= {"changed", "invocation", "warnings"}
    assert (one["endpoint"], one["state"], one["outcome"]) == ("demo", "finished", "promoted")
    assert (one["stable"]["version"], one["candidate"]["version"], one["steps"]) == (1, 2, [1, 5, 10, 25, 50])
    assert (one["simulated"], one["driven"], one["hold"]) == (True, False, None)
    assert one["totals"]["candidate"]["requests"] >= 300
    assert list(one["traffic"].values()) == [100]
    assert {"started", "sample", "passed", "finished"} <= {event["kind"] for event in one["events"]}
    assert before - 1 < one["events"][0]["time"] < time.time() + 1
    assert re.match(
        r"\d\d:\d\d:\d\d  demo   version 1 -> 2   canary 1, 5, 10, 25, 50, then promote", one["timeline"][0]
    )
    assert len(one["timeline"]) < len(one["events"])
    assert told["report"] == str(page)
    assert page.read_text().startswith("<!DOCTYPE html>")
    short = run("rollout_info", endpoint="DEMO")["rollouts"]
    assert short == [{name: value for name, value in one.items() if name not in ("events", "timeline")}]


def test_what_is_asked_for_is_found(world: Any, served: dict[str, str], run: Any, tmp_path: Path) -> None:
    endpoint = world.row("demo")["id"]
    run("rollout", endpoint="demo", model_version="3", on_rollback="ok", **FAST)
    run("rollout", endpoint="demo", model_version="2", until="1", **FAST)
    newest, oldest = run("rollout_info")["rollouts"]
    assert (newest["state"], newest["hold"], newest["share"]) == ("paused", "until", 1)
    assert (oldest["outcome"], oldest["candidate"]["version"]) == ("rolled_back", 3)
    for asked, found in (
        ({"active": True}, [newest]),
        ({"limit": 1}, [newest]),
        ({"id": oldest["id"]}, [oldest]),
        ({"endpoint": endpoint}, [newest, oldest]),
        ({"endpoint": "nobody"}, []),
        ({"tenant_id": world.tenant, "project_id": world.project}, [newest, oldest]),
        ({"tenant_id": world.project}, []),
        ({"project_id": world.tenant}, []),
    ):
        assert run("rollout_info", **asked)["rollouts"] == found, asked
    page = str(tmp_path / "demo.html")
    assert "limit: 1" in run("rollout_info", report=page, fails=True)["msg"]
    assert "no rollout to report on" in run("rollout_info", endpoint="nobody", report=page, fails=True)["msg"]
    assert "is not a UUID" in run("rollout_info", id="7", fails=True)["msg"]
    assert "report" not in run("rollout_info", endpoint="demo", limit=1, report=page, check=True)
    assert not Path(page).exists()
