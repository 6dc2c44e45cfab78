# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Webhook configurations: who is trusted, where no cert-manager writes it in, and what their own controllers write."""

from __future__ import annotations

import base64
import typing as t

__all__ = ("with_webhook_ca", "without_rules")

Document = dict[str, t.Any]
_CONFIGURATIONS = ("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration")
_INJECTED = "cert-manager.io/inject-ca-from"


def with_webhook_ca(document: Document, pem: str) -> Document:
    """A copy in which webhooks that are Services of the cluster are trusted by ``pem``; other documents as they are.

    The annotation that asks cert-manager for it is taken out: two writers would take turns.
    """
    kind = document["kind"]
    if kind in _CONFIGURATIONS:
        hooks = [_trusted(hook, pem) for hook in document.get("webhooks") or ()]
        return _plain({**document, "webhooks": hooks})
    conversion = ((document.get("spec") or {}).get("conversion") or {}) if kind == "CustomResourceDefinition" else {}
    if not isinstance(conversion.get("webhook"), dict):
        return document
    spec = {**document["spec"], "conversion": {**conversion, "webhook": _trusted(conversion["webhook"], pem)}}
    return _plain({**document, "spec": spec})


def without_rules(document: Document, live: Document | None) -> Document | None:
    """A copy without the rules of webhooks that are there already; None for other documents, or where nothing is there.

    Knative's webhooks write their own rules when they start, and own the field from then on.
    """
    if document["kind"] not in _CONFIGURATIONS or live is None:
        return None
    there = {hook.get("name") for hook in live.get("webhooks") or ()}
    hooks = [
        {field: value for field, value in hook.items() if field != "rules" or hook.get("name") not in there}
        for hook in document.get("webhooks") or ()
    ]
    return {**document, "webhooks": hooks}


def _trusted(hook: Document, pem: str) -> Document:
    client = hook.get("clientConfig") or {}
    if "service" not in client:
        return hook
    return {**hook, "clientConfig": {**client, "caBundle": base64.b64encode(pem.encode()).decode()}}


def _plain(document: Document) -> Document:
    annotations = {k: v for k, v in (document["metadata"].get("annotations") or {}).items() if k != _INJECTED}
    return {**document, "metadata": {**document["metadata"], "annotations": annotations}}
