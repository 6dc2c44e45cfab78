# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PromQL that fetches the raw counters of revisions, however they are labelled, and what its answer means.

The metrics of Knative 1.19 and later do not name their revision. It is found by a label that a scrape rule adds (``revision``,
from the pod's label), or by ``target_info`` of the same target. Older releases name it themselves (``revision_name``).
"""

from __future__ import annotations

import re
import typing as t
from enum import Enum

from .evidence import Reading, Series
from .knative_metrics import NAMES, REQUEST_COUNTS, TRITON_NAMES, Sample, counters

__all__ = ("Found", "Labelling", "counters_query", "probe_query", "read_probe", "read_vector", "text")

# Of one pod scraped twice (two jobs, a pair of Prometheus behind one address), each series is there twice.
_SCRAPE = ("job", "instance", "prometheus", "prometheus_replica", "replica", "__replica__")
_INFO = "target_info"
_SCRAPED = "up"


class Labelling(Enum):
    """Where a series' revision stands."""

    LABEL = "label"
    JOIN = "join"
    OLD = "old"


class Found(t.NamedTuple):
    """What Prometheus has of some revisions.

    :param labelling: None where nothing of them is known
    :param counted: whether their queue-proxies are scraped, or only something else of their pods
    """

    labelling: Labelling | None
    counted: bool


def text(value: str) -> str:
    """A string of PromQL."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def probe_query(namespace: str, revisions: t.Sequence[str]) -> str:
    """Asks in one query which labels lead to these revisions; see ``read_probe``."""
    names = text("|".join((_SCRAPED, _INFO, *REQUEST_COUNTS, *TRITON_NAMES)))
    where, which = text(namespace), _any_of(revisions)
    return (
        "count by (__name__, revision, kn_revision_name, revision_name) ("
        f"{{__name__=~{names}, namespace={where}, revision=~{which}}}"
        f" or {_INFO}{{k8s_namespace_name={where}, kn_revision_name=~{which}}}"
        f' or {{__name__="revision_app_request_count", namespace_name={where}, revision_name=~{which}}})'
    )


def read_probe(samples: t.Iterable[Sample]) -> Found:
    """What the answer to ``probe_query`` shows."""
    labelled, informed, old = False, False, False
    counted = False
    for name, labels, _value in samples:
        labelled = labelled or bool(labels.get("revision"))
        informed = informed or (name == _INFO and bool(labels.get("kn_revision_name")))
        old = old or bool(labels.get("revision_name"))
        counted = counted or name in (_INFO, *REQUEST_COUNTS)
    if labelled:
        return Found(Labelling.LABEL, counted)
    if informed:
        return Found(Labelling.JOIN, True)
    return Found(Labelling.OLD, True) if old else Found(None, False)


def counters_query(labelling: Labelling, namespace: str, revisions: t.Sequence[str]) -> str:
    """All counters of these revisions as they stand, at one moment."""
    where, which = text(namespace), _any_of(revisions)
    if labelling is Labelling.LABEL:
        names = text("|".join((_SCRAPED, *NAMES)))
        return f"{{__name__=~{names}, namespace={where}, revision=~{which}}}"
    names = text("|".join(NAMES))
    pods = text(f"({'|'.join(_literal(revision) for revision in revisions)})-deployment-.+")
    # Triton is another target than the queue-proxy: its revision is read from the name that Knative gives the pod.
    triton = f"{{__name__=~{text('|'.join(TRITON_NAMES))}, namespace={where}, pod=~{pods}}}"
    if labelling is Labelling.OLD:
        return f"{{__name__=~{names}, namespace_name={where}, revision_name=~{which}}} or {triton}"
    info = f"{_INFO}{{k8s_namespace_name={where}, kn_revision_name=~{which}}}"
    # A target's job and instance lead from its counters to its target_info, which is fetched with them.
    return f"({{__name__=~{names}}} and on (job, instance) {info}) or {info} or {triton}"


def read_vector(samples: t.Iterable[Sample], revisions: t.Sequence[str]) -> tuple[Reading, list[str]]:
    """The counters, and the pods that Prometheus cannot scrape, from the answer to ``counters_query``."""
    samples = list(samples)
    targets = {_target(s.labels): s.labels for s in samples if s.name == _INFO}
    by_scrape: dict[tuple[str, ...], list[Sample]] = {}
    down: dict[str, None] = {}
    for sample in samples:
        if sample.name == _INFO:
            continue
        labels = sample.labels
        info = targets.get(_target(labels), {})
        pod = labels.get("pod") or labels.get("pod_name") or info.get("k8s_pod_name") or labels.get("instance", "")
        revision = (
            labels.get("revision")
            or info.get("kn_revision_name")
            or labels.get("revision_name")
            or _owner(pod, revisions)
        )
        if sample.name == _SCRAPED:
            if not sample.value:
                down[f"{pod} ({labels.get('job', 'no job')})"] = None
        elif revision in revisions:
            scrape = (revision, pod, *(labels.get(name, "") for name in _SCRAPE))
            by_scrape.setdefault(scrape, []).append(sample)
    reading: Reading = {}
    for (revision, pod, *_scrape), given in by_scrape.items():
        for (counter, label), value in counters(given).items():
            series = Series(revision, pod, counter, label)
            # The same counter seen twice, not two counters: the higher one is the later one.
            reading[series] = max(value, reading.get(series, 0.0))
    return reading, list(down)


def _any_of(names: t.Sequence[str]) -> str:
    return text("|".join(_literal(name) for name in names))


def _literal(name: str) -> str:
    """A name as a regular expression; ``re.escape`` would escape the hyphens of every name too."""
    return re.sub(r"([^A-Za-z0-9_-])", r"\\\1", name)


def _target(labels: t.Mapping[str, str]) -> tuple[str, str]:
    return labels.get("job", ""), labels.get("instance", "")


def _owner(pod: str, revisions: t.Sequence[str]) -> str:
    return next((revision for revision in revisions if pod.startswith(f"{revision}-deployment-")), "")
