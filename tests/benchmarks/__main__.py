"""Run the benchmarks that are named, or all."""

from __future__ import annotations

import importlib
import sys

from tests.benchmarks.table import Row, show

ALL = ("imports", "startup", "submit", "listing", "pump", "tail", "followers")


def main(names: list[str]) -> int:
    """Run benchmarks and print one table each."""
    unknown = [name for name in names if name not in ALL]
    if unknown:
        print(f"there is no benchmark {', '.join(unknown)}; there are {', '.join(ALL)}", file=sys.stderr)
        return 2
    for name in names or ALL:
        module = importlib.import_module(f"tests.benchmarks.{name}")
        rows: list[Row] = module.run()
        print(show((module.__doc__ or "").splitlines()[0], rows), flush=True)
    return 0


sys.exit(main(sys.argv[1:]))
