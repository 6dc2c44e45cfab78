# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What boto3 raises, in words of ours: what was being done, in which bucket of which server, and what to do."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from .._domain.errors import Forbidden, InvalidIntent, NotFound, ServingError, Unavailable

try:
    from botocore import exceptions as failures
except ImportError:  # said by Artifacts, before anything here is called
    pass

__all__ = ("Target",)

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
_BUSY = frozenset(("SlowDown", "RequestTimeout", "RequestTimeTooShort"))
# What arrived is not what was signed: the way there is not to be trusted, and sending again may do.
_DAMAGED = frozenset(("BadDigest", "XAmzContentSHA256Mismatch", "IncompleteBody"))
_GIVE_KEYS = "give an access_key and secret_key, a profile or a role that may do this"


@dataclass(frozen=True)
class Target:
    """A bucket, and the server as the user knows it."""

    bucket: str
    host: str

    @contextmanager
    def action(self, verb: str, key: str | None = None) -> Iterator[None]:
        """Turns what boto3 raises into an error of ours.

        :param verb: what is being done, as in ``cannot <verb> s3://bucket/key``
        :param key: to which object; without it, to the bucket
        """
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
        except (failures.BotoCoreError, ValueError) as error:
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
        if status >= 500 or code in _BUSY:
            return self._error(Unavailable, f"it answered {code} ({status})", verb, key, "run it again when it is well")
        if code in _DAMAGED:
            reason, cure = f"it got something else than was sent ({code})", "look what lies between, and run it again"
            return self._error(Unavailable, reason, verb, key, cure)
        reason = f"it answered {code}: {answer.get('Message', status)}"
        return self._error(InvalidIntent, reason, verb, key, "look at region, endpoint_url and bucket")

    def _error(
        self, kind: type[ServingError], reason: str, verb: str, key: str | None, cure: str | None
    ) -> ServingError:
        target = f"s3://{self.bucket}/{key}" if key else f"bucket {self.bucket}"
        return kind(f"cannot {verb} {target} at {self.host}: {reason}", cure=cure)
