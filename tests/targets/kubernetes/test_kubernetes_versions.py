"""The credentials of a cluster, with the versions of the `kubernetes` package that notebook images have."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cluster import cache
from tests.targets.kubernetes.certificates import Authority

ROOT = Path(__file__).parents[3]
# The oldest comes with the oldest aiohttp; "installed" is as a rule the newest.
VERSIONS = {
    "27.2.0": ("kubernetes==27.2.0", "aiohttp==3.10.11"),
    "31.0.0": ("kubernetes==31.0.0",),
    "35.0.0": ("kubernetes==35.0.0",),
    "36.0.3": ("kubernetes==36.0.3",),
    "installed": (),
}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.make(tmp_path_factory.mktemp("authority"))


@pytest.mark.timeout(900)  # the first time on a machine, packages are installed
@pytest.mark.parametrize("version", VERSIONS)
def test_the_contract_holds(version: str, authority: Authority) -> None:
    packages = VERSIONS[version]
    env = {key: value for key, value in os.environ.items() if not key.startswith(("KUBE", "PYTHON"))}
    env["PYTHONPATH"] = os.pathsep.join([str(_installed(*packages)), str(ROOT)] if packages else [str(ROOT)])
    contract = [sys.executable, "-m", "tests.targets.kubernetes.version_contract", str(authority.folder)]
    run = subprocess.run(contract, cwd=ROOT, env=env, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    used = json.loads(run.stdout)
    for package in packages:
        name, _, wanted = package.partition("==")
        assert used[name] == wanted


def _installed(*packages: str) -> Path:
    """Return a folder with these packages and what they need, installed once per machine."""

    def install(folder: Path) -> None:
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-compile", "--target", str(folder)]
        subprocess.run([*pip, *packages], check=True)

    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    return cache.folder("kubernetes-package", cache.key(python, *packages), install)
