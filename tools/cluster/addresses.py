"""The address plan: cluster number n owns 10.(97+n).0.0/16 and nothing else.

10.N.0.0/18 services, 10.N.64.0/20 pods, 10.N.255.0/30 the link between the machine and the namespace.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from .errors import ClusterError

FIRST = 97
SLOTS = 24


@dataclass(frozen=True)
class Plan:
    """Names and addresses of one cluster."""

    name: str
    slot: int

    @property
    def network(self) -> str:
        return f"10.{FIRST + self.slot}.0.0/16"

    @property
    def _prefix(self) -> str:
        return f"10.{FIRST + self.slot}"

    @property
    def service_cidr(self) -> str:
        return f"{self._prefix}.0.0/18"

    @property
    def pod_cidr(self) -> str:
        return f"{self._prefix}.64.0/20"

    @property
    def host_ip(self) -> str:
        return f"{self._prefix}.255.1"

    @property
    def node_ip(self) -> str:
        return f"{self._prefix}.255.2"

    @property
    def kubernetes_ip(self) -> str:
        return f"{self._prefix}.0.1"

    @property
    def dns_ip(self) -> str:
        return f"{self._prefix}.0.10"

    @property
    def gateway_ip(self) -> str:
        """Fixed address of the service kourier, so that its URL is known before it runs."""
        return f"{self._prefix}.0.80"

    @property
    def namespace(self) -> str:
        return f"mlops-{self.name}"

    @property
    def host_link(self) -> str:
        return f"ms{self.slot}-host"

    @property
    def node_link(self) -> str:
        return f"ms{self.slot}-node"

    @property
    def cgroup(self) -> str:
        return f"mlops-{self.name}"

    @property
    def node_name(self) -> str:
        return f"{self.name}-node"

    @property
    def server(self) -> str:
        return f"https://{self.node_ip}:6443"

    @property
    def registry(self) -> str:
        return f"{self.node_ip}:5000"

    @property
    def gateway_url(self) -> str:
        return f"http://{self.gateway_ip}"

    @property
    def no_proxy(self) -> str:
        """Addresses that must not go through an HTTP proxy; the range is for clients that know ranges (curl, Go)."""
        return ",".join([self.node_ip, self.gateway_ip, self.network, ".svc", ".cluster.local"])

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Plan:
        data = json.loads(text)
        return cls(name=str(data["name"]), slot=int(data["slot"]))


def choose_slot(taken: Iterable[int], routed: Iterable[str]) -> int:
    """First slot that no cluster holds and whose range overlaps no route of this machine.

    taken: slots of existing clusters. routed: destinations as `ip route` prints them ("10.0.0.0/8", "10.1.2.3", "default").
    """
    networks = []
    for route in routed:
        if route in ("default", "0.0.0.0/0"):
            continue
        try:
            networks.append(ipaddress.ip_network(route, strict=False))
        except ValueError:
            continue
    used = set(taken)
    for slot in range(SLOTS):
        own = ipaddress.ip_network(Plan("x", slot).network)
        if slot not in used and not any(own.overlaps(network) for network in networks):
            return slot
    raise ClusterError(
        f"no free range 10.{FIRST}-{FIRST + SLOTS - 1}.0.0/16: routes or clusters of this machine hold them all; stop a cluster first"
    )
