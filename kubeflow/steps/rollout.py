# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes a deployment's intent through the deployment API and waits until it is true, or says why it is not.

The step of the pipelines beside it: it runs in a stock Python image, so it is one file and knows nothing but the standard library.

READY alone proves nothing: the row says so from the deployment before, until a worker has taken up the new intent. It counts when the
worker has written the row after the intent was written, or when the row itself says `applied`. A row without `applied` and `last_error`
also says READY when the new version failed while the old one goes on serving; the worker then tries it again, so READY has to stay for a while.
"""

from __future__ import annotations

import argparse
import datetime
import http.client
import json
import os
import ssl
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Any, NoReturn, Optional

Row = dict[str, Any]
SPELLINGS = ("canaryTrafficPercent", "canary_percent")
INTENT = ("runtime", "model_id", "model_version_id", "autoscaling", "runtime_config")
# A pod's last words, which `kubectl describe` and the list of pods show.
LAST_WORDS = "/dev/termination-log"


class Failure(Exception):
    """What ends the step, in one sentence."""


class Unavailable(Exception):
    """The API did not answer, or answered 5xx: worth another try."""


class Api:
    """One deployment, as its tenant sees it. Methods raise Failure for what will not get better, and Unavailable for what may."""

    def __init__(self, base_url: str, deployment: str, headers: dict[str, str], deadline: float) -> None:
        self.url = f"{base_url.rstrip('/')}/api/v1/deployments/{urllib.parse.quote(deployment, safe='')}"
        self.deadline = deadline
        self._who = f"deployment {deployment} of tenant {headers['X-Tenant-Id']} and project {headers['X-Project-Id']}"
        self._headers = {**headers, "Content-Type": "application/json", "Accept": "application/json"}

    def get(self) -> Row:
        """The row. Asks again, with a growing pause, until it has an answer or the deadline is over."""
        pause = 0.5
        while True:
            try:
                row = self._send("GET", None)
            except Unavailable as error:
                pause = self.rest(pause, error)
                continue
            if not isinstance(row, dict):
                raise Failure(
                    f"GET {self.url} answers something else than a row: is deployment_base_url the deployment API's?"
                )
            return row

    def put(self, body: Row) -> Any:
        return self._send("PUT", json.dumps(body).encode())

    def rest(self, pause: float, error: Exception) -> float:
        """Sleeps before another try; the next pause. Raises Failure when the deadline is over."""
        left = self.deadline - time.monotonic()
        if left <= pause:
            raise Failure(f"the deployment API did not answer until the deadline: {error}")
        say(f"the API does not answer, next try in {pause:g} s: {error}")
        time.sleep(pause)
        return min(pause * 2, 15.0)

    def _send(self, method: str, body: Optional[bytes]) -> Any:
        request = urllib.request.Request(self.url, data=body, headers=self._headers, method=method)
        limit = max(1.0, min(30.0, self.deadline - time.monotonic()))
        try:
            with urllib.request.urlopen(request, timeout=limit) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            self._refused(method, error)
        except http.client.InvalidURL as error:
            raise Failure(f"deployment_base_url: {self.url} is no address: {error}") from error
        except (OSError, http.client.HTTPException) as error:
            if isinstance(getattr(error, "reason", None), ssl.SSLCertVerificationError):
                raise Failure(f"{self.url} has a certificate that this image does not trust: {error}") from error
            raise Unavailable(
                f"{method} {self.url}: {getattr(error, 'reason', None) or error or type(error).__name__}"
            ) from error
        try:
            return json.loads(text) if text.strip() else None
        except ValueError:
            raise Failure(
                f"{method} {self.url} answers no JSON: is deployment_base_url the deployment API's?"
            ) from None

    def _refused(self, method: str, error: urllib.error.HTTPError) -> NoReturn:
        told = detail(error)
        if error.code >= 500:
            raise Unavailable(f"{method} {self.url} answers {error.code}{told}")
        if error.code == 404:
            raise Failure(f"there is no {self._who}{told or ': look at deployment_id, tenant_id and project_id'}")
        raise Failure(f"the deployment API refuses {method} for {self._who} with {error.code}{told}")


def detail(error: urllib.error.HTTPError) -> str:
    """What an error's body says, as `: text` of at most 500 characters."""
    try:
        text = error.read(4000).decode(errors="replace").strip()
    except (OSError, http.client.HTTPException):
        return ""
    try:
        found = json.loads(text)
        text = found.get("detail", found) if isinstance(found, dict) else found
    except ValueError:
        pass
    if isinstance(text, list):  # field by field, as frameworks report a 422
        text = "; ".join(map(each_field, text))
    text = text if isinstance(text, str) else json.dumps(text)
    return f": {text[:500]}" if text else ""


def each_field(told: Any) -> str:
    return f"{'.'.join(map(str, told.get('loc', [])))}: {told.get('msg')}" if isinstance(told, dict) else str(told)


def percent_of(traffic: Any) -> Any:
    """The canary's share that a row's traffic means; None is all to the latest. Numbers may be text."""
    for name in SPELLINGS if isinstance(traffic, dict) else ():
        if traffic.get(name) is not None:
            value = str(traffic[name]).strip()
            return int(value) if value.isdigit() else value
    return None


def means(row: Row, version: Optional[str], percent: Optional[int]) -> bool:
    return (
        str(row.get("model_version_id") or "").lower() == (version or "").lower()
        and percent_of(row.get("traffic")) == percent
    )


def intent_body(row: Row, version: Optional[str], percent: Optional[int]) -> Row:
    """
    What to PUT. Where the row asks for the same already, the other spelling is taken: so the row changes, an event goes out, and the
    worker's answer can be told from an older one.
    """
    traffic: Row = {} if percent is None else {SPELLINGS[0]: percent}
    if row.get("traffic") == traffic and means(row, version, percent):
        traffic = {SPELLINGS[1]: percent}
    return {"traffic": traffic} if percent is None else {"model_version_id": version, "traffic": traffic}


def moment(row: Row) -> Optional[datetime.datetime]:
    try:
        found = datetime.datetime.fromisoformat(str(row["updated_at"]).replace("Z", "+00:00"))
    except (KeyError, ValueError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=datetime.timezone.utc)


def ask(api: Api, version: Optional[str], percent: Optional[int]) -> Row:
    """Writes the intent; the row as it was written. A PUT whose answer got lost is looked at before it is sent again."""
    pause = 0.5
    while True:
        row = api.get()
        if str(row.get("status")).upper() in ("DELETING", "DELETED"):
            raise Failure(f"the deployment is {row['status']}: nothing was written")
        wanted = version if percent is not None else row.get("model_version_id")
        if means(row, wanted, percent) and (
            row.get("applied") is True or str(row.get("status")).upper() == "DEPLOYING"
        ):
            say("it asks for that already")
            return row
        body = intent_body(row, wanted, percent)
        say(f"{shown(row)}; asks for {json.dumps(body)}")
        try:
            answer = api.put(body)
        except Unavailable as error:
            pause = api.rest(pause, error)
            continue
        written = answer if isinstance(answer, dict) and "model_version_id" in answer else api.get()
        if not means(written, wanted, percent):
            raise Failure(
                f"the API took the request and kept something else: {shown(written)}, asked was {json.dumps(body)}"
            )
        return written


def wait(api: Api, written: Row, percent: Optional[int], settle: float, timeout: float, poll: float) -> Row:
    """The row once it is true. Raises Failure for a reason that a worker gave, another intent, or the deadline."""
    version, since = written.get("model_version_id"), moment(written)
    taken_up, ready, status = False, None, None
    settled = 0.0
    while True:
        row = api.get()
        if str(row.get("status")).upper() != status:
            status = str(row.get("status")).upper()
            say(f"status {status}")
        same_intent(row, written, percent)
        now = moment(row)
        taken_up = (
            taken_up or status not in ("READY", "ERROR") or (since is not None and now is not None and now > since)
        )
        exact = isinstance(row.get("applied"), bool)
        reason = row.get("last_error")
        if reason and status in ("READY", "ERROR") and (taken_up or exact):
            raise Failure(f"version {version} does not serve as asked: {reason}")
        if status == "ERROR" and taken_up:
            raise Failure(
                f"version {version} could not be deployed and nothing serves; the row gives no reason, {WHERE}"
            )
        if status == "READY" and (row["applied"] if exact else taken_up):
            if exact or "last_error" in row:
                return row
            if ready is None:
                ready, settled = row, time.monotonic()
                say(f"READY; it has to stay so for {settle:g} s")
            if ready.get("updated_at") != row.get("updated_at") and unmoved(ready, row):
                raise Failure(again(version))
            if time.monotonic() - settled >= settle:
                return row
        elif ready is not None:
            raise Failure(again(version))
        if time.monotonic() + poll > api.deadline:
            raise Failure(too_late(row, taken_up, ready is not None, timeout, settle))
        time.sleep(poll)


WHERE = "see the worker's log, or mlops.serving.endpoint_info"


def again(version: Any) -> str:
    return f"version {version} did not become ready while the one before goes on serving: the worker tries it again; the row gives no reason, {WHERE}"


def unmoved(before: Row, after: Row) -> bool:
    return {**before, "updated_at": None} == {**after, "updated_at": None}


def too_late(row: Row, taken_up: bool, settling: bool, timeout: float, settle: float) -> str:
    told = f" (last error: {row['last_error']})" if row.get("last_error") else ""
    if settling:
        return f"READY, but not for {settle:g} s when the {timeout:g} s were over: give timeout_seconds more"
    if not taken_up:
        return f"no worker has taken it up in {timeout:g} s: the status is still {row.get('status')} from before{told}; see that a deploy worker runs"
    return f"not true after {timeout:g} s: {shown(row)}{told}; the intent stays, and the worker goes on"


def same_intent(row: Row, written: Row, percent: Optional[int]) -> None:
    if str(row.get("status")).upper() in ("DELETING", "DELETED"):
        raise Failure(f"somebody deletes the deployment: its status is {row['status']}")
    if not means(row, written.get("model_version_id"), percent):
        raise Failure(f"superseded: somebody else has asked for something else meanwhile, {shown(row)}")
    changed = [name for name in INTENT if name in written and row.get(name) != written[name]]
    if changed:
        raise Failure(f"superseded: somebody else has changed {' and '.join(changed)} meanwhile, {shown(row)}")


def shown(row: Row) -> str:
    return (
        f"status {row.get('status')}, version {row.get('model_version_id')}, traffic {json.dumps(row.get('traffic'))}"
    )


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {text}", flush=True)


def last_words(text: str) -> None:
    if os.path.exists(LAST_WORDS):
        try:
            with open(LAST_WORDS, "w", encoding="utf-8") as file:
                file.write(text[:4000])
        except OSError:
            pass


def checked(arguments: argparse.Namespace) -> Optional[int]:
    """The share asked for, None for a promotion. Raises Failure before anything is sent."""
    needed = ["deployment_base_url", "tenant_id", "project_id", "user_id", "deployment_id"]
    if not arguments.promote:
        needed.append("model_version_id")
    empty = [name for name in needed if not getattr(arguments, name).strip()]
    if empty:
        raise Failure(f"{', '.join(empty)}: empty; nothing was written")
    if urllib.parse.urlsplit(arguments.deployment_base_url).scheme not in ("http", "https"):
        raise Failure(f"deployment_base_url: {arguments.deployment_base_url!r} is no http or https address")
    for name in needed:
        if not getattr(arguments, name).isprintable() or not getattr(arguments, name).isascii():
            raise Failure(f"{name}: only printable ASCII characters, please")
    for name in ("timeout_seconds", "settle_seconds"):
        if whole(getattr(arguments, name)) is None:
            raise Failure(f"{name}: {getattr(arguments, name)!r} is no number of seconds")
    if arguments.promote:
        return None
    percent = whole(arguments.percent)
    if percent is None or percent > 100:
        raise Failure(f"canary_percent: {arguments.percent!r} is no whole number from 0 to 100; nothing was written")
    return percent


def whole(text: str) -> Optional[int]:
    """KFP may write the number 10 as 10.0."""
    text = text.strip().removesuffix(".0")
    return int(text) if text.isdigit() else None


def run(arguments: argparse.Namespace) -> None:
    percent = checked(arguments)
    timeout, settle = float(arguments.timeout_seconds), float(arguments.settle_seconds)
    headers = {"X-Tenant-Id": arguments.tenant_id, "X-Project-Id": arguments.project_id, "X-User-Id": arguments.user_id}
    api = Api(arguments.deployment_base_url, arguments.deployment_id, headers, time.monotonic() + timeout)
    written = ask(api, arguments.model_version_id, percent)
    row = wait(api, written, percent, settle, timeout, arguments.poll_seconds)
    share = "all of the traffic" if percent is None else f"{percent} % of the traffic"
    say(f"version {row.get('model_version_id')} has {share} at {row.get('url')}")


def main() -> int:
    parser = argparse.ArgumentParser(description="Write a deployment's intent and wait until it is true.")
    for name in (
        "deployment_base_url",
        "tenant_id",
        "project_id",
        "user_id",
        "deployment_id",
        "model_version_id",
        "percent",
    ):
        parser.add_argument(f"--{name}", default="")
    parser.add_argument("--promote", action="store_true", help="clear the canary's share instead of setting one")
    parser.add_argument("--timeout_seconds", default="900")
    parser.add_argument("--settle_seconds", default="60")
    parser.add_argument("--poll_seconds", type=float, default=1.0, help="pause between two looks at the row")
    try:
        run(parser.parse_args())
    except Failure as failure:
        last_words(str(failure))
        print(f"ERROR: {failure}", file=sys.stderr, flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
