"""Import of submarine_jupyter and %load_ext, in fresh interpreters."""

from __future__ import annotations

import statistics
import subprocess
import sys

from tests.benchmarks.table import Row

ROUNDS = 9
IMPORT = "import submarine_jupyter"
# IPython itself is loaded before the clock starts: a kernel has it already.
LOAD = "shell.run_line_magic('load_ext', 'submarine_jupyter')"
SHELL = "from IPython.core.interactiveshell import InteractiveShell; shell = InteractiveShell.instance()"
MEASURE = """
{before}
import sys, time
had = set(sys.modules)
begin = time.perf_counter()
{what}
took = time.perf_counter() - begin
new = set(sys.modules) - had
heavy = sorted(new & {{"jupyter_server", "tornado", "kubernetes", "sqlalchemy", "pydantic", "httpx"}})
print(took * 1000, len(new), ",".join(heavy) or "none", sep="|")
"""


def run() -> list[Row]:
    """Measure both; the peers are the clients people use today."""
    rows = []
    httpx = measured("import httpx")[0]
    for what, code, before, goal in (
        ("import submarine_jupyter", IMPORT, "", "60 ms"),
        ("%load_ext submarine_jupyter", LOAD, SHELL, "60 ms"),
    ):
        took, modules, heavy = measured(code, before)
        peer = f"{took / httpx:.2f} x import httpx ({httpx:.0f} ms)"
        rows.append(Row(f"{what}: {modules} modules, heavy ones: {heavy}", f"{took:.0f} ms", goal, peer))
    took, modules, _ = measured("import kubernetes.client")
    rows.append(Row(f"import kubernetes.client: {modules} modules", f"{took:.0f} ms"))
    return rows


def measured(code: str, before: str = "") -> tuple[float, str, str]:
    """Return the median (ms), how many modules it loads, and which heavy ones. Fails where it prints anything else."""
    times = []
    for _ in range(ROUNDS):
        program = MEASURE.format(before=before, what=code)
        out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
        took, modules, heavy = out.strip().split("|")
        times.append(float(took))
    return statistics.median(times), modules, heavy
