# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fields that are ours move out of the ownership of those who wrote whole objects; nothing else moves."""

from __future__ import annotations

from typing import Any

from ansible_collections.mlops.serving.plugins.module_utils._adapters import ownership

CANARY = ("f:spec", "f:predictor", "f:canaryTrafficPercent")


def entry(manager: str, operation: str, fields: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "manager": manager,
        "operation": operation,
        "apiVersion": "serving.kserve.io/v1beta1",
        "fieldsType": "FieldsV1",
        "fieldsV1": fields,
        **more,
    }


def service(*entries: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "metadata": {"resourceVersion": "7", "managedFields": list(entries)},
    }


def predictor(**fields: Any) -> dict[str, Any]:
    return {"f:spec": {"f:predictor": {f"f:{name}": value for name, value in fields.items()}}}


MANIFEST = {
    "metadata": {"labels": {"team": "a"}, "annotations": {}},
    "spec": {
        "predictor": {
            "minReplicas": 1,
            "model": {"env": [{"name": "A", "value": "1"}], "resources": {"limits": {"cpu": "1"}}},
        }
    },
}


def test_what_the_platforms_worker_set_becomes_ours_even_where_we_do_not_render_it() -> None:
    worker = entry(
        "OpenAPI-Generator", "Update", predictor(canaryTrafficPercent={}, minReplicas={}, nodeSelector={"f:gpu": {}})
    )
    found = ownership.takeover(service(worker), ownership.rendered_paths(MANIFEST))
    assert found is not None
    left, ours = found.managed_fields
    assert left["fieldsV1"] == predictor(nodeSelector={"f:gpu": {}})
    assert (ours["manager"], ours["operation"]) == ("mlops.serving", "Apply")
    assert ours["fieldsV1"] == predictor(canaryTrafficPercent={}, minReplicas={})


def test_an_entry_that_is_left_with_nothing_goes_and_ours_is_added_to() -> None:
    mine = entry("mlops.serving", "Apply", predictor(timeout={}))
    post = entry("mlops.serving", "Update", predictor(minReplicas={}))
    found = ownership.takeover(service(mine, post), ownership.rendered_paths(MANIFEST))
    assert found is not None
    assert [one["fieldsV1"] for one in found.managed_fields] == [predictor(timeout={}, minReplicas={})]
    assert mine["fieldsV1"] == predictor(timeout={}), "what was given stays as it is"


def test_status_other_appliers_and_finalizers_are_left_alone() -> None:
    untouched = service(
        entry("manager", "Update", predictor(minReplicas={}), subresource="status"),
        entry("argocd", "Apply", predictor(minReplicas={})),
        entry("manager", "Update", {"f:metadata": {"f:finalizers": {".": {}, 'v:"x"': {}}}}),
    )
    assert ownership.takeover(untouched, ownership.rendered_paths(MANIFEST)) is None


def test_resources_move_as_a_whole_and_other_peoples_variables_stay() -> None:
    model = {
        "f:resources": {"f:limits": {"f:cpu": {}, "f:nvidia.com/gpu": {}}},
        "f:env": {'k:{"name":"A"}': {"f:value": {}}, 'k:{"name":"THEIRS"}': {"f:value": {}}},
    }
    found = ownership.takeover(
        service(entry("kubectl-edit", "Update", predictor(model=model))), ownership.rendered_paths(MANIFEST)
    )
    assert found is not None
    left, ours = found.managed_fields
    assert left["fieldsV1"] == predictor(model={"f:env": {'k:{"name":"THEIRS"}': {"f:value": {}}}})
    assert ours["fieldsV1"]["f:spec"]["f:predictor"]["f:model"]["f:resources"] == model["f:resources"]


def test_all_of_our_own_post_becomes_an_apply() -> None:
    posted = predictor(timeout={}, model={".": {}, "f:env": {".": {}, 'k:{"name":"B"}': {".": {}, "f:value": {}}}})
    found = ownership.takeover(service(entry("mlops.serving", "Update", posted)), ownership.rendered_paths(MANIFEST))
    assert found is not None
    assert [(one["operation"], one["fieldsV1"]) for one in found.managed_fields] == [("Apply", posted)]


def test_a_default_that_another_writer_recorded_stays_its() -> None:
    defaults = {"f:metadata": {"f:annotations": {"f:modelFormat": {}}}, **predictor(model={"f:protocolVersion": {}})}
    assert ownership.takeover(service(entry("someone", "Update", defaults)), ownership.rendered_paths(MANIFEST)) is None


def test_what_was_rendered_before_is_ours_too() -> None:
    edited = entry("kubectl-edit", "Update", predictor(nodeSelector={"f:zone": {}}))
    before = {"spec": {"predictor": {"nodeSelector": {"zone": "a"}}}}
    assert ownership.takeover(service(edited), ownership.rendered_paths(MANIFEST)) is None
    assert ownership.takeover(service(edited), ownership.rendered_paths(MANIFEST, before)) is not None


def test_a_cleared_field_that_another_applier_keeps_is_found() -> None:
    cleared = ownership.cleared_paths(MANIFEST, {"spec": {"predictor": {"timeout": 60, "minReplicas": 1}}})
    assert cleared == {CANARY, ("f:spec", "f:predictor", "f:timeout")}
    kept = ownership.surviving(service(entry("argocd", "Apply", predictor(canaryTrafficPercent={}))), cleared)
    assert kept == {"spec.predictor.canaryTrafficPercent": ["argocd"]}
    assert (
        ownership.surviving(service(entry("mlops.serving", "Apply", predictor(canaryTrafficPercent={}))), cleared) == {}
    )


def test_a_dry_run_predicts_what_the_takeover_would_clear() -> None:
    env = [{"name": "A", "value": "1"}, {"name": "GONE"}]
    result = {
        "spec": {
            "predictor": {
                "canaryTrafficPercent": 20,
                "minReplicas": 1,
                "nodeSelector": {"gpu": "y"},
                "model": {"env": env, "resources": {"limits": {"cpu": "1", "nvidia.com/gpu": "1"}}},
            }
        }
    }
    taken = predictor(
        canaryTrafficPercent={},
        minReplicas={},
        model={
            ".": {},
            "f:env": {'k:{"name":"A"}': {".": {}, "f:value": {}}, 'k:{"name":"GONE"}': {".": {}, "f:name": {}}},
            "f:resources": {"f:limits": {"f:cpu": {}, "f:nvidia.com/gpu": {}}},
        },
    )
    predicted = ownership.without_taken(result, taken, MANIFEST)
    assert predicted["spec"]["predictor"] == {
        "minReplicas": 1,
        "nodeSelector": {"gpu": "y"},
        "model": {"env": [{"name": "A", "value": "1"}], "resources": {"limits": {"cpu": "1"}}},
    }
    assert result["spec"]["predictor"]["canaryTrafficPercent"] == 20, "what was given stays as it is"


def test_the_patch_fails_at_a_stale_resource_version() -> None:
    operations = {operation["path"]: operation["value"] for operation in ownership.patch(service(), [])}
    assert operations == {"/metadata/managedFields": [], "/metadata/resourceVersion": "7"}
