"""A long publication says how far it is, while it goes on."""

from __future__ import annotations

import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_runs import command, environment, write_play

from .middleman import Middleman


@pytest.mark.parametrize("no_log", [False, True])
def test_lines_come_while_it_is_sent(
    s3: Any, bucket: str, middleman: Middleman, models: Path, tmp_path: Path, no_log: bool
) -> None:
    for number in range(30):
        (models / f"add_sub/1/{number:02d}").write_bytes(bytes(1024 * 1024))
    go_on = threading.Event()
    in_time: list[bool] = []

    def hold(method: str, path: str) -> None:
        name = path.rpartition("/")[2]
        if method == "PUT" and name == "29":
            in_time.append(go_on.wait(30))  # until a line was read
        elif method == "PUT" and name.isdigit() and not no_log:
            time.sleep(int(name) / 9)  # one after the other, for longer than is not worth a line

    middleman.intervene = hold
    options = {"src": str(models), "models": [{"name": "add_sub"}], "repository": "add_sub", "bucket": bucket}
    task = {"name": "Publish", "mlops.serving.triton_repository": options, "no_log": no_log}
    book = write_play(tmp_path, tasks=[task])
    keys = {"AWS_ACCESS_KEY_ID": s3.access_key, "AWS_SECRET_ACCESS_KEY": s3.secret_key, "AWS_REGION": "us-east-1"}
    run = subprocess.Popen(
        command(book),
        env=environment({**keys, "AWS_ENDPOINT_URL": middleman.url}),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert run.stdout
    if no_log:
        go_on.set()
    told = []
    for line in run.stdout:
        told.append(line)
        if "sending" in line:
            go_on.set()
    assert run.wait() == 0, "".join(told)
    assert in_time == [True], "the lines came when all was over"
    lines = [line for line in told if "sending" in line]
    if no_log:
        assert lines == []
    else:
        assert "of 32 files" in lines[0]
        assert "of 30.0 MiB" in lines[0]
        assert "(100 %)" not in lines[0]
        assert "sending 32 of 32 files, 30.0 of 30.0 MiB (100 %)" in lines[-1]
