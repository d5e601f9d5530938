"""Run the benchmarks that are named, or all."""

from __future__ import annotations

import argparse
import importlib
import signal
import sys

from tests.benchmarks import kubernetes
from tests.benchmarks.table import Row, show

LOCAL = (
    "imports",
    "startup",
    "submit",
    "functions",
    "posts",
    "listing",
    "pump",
    "tail",
    "search",
    "followers",
    "history",
    "idle",
    "large",
    "stream",
    "curves",
    "compare",
)
CLUSTER = tuple(f"kubernetes.{name}" for name in kubernetes.ALL)
GROUPS = {"local": LOCAL, "kubernetes": CLUSTER}


def main(arguments: list[str]) -> int:
    """Run benchmarks and print one table each, but one for all of those on a cluster."""
    names, idle_s = _parse(arguments)
    # Else a run that is ended would leave its servers and its cluster behind.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    for name in (name for name in LOCAL if name in names):
        module = importlib.import_module(f"tests.benchmarks.{name}")
        rows: list[Row] = module.run()
        print(show((module.__doc__ or "").splitlines()[0], rows), flush=True)
    if wanted := [name.partition(".")[2] for name in CLUSTER if name in names]:
        suite = importlib.import_module("tests.benchmarks.kubernetes.suite")
        suite.run(wanted, idle_s)
    return 0


def _parse(arguments: list[str]) -> tuple[set[str], float]:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    known = (*GROUPS, *LOCAL, *CLUSTER)
    parser.add_argument("names", nargs="*", metavar="name", help=f"one of {', '.join(known)} (default: all)")
    parser.add_argument(
        "--idle", type=float, default=300.0, metavar="SECONDS", help="how long kubernetes.idle watches (default: 300)"
    )
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.names if name not in known]:
        parser.error(f"there is no benchmark {', '.join(unknown)}; there are {', '.join(known)}")
    names = [name for given in options.names or GROUPS for name in GROUPS.get(given, (given,))]
    return set(names), options.idle


sys.exit(main(sys.argv[1:]))
