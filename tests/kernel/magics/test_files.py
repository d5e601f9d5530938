"""Files and modules go along with a cell, through a real kernel, server and processes."""

from __future__ import annotations

import pytest

from tests.kernel.real_kernel import RealKernel


@pytest.fixture(scope="module", autouse=True)
def project(kernel: RealKernel) -> None:
    ran = kernel.run(
        "import os, pathlib\n"
        "os.makedirs('things/pkg'); os.makedirs('things/data'); os.chdir('things')\n"
        "pathlib.Path('helper.py').write_text('import pkg\\nWHO = pkg.NAME\\n')\n"
        "pathlib.Path('pkg/__init__.py').write_text('NAME = \"pkg\"\\n')\n"
        "pathlib.Path('data/x.bin').write_bytes(bytes(range(256)))\n"
    )
    assert ran.status == "ok", ran


def test_files_lie_where_the_replicas_start(kernel: RealKernel) -> None:
    ran = kernel.run(
        "%%submarine run --worker 2 --files helper.py 'p*' data/*.bin --cpu 100m\n"
        "import helper, os\n"
        "print(helper.WHO, sum(open('data/x.bin', 'rb').read()), os.path.realpath('.') == os.environ['CODE_PATH'])\n"
    )

    assert ran.status == "ok", ran
    assert "3 files go along (" in ran.text
    logs = kernel.run("print(_.logs())").text.splitlines()
    assert logs == ["[worker-0] pkg 32640 True", "[worker-1] pkg 32640 True"]


def test_modules_that_a_cell_imports_go_along(kernel: RealKernel) -> None:
    ran = kernel.run("%%submarine run --local-modules --cpu 100m\nimport helper\nprint(helper.__file__)\n")

    assert ran.status == "ok", ran
    assert "2 files go along (" in ran.text
    assert "/code/helper.py" in kernel.run("print(_.logs())").text


def test_a_traceback_of_such_a_file_names_it_shortly(kernel: RealKernel) -> None:
    kernel.run("pathlib.Path('breaks.py').write_text('def f():\\n    raise KeyError(1)\\n')")

    ran = kernel.run("%%submarine run --files breaks.py --cpu 100m\nimport breaks\nbreaks.f()\n")

    assert "breaks.py, line 2: KeyError: 1" in ran.error


def test_what_cannot_go_along_starts_nothing(kernel: RealKernel) -> None:
    kernel.run("pathlib.Path('large').write_bytes(bytes(600_000))")

    ran = kernel.run("%submarine run --files large --cmd 'cat large'")

    assert ran.status == "error"
    assert "586 KiB would go along, and 512 KiB can: large has 586 KiB" in ran.text + ran.error
