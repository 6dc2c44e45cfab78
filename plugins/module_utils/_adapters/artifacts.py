# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The object store that models are served from: S3, MinIO and what speaks the same protocol, through boto3."""

from __future__ import annotations

import json
import typing as t
from base64 import b64encode
from collections.abc import Iterable, Mapping
from hashlib import sha256
from urllib.parse import urlsplit

from .._domain.errors import InvalidIntent, NotFound, Unavailable
from .._domain.repository import Location, Plan, Published, Stored, read_record, record_of
from .artifacts_errors import Target
from .model_folder import LocalFile
from .parallel import several
from .s3_put import ShortCut
from .upload import SMALL_WORKERS, Sender, Sent

try:
    # Of boto3 its lower half: the upper one would be imported for a quarter of a second, and not be used.
    import botocore.session
    from botocore.config import Config

    BOTO3_ERROR: ImportError | None = None
except ImportError as import_error:
    BOTO3_ERROR = import_error

__all__ = ("Artifacts",)

CONNECT_SECONDS = 5
READ_SECONDS = 60
ATTEMPTS = 5  # with pauses of up to 1, 2, 4 and 8 seconds between, for a server that says SlowDown


class Artifacts:
    """One bucket.

    :param bucket: its name
    :param connection: endpoint_url, access_key, secret_key, session_token, profile, region, aws_ca_bundle,
        addressing_style and validate_certs; what is missing is found as every AWS program finds it (environment, profile, role)
    """

    def __init__(self, bucket: str, connection: Mapping[str, t.Any]) -> None:
        if BOTO3_ERROR is not None:
            raise Unavailable(f"the Python library boto3 is missing ({BOTO3_ERROR})", cure="install boto3>=1.35")
        self.bucket = bucket
        self.region = connection.get("region")
        url = connection.get("endpoint_url")
        self.host = url or "AWS S3"
        _check_url(url)
        self._target = Target(bucket, self.host)
        with self._target.action("connect to"):
            session = botocore.session.Session(profile=connection.get("profile"))
            verify: t.Any = False
            if connection.get("validate_certs", True):
                verify = connection.get("aws_ca_bundle") or session.get_config_variable("ca_bundle") or True
            if connection.get("access_key"):
                keys = (connection.get(name) for name in ("access_key", "secret_key", "session_token"))
                session.set_credentials(*keys)
            # The times in a listing are not looked at, and to read one takes longer than all the rest of its row.
            session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=str)
            self._client = session.create_client(
                "s3", region_name=self.region, endpoint_url=url, verify=verify, config=_config(connection)
            )
            limits = {"timeout": (CONNECT_SECONDS, READ_SECONDS), "max_pool_connections": SMALL_WORKERS}
            short_cut = ShortCut(self._client, session.get_credentials(), verify=verify, **limits)
        if not url and not self._client.meta.endpoint_url.endswith((".amazonaws.com", ".amazonaws.com.cn")):
            self.host = self._client.meta.endpoint_url  # of the AWS configuration
            self._target = Target(bucket, self.host)
        self._sender = Sender(self._client, short_cut, self._target)

    def exists(self) -> bool:
        """Whether the bucket is there; a refused credential is an error, not an absence."""
        try:
            with self._target.action("look into"):  # a HEAD would be refused without a reason
                self._client.list_objects_v2(Bucket=self.bucket, MaxKeys=1)
        except NotFound:
            return False
        return True

    def create(self) -> None:
        """Make the bucket in the client's region."""
        region = self._client.meta.region_name
        where = {} if region in (None, "us-east-1", "aws-global") else {"LocationConstraint": region}
        with self._target.action("create"):
            self._client.create_bucket(Bucket=self.bucket, **({"CreateBucketConfiguration": where} if where else {}))

    def listing(self, prefix: str) -> dict[str, Stored]:
        """The objects below ``prefix`` (with its last slash), by key without it. One request for each 1,000."""
        found = {}
        with self._target.action("list", prefix):
            for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix):
                for row in page.get("Contents", ()):
                    found[row["Key"][len(prefix) :]] = Stored(row["Size"], row["ETag"])
        return found

    def siblings(self, prefix: str) -> list[str]:
        """The folders beside the folder ``prefix`` whose names begin like it or that it begins like."""
        parent = prefix.rstrip("/").rpartition("/")[0]
        start = f"{parent}/" if parent else ""
        with self._target.action("list", start):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=start, Delimiter="/"
            )
            return [row["Prefix"] for page in pages for row in page.get("CommonPrefixes", ())]

    def document(self, key: str) -> t.Any:
        """A JSON object's content; None when it is absent or is no JSON."""
        try:
            with self._target.action("read", key):
                content = self._client.get_object(Bucket=self.bucket, Key=key)["Body"].read()
            return json.loads(content)
        except NotFound as error:
            if error.field == "bucket":
                raise
            return None
        except ValueError:
            return None

    def look(self, place: Location) -> Published:
        return Published(read_record(self.document(place.record)), self.listing(place.prefix))

    def publish(
        self,
        place: Location,
        repository: str,
        digest: str,
        files: Iterable[LocalFile],
        steps: Plan,
        sent: Sent = lambda size, files: None,
    ) -> None:
        """Carry out ``steps``. The record is gone from before the first object changes until all are right.

        :param sent: called with the bytes and the files that have arrived since the last time, from several threads
        """
        by_path = {each.file.path: each for each in files}
        self._delete([place.record] if steps.withdraw else [])
        self._sender.send(place.prefix, [by_path[file.path] for file in steps.upload], sent)
        self._delete([place.prefix + path for path in steps.remove])
        present = self.listing(place.prefix)
        for path, each in by_path.items():
            if path not in present or present[path].size != each.file.size:
                raise Unavailable(f"{place.uri}{path} is not there as it was sent", cure="look who else writes there")
        record = record_of(repository, digest, [each.file for each in by_path.values()], present)
        with self._target.action("write", place.record):
            body = json.dumps(record, indent=1).encode()
            checksum = b64encode(sha256(body).digest()).decode()
            target = {"Bucket": self.bucket, "Key": place.record, "ContentType": "application/json"}
            self._client.put_object(**target, Body=body, ChecksumSHA256=checksum)

    def withdraw(self, place: Location, *, dry_run: bool) -> list[str]:
        """Remove a publication, its record first; the keys that were there."""
        record = [place.record] if self.document(place.record) is not None else []
        keys = sorted(place.prefix + path for path in self.listing(place.prefix))
        if not dry_run:
            self._delete(record)
            self._delete(keys)
        return record + keys

    def _delete(self, keys: Iterable[str]) -> None:
        """One request for each key: older MinIO refuses the bulk request of today's boto3 (MissingContentMD5)."""

        def delete(key: str) -> None:
            with self._target.action("remove", key):
                self._client.delete_object(Bucket=self.bucket, Key=key)

        several(delete, keys, SMALL_WORKERS)


def _check_url(url: str | None) -> None:
    if not url:
        return
    parts = urlsplit(url)
    if parts.username or parts.password:
        # Not shown: it holds a secret.
        raise InvalidIntent("holds a user or a password", field="endpoint_url", cure="use access_key and secret_key")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        cure = "write it as http://host:port or https://host:port"
        raise InvalidIntent("is not an address of a server", field="endpoint_url", value=url, cure=cure)


def _config(connection: Mapping[str, t.Any]) -> t.Any:
    options: dict[str, t.Any] = {}
    # A server of one's own seldom has a host name for each bucket.
    style = connection.get("addressing_style") or ("path" if connection.get("endpoint_url") else None)
    if style:
        options["s3"] = {"addressing_style": style}
    # What is sent has its SHA-256. A second checksum would cost time, and older servers do not know its form.
    if "request_checksum_calculation" in Config.OPTION_DEFAULTS:  # botocore 1.36
        options["request_checksum_calculation"] = "when_required"
    return Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        max_pool_connections=SMALL_WORKERS,
        **options,
    )
