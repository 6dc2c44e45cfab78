"""The same documents by what people use: kubernetes.core.k8s, in a loop and as one task over a file, and kubectl."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path

from tools.bench.peers import environment
from tools.bench.progress import say
from tools.cluster.kube import Json
from tools.cluster.layout import Home
from tools.cluster.wheels import kubectl

_PLAY = """
- hosts: localhost
  connection: local
  gather_facts: false
  vars: {ansible_python_interpreter: "{{ ansible_playbook_python }}"}
  tasks:
    - kubernetes.core.k8s:
        kubeconfig: "{{ kubeconfig }}"
        apply: true
        server_side_apply: {field_manager: peer, force_conflicts: true}
"""
_LOOP = (
    _PLAY
    + """        definition: "{{ item }}"
      loop: "{{ lookup('file', documents) | from_json }}"
      loop_control: {label: "{{ item.metadata.name }}"}
"""
)
_FILE = (
    _PLAY
    + """        src: "{{ documents_yaml }}"
"""
)


class Peers:
    """:param folder: for their environment and the documents"""

    def __init__(self, folder: Path, kubeconfig: Path) -> None:
        self._folder, self._kubeconfig = folder, kubeconfig
        self._environment = environment(folder, "k8s", ["ansible", "kubernetes"])

    def write(self, manifests: list[Json]) -> None:
        """The documents that all of them apply."""
        (self._folder / "documents.json").write_text(json.dumps(manifests))
        # One JSON document after the other is YAML too.
        (self._folder / "documents.yml").write_text("\n---\n".join(json.dumps(one) for one in manifests))

    def ways(self) -> dict[str, list[str]]:
        play = str(self._environment / "bin" / "ansible-playbook")
        for name, text in (("loop.yml", _LOOP), ("file.yml", _FILE)):
            (self._folder / name).write_text(text)
        given = ["-e", f"kubeconfig={self._kubeconfig}", "-e", f"documents={self._folder}/documents.json"]
        given += ["-e", f"documents_yaml={self._folder}/documents.yml"]
        control = [str(kubectl(Home.from_environment())), "--kubeconfig", str(self._kubeconfig), "apply"]
        control += ["--server-side", "--force-conflicts", "-f", str(self._folder / "documents.yml")]
        return {
            "`kubernetes.core.k8s`, a loop": [play, *given, str(self._folder / "loop.yml")],
            "`kubernetes.core.k8s`, one task over a file": [play, *given, str(self._folder / "file.yml")],
            "`kubectl apply --server-side`": control,
            "the same with `--validate=false`": [*control, "--validate=false"],
        }

    def seconds(self, command: list[str]) -> float:
        """From its start to its end; it must succeed."""
        say(f"{Path(command[0]).name} {command[-1]}")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "K8S_AUTH_"))}
        began = time.perf_counter()
        answer = subprocess.run(command, cwd=self._folder, env=kept, capture_output=True, text=True, check=False)
        if answer.returncode:
            raise SystemExit(f"{' '.join(command)} failed:\n{answer.stdout[-3000:]}{answer.stderr[-3000:]}")
        return time.perf_counter() - began
