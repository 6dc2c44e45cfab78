# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files on their way to S3: several at a time, the big ones in parts, in an amount of memory that no size changes."""

from __future__ import annotations

import hashlib
import os
import typing as t
from base64 import b64encode
from collections.abc import Callable, Sequence

from .._domain.errors import InvalidIntent, ServingError
from .artifacts_errors import Target
from .model_folder import LocalFile, reading
from .parallel import several
from .s3_put import ShortCut

__all__ = ("SMALL_WORKERS", "WORKERS", "Sender", "Sent")

WORKERS = 8
MIB = 1024 * 1024
# What is small waits for the server rather than for the line: with 32 at a time, no more memory than 8 parts take.
SMALL, SMALL_WORKERS = 1 * MIB, 32
PART = 8 * MIB  # a bigger file goes in parts of this size
MOST_PARTS = 10_000  # S3's limit; a file of more than 78 GiB has bigger parts, of which fewer are on their way

Sent = Callable[[int, int], None]  # bytes and files that have arrived


class Sender:
    """Sends files into one bucket."""

    def __init__(self, client: t.Any, short_cut: ShortCut, target: Target) -> None:
        self._client = client
        self._short_cut = short_cut
        self._target = target

    def send(self, prefix: str, files: Sequence[LocalFile], sent: Sent) -> None:
        """Write every file below ``prefix``; raises the first failure, after which nothing new is begun.

        A file that is not what was read before is not sent, or (in parts) not completed. A broken upload of several parts
        is taken back.
        """
        small = [each for each in files if each.file.size <= PART]
        if small:
            self._whole(prefix, small[0], sent)  # alone, as the short cut learns from it
        for workers, sizes in ((SMALL_WORKERS, range(SMALL + 1)), (WORKERS, range(SMALL + 1, PART + 1))):
            some = [each for each in small[1:] if each.file.size in sizes]
            several(lambda each: self._whole(prefix, each, sent), some, workers)
        for each in files:
            if each.file.size > PART:
                self._in_parts(prefix, each, sent)

    def _whole(self, prefix: str, each: LocalFile, sent: Sent) -> None:
        key, digest = prefix + each.file.path, each.file.sha256
        with reading(each.source), each.open() as stream:
            body = stream.read(each.file.size + 1)
        if hashlib.sha256(body).hexdigest() != digest:
            raise _changed(each)
        if self._short_cut.put(key, body, digest, headers={"x-amz-meta-sha256": digest}) is None:
            with self._target.action("write", key):
                place = {"Bucket": self._target.bucket, "Key": key}
                self._client.put_object(**place, Body=body, Metadata={"sha256": digest}, ChecksumSHA256=_base64(digest))
            self._short_cut.learn(key)
        sent(len(body), 1)

    def _in_parts(self, prefix: str, each: LocalFile, sent: Sent) -> None:
        key = prefix + each.file.path
        place = {"Bucket": self._target.bucket, "Key": key}
        with self._target.action("write", key):
            answer = self._client.create_multipart_upload(
                **place, Metadata={"sha256": each.file.sha256}, ChecksumAlgorithm="SHA256"
            )
        place["UploadId"] = answer["UploadId"]
        try:
            parts = self._parts(each, place, sent)
            with reading(each.source):
                if not each.unchanged():
                    raise _changed(each)
            with self._target.action("write", key):
                self._client.complete_multipart_upload(**place, MultipartUpload={"Parts": parts})
        except BaseException as error:
            self._take_back(place, error)
            raise
        sent(0, 1)

    def _parts(self, each: LocalFile, place: dict[str, str], sent: Sent) -> list[dict[str, t.Any]]:
        """Number, entity tag and checksum of each part, in their order."""
        size = max(PART, -(-each.file.size // (MOST_PARTS * MIB)) * MIB)
        parts: dict[int, dict[str, t.Any]] = {}
        with reading(each.source):
            handle = os.open(each.source, os.O_RDONLY)

        def send(number: int) -> None:
            offset = (number - 1) * size
            wanted = min(size, each.file.size - offset)
            with reading(each.source):
                body = os.pread(handle, wanted, offset)
            if len(body) < wanted:
                raise _changed(each)
            parts[number] = self._part(place, number, body)
            sent(len(body), 0)

        try:
            several(send, range(1, -(-each.file.size // size) + 1), max(1, min(WORKERS, WORKERS * PART // size)))
        finally:
            os.close(handle)
        return [parts[number] for number in sorted(parts)]

    def _part(self, place: dict[str, str], number: int, body: bytes) -> dict[str, t.Any]:
        digest = hashlib.sha256(body).hexdigest()
        part = {"PartNumber": number, "ChecksumSHA256": _base64(digest)}
        query = {"partNumber": number, "uploadId": place["UploadId"]}
        tag = self._short_cut.put(place["Key"], body, digest, query=query)
        if tag is None:
            with self._target.action("write", place["Key"]):
                tag = self._client.upload_part(**place, **part, Body=body)["ETag"]
        return {**part, "ETag": tag}

    def _take_back(self, place: dict[str, str], error: BaseException) -> None:
        """The parts of an upload that is never completed are kept, unseen, and paid for."""
        try:
            with self._target.action("take back the parts of", place["Key"]):
                self._client.abort_multipart_upload(**place)
        except ServingError:
            if isinstance(error, ServingError) and error.cure:
                error.cure += "; the parts that have arrived are left there, as a lifecycle rule of the bucket can mend"


def _base64(digest: str) -> str:
    return b64encode(bytes.fromhex(digest)).decode()


def _changed(each: LocalFile) -> InvalidIntent:
    return InvalidIntent("changed while it was published", field="src", value=each.source, cure="run it again")
