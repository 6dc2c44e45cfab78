"""One network namespace a cluster, joined to the machine by one pair of interfaces.

All ports, iptables rules and bridges live inside. There is no masquerade on the machine's side: nothing in the namespace
reaches the outside, so that no image pull can leave the machine by mistake.
"""

from __future__ import annotations

import time
from pathlib import Path

from .addresses import Plan
from .shell import run


def namespace_path(plan: Plan) -> Path:
    return Path("/run/netns") / plan.namespace


def inside(plan: Plan) -> list[str]:
    """Words before a command that is to run inside (`ip netns exec` would mount a fresh /sys and hide the cgroups)."""
    return ["nsenter", f"--net={namespace_path(plan)}"]


def routes() -> list[str]:
    """Destinations that this machine has routes for."""
    return [line.split()[0] for line in run(["ip", "route", "show"]).splitlines() if line.strip()]


def _best_effort(command: list[str]) -> None:
    run(command, check=False)


def create(plan: Plan) -> None:
    """Idempotent: what is there stays."""
    if not namespace_path(plan).exists():
        run(["ip", "netns", "add", plan.namespace])
    if not Path(f"/sys/class/net/{plan.host_link}").exists():
        run(
            [
                "ip",
                "link",
                "add",
                plan.host_link,
                "type",
                "veth",
                "peer",
                "name",
                plan.node_link,
                "netns",
                plan.namespace,
            ]
        )
    run(["ip", "addr", "replace", f"{plan.host_ip}/30", "dev", plan.host_link])
    run(["ip", "link", "set", plan.host_link, "up"])
    within = inside(plan)
    run([*within, "ip", "addr", "replace", f"{plan.node_ip}/30", "dev", plan.node_link])
    run([*within, "ip", "link", "set", plan.node_link, "up"])
    run([*within, "ip", "link", "set", "lo", "up"])
    run([*within, "ip", "route", "replace", "default", "via", plan.host_ip])
    run(["ip", "route", "replace", plan.service_cidr, "via", plan.node_ip])
    run(["ip", "route", "replace", plan.pod_cidr, "via", plan.node_ip])
    _best_effort(["modprobe", "-q", "br_netfilter"])
    _best_effort(["modprobe", "-q", "overlay"])
    run([*within, "sysctl", "-qw", "net.ipv4.ip_forward=1"])
    # Older kernels keep this one setting for all namespaces; it is on wherever a Kubernetes ever ran.
    _best_effort([*within, "sysctl", "-qw", "net.bridge.bridge-nf-call-iptables=1"])


def remove(plan: Plan) -> None:
    """Removes the namespace with all interfaces and rules in it; the routes go with the interface."""
    if Path(f"/sys/class/net/{plan.host_link}").exists():
        run(["ip", "link", "del", plan.host_link], check=False)
    if namespace_path(plan).exists():
        run(["ip", "netns", "del", plan.namespace], check=False)
    end = time.monotonic() + 5
    while Path(f"/sys/class/net/{plan.host_link}").exists() and time.monotonic() < end:
        time.sleep(0.02)
