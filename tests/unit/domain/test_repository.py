"""A published repository: its digest, its places, and what a publication sends."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
from ansible_collections.mlops.serving.plugins.module_utils._domain.errors import InvalidIntent
from ansible_collections.mlops.serving.plugins.module_utils._domain.repository import (
    File,
    Published,
    Stored,
    alias_location,
    digest_of,
    location,
    neighbours,
    plan,
    read_record,
    record_of,
)

DIGEST = "0" * 64
FILES = (File("add_sub/config.pbtxt", 10, "a" * 64), File("add_sub/1/model.py", 20, "b" * 64))
SENT = {file.path: Stored(file.size, f"etag of {file.path}") for file in FILES}
DONE = Published(read_record(record_of("add_sub", DIGEST, FILES, SENT)), SENT)


class TestPlan:
    def test_nothing_is_there(self) -> None:
        steps = plan(FILES, Published())
        assert sorted(file.path for file in steps.upload) == ["add_sub/1/model.py", "add_sub/config.pbtxt"]
        assert (steps.changed, steps.withdraw, steps.remove) == (True, False, ())

    def test_everything_is_there(self) -> None:
        assert not plan(FILES, DONE).changed

    def test_objects_without_a_record_are_not_trusted(self) -> None:
        assert len(plan(FILES, Published({}, SENT)).upload) == 2

    @pytest.mark.parametrize("instead", [None, Stored(11, "etag of add_sub/config.pbtxt"), Stored(10, "another")])
    def test_an_object_that_went_or_changed_is_sent_again(self, instead: Stored | None) -> None:
        present = {path: there for path, there in SENT.items() if path != "add_sub/config.pbtxt"}
        if instead:
            present["add_sub/config.pbtxt"] = instead
        steps = plan(FILES, replace(DONE, present=present))
        assert [file.path for file in steps.upload] == ["add_sub/config.pbtxt"]
        assert steps.withdraw

    def test_what_somebody_put_between_is_removed(self) -> None:
        steps = plan(FILES, replace(DONE, present={**SENT, "add_sub/2/model.py": Stored(1, "x")}))
        assert (steps.upload, steps.remove, steps.changed) == ((), ("add_sub/2/model.py",), True)

    def test_only_the_changed_file_of_an_alias_is_sent(self) -> None:
        changed = replace(FILES[1], sha256="c" * 64)
        steps = plan([FILES[0], changed], DONE)
        assert steps.upload == (changed,)

    def test_a_record_with_a_file_too_many_is_written_again(self) -> None:
        steps = plan(FILES[:1], replace(DONE, present={FILES[0].path: SENT[FILES[0].path]}))
        assert (steps.upload, steps.remove, steps.changed) == ((), (), True)

    @pytest.mark.parametrize("document", [None, [], {}, {"format": 2, "files": []}, {"format": 1, "files": [{}]}])
    def test_a_record_that_is_not_ours_counts_for_nothing(self, document: object) -> None:
        assert read_record(document) == {}


def test_the_digest_is_that_of_sha256sum_in_the_order_of_paths() -> None:
    printed = f"{'b' * 64}  add_sub/1/model.py\n{'a' * 64}  add_sub/config.pbtxt\n"
    assert digest_of(FILES) == digest_of(FILES[::-1]) == hashlib.sha256(printed.encode()).hexdigest()


class TestLocation:
    def test_a_publication_and_its_record(self) -> None:
        place = location("bucket", "/team/models/", "add_sub", DIGEST)
        assert place.uri == f"s3://bucket/team/models/add_sub/{DIGEST}/"
        assert place.record == f"team/models/add_sub/{DIGEST}.json"

    def test_an_alias_and_its_record(self) -> None:
        place = alias_location("bucket", "models", "triton/add_sub")
        assert place.uri == "s3://bucket/triton/add_sub/"
        assert place.record == "models/.aliases/triton%2Fadd_sub.json"

    @pytest.mark.parametrize("alias", ["models", "models/x", "mod", "models-2"])
    def test_an_alias_that_would_be_served_with_the_publications(self, alias: str) -> None:
        with pytest.raises(InvalidIntent, match=r"^alias = "):
            alias_location("bucket", "models", alias)

    @pytest.mark.parametrize("value", ["", "/", "a//b", "../a", "a/./b", "a\nb"])
    def test_what_is_no_folder(self, value: str) -> None:
        with pytest.raises(InvalidIntent, match=r"^prefix = "):
            location("bucket", value, "add_sub", DIGEST)
        with pytest.raises(InvalidIntent, match=r"^alias = "):
            alias_location("bucket", "models", value)

    @pytest.mark.parametrize(
        ("field", "repository", "digest"), [("repository", "a/b", DIGEST), ("digest", "a", "../x")]
    )
    def test_names_that_would_lead_elsewhere(self, field: str, repository: str, digest: str) -> None:
        with pytest.raises(InvalidIntent, match=f"^{field} = "):
            location("bucket", "models", repository, digest)

    def test_neighbours_share_the_text_of_the_prefix_in_either_direction(self) -> None:
        siblings = ["triton/add/", "triton/add_sub/", "triton/add_sub_v2/", "triton/other/"]
        place = alias_location("bucket", "models", "triton/add_sub")
        assert neighbours(place, siblings) == ["triton/add", "triton/add_sub_v2"]
