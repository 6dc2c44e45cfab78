# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PUT requests to S3 that cost little: what boto3 sends, without most of what it does around each request.

A call of boto3 computes for 2 to 3 ms, holding Python's lock, which for thousands of small files is the whole time. Here
the first request is boto3's own, and shows the address and the region; the next are signed by botocore's signer and sent
through botocore's HTTP session at half of that. Whatever is not answered with 200 is asked again through boto3, which knows
all about redirects, clocks, retries and errors. So this is a short cut, never another way.
"""

from __future__ import annotations

import re
import typing as t
from base64 import b64encode
from urllib.parse import quote, urlencode

try:
    from botocore.auth import S3SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.exceptions import BotoCoreError, HTTPClientError
    from botocore.httpsession import URLLib3Session
    from botocore.utils import get_environ_proxies

    class _Signer(S3SigV4Auth):  # type: ignore[misc,unused-ignore]
        """Signs the digest of a body that is known already."""

        def payload(self, request: t.Any) -> str:
            return str(request.context["sha256"])

    HAS_PARTS = True
except ImportError:  # no botocore, which Artifacts says, or one that keeps these elsewhere: then boto3 does all
    HAS_PARTS = False

__all__ = ("ShortCut",)

_EVENT = "before-send.s3.PutObject"
# Access points of several regions, express and outpost buckets are signed in other ways.
_ORDINARY = re.compile(r"AWS4-HMAC-SHA256 Credential=[^/]+/\d{8}/([^/]+)/s3/aws4_request")


class ShortCut:
    """
    :param client: boto3's, whose first ``put_object`` is looked at
    :param credentials: of the same session; they renew themselves
    :param session: keywords of botocore's HTTP session: verify, timeout, max_pool_connections
    """

    def __init__(self, client: t.Any, credentials: t.Any, **session: t.Any) -> None:
        self._credentials = credentials
        self._settings = session
        self._seen: tuple[str, str] | None = None
        self._learnt = False
        self._base: str | None = None
        self._region = ""
        self._http: t.Any = None
        client.meta.events.register(_EVENT, self._look)

    def learn(self, key: str) -> None:
        """To be called when boto3 has written ``key``. The first time counts, as what failed since would fail again."""
        if not HAS_PARTS or self._learnt or self._credentials is None or self._seen is None:
            return
        self._learnt = True
        url, authorization = self._seen
        ordinary = _ORDINARY.match(authorization)
        if ordinary and url.endswith(_quoted(key)):
            self._region = ordinary[1]
            self._http = URLLib3Session(proxies=get_environ_proxies(url), **self._settings)
            self._base = url[: -len(_quoted(key))]

    def put(
        self,
        key: str,
        body: bytes,
        sha256: str,
        headers: t.Mapping[str, str] | None = None,
        query: t.Mapping[str, t.Any] | None = None,
    ) -> str | None:
        """The entity tag of what was written; None when it was not, for whatever reason.

        The server compares what arrives with ``sha256``, once as part of the signature (as AWS and MinIO do) and once as
        a checksum (as SeaweedFS does, which leaves out the first).
        """
        base = self._base
        if base is None:
            return None
        url = base + _quoted(key) + (f"?{urlencode(query)}" if query else "")
        checked = {"x-amz-checksum-sha256": b64encode(bytes.fromhex(sha256)).decode()}
        request = AWSRequest("PUT", url, headers={**checked, **(headers or {})}, data=body)
        request.context["sha256"] = sha256
        try:
            _Signer(self._credentials.get_frozen_credentials(), "s3", self._region).add_auth(request)
            answer = self._http.send(request.prepare())
        except (BotoCoreError, HTTPClientError, OSError):
            return None
        if 400 <= answer.status_code < 500:
            self._base = None  # not a bad minute, but something that boto3 would have done in another way
        return answer.headers.get("ETag") if answer.status_code == 200 else None

    def _look(self, request: t.Any, **_rest: t.Any) -> None:
        authorization = request.headers.get("Authorization", b"")
        text = authorization.decode() if isinstance(authorization, bytes) else str(authorization)
        self._seen = request.url.partition("?")[0], text


def _quoted(key: str) -> str:
    return quote(key, safe="/~")
