"""A server reduced to its local target: gives one order, says so, and stays until it is killed."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from submarine_jupyter.models import ExperimentSpec
from submarine_jupyter_server.targets.local.target import LocalTarget
from submarine_jupyter_server.targets.protocol import Launch, Observation


async def ignore(observation: Observation) -> None:
    """Take an observation."""


async def main(data_dir: Path, order: dict[str, object]) -> None:
    """Serve one order."""
    target = LocalTarget(data_dir, cpus=4, grace_s=1.0)
    await target.start(ignore, lambda: None)
    fields = {**order, "spec": ExperimentSpec.parse(order["spec"])}
    await target.ensure(Launch(**fields))  # type: ignore[arg-type]
    print("ensured", flush=True)
    await asyncio.sleep(600)


asyncio.run(main(Path(sys.argv[1]), json.load(sys.stdin)))
