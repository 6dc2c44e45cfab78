# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The object store that models are served from: S3, MinIO and what speaks the same protocol, through boto3."""

from __future__ import annotations

import json
import typing as t
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from urllib.parse import urlsplit

from .._domain.errors import Forbidden, InvalidIntent, NotFound, ServingError, Unavailable
from .._domain.repository import Location, Plan, Published, Stored, read_record, record_of
from .model_folder import LocalFile, reading

try:
    import boto3
    import boto3.session
    from boto3.exceptions import Boto3Error
    from boto3.s3.transfer import TransferConfig
    from botocore import exceptions as failures
    from botocore.config import Config

    BOTO3_ERROR: ImportError | None = None
except ImportError as import_error:
    BOTO3_ERROR = import_error

__all__ = ("Artifacts",)

WORKERS = 8
BIG = 64 * 1024 * 1024  # a bigger file is sent alone, in parts of 8 MiB of which WORKERS are on their way at a time
CONNECT_SECONDS = 5
READ_SECONDS = 60

_CREDENTIALS = frozenset(
    (
        "AccessDenied",
        "ExpiredToken",
        "InvalidAccessKeyId",
        "InvalidToken",
        "SignatureDoesNotMatch",
        "RequestTimeTooSkewed",
    )
)
_ABSENT = frozenset(("NoSuchBucket", "NoSuchKey", "NotFound", "404"))


class Artifacts:
    """One bucket.

    :param bucket: its name
    :param connection: endpoint_url, access_key, secret_key, session_token, profile, region, aws_ca_bundle and
        validate_certs; what is missing is found as every AWS program finds it (environment, profile, role)
    """

    def __init__(self, bucket: str, connection: Mapping[str, t.Any]) -> None:
        if BOTO3_ERROR is not None:
            raise Unavailable(f"the Python library boto3 is missing ({BOTO3_ERROR})", cure="install boto3>=1.35")
        self.bucket = bucket
        self.region = connection.get("region")
        url = connection.get("endpoint_url")
        self.host = url or "AWS S3"
        _check_url(url)
        with self._action("connect to"):
            session = boto3.session.Session(
                aws_access_key_id=connection.get("access_key"),
                aws_secret_access_key=connection.get("secret_key"),
                aws_session_token=connection.get("session_token"),
                profile_name=connection.get("profile"),
                region_name=self.region,
            )
            self._client = session.client(
                "s3",
                endpoint_url=url,
                verify=connection.get("aws_ca_bundle") if connection.get("validate_certs", True) else False,
                config=Config(
                    connect_timeout=CONNECT_SECONDS,
                    read_timeout=READ_SECONDS,
                    retries={"mode": "standard", "max_attempts": 3},
                    max_pool_connections=2 * WORKERS,
                    # A server of one's own seldom has a host name for each bucket.
                    s3={"addressing_style": "path"} if url else None,
                ),
            )

    def exists(self) -> bool:
        """Whether the bucket is there; a refused credential is an error, not an absence."""
        try:
            with self._action("look into"):  # a HEAD would be refused without a reason
                self._client.list_objects_v2(Bucket=self.bucket, MaxKeys=1)
        except NotFound:
            return False
        return True

    def create(self) -> None:
        """Make the bucket in the client's region."""
        region = self._client.meta.region_name
        where = {} if region in (None, "us-east-1", "aws-global") else {"LocationConstraint": region}
        with self._action("create"):
            self._client.create_bucket(Bucket=self.bucket, **({"CreateBucketConfiguration": where} if where else {}))

    def listing(self, prefix: str) -> dict[str, Stored]:
        """The objects below ``prefix`` (with its last slash), by key without it. One request for each 1,000."""
        found = {}
        with self._action("list", prefix):
            for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix):
                for row in page.get("Contents", ()):
                    found[row["Key"][len(prefix) :]] = Stored(row["Size"], row["ETag"])
        return found

    def siblings(self, prefix: str) -> list[str]:
        """The folders beside the folder ``prefix`` whose names begin like it or that it begins like."""
        parent = prefix.rstrip("/").rpartition("/")[0]
        start = f"{parent}/" if parent else ""
        with self._action("list", start):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=start, Delimiter="/"
            )
            return [row["Prefix"] for page in pages for row in page.get("CommonPrefixes", ())]

    def document(self, key: str) -> t.Any:
        """A JSON object's content; None when it is absent or is no JSON."""
        try:
            with self._action("read", key):
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

    def publish(self, place: Location, repository: str, digest: str, files: Iterable[LocalFile], steps: Plan) -> None:
        """Carry out ``steps``. The record is gone from before the first object changes until all are right."""
        by_path = {each.file.path: each for each in files}
        self._delete([place.record] if steps.withdraw else [])
        send = [by_path[file.path] for file in steps.upload]
        self._each(lambda each: self._send(place, each), [each for each in send if each.file.size <= BIG])
        for each in send:
            if each.file.size > BIG:
                self._send(place, each)
        self._delete([place.prefix + path for path in steps.remove])
        present = self.listing(place.prefix)
        for path, each in by_path.items():
            if path not in present or present[path].size != each.file.size:
                raise Unavailable(f"{place.uri}{path} is not there as it was sent", cure="look who else writes there")
        record = record_of(repository, digest, [each.file for each in by_path.values()], present)
        with self._action("write", place.record):
            body = json.dumps(record, indent=1).encode()
            self._client.put_object(Bucket=self.bucket, Key=place.record, Body=body, ContentType="application/json")

    def withdraw(self, place: Location, *, dry_run: bool) -> list[str]:
        """Remove a publication, its record first; the keys that were there."""
        record = [place.record] if self.document(place.record) is not None else []
        keys = sorted(place.prefix + path for path in self.listing(place.prefix))
        if not dry_run:
            self._delete(record)
            self._delete(keys)
        return record + keys

    def _send(self, place: Location, each: LocalFile) -> None:
        key = place.prefix + each.file.path
        transfer = TransferConfig(max_concurrency=WORKERS, multipart_threshold=BIG)
        with self._action("write", key), reading(each.source):
            self._client.upload_file(
                each.source, self.bucket, key, ExtraArgs={"Metadata": {"sha256": each.file.sha256}}, Config=transfer
            )
            unchanged = each.unchanged()
        if not unchanged:
            raise InvalidIntent("changed while it was published", field="src", value=each.source, cure="run it again")

    def _delete(self, keys: Iterable[str]) -> None:
        """One request for each key: older MinIO refuses the bulk request of today's boto3 (MissingContentMD5)."""

        def delete(key: str) -> None:
            with self._action("remove", key):
                self._client.delete_object(Bucket=self.bucket, Key=key)

        self._each(delete, keys)

    @staticmethod
    def _each(work: Callable[[t.Any], None], items: Iterable[t.Any]) -> None:
        """Several at a time; after the first failure nothing new is begun, and that failure is raised."""
        with ThreadPoolExecutor(WORKERS) as pool:
            futures = [pool.submit(work, item) for item in items]
            try:
                for future in futures:
                    future.result()
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise

    @contextmanager
    def _action(self, verb: str, key: str | None = None) -> Iterator[None]:
        """Turns what boto3 raises into an error of ours that says what was being done, and where."""
        try:
            yield
        except ServingError:
            raise
        except failures.ClientError as error:
            raise self._refusal(error, verb, key) from error
        except (
            failures.NoCredentialsError,
            failures.PartialCredentialsError,
            failures.CredentialRetrievalError,
        ) as error:
            raise self._error(Forbidden, f"no usable credential ({error})", verb, key, _GIVE_KEYS) from error
        except failures.ProfileNotFound as error:
            raise InvalidIntent(str(error), field="profile", cure="name a profile of the AWS configuration") from error
        except failures.SSLError as error:
            cure = "set aws_ca_bundle to the file of its certificate authority"
            raise self._error(Unavailable, "its certificate is not trusted", verb, key, cure) from error
        except (failures.HTTPClientError, failures.ConnectionError) as error:
            cure = "look whether it runs, and whether endpoint_url is its address"
            raise self._error(Unavailable, f"it does not answer ({type(error).__name__})", verb, key, cure) from error
        except (failures.BotoCoreError, Boto3Error, ValueError) as error:
            if isinstance(error.__cause__ or error.__context__, failures.ClientError):
                raise self._refusal(error.__cause__ or error.__context__, verb, key) from error
            raise self._error(InvalidIntent, str(error), verb, key, "correct the connection's options") from error

    def _refusal(self, error: t.Any, verb: str, key: str | None) -> ServingError:
        answer = error.response.get("Error", {})
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        code = str(answer.get("Code", status))
        if code in _CREDENTIALS or status in (401, 403):
            return self._error(Forbidden, f"it answered {code}", verb, key, _GIVE_KEYS)
        if code == "NoSuchBucket" or (code in _ABSENT and key is None):
            cure = "create the bucket, or set create_bucket"
            return NotFound(f"{self.host} has no such bucket", field="bucket", value=self.bucket, cure=cure)
        if code in _ABSENT:
            return self._error(NotFound, "there is no such object", verb, key, None)
        if status >= 500 or code in ("SlowDown", "RequestTimeout"):
            return self._error(Unavailable, f"it answered {code} ({status})", verb, key, "run it again when it is well")
        reason = f"it answered {code}: {answer.get('Message', status)}"
        return self._error(InvalidIntent, reason, verb, key, "look at region, endpoint_url and bucket")

    def _error(
        self, kind: type[ServingError], reason: str, verb: str, key: str | None, cure: str | None
    ) -> ServingError:
        target = f"s3://{self.bucket}/{key}" if key else f"bucket {self.bucket}"
        return kind(f"cannot {verb} {target} at {self.host}: {reason}", cure=cure)


_GIVE_KEYS = "give an access_key and secret_key, a profile or a role that may do this"


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
