# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Models that add and subtract, each with a fault of its own, published into the cluster's S3."""

from __future__ import annotations

import typing as t
import uuid

MODEL = """
import os
import random
import signal
import time

import numpy as np
import triton_python_backend_utils as pb_utils

FAILS, SECONDS, DIES_AFTER, WRONG = {fails!r}, {seconds!r}, {dies_after!r}, {wrong!r}


class TritonPythonModel:
    def initialize(self, args):
        self.answered = 0

    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        self.answered += 1
        if SECONDS:
            time.sleep(SECONDS)
        if DIES_AFTER is not None and self.answered > DIES_AFTER:
            os.kill(os.getppid(), signal.SIGTERM)
        if random.random() < FAILS:
            return pb_utils.InferenceResponse(error=pb_utils.TritonError("a fault of this version"))
        left = pb_utils.get_input_tensor_by_name(request, "INPUT0").as_numpy()
        right = pb_utils.get_input_tensor_by_name(request, "INPUT1").as_numpy()
        results = {{"OUTPUT0": left + right + WRONG, "OUTPUT1": left - right}}
        return pb_utils.InferenceResponse([pb_utils.Tensor(n, r.astype(np.float32)) for n, r in results.items()])
"""

CONFIG = """
name: "add_sub"
backend: "python"
max_batch_size: 8
input [
  { name: "INPUT0" data_type: TYPE_FP32 dims: [ -1 ] },
  { name: "INPUT1" data_type: TYPE_FP32 dims: [ -1 ] }
]
output [
  { name: "OUTPUT0" data_type: TYPE_FP32 dims: [ -1 ] },
  { name: "OUTPUT1" data_type: TYPE_FP32 dims: [ -1 ] }
]
instance_group [ { kind: KIND_CPU count: 2 } ]
version_policy: { all {} }
"""


def publish(
    cluster: t.Any,
    version: int,
    *,
    fails: float = 0.0,
    seconds: float = 0.0,
    dies_after: int | None = None,
    wrong: float = 0.0,
) -> str:
    """Its ``storageUri``. Each version has a Triton version of its own number, so that every answer says who gave it.

    :param fails: share of requests that it answers with an error (HTTP 500)
    :param seconds: that each answer takes
    :param dies_after: so many answers it ends the server
    """
    prefix = f"characters/{uuid.uuid4().hex[:8]}/{version}"
    text = MODEL.format(fails=fails, seconds=seconds, dies_after=dies_after, wrong=wrong)
    cluster.bucket.put(f"{prefix}/add_sub/config.pbtxt", CONFIG.encode())
    cluster.bucket.put(f"{prefix}/add_sub/{version}/model.py", text.encode())
    return f"s3://mlops-artifacts/{prefix}/"
