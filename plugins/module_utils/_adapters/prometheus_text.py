# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Pages of metrics in Prometheus' text format: the few lines that are wanted, parsed by Prometheus' own library."""

from __future__ import annotations

from .._domain.errors import Unavailable
from .._domain.knative_metrics import Sample

__all__ = ("TextFormat",)


class TextFormat:
    """The parser, imported once: a page is read several times a second, and most processes never read one."""

    def __init__(self) -> None:
        try:
            from prometheus_client.parser import text_string_to_metric_families
        except ImportError as error:
            raise Unavailable(
                f"the Python library prometheus_client cannot be imported ({error})",
                cure="install it where the module runs: pip install 'prometheus-client>=0.16'",
            ) from error
        self._parse = text_string_to_metric_families

    def samples(self, page: str, names: tuple[str, ...]) -> list[Sample]:
        """The samples of these names.

        :raises ValueError: where one of the wanted lines is not in the format
        """
        # The whole page of a Triton has thousands of lines: what is not wanted is not parsed.
        wanted = [line for line in page.splitlines() if line.startswith(names)]
        families = self._parse("\n".join(wanted) + "\n")
        return [
            Sample(sample.name, sample.labels, float(sample.value))
            for family in families
            for sample in family.samples
            if sample.name in names
        ]
