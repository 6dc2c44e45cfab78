"""The address plan."""

from __future__ import annotations

import ipaddress

import pytest

from tools.cluster.addresses import FIRST, SLOTS, Plan, choose_slot
from tools.cluster.errors import ClusterError


def test_ranges_of_a_cluster_lie_in_its_network_and_do_not_overlap() -> None:
    plan = Plan("main", 3)
    ranges = [
        ipaddress.IPv4Network(text, strict=False) for text in (plan.service_cidr, plan.pod_cidr, f"{plan.host_ip}/30")
    ]
    assert all(part.subnet_of(ipaddress.IPv4Network(plan.network)) for part in ranges)
    assert not any(a.overlaps(b) for i, a in enumerate(ranges) for b in ranges[i + 1 :])


@pytest.mark.parametrize("address", ["kubernetes_ip", "dns_ip", "gateway_ip"])
def test_fixed_addresses_are_services_that_nothing_else_is_given(address: str) -> None:
    plan = Plan("main", 0)
    services = ipaddress.IPv4Network(plan.service_cidr)
    fixed = ipaddress.IPv4Address(getattr(plan, address))
    assert fixed in services
    assert int(fixed) - int(services.network_address) < 256  # the API server hands out the rest first


def test_interface_names_fit_the_kernel() -> None:
    assert all(
        len(name) <= 15 for slot in (0, SLOTS - 1) for name in (Plan("x", slot).host_link, Plan("x", slot).node_link)
    )


def test_first_free_slot_is_chosen() -> None:
    assert choose_slot([], []) == 0
    assert choose_slot([0, 1, 3], []) == 2


def test_slots_that_the_machine_routes_are_left_alone() -> None:
    assert choose_slot([], ["default", f"10.{FIRST}.3.0/24", "192.168.1.0/24", f"10.{FIRST + 1}.0.1"]) == 2


def test_no_free_slot_is_an_error_with_a_remedy() -> None:
    with pytest.raises(ClusterError, match="stop a cluster"):
        choose_slot([], ["10.0.0.0/8"])


def test_plan_survives_its_file() -> None:
    assert Plan.from_json(Plan("two", 5).to_json()) == Plan("two", 5)


def test_no_proxy_names_node_gateway_and_range() -> None:
    assert Plan("main", 0).no_proxy.split(",")[:3] == [f"10.{FIRST}.255.2", f"10.{FIRST}.0.80", f"10.{FIRST}.0.0/16"]
