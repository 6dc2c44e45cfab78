"""Every image of a cluster: what is in it and under which name the manifests ask for it.

Images are ours, names and entrypoints are upstream's: the manifests stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from . import previous, versions
from .nodefiles import PAUSE
from .oci import PATH, Image, Layer

NOBODY = "65532:65532"
_PASSWD = "root:x:0:0::/root:/bin/sh\nnonroot:x:65532:65532::/tmp:/bin/sh\nuser:x:1000:1000::/tmp:/bin/sh\n"
STATIC = Layer(
    folders=("tmp", "etc/ssl/certs", "var/run", "run", "home"),
    texts={
        "/etc/passwd": _PASSWD,
        "/etc/group": "root:x:0:\nnonroot:x:65532:\nuser:x:1000:\n",
        "/etc/nsswitch.conf": "hosts: files dns\n",
    },
)
_BUSYBOX = (
    "sh",
    "cat",
    "ls",
    "wget",
    "nc",
    "sleep",
    "nslookup",
    "ps",
    "httpd",
    "env",
    "head",
    "date",
    "true",
    "false",
    "tail",
    "echo",
)


@dataclass(frozen=True)
class Sources:
    """Where the parts are: a binary by name, unpacked wheels by name, Debian's programs, and KServe's entrypoint by version."""

    binary: Callable[[str], Path]
    wheel: Callable[[str], Path]
    debian: Callable[[str], Path]
    debian_base: Callable[[], Path]
    storage_entrypoint: Callable[[str], Path]


def program(name: str, source: Path, place: str, user: str = NOBODY) -> Image:
    """An image that is one static binary."""
    return Image(
        name, (STATIC, Layer(files={place: str(source)})), (place,), user=user, env={"SSL_CERT_DIR": "/etc/ssl/certs"}
    )


def base(s: Sources) -> list[Image]:
    busybox = Layer(
        files={"/bin/busybox": str(s.debian("busybox"))}, links={f"/bin/{name}": "busybox" for name in _BUSYBOX}
    )
    return [
        program(PAUSE, s.binary("pause"), "/pause", "65535:65535"),
        program(f"registry.k8s.io/coredns/coredns:{versions.COREDNS}", s.binary("coredns"), "/coredns"),
        Image("docker.io/library/busybox:1.35", (STATIC, busybox), command=("sh",)),
    ]


def knative(s: Sources) -> list[Image]:
    release = "gcr.io/knative-releases/knative.dev"
    names = ("controller", "webhook", "autoscaler", "activator", "queue")
    envoy = Layer(files={"/usr/local/bin/envoy": str(s.wheel("envoy") / "envoy" / "_bin" / "envoy")})
    return [
        *(
            program(f"{release}/serving/cmd/{n}:{versions.KNATIVE}", s.binary(f"knative-{n}"), f"/ko-app/{n}")
            for n in names
        ),
        program(f"{release}/net-kourier/cmd/kourier:{versions.KOURIER}", s.binary("kourier"), "/ko-app/kourier"),
        Image(
            f"docker.io/envoyproxy/envoy:{versions.ENVOY_TAG}",
            (Layer(tar=str(s.debian_base())), envoy),
            ("/usr/local/bin/envoy",),
        ),
    ]


def kserve(s: Sources) -> list[Image]:
    certs = ("controller", "webhook", "cainjector")
    jetstack = "quay.io/jetstack/cert-manager"
    proxy = f"quay.io/brancz/kube-rbac-proxy:{versions.KUBE_RBAC_PROXY}"
    return [
        *(
            program(
                f"{jetstack}-{n}:{versions.CERT_MANAGER}",
                s.binary(f"cert-manager-{n}"),
                f"/app/cmd/{n}/{n}",
                "1000:1000",
            )
            for n in certs
        ),
        program(f"docker.io/kserve/kserve-controller:{versions.KSERVE}", s.binary("kserve-manager"), "/manager"),
        # The batcher of an InferenceService is this agent beside its container.
        program(f"docker.io/kserve/agent:{versions.KSERVE}", s.binary("kserve-agent"), "/ko-app/agent"),
        program(proxy, s.binary("kube-rbac-proxy"), "/usr/local/bin/kube-rbac-proxy"),
    ]


def triton(s: Sources) -> list[Image]:
    debian = Layer(tar=str(s.debian_base()))
    weed = next(path for path in s.wheel("seaweedfs").rglob("weed") if path.is_file())
    s3 = Image(
        f"docker.io/chrislusf/seaweedfs:{versions.SEAWEEDFS}",
        (STATIC, Layer(files={"/usr/bin/weed": str(weed)})),
        ("/usr/bin/weed",),
    )
    initializer = _storage_initializer(s, versions.KSERVE, "storage-initializer")
    return [s3, initializer, _triton_server(s.wheel("triton"), debian)]


def _storage_initializer(s: Sources, version: str, wheel: str) -> Image:
    script = "/storage-initializer/scripts/initializer-entrypoint"
    packages = Layer(files={"/prod_venv/site": str(s.wheel(wheel)), script: str(s.storage_entrypoint(version))})
    return Image(
        f"docker.io/kserve/storage-initializer:{version}",
        (Layer(tar=str(s.debian_base())), packages),
        ("python3", script),
        user="1000:1000",
        env={"PYTHONPATH": "/prod_venv/site", "PYTHONDONTWRITEBYTECODE": "1"},
        folder="/work",
    )


def _triton_server(wheel: Path, debian: Layer) -> Image:
    """CPU server with the Python backend only, out of the pytriton wheel, with the stub for Debian's Python 3.11."""
    server = wheel / "pytriton" / "tritonserver"
    backend, place = server / "backends" / "python", "/opt/tritonserver/backends/python"
    files = {
        "/opt/tritonserver/bin/tritonserver": str(server / "bin" / "tritonserver"),
        "/opt/tritonserver/libs": str(wheel / "nvidia_pytriton.libs"),
        "/opt/tritonserver/caches": str(server / "caches"),
        f"{place}/triton_python_backend_stub": str(
            server / "python_backend_stubs" / "3.11" / "triton_python_backend_stub"
        ),
        **{f"{place}/{p.name}": str(p) for p in sorted(backend.iterdir()) if p.suffix in (".so", ".py")},
    }
    entry = "/opt/nvidia/nvidia_entrypoint.sh"
    return Image(
        f"nvcr.io/nvidia/tritonserver:{versions.TRITON_TAG}",
        (debian, Layer(folders=(place, "models"), files=files, texts={entry: '#!/bin/sh\nexec "$@"\n'})),
        (entry,),
        user="1000:1000",
        env={"PATH": f"/opt/tritonserver/bin:{PATH}", "LD_LIBRARY_PATH": "/opt/tritonserver/libs"},
        folder="/opt/tritonserver",
    )


def keda(s: Sources) -> list[Image]:
    names = {
        "keda": "keda-operator",
        "keda-metrics-apiserver": "keda-adapter",
        "keda-admission-webhooks": "keda-webhooks",
    }
    places = {
        "keda": "/keda",
        "keda-metrics-apiserver": "/keda-adapter",
        "keda-admission-webhooks": "/keda-admission-webhooks",
    }
    return [
        program(f"ghcr.io/kedacore/{n}:{versions.KEDA}", s.binary(b), places[n], "1000:1000") for n, b in names.items()
    ]


def metrics(s: Sources) -> list[Image]:
    name = f"registry.k8s.io/metrics-server/metrics-server:{versions.METRICS_SERVER}"
    return [program(name, s.binary("metrics-server"), "/metrics-server")]


def kyverno(s: Sources) -> list[Image]:
    return [
        program(f"reg.kyverno.io/kyverno/kyverno:{versions.KYVERNO}", s.binary("kyverno"), "/ko-app/kyverno"),
        program(
            f"reg.kyverno.io/kyverno/kyvernopre:{versions.KYVERNO}", s.binary("kyvernopre"), "/ko-app/kyverno-init"
        ),
    ]


def prometheus(s: Sources) -> list[Image]:
    return [
        program(
            f"docker.io/prom/prometheus:{versions.PROMETHEUS}", s.binary("prometheus"), "/bin/prometheus", "65534:65534"
        )
    ]


def kserve_previous(s: Sources) -> list[Image]:
    group, version = previous.GROUP, previous.VERSION
    return [
        program(f"docker.io/kserve/kserve-controller:{version}", s.binary(f"{group}-manager"), "/manager"),
        program(f"docker.io/kserve/agent:{version}", s.binary(f"{group}-agent"), "/ko-app/agent"),
        _storage_initializer(s, version, f"storage-initializer-{version}"),
    ]


BY_GROUP: dict[str, Callable[[Sources], list[Image]]] = {
    "base": base,
    "knative": knative,
    "kserve": kserve,
    "triton": triton,
    "keda": keda,
    "metrics": metrics,
    "kyverno": kyverno,
    "kyverno-cli": lambda _: [],
    "prometheus": prometheus,
    previous.GROUP: kserve_previous,
}
