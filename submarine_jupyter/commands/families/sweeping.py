"""``sweep``: one experiment for each combination of parameters, as a group of the server."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from submarine_jupyter.commands.command import Command, argument
from submarine_jupyter.commands.families.comparing import BEST
from submarine_jupyter.commands.families.running import DESCRIPTION, DETACHING, OUTPUT, ROLE_RESOURCES, keep, spec_of
from submarine_jupyter.commands.ids import short
from submarine_jupyter.commands.sweeps import swept, trials, written
from submarine_jupyter.commands.values import count
from submarine_jupyter.errors import UsageError

if TYPE_CHECKING:
    from submarine_jupyter.client.sweep import Sweep
    from submarine_jupyter.commands.session import Session


def sweep(session: Session, options: argparse.Namespace) -> Sweep | None:
    """Submit a trial for each combination, and wait for all. Raises ExperimentFailed when one has failed."""
    if not options.param:
        raise UsageError("%submarine sweep: give the values of a parameter: --param lr=0.01,0.1")
    if options.max and options.min:
        raise UsageError("%submarine sweep: give --max or --min, not both")
    found = trials(options.param)
    options.param = None
    spec = spec_of(session, options)
    metric = options.max or options.min
    if options.dry_run:
        session.say(f"{len(found)} experiments: {'; '.join(map(written, found[:5]))}{' ...' if len(found) > 5 else ''}")
        spec["runtime"] = {**(spec.get("runtime") or {}), "params": found[0]}
        session.say(str(session.client.plan(spec)))
        return None
    made = session.client.sweep(
        spec, found, parallel=options.parallel, name=options.group, metric=metric, highest=not options.min
    )
    keep(session, options, made)
    parallel = f", {options.parallel} at a time" if options.parallel else ""
    session.say(f"{made.name}: {len(found)} experiments{parallel}")
    return made if session.settings.get("detach", options.detach) else _waited(session, made)


def _waited(session: Session, made: Sweep) -> Sweep:
    """Show the end of each trial as it comes, and the best at last."""
    ids = [one.id for one in made.experiments]
    try:
        for number, trial in enumerate(made.ends(), 1):
            params = written(made.params[trial.id])
            session.say(f"{number} of {len(ids)}: {short(trial.id, ids)} {params} {trial.took()}")
    except KeyboardInterrupt:
        session.interrupted = True
        session.say(
            f"\nDetached: {made.name} goes on. '%submarine wait --group {made.name}' comes back to it, "
            f"'%submarine stop --group {made.name} --yes' ends it."
        )
        return made
    best = made.best
    if best is not None:
        session.say(f"Best: {made.metric} {made.value(best):g} with {written(made.params[best.id])} ({best.id})")
    made.ended()
    return made


SWEEP = Command(
    "sweep",
    "run one experiment for each combination of parameters; in a %%cell the body is the training script",
    sweep,
    (
        *DESCRIPTION,
        argument(
            "--param",
            action="append",
            type=swept,
            metavar="NAME=VALUES",
            help="values of a parameter: 0.01,0.1 or 1..5 or log(1e-5,1e-1,8) or lin(0,1,5)",
        ),
        argument("--parallel", type=count, metavar="N", help="at most N at a time (default: as many as have room)"),
        argument("--group", metavar="NAME", help="name of the sweep (default: that of the experiments, with the time)"),
        *BEST,
        argument("--dry-run", action="store_true", help="submit nothing; say what would be made"),
        *DETACHING,
        OUTPUT,
    ),
    (
        ("%submarine sweep train.py --param lr=0.01,0.03,0.1 --param bs=32,64 --parallel 2 --max accuracy", "six"),
        ("%submarine sweep --param lr=log(1e-5,1e-1,8) --cmd 'python train.py --lr {{lr}}' --min loss", "eight"),
    ),
    about=f"{ROLE_RESOURCES}\nA script has its parameters as SUBMARINE_PARAM_LR and, as JSON, in SUBMARINE_PARAMS.",
    takes_cell=True,
    takes_program=True,
)
