from __future__ import annotations

import sys
from pathlib import Path

import pytest

from submarine_jupyter.script.modules import imported_by, places

RAN = "raise SystemExit('an import must not run anything')\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    home = tmp_path / "notebooks"
    for name, text in {
        "helper.py": f"import deeper\n{RAN}",
        "deeper.py": RAN,
        "unused.py": RAN,
        "broken.py": "def (:",
        "pkg/__init__.py": "from . import model\nfrom .sub import x\n" + RAN,
        "pkg/model.py": "import helper",
        "pkg/sub/__init__.py": "",
        "pkg/config.yaml": "a: 1",
        "plain/part.py": "",
        "plain/data.csv": "",
        "../src/outside.py": RAN,
    }.items():
        file = home / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return home


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("import helper", ["deeper.py", "helper.py"]),
        ("def f():\n    from helper import x", ["deeper.py", "helper.py"]),
        ("import numpy, os, json, nothing_at_all", []),
        ("import broken", ["broken.py"]),
        ("import pkg.model", ["deeper.py", "helper.py", "pkg/__init__.py", "pkg/config.yaml", "pkg/model.py"]),
        ("from plain.part import x", ["plain/part.py"]),
        ("from . import helper", []),
        ("import outside", ["outside.py"]),
        ("x = (", []),
    ],
)
def test_modules_of_ones_own_are_found_and_not_run(folder: Path, text: str, names: list[str]) -> None:
    found = imported_by([text], places(str(folder), ["../src", *sys.path]))

    assert sorted(name for name in found if "sub/" not in name) == names
    assert all(path.is_file() for path in found.values())
    assert "helper" not in sys.modules


def test_what_is_installed_is_not_ones_own(folder: Path) -> None:
    python = ["/lib/python311.zip", "/lib/python3.11", "/lib/python3.11/site-packages", "/editable/src"]

    assert places(str(folder), ["", "/mine", *python, "../src"]) == [str(folder), "/mine", str(folder.parent / "src")]
