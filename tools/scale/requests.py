"""What the API server was asked for, by its own count."""

from __future__ import annotations

import re
from collections import Counter

from tools.cluster.kube import Kube

_SAMPLE = re.compile(r"^apiserver_request_total\{(.*)\} ([0-9.e+]+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')


class Requests:
    """Those for InferenceServices themselves; their status belongs to KServe, and watches are open for as long as anybody looks."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube
        self._before = self._counts()

    def since(self) -> Counter[str]:
        """By verb, since this was made."""
        return self._counts() - self._before

    def _counts(self) -> Counter[str]:
        found: Counter[str] = Counter()
        for labels, value in _SAMPLE.findall(self._kube.text("/metrics")):
            known = dict(_LABEL.findall(labels))
            if (known["resource"], known["subresource"]) == ("inferenceservices", "") and known["verb"] != "WATCH":
                found[known["verb"]] += int(float(value))
        return found
