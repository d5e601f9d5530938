"""``run``: submit an experiment and wait for it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from submarine_jupyter.commands.command import Command, argument
from submarine_jupyter.commands.ids import short
from submarine_jupyter.commands.sending.files_along import said
from submarine_jupyter.commands.sending.given import Given, read_what
from submarine_jupyter.commands.sending.own_code import is_script
from submarine_jupyter.commands.sending.spec import describe
from submarine_jupyter.commands.sending.spec_file import Json
from submarine_jupyter.commands.sending.surroundings import Surroundings
from submarine_jupyter.commands.values import assignment, count, duration, framework, parameter, variable
from submarine_jupyter.errors import UsageError
from submarine_jupyter.script.tracebacks import SCRIPT
from submarine_jupyter.spec.params import read
from submarine_jupyter.spec.vocabulary import FRAMEWORKS, ROLES

if TYPE_CHECKING:
    from submarine_jupyter.client.experiment import Experiment
    from submarine_jupyter.commands.session import Session

NUMBERS = tuple(
    argument(f"--{role.lower()}", type=count, metavar="N", help=f"number of {role} replicas") for role in ROLES
)
# What describes an experiment, whether it is new or a change of another one.
CHANGES = (
    argument("--name", help="name of the experiment (default: that of the notebook)"),
    *NUMBERS,
    argument("--resources", metavar="LIST", help="what each replica may use: cpu=1,memory=512M"),
    argument("--cpu", metavar="N", help="cores of each replica: 2, or 500m for half of one"),
    argument("--memory", metavar="SIZE", help="memory of each replica: 2G"),
    argument("--gpu", metavar="N", help="GPUs of each replica (nvidia.com/gpu)"),
    *(argument(f"--{role.lower()}-resources", metavar="LIST", help=argparse.SUPPRESS) for role in ROLES),
    argument(
        "--env", action="append", type=assignment, metavar="NAME=VALUE", help="environment variable; can be repeated"
    ),
    argument("--tag", action="append", metavar="TAG", used=("tags",), help="tag to find it by; can be repeated"),
    argument("--image", help="container image (on Kubernetes)"),
    argument("--target", used=("target",), help="compute target (default: the server's)"),
    argument("--cmd", help='command line of the replicas; for a cell: python "$CODE_PATH/train.py"'),
    argument(
        "--max-run-time",
        type=duration,
        metavar="TIME",
        help="end the experiment after this time: 90 (seconds), 10m, 2h, 1d",
    ),
)
DESCRIPTION = (
    argument("what", nargs="?", metavar="PROGRAM|SPEC", help="train.py, or a file with a spec (YAML or JSON)"),
    argument(
        "--framework",
        type=framework,
        metavar="NAME",
        values=FRAMEWORKS,
        help=f"{', '.join(FRAMEWORKS)} (default: Standalone)",
    ),
    *CHANGES,
    argument("--namespace", help="namespace, where the server has several"),
    argument(
        "--files", action="extend", nargs="+", metavar="FILE", help="files to take along: helper.py data 'x/*.csv'"
    ),
    argument(
        "--local-modules",
        action=argparse.BooleanOptionalAction,
        help="whether modules beside the notebook that the code imports go along (default: on a cluster)",
    ),
)
PARAM = argument(
    "--param", action="append", type=parameter, metavar="NAME=VALUE", help="parameter, {{NAME}} in the command"
)
DETACHING = (
    argument("--detach", action="store_true", default=None, help="do not wait; return the handle at once"),
    argument("--wait", action="store_false", dest="detach", help="wait, whatever %%config and files say"),
)
OUTPUT = argument(
    "-o", "--output", type=variable, metavar="VAR", help="also put the handle into this variable, at once"
)
TAIL = argument("--tail", type=count, metavar="N", help="show only the last N lines of each replica, at the end")
WAITING = (*DETACHING, TAIL, OUTPUT)
ROLE_RESOURCES = f"--{{{','.join(ROLES).lower()}}}-resources LIST: resources of one role"


def spec_of(session: Session, options: argparse.Namespace) -> Json:
    """Return the spec that a line and its cell describe. Raises UsageError."""
    from submarine_jupyter.client.place import runs_here

    given = read_what(options.what, options.program_words, options.cmd)
    if options.cell is not None and not options.cell.strip():
        raise UsageError(f"The cell is empty: write the training script below %%submarine {options.command.name}")
    here = Surroundings.of_this_kernel(session.origin.label)
    in_file = ((given.spec or {}).get("runtime") or {}).get("target")
    local = runs_here(session.client, options.target or in_file or session.settings.get("target"))
    spec = describe(options, given, options.cell, here, session.settings, local=local)
    if options.cell is not None and session.names is not None and is_script(given, options.cmd):
        from submarine_jupyter.script.variables import left_behind

        for sentence in left_behind(options.cell, session.names, here.cell):
            session.say(f"Note: {sentence}")
    _say_what_goes_along(session, spec, given)
    origin = session.origin.wire()
    if origin is not None:
        spec.setdefault("runtime", {}).setdefault("origin", origin)
    return spec


def _say_what_goes_along(session: Session, spec: Json, given: Given) -> None:
    files = (spec.get("code") or {}).get("files") or {}
    own = {SCRIPT, Path(given.program or "").name, *(((given.spec or {}).get("code") or {}).get("files") or {})}
    if others := {name: text for name, text in files.items() if name not in own}:
        session.say(said(others))


def run(session: Session, options: argparse.Namespace) -> Experiment | None:
    """Submit what the line describes, and wait for it."""
    for name, value in options.param or ():
        if (
            isinstance(value, str)
            and "," in value
            and not any(isinstance(read(part), str) for part in value.split(","))
        ):
            session.say(f"Note: {name} is the text {value!r}; '%submarine sweep' runs one experiment for each value")
    spec = spec_of(session, options)
    if options.dry_run:
        session.say(str(session.client.plan(spec)))
        return None
    return submit(session, spec, options)


def submit(session: Session, spec: Json, options: argparse.Namespace) -> Experiment:
    """Submit a spec and wait for it, unless this cell still runs the same: then wait for that."""
    experiment, attached = _created(session, spec, again=options.again)
    if attached and not session.draws:
        session.say(
            f"The same code of this cell still runs as {short(experiment.id, ())}: attached to it. "
            f"For another one beside it: %submarine {options.command.name} --again"
        )
    return wait_for(session, options, experiment)


def wait_for(session: Session, options: argparse.Namespace, experiment: Experiment) -> Experiment:
    """Show how an experiment goes unless the line detaches, and return the handle. Raises ExperimentFailed."""
    if options.cell is not None:
        session.cells[experiment.id] = session.origin.label
    keep(session, options, experiment)
    if not session.draws:
        session.say(f"{experiment.id} ({experiment.name})")
    if session.settings.get("detach", options.detach):
        return experiment
    tail = session.settings.get("tail", options.tail)
    if session.follow(experiment, last=tail):
        session.ended(experiment, shown=tail is None or session.draws)
        if not session.draws:
            session.say(f"{experiment.id} {experiment.took()}")
    return experiment


def keep(session: Session, options: argparse.Namespace, value: Any) -> None:
    """Put a handle into the variable that ``--output`` names."""
    if options.output and session.names is not None:
        session.names[options.output] = value


def _created(session: Session, spec: Json, *, again: bool) -> tuple[Experiment, bool]:
    """Return the experiment, and whether the same cell ran it already; in a loop each round makes its own."""
    if again or session.origin.cell is None:
        return session.client.create(spec), False
    experiment = session.client.create(spec, if_not_running=True)
    of_a_loop = session.made_here(experiment.id)
    if not (experiment.attached and of_a_loop):
        return experiment, experiment.attached
    experiment = session.client.create(spec)
    session.made_here(experiment.id)
    return experiment, False


RUN = Command(
    "run",
    "submit an experiment and stream its logs; in a %%cell the body is the training script",
    run,
    (
        *DESCRIPTION,
        PARAM,
        argument("--dry-run", action="store_true", help="submit nothing; say whether it would start now, and why not"),
        argument("--again", action="store_true", help="start another one, although this cell still runs the same"),
        *WAITING,
    ),
    (
        ("%submarine run train.py -- --lr 0.1", "a program in this folder, with its arguments"),
        ("%submarine run --worker 2 --cpu 1 --memory 2G --cmd 'python train.py'", "two replicas of a command"),
        ("%submarine run --param lr=0.1 --cmd 'python train.py --lr {{lr}}'", "a parameter: lists are sorted by it"),
        ("%submarine run experiment.yaml --name mine", "a spec in a file; options change it"),
        ("%submarine run train.py --gpu 1 --dry-run", "whether it would start now, and why not"),
    ),
    about=ROLE_RESOURCES,
    takes_cell=True,
    takes_program=True,
)
