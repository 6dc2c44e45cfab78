# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Trace ids as others write and read them."""

from __future__ import annotations

import re

import pytest
from ansible_collections.mlops.serving.plugins.module_utils._domain.errors import InvalidIntent
from ansible_collections.mlops.serving.plugins.module_utils._domain.traces import normal_trace_id, traceparent

ID = "0af7651916cd43dd8448eb211c80319c"


@pytest.mark.parametrize("value", [ID, ID.upper(), f" {ID}\n", "0af76519-16cd-43dd-8448-eb211c80319c"])
def test_spellings_of_one_id(value: str) -> None:
    assert normal_trace_id(value) == ID


@pytest.mark.parametrize("value", ["", ID[:-1], ID + "0", "0" * 32, "g" * 32, "order-4711"])
def test_what_is_none(value: str) -> None:
    with pytest.raises(InvalidIntent, match="trace_id"):
        normal_trace_id(value)


def test_the_header_is_that_of_w3c_and_the_same_each_time() -> None:
    header = traceparent(ID)
    assert header is not None
    assert re.fullmatch(rf"00-{ID}-(?!0{{16}})[0-9a-f]{{16}}-00", header)
    assert traceparent(ID) == header
    assert traceparent("order-4711") is None
