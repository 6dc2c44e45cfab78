# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kubernetes quantities."""

from __future__ import annotations

import typing as t
from decimal import Decimal

import pytest
from ansible_collections.mlops.serving.plugins.module_utils._domain.quantity import amount, canonical
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("value", "number", "spelled"),
    [
        (2, "2", "2"),
        ("2", "2", "2"),
        ("2.0", "2", "2"),
        ("1000m", "1", "1"),
        ("1500m", "1.5", "1500m"),
        (1.5, "1.5", "1500m"),
        (0.5, "0.5", "500m"),
        (".5", "0.5", "500m"),
        ("250m", "0.25", "250m"),
        ("0.0001", "0.0001", "0.0001"),
        ("1e3", "1000", "1000"),
        ("1E3", "1000", "1000"),
        ("5e-1", "0.5", "500m"),
        ("100n", "0.0000001", "100n"),
        ("100u", "0.0001", "100u"),
        ("2k", "2000", "2k"),
        ("1M", "1000000", "1M"),
        ("1G", "1000000000", "1G"),
        ("1E", "1000000000000000000", "1E"),
        ("1Ki", "1024", "1Ki"),
        ("512Mi", "536870912", "512Mi"),
        ("2Gi", "2147483648", "2Gi"),
        ("1.5Gi", "1610612736", "1.5Gi"),
        (" 2Gi ", "2147483648", "2Gi"),
        (0, "0", "0"),
    ],
)
def test_quantities(value: t.Any, number: str, spelled: str) -> None:
    assert amount(value) == Decimal(number)
    assert canonical(value) == spelled


@pytest.mark.parametrize(
    "value",
    [None, True, [], {}, "", "x", "1 Gi", "1GB", "-1", -1, "1m2", "Gi", "1ki", "1e9999", float("nan"), float("inf")],
)
def test_no_quantities(value: t.Any) -> None:
    assert amount(value) is None
    assert canonical(value) is None


@given(st.decimals(0, 10**6, places=3), st.sampled_from(["", "m", "k", "M", "Gi", "e2"]))
def test_one_spelling_means_the_same_amount(number: Decimal, suffix: str) -> None:
    spelled = canonical(f"{number}{suffix}")
    assert amount(spelled) == amount(f"{number}{suffix}")
    assert canonical(spelled) == spelled
