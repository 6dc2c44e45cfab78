# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module deploy_request: intents and their events in one transaction, then the events into the stream."""

from __future__ import annotations

import typing as t
import uuid

from ansible.module_utils.basic import AnsibleModule

from .._adapters.nats_publisher import NatsPublisher
from .._adapters.outbox import Outbox
from .._adapters.store import Store
from .._domain.errors import ServingError
from .._domain.traces import normal_trace_id
from .argspec import NATS
from .connections import open_store
from .endpoint_options import items_of
from .endpoint_writes import write_endpoints
from .endpoints import Change
from .module import Result

__all__ = ("deploy_request", "relay")


def deploy_request(module: AnsibleModule, result: Result) -> None:
    """Fills what ``write_endpoints`` fills, ``trace_id``, ``requested``, ``published`` and ``waiting``."""
    params = module.params
    present = params["state"] == "present"
    subject = params["deploy_subject"] if present else params["delete_subject"]
    trace_id = normal_trace_id(params["trace_id"]) if params["trace_id"] else uuid.uuid4().hex
    result.update(endpoints=[], requested=[], published=0, trace_id=trace_id)

    def request(store: Store, changes: t.Sequence[Change]) -> None:
        meant = [
            change for change in changes if change.action != "unchanged" or (params["again"] and change.after["id"])
        ]
        told = Outbox(store.database).put(subject, [change.after["id"] for change in meant], trace_id=trace_id)
        result["requested"] = [
            {"name": change.after["name"], "id": change.after["id"], "message_id": told[change.after["id"]]}
            for change in meant
            if change.after["id"] in told
        ]

    write_endpoints(module, result, items_of(params), present=present, also=request)
    if module.check_mode:
        return
    result["changed"] = result["changed"] or bool(result["requested"])
    with open_store(module) as store:
        outbox = Outbox(store.database)
        relay(module, result, outbox)
        result["waiting"] = outbox.waiting()


def relay(module: AnsibleModule, result: Result, outbox: Outbox) -> None:
    """What cannot be published now is not lost, so it is no failure: the event source or the next run publishes it."""
    options = {name.removeprefix("nats_"): module.params[name] for name in NATS}
    if not options["servers"]:
        return
    try:
        result["published"] = outbox.relay(NatsPublisher(options).publish)
    except ServingError as error:
        module.warn(
            f"{error} The events are kept and published by the next run or by the event source; workers find the intents"
            " without them."
        )
    result["changed"] = result["changed"] or bool(result["published"])
