"""Command line: python3 -m tools.cluster up|down|status|env|manifests|releases|build"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from . import groups, lifecycle, manifests, parts, releases, state
from .apply import not_ready
from .errors import ClusterError
from .layout import HOME_VARIABLE, Home


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python3 -m tools.cluster",
        description="A real Kubernetes with Knative and KServe in one network namespace of this machine.",
        epilog=f"Everything lies under {HOME_VARIABLE} (default ~/.cache/mlops-serving/cluster). "
        "Groups: " + "; ".join(f"{name}: {text}" for name, text in groups.ABOUT.items()) + "; bare: base alone.",
    )
    commands = made.add_subparsers(dest="command", required=True)

    def command(name: str, text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text)
        if name != "build":
            added.add_argument("--name", default="main", help="name of the cluster (default: main)")
        return added

    def choose_groups(added: argparse.ArgumentParser) -> None:
        added.add_argument("--groups", default=",".join(groups.DEFAULT), help="comma-separated (default: %(default)s)")

    up = command("up", "bring the cluster up, building first what is missing")
    choose_groups(up)
    up.add_argument("--gpus", type=int, default=None, help="advertise that many nvidia.com/gpu on the node")
    up.add_argument("--images", default="", help="groups whose images go to the registry without being started")
    down = command("down", "stop the cluster and leave nothing of it running")
    down.add_argument("--purge", action="store_true", help="remove the cluster's unpacked images and logs too")
    command("status", "say what runs")
    command("env", "print the export lines for a shell")
    printed = command(
        "manifests", "print a group's manifests as one List, with the settings of this cluster, for an installer"
    )
    choose_groups(printed)
    laid_out = command(
        "releases", "write manifests as the projects release them to FOLDER/component/version/, for an installer"
    )
    laid_out.add_argument("--folder", type=Path, required=True)
    laid_out.add_argument(
        "--groups", default="knative,kserve,keda,kyverno", help="comma-separated (default: %(default)s)"
    )
    build = command("build", "build and fetch everything the groups need, start nothing")
    choose_groups(build)
    build.add_argument(
        "--keep-go-caches", action="store_true", help="keep Go's build and module caches for the next build"
    )
    build.add_argument("--list", action="store_true", help="only print what would be made")
    return made


def _split(text: str) -> list[str]:
    return [word for word in text.replace(" ", ",").split(",") if word]


def _print_environment(cluster: lifecycle.Cluster) -> None:
    for key, value in lifecycle.environment(cluster).items():
        print(f"export {key}={value}")


def run_up(home: Home, given: argparse.Namespace) -> int:
    begun = time.monotonic()
    images = groups.closure(_split(given.images)) if given.images else []
    cluster = lifecycle.up(
        home, given.name, groups.closure(_split(given.groups)), gpus=given.gpus, images=tuple(images)
    )
    started = state.groups_of(cluster.folder)
    print(
        f"Cluster {given.name} is up after {time.monotonic() - begun:.0f} s with {', '.join(started)}.", file=sys.stderr
    )
    _print_environment(cluster)
    print(f"# kubectl: {lifecycle.kubectl(home)}")
    if "knative" in started:
        print(f"# gateway: {cluster.plan.gateway_url}  (Host: <service>.<namespace>.example.com)")
    return 0


def run_down(home: Home, given: argparse.Namespace) -> int:
    if lifecycle.down(home, given.name, purge=given.purge):
        print(f"Cluster {given.name} is stopped.", file=sys.stderr)
    return 0


def run_status(home: Home, given: argparse.Namespace) -> int:
    """Exit code 0 if it is healthy, 3 if not."""
    cluster = lifecycle.find(home, given.name)
    running = cluster.running() if cluster else {}
    if cluster is None or not any(running.values()):
        print(f"Cluster {given.name} does not run.")
        return 3
    for name, pid in running.items():
        print(f"{name:24} {'process ' + str(pid) if pid else 'DOES NOT RUN'}")
    healthy = cluster.healthy()
    print(f"{'API server':24} {cluster.plan.server} {'ready' if healthy else 'NOT READY'}")
    if healthy:
        waiting = not_ready(cluster.kube)
        print(f"{'groups':24} {', '.join(state.groups_of(cluster.folder)) or 'none complete'}")
        print(f"{'not ready':24} {', '.join(waiting) or 'nothing'}")
        print(f"{'kubeconfig':24} {cluster.folder.kubeconfig}")
        print(f"{'gateway':24} {cluster.plan.gateway_url}")
        return 3 if waiting else 0
    return 3


def run_env(home: Home, given: argparse.Namespace) -> int:
    cluster = lifecycle.find(home, given.name)
    if cluster is None or not cluster.folder.kubeconfig.exists():
        raise ClusterError(
            f"cluster {given.name} does not run: start it with `python3 -m tools.cluster up --name {given.name}`"
        )
    _print_environment(cluster)
    return 0


def run_manifests(home: Home, given: argparse.Namespace) -> int:
    """The groups alone, without those that they need: an installer puts each in its place."""
    wanted = _split(given.groups)
    groups.closure(wanted)
    cluster = lifecycle.find(home, given.name)
    if cluster is None:
        raise ClusterError(f"cluster {given.name} has no addresses yet: start it first, `--groups bare` will do")
    parts.build(home, wanted)
    found = [m for group in wanted for m in lifecycle.objects_of(home, cluster.plan, group)]
    json.dump({"apiVersion": "v1", "kind": "List", "items": found}, sys.stdout)
    print()
    return 0


def run_releases(home: Home, given: argparse.Namespace) -> int:
    wanted = _split(given.groups)
    groups.closure(wanted)
    parts.build(home, wanted)
    releases.lay_out(given.folder, [manifests.release_folder(home, group) for group in wanted])
    return 0


def run_build(home: Home, given: argparse.Namespace) -> int:
    wanted = groups.closure(_split(given.groups))
    if given.list:
        for step in parts.steps(home, wanted):
            print(f"{step.title} (about {step.seconds:.0f} s)")
        return 0
    parts.build(home, wanted, keep_go_caches=given.keep_go_caches)
    return 0


COMMANDS = {
    "up": run_up,
    "down": run_down,
    "status": run_status,
    "env": run_env,
    "manifests": run_manifests,
    "releases": run_releases,
    "build": run_build,
}


def main(arguments: list[str] | None = None) -> int:
    given = parser().parse_args(arguments)
    try:
        return COMMANDS[given.command](Home.from_environment(), given)
    except ClusterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted: the same command goes on where this one was", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
