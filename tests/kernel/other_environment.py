"""A kernel of another virtual environment than the server's, with a module and a program of its own."""

from __future__ import annotations

import json
import site
import subprocess
import sys
from pathlib import Path

NAME = "other"


def make(folder: Path, kernels: Path, **env: str) -> Path:
    """Make the environment in ``folder``, name its kernel in ``kernels``; return its interpreter."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    python = folder / "bin" / "python"
    packages = next(folder.glob("lib/python*/site-packages"))
    # What the tests' environment has is installed here too; that one's own modules are not here, nor these there.
    paths = [*site.getsitepackages(), *(path for path in sys.path if Path(path, "submarine_jupyter").is_dir())]
    (packages / "shared.pth").write_text("".join(f"import site; site.addsitedir({path!r})\n" for path in paths))
    (packages / "only_here.py").write_text("ANSWER = 42\n")
    tool = folder / "bin" / "only-tool"
    tool.write_text(f"#!{python}\nimport only_here, sys\nprint('tool', only_here.ANSWER, sys.prefix)\n")
    tool.chmod(0o755)
    argv = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (kernels / NAME).mkdir(parents=True)
    spec = {"argv": argv, "display_name": NAME, "language": "python", "env": env}
    (kernels / NAME / "kernel.json").write_text(json.dumps(spec))
    return python
