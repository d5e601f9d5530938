"""`python -m tests.cluster up|down|status`: a cluster to work with, apart from the one a test session makes."""

import argparse
import sys

from tests.cluster import build, lifecycle, node_programs
from tests.cluster import run as runs


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.cluster", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="bring up a cluster and print its kubeconfig")
    up.add_argument("--kubernetes", choices=build.RELEASES, default=build.chosen(), help="minor version")
    up.add_argument("--no-node", action="store_true", help="fake nodes only")
    down = commands.add_parser("down", help="take down clusters that no test session uses")
    down.add_argument("name", nargs="*", help="those to take down (default: all)")
    commands.add_parser("status", help="list clusters")
    options = parser.parse_args()
    if options.command == "up":
        _up(options.kubernetes, with_node=not options.no_node)
    elif options.command == "down":
        _down(options.name)
    else:
        _status()


def _up(kubernetes: str, *, with_node: bool) -> None:
    reason = "it was not asked for" if not with_node else node_programs.unavailable()
    if reason:
        print(f"no real node: {reason}", file=sys.stderr)
    lifecycle.prepare(kubernetes)
    print(lifecycle.up(kubernetes, owner=None, with_node=reason is None).kubeconfig)


def _down(names: list[str]) -> None:
    for run in runs.existing():
        if (not names or run.name in names) and (run.owner is None or run.abandoned()):
            lifecycle.down(run)
            print(f"{run.name}: gone")


def _status() -> None:
    for run in runs.existing():
        ended = run.ended()
        whose = "abandoned" if run.abandoned() else f"of process {run.owner.pid}" if run.owner else "until down"
        print(f"{run.name}: Kubernetes {run.kubernetes}, {whose}, {len(run.processes) - len(ended)} processes")
        for name in ended:
            print(f"  {name} has ended: {run.path('logs', name)}.log")


if __name__ == "__main__":
    main()
