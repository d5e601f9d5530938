"""What a kernel pays for."""

from __future__ import annotations

import json
import subprocess
import sys

import submarine_jupyter
import submarine_jupyter_server

HEAVY = {
    "alembic",
    "httpx",
    "jupyter_server",
    "kubernetes",
    "pydantic",
    "sqlalchemy",
    "submarine_jupyter_server",
    "tornado",
    "yaml",
}
SHELL = """
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
"""


def loaded_by(code: str, before: str = "") -> set[str]:
    """Return the top-level names of the modules that ``code`` imports in a fresh interpreter."""
    show = "print(json.dumps(sorted(set(sys.modules) - known)))"
    script = f"import sys, json\n{before}\nknown = set(sys.modules)\n{code}\n{show}"
    ran = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=True)
    names: list[str] = json.loads(ran.stdout.splitlines()[-1])
    return {name.partition(".")[0] for name in names}


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert not loaded_by("import submarine_jupyter") & HEAVY


def test_loading_the_extension_loads_nothing_heavy() -> None:
    assert not loaded_by("shell.run_line_magic('load_ext', 'submarine_jupyter')", SHELL) & HEAVY


def test_loading_the_extension_waits_for_no_command() -> None:
    load = "shell.run_line_magic('load_ext', 'submarine_jupyter')"
    show = "raise SystemExit(any(name.startswith('submarine_jupyter.commands') for name in sys.modules))"
    script = f"import sys\n{SHELL}\n{load}\n{show}"
    subprocess.run([sys.executable, "-W", "error", "-c", script], check=True)


def test_help_loads_nothing_heavy() -> None:
    code = "shell.run_line_magic('load_ext', 'submarine_jupyter'); shell.run_line_magic('submarine', 'help')"
    assert not loaded_by(code, SHELL) & HEAVY


def test_tracking_needs_the_standard_library_only() -> None:
    names = loaded_by("from submarine_jupyter import log_metric, log_param")
    assert names - set(sys.stdlib_module_names) <= {"submarine_jupyter"}


def test_every_public_name_comes_from_its_room() -> None:
    for name in submarine_jupyter.__all__:
        assert getattr(submarine_jupyter, name) is not None
    assert set(submarine_jupyter.__all__) <= set(dir(submarine_jupyter))


def test_an_unknown_name_is_an_attribute_error() -> None:
    assert not hasattr(submarine_jupyter, "Experimnt")


def test_the_extension_is_found_by_jupyter() -> None:
    assert submarine_jupyter._jupyter_labextension_paths() == [{"src": "labextension", "dest": "submarine-jupyter"}]
    (point,) = submarine_jupyter_server._jupyter_server_extension_points()
    assert point["module"] == "submarine_jupyter_server.app"
