# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module manifest: from its options to documents, and from what was done to its result."""

from __future__ import annotations

import dataclasses
import time
import typing as t
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.urls import ConnectionError as NoConnection
from ansible.module_utils.urls import SSLValidationError, open_url

from .._adapters.manifest_sources import Fetch, read_sources
from .._adapters.objects import Objects
from .._domain.documents import Item, collect, left_out_early, prepare
from .._domain.errors import InvalidIntent, Refused, Unavailable
from .._domain.images import with_images
from .._domain.object_changes import shown
from .._domain.webhooks import with_webhook_ca
from .._engine.manifest_apply import Appliance
from .._engine.manifest_config import Config, with_config
from .._engine.manifest_removal import Removal
from .._engine.manifest_run import Outcome, Settings
from .connections import cluster_parameters
from .module import Result, diff

__all__ = ("bring",)

_ACTIONS = ("created", "changed", "unchanged", "deleted")
_FETCH_SECONDS = 60
# Shorter ones would be blotted out wherever they are a part of a word.
_SHORTEST_SECRET = 8


def bring(module: AnsibleModule, result: Result) -> None:
    """``manifest``: apply the documents, or take them away."""
    started = time.monotonic()
    params = module.params
    result.update(objects=[], counts=dict.fromkeys(_ACTIONS, 0))
    if params["workers"] < 1:
        raise InvalidIntent("is no number of workers", field="workers", value=params["workers"], cure="use 1 or more")
    images = {str(name): str(value) for name, value in (params["images"] or {}).items()}
    items = _documents(module, result, images)
    probes = collect("probe", params["probe"] or ())
    settings = Settings(
        manager=params["field_manager"],
        force=params["force_conflicts"],
        check=module.check_mode,
        wait=params["wait"],
        timeout=float(params["timeout"]),
        workers=params["workers"],
        delete_crds=params["delete_crds"],
    )
    objects = Objects.connect(cluster_parameters(module))
    result["host"] = objects.host
    run: Appliance | Removal | None = None
    try:
        if params["state"] == "present":
            items, kept = with_config(objects, items, _configs(params["config"] or (), items, result), images)
            for words in kept:
                module.warn(words)
            run = Appliance(objects, items, settings)
        else:
            run = Removal(objects, items, settings)
        if isinstance(run, Appliance):
            run.run(probes)
        else:
            users = [(one["api_version"], one["kind"]) for one in params["in_use_by"] or ()]
            run.run(force=params["force"], in_use_by=users)
    finally:
        _report(module, result, run.outcomes if run else ())
        for warning in [*objects.warnings, *(run.warnings if run else ())]:
            module.warn(warning)
        result["requests"] = objects.requests
        objects.close()
        result["seconds"] = round(time.monotonic() - started, 3)


def _configs(given: t.Iterable[t.Mapping[str, t.Any]], items: t.Sequence[Item], result: Result) -> list[Config]:
    """Those of addresses that could not be read are not looked for: check mode has said so."""
    there = {(item.name, item.namespace) for item in items if item.kind == "ConfigMap"}
    return [
        Config(
            one["name"],
            one["namespace"],
            one["data"] or {},
            tuple(one["restart"] or ()),
            tuple(one["groups"] or ()),
        )
        for one in given
        if "unread" not in result or (one["name"], one["namespace"]) in there
    ]


def _documents(module: AnsibleModule, result: Result, images: t.Mapping[str, str]) -> list[Item]:
    params = module.params

    def unread(source: str, away: Unavailable) -> None:
        """In check mode: an earlier task may be the one that brings the server."""
        module.warn(f"{away} What it would change is not known.")
        result.setdefault("unread", []).append(source)
        result["changed"] = True

    items = read_sources(
        params["src"] or (),
        params["checksum"] or {},
        _fetcher(params["src_ca_cert"]),
        unread=unread if module.check_mode else None,
        skip=left_out_early(params["exclude"] or ()),
    )
    items += collect("definition", params["definition"] or ())
    items = [dataclasses.replace(item, document=with_images(item.document, images)) for item in items]
    if params["webhook_ca"]:
        items = [
            dataclasses.replace(item, document=with_webhook_ca(item.document, params["webhook_ca"])) for item in items
        ]
    found = prepare(items, params["exclude"] or (), params["patches"] or ())
    for warning in found.warnings:
        module.warn(warning)
    for item in found.items:
        if item.kind == "Secret":
            _hide(module, item)
    return found.items


def _hide(module: AnsibleModule, item: Item) -> None:
    """A Secret that is given as a definition would be printed with the task's arguments."""
    for field in ("data", "stringData"):
        values = (item.document.get(field) or {}).values()
        module.no_log_values.update(
            value for value in values if isinstance(value, str) and len(value) >= _SHORTEST_SECRET
        )


def _fetcher(ca_cert: str | None) -> Fetch:
    """Ansible's own client: proxies, netrc and certificate authorities of the environment count."""

    def fetch(url: str) -> bytes:
        # An address may carry a password or a signature.
        parts = urlsplit(url)
        shown_url = f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}{parts.path}"
        try:
            with open_url(url, timeout=_FETCH_SECONDS, ca_path=ca_cert, http_agent="mlops.serving") as answer:
                return t.cast(bytes, answer.read())
        except HTTPError as error:
            what = f"answers {error.code} {error.reason}"
            if error.code >= 500 or error.code == 429:
                raise Unavailable(what, field="src", value=shown_url, cure="try again later") from None
            cure = "correct the address, or give the files of a folder"
            raise Refused(what, field="src", value=shown_url, cure=cure) from None
        except (SSLValidationError, NoConnection, URLError, OSError) as error:
            reason = " ".join(str(getattr(error, "reason", None) or error).split())
            cure = "check address, proxy (https_proxy, no_proxy) and src_ca_cert, or give the files of a folder"
            raise Unavailable(f"cannot be fetched: {reason}", field="src", value=shown_url, cure=cure) from None

    return fetch


def _report(module: AnsibleModule, result: Result, outcomes: t.Iterable[Outcome]) -> None:
    for outcome in outcomes:
        if outcome.action is None:
            continue
        item, changed = outcome.item, outcome.action != "unchanged"
        entry = {"kind": item.kind, "namespace": item.namespace or None, "name": item.name, "action": outcome.action}
        result["objects"].append(entry)
        result["counts"][outcome.action] += 1
        result["changed"] = result["changed"] or changed
        if module._diff and changed:
            before, after = shown(outcome.before, None if outcome.action == "deleted" else outcome.after)
            header = " ".join((item.kind, "/".join(filter(None, (item.namespace, item.name)))))
            result.setdefault("diff", []).append(diff(before or "", after or "", header=header))
