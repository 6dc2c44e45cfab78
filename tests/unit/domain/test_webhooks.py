# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is trusted in a webhook configuration, and whose rules they are."""

from __future__ import annotations

import base64
import copy
import typing as t

from ansible_collections.mlops.serving.plugins.module_utils._domain.webhooks import with_webhook_ca, without_rules

SERVICE = {"service": {"name": "hook", "namespace": "n"}}
TRUSTED = {**SERVICE, "caBundle": base64.b64encode(b"PEM").decode()}


def configuration(*hooks: dict[str, t.Any]) -> dict[str, t.Any]:
    metadata = {"name": "a", "annotations": {"cert-manager.io/inject-ca-from": "n/c", "mine": "1"}}
    return {"kind": "ValidatingWebhookConfiguration", "metadata": metadata, "webhooks": list(hooks)}


def test_services_are_trusted_addresses_are_not_and_cert_manager_is_not_asked() -> None:
    url = {"name": "u", "clientConfig": {"url": "https://example.com"}}
    given = configuration({"name": "s", "clientConfig": SERVICE}, url)
    before = copy.deepcopy(given)
    found = with_webhook_ca(given, "PEM")
    assert found["webhooks"] == [{"name": "s", "clientConfig": TRUSTED}, url]
    assert found["metadata"]["annotations"] == {"mine": "1"}
    assert given == before


def test_so_are_conversions_of_definitions() -> None:
    conversion = {"strategy": "Webhook", "webhook": {"clientConfig": SERVICE}}
    crd = {
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "c"},
        "spec": {"group": "g", "conversion": conversion},
    }
    spec = with_webhook_ca(crd, "PEM")["spec"]
    assert spec == {"group": "g", "conversion": {"strategy": "Webhook", "webhook": {"clientConfig": TRUSTED}}}
    plain = {**crd, "spec": {"group": "g"}}
    assert with_webhook_ca(plain, "PEM") == plain


def test_rules_are_left_to_those_who_wrote_them_and_a_new_webhook_brings_its_own() -> None:
    old, new = {"name": "old", "rules": [1], "sideEffects": "None"}, {"name": "new", "rules": [2]}
    found = without_rules(configuration(old, new), configuration({"name": "old", "rules": [3]}))
    assert found is not None
    assert found["webhooks"] == [{"name": "old", "sideEffects": "None"}, new]


def test_nothing_else_is_given_up() -> None:
    assert without_rules(configuration(), None) is None
    assert without_rules({"kind": "ConfigMap", "metadata": {"name": "a"}}, {}) is None
