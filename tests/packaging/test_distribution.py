"""What a release uploads, and what Jupyter finds once it is installed."""

import json
import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = [ROOT / "submarine_jupyter", ROOT / "server_ext" / "submarine_jupyter_server"]
VERSION = json.loads((ROOT / "labextension" / "package.json").read_text())["version"]
PANEL = f"submarine_jupyter-{VERSION}.data/data/share/jupyter/labextensions/submarine-jupyter"

# Long enough to build the panel too, where no `make` has done it before.
pytestmark = pytest.mark.timeout(600)


def run(command: list[str | Path], **environment: str) -> str:
    """Run a program with its own folder first on the path; return all it printed, without colours."""
    path = os.pathsep.join([str(Path(command[0]).parent), os.environ["PATH"]])
    finished = subprocess.run(
        command,
        cwd=Path(command[0]).parent,
        env=os.environ | {"PATH": path} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout
    return re.sub(r"\x1b\[\d+m", "", finished.stdout)


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the sdist, and the wheel from the sdist; return their folder."""
    folder = tmp_path_factory.mktemp("dist")
    run([Path(sys.executable), "-m", "build", "--no-isolation", "--outdir", folder, ROOT])
    return folder


@pytest.fixture(scope="module")
def wheel(release: Path) -> Path:
    return release / f"submarine_jupyter-{VERSION}-py3-none-any.whl"


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel in an environment of its own; return its interpreter. It sees our dependencies."""
    prefix = tmp_path_factory.mktemp("environment")
    interpreter = prefix / "bin" / "python"
    run([Path(sys.executable), "-m", "venv", "--without-pip", prefix])
    pip: list[str | Path] = [Path(sys.executable), "-m", "pip", "--python", interpreter]
    run([*pip, "install", "--no-index", "--no-deps", wheel])
    # Only now, so that pip did not see the editable installation. Python follows no .pth file in a folder
    # that a .pth file names: the checkout stays out of sight.
    site = Path(sysconfig.get_path("purelib", vars={"base": str(prefix)}))
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return interpreter


def sources(package: Path) -> list[str]:
    """List the files of a package that belong into a release, relative to the folder the package is in."""
    files = [path.relative_to(package.parent) for path in package.rglob("*") if path.is_file()]
    return [
        path.as_posix()
        for path in files
        if path.parts[1] != "labextension"
        and "__pycache__" not in path.parts
        and not any(part.startswith(".") for part in path.parts)
    ]


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_wheel_holds_every_file_of_the_packages(wheel: Path, package: Path) -> None:
    held = set(zipfile.ZipFile(wheel).namelist())

    assert [path for path in sources(package) if path not in held] == []


def test_wheel_holds_data_that_no_import_would_miss(wheel: Path) -> None:
    held = zipfile.ZipFile(wheel).namelist()

    migrations = [
        name for name in held if name.startswith("submarine_jupyter_server/store/sqlite/migrations/versions/")
    ]
    assert migrations
    assert "submarine_jupyter/py.typed" in held
    assert "submarine_jupyter_server/py.typed" in held


def test_wheel_holds_the_panel_once(wheel: Path) -> None:
    held = zipfile.ZipFile(wheel).namelist()

    assert f"{PANEL}/package.json" in held
    assert f"{PANEL}/install.json" in held
    assert f"{PANEL}/static/style.js" in held
    assert [name for name in held if name.startswith(f"{PANEL}/static/remoteEntry.")]
    assert not [name for name in held if name.startswith("submarine_jupyter/labextension/")]


def test_wheel_holds_nothing_but_its_packages(wheel: Path) -> None:
    roots = {name.split("/", 1)[0] for name in zipfile.ZipFile(wheel).namelist()}

    distribution = f"submarine_jupyter-{VERSION}"
    expected = {"submarine_jupyter", "submarine_jupyter_server"}
    assert roots == expected | {f"{distribution}.data", f"{distribution}.dist-info"}


def test_sdist_holds_no_leftovers(release: Path) -> None:
    with tarfile.open(release / f"submarine_jupyter-{VERSION}.tar.gz") as archive:
        held = {Path(name).relative_to(f"submarine_jupyter-{VERSION}") for name in archive.getnames()}

    assert {Path("LICENSE"), Path("README.md"), Path("labextension/yarn.lock")} <= held
    leftovers = {"node_modules", "__pycache__", ".yarn", ".venv", "coverage", "junit.xml"}
    assert [path for path in held if leftovers & set(path.parts)] == []


def test_jupyter_server_finds_the_extension(python: Path) -> None:
    listed = run([python, "-m", "jupyter_server.extension.serverextension", "list"], HOME=str(python.parent))

    assert "submarine_jupyter_server enabled" in listed
    assert f"submarine_jupyter_server {VERSION} OK" in listed


def test_jupyterlab_finds_the_panel(python: Path) -> None:
    listed = run([python, "-m", "jupyterlab.labextensions", "list"], HOME=str(python.parent))

    assert f"submarine-jupyter v{VERSION} enabled OK" in listed


def test_commands_are_there_in_a_terminal(python: Path) -> None:
    assert run([python.parent / "submarine-jupyter", "help"]).startswith("submarine-jupyter COMMAND")


def test_server_runs_alone_from_its_command(python: Path) -> None:
    assert run([python.parent / "jupyter-submarine", "--version"]).strip() == VERSION
