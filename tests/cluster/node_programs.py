"""What a real node needs beside the kubelet: containerd, runc, CNI and busybox of Debian, unpacked, not installed."""

import functools
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.cluster import cache

PACKAGES = ("containerd", "runc", "containernetworking-plugins", "busybox-static")
RELEASE = Path("/etc/os-release")
HIDDEN = (Path("/run"), Path("/var/lib"), Path("/var/log"))  # fixed paths of kubelet, containerd and CNI
NAMESPACES = ("--mount", "--net", "--pid", "--fork")
_COMMANDS = ("apt-get", "dpkg-deb", "ip", "mount", "nsenter", "unshare")


@functools.cache
def unavailable() -> str | None:
    """Return why this machine cannot run a real node, or None if it can."""
    if sys.platform != "linux":
        return "a real kubelet needs Linux"
    if os.geteuid() != 0:
        return "a real kubelet needs root"
    for path in (cache.home(), Path(tempfile.gettempdir())):
        if hidden := [str(place) for place in HIDDEN if path.is_relative_to(place)]:
            return f"a real kubelet needs {path} outside of {hidden[0]}, which is empty in the node"
    if missing := [command for command in _COMMANDS if shutil.which(command) is None]:
        return f"a real kubelet needs {', '.join(missing)}"
    if not os.access("/sys/fs/cgroup", os.W_OK):
        return "a real kubelet needs control groups, and /sys/fs/cgroup is read-only"
    tried = subprocess.run(["unshare", *NAMESPACES, "true"], capture_output=True, text=True, check=False)
    return f"a real kubelet needs namespaces: {tried.stderr.strip()}" if tried.returncode else None


def program(name: str) -> Path:
    """Return a program of the packages, which are fetched if this machine never did."""
    places = [_folder() / place / name for place in ("usr/bin", "usr/sbin", "bin")]  # it depends on the release
    return next(path for path in places if path.exists())


def plugins() -> Path:
    """Return the folder of the CNI plugins."""
    return _folder() / "usr/lib/cni"


def _folder() -> Path:
    return cache.folder("debian", cache.key(*PACKAGES, files=[RELEASE]), _fetch)


def _fetch(target: Path) -> None:
    packages = target / "packages"
    packages.mkdir()
    if subprocess.run(["apt-get", "-qq", "download", *PACKAGES], cwd=packages, capture_output=True).returncode:
        _run("apt-get", "-qq", "update", cwd=packages)  # a fresh image has no lists of packages
        _run("apt-get", "-qq", "download", *PACKAGES, cwd=packages)
    for package in packages.glob("*.deb"):
        _run("dpkg-deb", "-x", package.name, str(target), cwd=packages)
    shutil.rmtree(packages)


def _run(*command: str, cwd: Path) -> None:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
