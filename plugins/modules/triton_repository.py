#!/usr/bin/python

# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: triton_repository
short_description: Check a Triton model repository and publish it to S3
version_added: 1.0.0
description:
  - Checks the model folders of a Triton model repository and publishes them to S3 or MinIO under a prefix that names
    their content, C(<prefix>/<repository>/<digest>/<model>/...). What lies there never changes, so a deployed model
    version stays what it was, and going back to it works.
  - The checks find what Triton refuses or hangs on, in C(config.pbtxt) (syntax, batches, inputs and outputs, instances,
    versions, warm-up, the steps and tensors of ensembles) and in C(model.py), which is read and never run; what KServe
    leaves out or an object store does not hold; links out of O(src); and what looks like a credential. Each finding has
    the file, the line, the problem and the cure. Nothing is sent while one of them is fatal.
  - A version folder without files, such as an ensemble's, is published with a C(placeholder.txt), as object stores have
    no empty folders. O(src) stays as it is, and RV(digest) covers it.
  - The record C(<prefix>/<repository>/<digest>.json) with the SHA-256 of every file is written when everything else is
    there. A publication without its record is not complete, and is sent again by the next run.
  - Publishing the same content again sends nothing. Objects that were changed, removed or added below the prefix since
    then are put right.
author:
  - mlops.serving contributors (!UNKNOWN)
options:
  state:
    description:
      - V(present) publishes.
      - V(absent) removes the publication of O(digest), or of the content of O(src), and that of O(alias).
      - Whether an endpoint still uses a publication is not looked at. A running server goes on, but cannot start again.
    type: str
    choices: [present, absent]
    default: present
  src:
    description:
      - The model repository on this host, which is the folder around the model folders. The folder of one model, or of
        one of its versions, is refused with the one that is meant.
      - Required with O(state=present).
    type: path
  models:
    description: The model folders to publish. All folders of O(src) where this is not given.
    type: list
    elements: dict
    suboptions:
      name:
        description: Name of the model, which is how its clients call it.
        type: str
        required: true
      path:
        description:
          - Its folder below O(src). The same as O(models[].name) where this is not given.
          - Another folder is for a second release, whose clients must not notice it in the model's name.
        type: str
  exclude:
    description: Shell patterns of names of files and folders that are not published, at any depth.
    type: list
    elements: str
    default: [__pycache__, '*.pyc', .git, .gitignore, .ipynb_checkpoints, .DS_Store]
  gpu:
    description:
      - The C(gpu) that the endpoint has in its C(runtime_config), V(true) for one, V(false) for none, or a number.
      - An instance group on a GPU that the endpoint does not give is refused. Where this is not given it is warned of.
    type: raw
  backends:
    description:
      - Backends that the server has beyond those of NVIDIA's images. A config that names any other is refused, unless its
        C(libtriton_<backend>.so) lies in the model's folder.
    type: list
    elements: str
    default: []
  max_total_size:
    description:
      - Most bytes of all files together, such as V(20GB). A pod copies them to its own disc before it starts.
      - Units count in 1024.
    type: bytes
  allow_secrets:
    description:
      - Shell patterns of paths below O(src), such as V(add_sub/1/test.pem), of files that are no secrets although they
        look so.
      - Looked at are the names of all files, and the content of texts up to 4 MiB. What is found is never shown.
    type: list
    elements: str
    default: []
  repository:
    description: Name of the repository in the bucket.
    type: str
    required: true
  bucket:
    description: The bucket.
    type: str
    required: true
  create_bucket:
    description: Whether to make the bucket where there is none.
    type: bool
    default: false
  prefix:
    description: Folder of the bucket for all repositories.
    type: str
    default: models
  alias:
    description:
      - Folder of the bucket that gets the same files, and in which a later publication overwrites them. It is for
        development, where an address is written down somewhere and the content is not final.
      - While it is overwritten, a starting server may read a mixture. Deploy RV(storage_uri) wherever that matters.
    type: str
  digest:
    description: With O(state=absent), the RV(digest) of the publication to remove. O(src) is not looked at then.
    type: str
  progress_file:
    description:
      - A file to which a line is added every few seconds of a long publication, with the files and bytes that are done.
        The action plugin of this name uses it, and shows the lines.
    type: path
extends_documentation_fragment:
  - mlops.serving._attributes
  - mlops.serving._attributes.writes
  - mlops.serving._attributes.group_artifacts
  - mlops.serving._store
  - mlops.serving._cluster
  - mlops.serving._artifacts
requirements:
  - boto3 >= 1.35
  - protobuf and tritonclient (optional, C(pip install --no-deps tritonclient) is enough) to check C(config.pbtxt)
    against Triton's own schema; RV(schema_checked) says whether that was done
seealso:
  - module: mlops.serving.model_version
"""

EXAMPLES = r"""
- name: Publish one model of the example repository
  mlops.serving.triton_repository:
    src: examples/triton/model-repository
    models:
      - name: add_sub
    repository: add_sub
    bucket: mlops-artifacts
    endpoint_url: http://127.0.0.1:9000
    access_key: "{{ lookup('ansible.builtin.env', 'MINIO_ROOT_USER') }}"
    secret_key: "{{ lookup('ansible.builtin.env', 'MINIO_ROOT_PASSWORD') }}"
    region: us-east-1
  register: published

- name: Publish its second release under the same model name, and under a fixed address for development
  mlops.serving.triton_repository:
    src: examples/triton/model-repository
    models:
      - name: add_sub
        path: add_sub_v2
    repository: add_sub
    bucket: mlops-artifacts
    alias: triton/add_sub

- name: Publish everything for an endpoint with one GPU, at most 20 GiB
  mlops.serving.triton_repository:
    src: ./model-repository
    repository: vision
    bucket: mlops-artifacts
    gpu: true
    max_total_size: 20GB

- name: Remove the first publication
  mlops.serving.triton_repository:
    state: absent
    repository: add_sub
    bucket: mlops-artifacts
    digest: "{{ published.digest }}"
"""

RETURN = r"""
storage_uri:
  description:
    - Address of the publication, for C(artifact_uri) of a model version or C(storageUri) of an InferenceService.
  returned: success
  type: str
  sample: s3://mlops-artifacts/models/add_sub/5f0c…/
alias_uri:
  description: Address of the copy below O(alias).
  returned: when O(alias) is given
  type: str
  sample: s3://mlops-artifacts/triton/add_sub/
digest:
  description:
    - SHA-256 of what C(sha256sum) prints for the files in the order of their paths.
  returned: always
  type: str
files:
  description: The files of the repository.
  returned: with O(state=present)
  type: list
  elements: dict
  contains:
    path:
      description: Path below RV(storage_uri).
      type: str
    size:
      description: Bytes.
      type: int
    sha256:
      description: Digest of its content.
      type: str
uploaded:
  description: Keys of the objects that were sent, or would be sent in check mode.
  returned: always
  type: list
  elements: str
removed:
  description: Keys of the objects that were removed, or would be removed in check mode.
  returned: always
  type: list
  elements: str
bucket_created:
  description: Whether the bucket was made, or would be made in check mode.
  returned: always
  type: bool
schema_checked:
  description: Whether C(config.pbtxt) was parsed with Triton's own schema.
  returned: with O(state=present)
  type: bool
findings:
  description: What is wrong, or may surprise, about the repository. Nothing is sent while one of them is fatal.
  returned: with O(state=present)
  type: list
  elements: dict
  contains:
    path:
      description: File or folder below O(src).
      type: str
    line:
      description: Line in that file.
      type: int
    problem:
      description: What is wrong.
      type: str
    cure:
      description: What to do.
      type: str
    fatal:
      description: Whether it stops the publication.
      type: bool
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._adapters.artifacts import Artifacts
from ..module_utils._adapters.model_folder import LocalFile, hash_files, placeholder_files
from ..module_utils._adapters.model_reader import model_names, read_model
from ..module_utils._adapters.model_schema import config_parser
from ..module_utils._ansible.argspec import serving_spec
from ..module_utils._ansible.connections import artifacts_parameters
from ..module_utils._ansible.module import Result, diff, run
from ..module_utils._ansible.progress import Lines
from ..module_utils._ansible.transfer import Transfer, ending_in_order
from ..module_utils._domain import checks
from ..module_utils._domain.errors import InvalidIntent, NotFound
from ..module_utils._domain.model_layout import ModelFolder
from ..module_utils._domain.model_limits import check_limits
from ..module_utils._domain.model_rules import check_models
from ..module_utils._domain.repository import (
    Location,
    Published,
    alias_location,
    digest_of,
    location,
    neighbours,
    plan,
)

EXCLUDE = ["__pycache__", "*.pyc", ".git", ".gitignore", ".ipynb_checkpoints", ".DS_Store"]
OPTIONS: dict[str, dict[str, t.Any]] = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "src": {"type": "path"},
    "models": {
        "type": "list",
        "elements": "dict",
        "options": {"name": {"type": "str", "required": True}, "path": {"type": "str"}},
    },
    "exclude": {"type": "list", "elements": "str", "default": EXCLUDE},
    "gpu": {"type": "raw"},
    "backends": {"type": "list", "elements": "str", "default": []},
    "max_total_size": {"type": "bytes"},
    "allow_secrets": {"type": "list", "elements": "str", "default": [], "no_log": False},
    "repository": {"type": "str", "required": True},
    "bucket": {"type": "str", "required": True},
    "create_bucket": {"type": "bool", "default": False},
    "prefix": {"type": "str", "default": "models"},
    "alias": {"type": "str"},
    "digest": {"type": "str"},
    "progress_file": {"type": "path"},
}


def publish(module: AnsibleModule, result: Result) -> None:
    params = module.params
    if params["digest"] is not None:
        raise InvalidIntent("follows from the content", field="digest", cure="leave it out, or set state to absent")
    models = _read_models(module, result)
    _check_models(module, models, result)
    files = _hash_models(module, models)
    result["files"] = [{"path": each.file.path, "size": each.file.size, "sha256": each.file.sha256} for each in files]
    digest = digest_of(each.file for each in files)
    places = _places(params, digest, result)
    store = Artifacts(params["bucket"], artifacts_parameters(module))
    missing = not store.exists()
    if missing:
        if not params["create_bucket"]:
            cure = "create it, or set create_bucket"
            raise NotFound(f"there is no such bucket at {store.host}", field="bucket", value=store.bucket, cure=cure)
        if not module.check_mode:
            store.create()
        result["changed"] = result["bucket_created"] = True
    imagined = missing and module.check_mode
    for place in places:
        published = Published() if imagined else store.look(place)
        steps = plan([each.file for each in files], published)
        if steps.changed:
            after = [f"{each.file.path} {each.file.sha256}" for each in files]
            result["diff"].append(diff(_lines(published.contents()), _lines(after), header=place.uri))
            if not module.check_mode:
                _send(module, store, (place, params["repository"], digest, files, steps), result)
            result["changed"] = True
        result["uploaded"] += [place.prefix + file.path for file in steps.upload]
        result["removed"] += [place.prefix + path for path in steps.remove]
    if params["alias"] and not imagined:
        _warn_of_neighbours(module, places[1], store)


def _send(module: AnsibleModule, store: Artifacts, publication: tuple[t.Any, ...], result: Result) -> None:
    upload = publication[-1].upload
    say = Lines(module.params["progress_file"]).say
    try:
        with ending_in_order():
            store.publish(*publication, Transfer(say, "sending", len(upload), sum(file.size for file in upload)))
    except BaseException:
        for address in ("storage_uri", "alias_uri"):  # nobody may take it for published
            result.pop(address, None)
        raise


def withdraw(module: AnsibleModule, result: Result) -> None:
    params = module.params
    if not params["digest"] and not params["src"]:
        cure = "give digest or src"
        raise InvalidIntent("what to remove is not clear", field="state", value="absent", cure=cure)
    digest = params["digest"]
    if not digest:  # also of what today's checks would refuse: it may have been published before them
        digest = digest_of(each.file for each in _hash_models(module, _read_models(module, {})))
    places = _places(params, digest, result)
    store = Artifacts(params["bucket"], artifacts_parameters(module))
    if not store.exists():
        return
    for place in places:
        removed = store.withdraw(place, dry_run=module.check_mode)
        if removed:
            result["changed"] = True
            result["removed"] += removed
            result["diff"].append(diff(_lines(removed), "", header=place.uri))


def _read_models(module: AnsibleModule, result: Result) -> list[ModelFolder]:
    params = module.params
    parser = config_parser()
    result["schema_checked"] = parser is not None
    names = model_names(params["src"], params["exclude"])
    wanted = params["models"] or [{"name": name, "path": None} for name in names]
    if len({each["name"] for each in wanted}) < len(wanted):
        raise InvalidIntent("names a model twice", field="models", cure="give every model a name of its own")
    return [
        read_model(
            params["src"],
            each["name"],
            each["path"] or each["name"],
            params["exclude"],
            parser,
            params["allow_secrets"],
        )
        for each in wanted
    ]


def _check_models(module: AnsibleModule, models: list[ModelFolder], result: Result) -> None:
    """Nothing is left to hope once this returns, or it raises with all that is wrong."""
    params = module.params
    gpus = None if params["gpu"] is None else checks.gpu("gpu", params["gpu"])
    findings = check_models(models, gpus=gpus, backends=params["backends"])
    # A digest has its length whatever it is, so that keys are measured before anything is read.
    prefixes = [each.prefix for each in _locations(params, "0" * 64)]
    findings += check_limits(models, prefixes, params["max_total_size"])
    result["findings"] = [finding.as_dict() for finding in findings]
    fatal = [str(finding) for finding in findings if finding.fatal]
    if fatal:
        what = f"cannot be served, and nothing was sent: {'; '.join(fatal)}"
        raise InvalidIntent(what, field="src", value=params["src"])
    for finding in findings:
        module.warn(str(finding))


def _hash_models(module: AnsibleModule, models: list[ModelFolder]) -> list[LocalFile]:
    sizes = [size for model in models for size in model.sizes.values()]
    seen = Transfer(Lines(module.params["progress_file"]).say, "reading", len(sizes), sum(sizes))
    root = module.params["src"]
    return [file for model in models for file in (*hash_files(root, model, seen), *placeholder_files(model))]


def _locations(params: dict[str, t.Any], digest: str) -> list[Location]:
    places = [location(params["bucket"], params["prefix"], params["repository"], digest)]
    if params["alias"]:
        places.append(alias_location(params["bucket"], params["prefix"], params["alias"]))
    return places


def _places(params: dict[str, t.Any], digest: str, result: Result) -> list[Location]:
    places = _locations(params, digest)
    result.update(digest=digest, storage_uri=places[0].uri, uploaded=[], removed=[], bucket_created=False, diff=[])
    if params["alias"]:
        result["alias_uri"] = places[1].uri
    return places


def _warn_of_neighbours(module: AnsibleModule, place: Location, store: Artifacts) -> None:
    for other in neighbours(place, store.siblings(place.prefix)):
        shorter = min(other, place.prefix.rstrip("/"), key=len)
        module.warn(
            f"KServe copies what begins with the text of a storageUri: s3://{store.bucket}/{shorter} without a slash "
            f"at its end stands for {other}/ and {place.prefix} together. Write the slash."
        )


def _lines(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in sorted(lines))


def work(module: AnsibleModule, result: Result) -> None:
    (publish if module.params["state"] == "present" else withdraw)(module, result)


def main() -> None:
    run(serving_spec(OPTIONS, required_if=[("state", "present", ["src"])]), work)


if __name__ == "__main__":
    main()
