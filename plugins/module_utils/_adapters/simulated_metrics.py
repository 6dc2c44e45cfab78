# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the simulator's revisions have counted: made up as time goes by, kept in the store."""

from __future__ import annotations

import random
import typing as t
from dataclasses import asdict

from .._domain.errors import Unavailable
from .._domain.evidence import Reading, Series
from .._domain.readiness import observe
from .._domain.simulated_load import Load, Profile, pod_name, profile
from .chance import binomial, multinomial, poisson
from .postgres import Postgres, json_value

__all__ = ("SimulatedMetrics", "profiles")


class SimulatedMetrics:
    """Each reading first counts the requests since the one before, by whichever process that was.

    They came at the rate of the revision's model version (``metrics.simulate``), at the share of the traffic that the
    revision had at the reading before. What is drawn depends on the service, the revision and the number of the reading.
    """

    name = "simulated"

    def __init__(self, postgres: Postgres, namespace: str, service: str, *, triton: bool = False) -> None:
        self._postgres = postgres
        self._namespace = namespace
        self._service = service
        self._triton = triton
        self.answered: list[str] = []
        self.missing: list[str] = []

    def close(self) -> None:
        """The connection belongs to the store."""

    def read(self, revisions: t.Sequence[str]) -> Reading:
        """:raises Unavailable: where there is no such service, or none of the revisions gives out metrics"""
        with self._postgres.transaction():
            service = self._postgres.row(
                "select uid, object, state from serving.simulated_service where namespace = %s and name = %s",
                (self._namespace, self._service),
            )
            if service is None:
                raise Unavailable(f"there is no simulated InferenceService {self._namespace}/{self._service}")
            known = profiles(self._postgres, service["state"].get("revisions") or ())
            loads = self._advance(service, known)
        silent = [name for name in revisions if known.get(name, Profile()).no_metrics]
        self.missing = [f"pod {pod_name(name)} gives out no metrics (metrics.simulate.no_metrics)" for name in silent]
        self.answered = [pod_name(name) for name in revisions if name in known and name not in silent]
        if silent and len(silent) == len(revisions):
            raise Unavailable(
                f"cannot read the counters of {self._namespace}/{self._service}: {self.missing[0]}",
                cure="take metrics.simulate.no_metrics out of the model version's row",
            )
        return {
            Series(name, pod_name(name), counter, label): value
            for name in revisions
            if name in loads and name not in silent
            for (counter, label), value in loads[name].counters(self._triton).items()
        }

    def _advance(self, service: dict[str, t.Any], known: t.Mapping[str, Profile]) -> dict[str, Load]:
        where = (self._namespace, self._service)
        uid, shares = service["uid"], observe(service["object"]).shares
        # A service of the same name that was deleted meanwhile was another one: its counters are not this one's.
        self._postgres.execute(
            "insert into serving.simulated_metrics as m (namespace, name, uid, read_at, shares, counters)"
            " values (%s, %s, %s, clock_timestamp(), %s, '{}') on conflict (namespace, name) do update"
            " set uid = excluded.uid, looks = 0, read_at = excluded.read_at, shares = excluded.shares, counters = '{}'"
            " where m.uid <> excluded.uid",
            (*where, uid, json_value(shares)),
        )
        # The statement above has locked the row: what another process counted is in it, and the time is read after the wait.
        kept = self._postgres.one(
            "select looks, shares, counters, clock_timestamp() as now,"
            " case looks when 0 then 0 else greatest(0, extract(epoch from clock_timestamp() - read_at)) end::float8 as seconds"
            " from serving.simulated_metrics where namespace = %s and name = %s",
            where,
        )
        loads = {name: Load(**counted) for name, counted in kept["counters"].items()}
        for name, percent in kept["shares"].items():
            chance = random.Random(f"{uid} {name} {kept['looks']}")
            wanted = known.get(name, Profile())
            number = poisson(chance, wanted.rps * percent / 100 * kept["seconds"])
            if number:
                buckets = multinomial(chance, number, [part for part, _mean in wanted.buckets()])
                loads.setdefault(name, Load()).add(wanted, binomial(chance, number, wanted.error_ratio), buckets)
        self._postgres.execute(
            "update serving.simulated_metrics set looks = looks + 1, read_at = %s, shares = %s, counters = %s"
            " where namespace = %s and name = %s",
            (kept["now"], json_value(shares), json_value({name: asdict(load) for name, load in loads.items()}), *where),
        )
        return loads


def profiles(postgres: Postgres, revisions: t.Sequence[t.Mapping[str, t.Any]]) -> dict[str, Profile]:
    """By revision: what the model version asks for whose artifact it serves.

    :param revisions: as the simulator's state has them
    """
    uris = {
        revision["name"]: str(revision["template"]["predictor"]["model"].get("storageUri", "")).rstrip("/")
        for revision in revisions
    }
    # The newest version last, so that it wins.
    rows = postgres.query(
        "select artifact_uri, metrics -> 'simulate' as simulate from model_versions"
        " where artifact_uri = any(%s) and metrics -> 'simulate' is not null order by version",
        ([*uris.values(), *(f"{uri}/" for uri in uris.values())],),
    )
    asked = {row["artifact_uri"].rstrip("/"): row["simulate"] for row in rows}
    return {name: profile(asked.get(uri)) for name, uri in uris.items()}
