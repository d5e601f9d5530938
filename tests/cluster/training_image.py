"""The image that experiments of the tests run in: a copy of this interpreter, its packages, and busybox as shell."""

import os
import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement

from tests.cluster import cache, image, node_programs
from tests.cluster.image import Entry

PACKAGES = ("scikit-learn", "xgboost-cpu", "xgboost")  # those of them that are installed, with what they need
CONFIG = {
    "Env": ["PATH=/usr/local/bin:/bin", "LD_LIBRARY_PATH=/usr/local/lib/system", "HOME=/tmp"],
    "WorkingDir": "/tmp",
    "User": "1000:1000",
}
_PACKAGE = Path(__file__).parents[2] / "submarine_jupyter"
_VERSION = f"python{sys.version_info.major}.{sys.version_info.minor}"
_LIBRARY = f"usr/local/lib/{_VERSION}"
_LIBRARIES = "usr/local/lib/system"
_SKIP = frozenset({"__pycache__", "test", "tests", "idlelib", "tkinter", "ensurepip", "turtledemo", "lib2to3"})
_SKIP_BASE = _SKIP | {"site-packages", "dist-packages"}


def base() -> Path:
    """Return the big layer of the image, written if it does not exist for these versions."""
    found = sorted(_closure(PACKAGES).items())
    sources = [Path(__file__), Path(image.__file__), node_programs.RELEASE]
    key = cache.key(sys.version, *(f"{name}=={item.version}" for name, item in found), files=sources)
    return next(cache.folder("image", key, _write).glob("*.layer"))


def package(folder: Path) -> Path:
    """Return a layer with this checkout's `submarine_jupyter`, written to `folder`: training code may import it."""
    skip = _SKIP | {"labextension"}
    return image.layer(folder, image.tree(_PACKAGE, f"{_LIBRARY}/site-packages/{_PACKAGE.name}", skip))


def _write(target: Path) -> None:
    image.layer(target, _entries(node_programs.program("busybox")))


def _entries(busybox: Path) -> Iterator[Entry]:
    for path in ("bin", "etc", "proc", "sys", "dev", "usr", "usr/local", "usr/local/bin", "usr/local/lib"):
        yield Entry(path)
    yield Entry("tmp", mode=0o1777)
    yield Entry("bin/busybox", busybox)
    for applet in subprocess.check_output([busybox, "--list"], text=True).split():
        yield Entry(f"bin/{applet}", link="busybox")
    interpreter = Path(sysconfig.get_config_var("BINDIR"), _VERSION).resolve()
    yield Entry(f"usr/local/bin/{_VERSION}", interpreter)
    for name in ("python", "python3"):
        yield Entry(f"usr/local/bin/{name}", link=_VERSION)
    base = {"installed_base": sys.base_prefix, "base": sys.base_prefix, "platbase": sys.base_exec_prefix}
    library = Path(sysconfig.get_path("stdlib", vars={**base, "installed_platbase": sys.base_exec_prefix}))
    files = [*image.tree(library, _LIBRARY, _SKIP_BASE), *_packages()]
    yield from files
    binaries = [entry.source for entry in files if entry.source and re.search(r"\.so(\.|$)", entry.source.name)]
    yield from _system_libraries([interpreter, *binaries])


def _packages() -> Iterator[Entry]:
    folder = f"{_LIBRARY}/site-packages"
    yield Entry(folder)
    yield Entry(f"{_LIBRARY}/dist-packages", link="site-packages")  # where Debian's Python looks
    for item in _closure(PACKAGES).values():
        for file in item.files or ():
            if not _SKIP.intersection(file.parts) and ".." not in file.parts:
                for parent in reversed(file.parents[:-1]):
                    yield Entry(f"{folder}/{parent}")
                yield Entry(f"{folder}/{file}", Path(str(file.locate())))


def _closure(names: Iterable[str]) -> dict[str, Distribution]:
    """Return the installed ones of these distributions with all they need."""
    found: dict[str, Distribution] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        try:
            item = distribution(name)
        except PackageNotFoundError:
            continue
        if item.name not in found:
            found[item.name] = item
            needed = [Requirement(text) for text in item.requires or ()]
            waiting += [need.name for need in needed if not need.marker or need.marker.evaluate({"extra": ""})]
    return found


def _system_libraries(binaries: list[Path]) -> Iterator[Entry]:
    """Yield what the dynamic linker takes from the machine, and the linker itself at the path the binaries name."""
    yield Entry(_LIBRARIES)
    shown = subprocess.run(["ldd", *map(str, binaries)], capture_output=True, text=True, check=False).stdout
    for name, path in sorted(set(re.findall(r"(\S+) => (/\S+) \(", shown))):
        if "site-packages" not in path:
            yield Entry(f"{_LIBRARIES}/{name}", Path(os.path.realpath(path)))
    for path in sorted(set(re.findall(r"^\s+(/\S*ld-linux\S+) \(", shown, re.MULTILINE))):
        yield Entry(path.rpartition("/")[0].lstrip("/"))
        yield Entry(path.lstrip("/"), Path(os.path.realpath(path)))
