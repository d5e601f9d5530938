"""The files of an experiment on this machine, which outlive both the server and its database.

    <data>/runs/.news                      FIFO: shims name the attempt that has news
    <data>/runs/<id>/experiment.json       what was ordered, written before anything is done
    <data>/runs/<id>/deleted               tombstone: nothing brings it back
    <data>/runs/<id>/<attempt>/plan.json   what the shim shall make so         (server, replaced at once)
                              /lock        flock held by the living shim
                              /started     identity of the shim: replicas were started, or may have been
                              /state.json  how they are                        (shim)
                              /exit.json   how it all ended                    (shim; the server where there is none)
                              /seen        the final state reached the database
                              /ctl         FIFO: the shim looks at the plan again
                              /logs/<replica>/, shim.log
    <data>/work/<id>/<attempt>/code/, work/, tensorboard/   where replicas start and write

Everything is for the owner only: plans hold secrets. What replicas work in is a tree of its own, so that an ``rm -rf
..`` of theirs removes neither a log nor how they are supervised. These functions block and belong into a thread.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

from submarine_jupyter.errors import NotFound, SubmarineError
from submarine_jupyter.models import ExperimentSpec
from submarine_jupyter_server.targets.base import Launch

Json = dict[str, Any]
_ID = re.compile(r"experiment-[0-9]{1,20}-[0-9]{4,20}")
_draft = itertools.count()


class Attempt:
    """The folder of one attempt."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.number = int(path.name)
        self.workspace = _workspace(path.parent) / path.name

    def create_plan(self, plan: Json) -> Json:
        """Write the first plan and return it, or return the one that is there already."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = _write_draft(self.path / "plan.json", plan)
        try:
            os.link(draft, self.path / "plan.json")
        except FileExistsError:
            return self.read("plan.json") or plan
        finally:
            draft.unlink()
        _sync_folder(self.path)
        return plan

    def replace_plan(self, plan: Json) -> None:
        """Write the plan anew and have the shim look at it."""
        write_json(self.path / "plan.json", plan)
        self.call()

    def call(self, word: bytes = b"") -> bool:
        """Have the shim look at the plan, or do what ``word`` says; return whether there is one that hears it."""
        try:
            fd = os.open(self.path / "ctl", os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            return False
        try:
            return os.write(fd, word + b"\n") > 0
        except OSError:
            return False
        finally:
            os.close(fd)

    def read(self, name: str) -> Json | None:
        """Return one of the JSON files, None if there is none."""
        return read_json(self.path / name)

    def has(self, name: str) -> bool:
        """Tell whether one of the files is there."""
        return (self.path / name).exists()

    def mark(self, name: str) -> None:
        """Create one of the empty files."""
        (self.path / name).touch(mode=0o600)

    def is_supervised(self) -> bool:
        """Tell whether a shim lives, by trying the lock that it holds."""
        try:
            lock = self._try_lock(os.O_RDWR)
        except FileNotFoundError:
            return False
        if lock is not None:
            os.close(lock)
        return lock is None

    def finish(self, state: Json) -> bool:
        """Write ``exit.json`` for an attempt without a shim, so that none ever starts; False if there is one."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = self._try_lock(os.O_RDWR | os.O_CREAT)
        if lock is None:
            return False
        try:
            if not self.has("exit.json"):
                write_json(self.path / "exit.json", state)
            for folder in self.path.glob("logs/*"):
                (folder / "ended").touch(mode=0o600)
        finally:
            os.close(lock)
        return True

    def _try_lock(self, flags: int) -> int | None:
        fd = os.open(self.path / "lock", flags, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return None
        return fd


class ExperimentFolder:
    """The folder of one experiment."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def deleted(self) -> bool:
        """Tell whether the tombstone stands."""
        return (self.path / "deleted").exists()

    def bury(self) -> None:
        """Set the tombstone, for good."""
        (self.path / "deleted").touch(mode=0o600)
        _sync_folder(self.path)

    def attempt(self, number: int) -> Attempt:
        """Return the folder of an attempt."""
        return Attempt(self.path / str(number))

    def attempts(self) -> list[Attempt]:
        """Return the attempts there are, oldest first."""
        try:
            numbers = sorted(int(name) for name in os.listdir(self.path) if name.isdecimal())
        except FileNotFoundError:
            return []
        return [self.attempt(number) for number in numbers]

    def read_launch(self) -> Launch | None:
        """Return what was ordered last; None if the folder holds no experiment."""
        data = read_json(self.path / "experiment.json")
        if data is None:
            return None
        return Launch(**{**data, "spec": ExperimentSpec.parse(data["spec"])})

    def write_launch(self, launch: Launch) -> None:
        """Write what is ordered, before it is done."""
        new = not self.path.exists()
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        # First, so that the newest attempt of an experiment is always to be seen from the folders alone.
        self.attempt(launch.attempt).path.mkdir(mode=0o700, exist_ok=True)
        data = {name: getattr(launch, name) for name in Launch.__slots__} | {"spec": launch.spec.wire()}
        write_json(self.path / "experiment.json", data)
        if new:
            _sync_folder(self.path.parent)

    def remove(self) -> None:
        """Remove everything."""
        shutil.rmtree(_workspace(self.path), ignore_errors=True)
        shutil.rmtree(self.path, ignore_errors=True)


class Runs:
    """All run directories of a data directory."""

    def __init__(self, data_dir: Path) -> None:
        self.path = data_dir / "runs"

    def create(self) -> None:
        """Make the folder, for its owner only."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path.chmod(0o700)

    def experiment(self, experiment_id: str) -> ExperimentFolder:
        """Return the folder of an experiment. Raises NotFound for what is no id: nothing else gets into a path."""
        if not _ID.fullmatch(experiment_id):
            raise NotFound(f"{experiment_id[:80]!r} is not the id of an experiment")
        return ExperimentFolder(self.path / experiment_id)

    def experiments(self) -> list[ExperimentFolder]:
        """Return the folders of all experiments, oldest first."""
        try:
            names = sorted(os.listdir(self.path))
        except FileNotFoundError:
            return []
        return [ExperimentFolder(self.path / name) for name in names if _ID.fullmatch(name)]

    def listen(self) -> int:
        """Open the FIFO through which shims report news, for reading without waiting; -1 where there are no FIFOs."""
        try:
            with contextlib.suppress(FileExistsError):
                os.mkfifo(self.path / ".news", 0o600)
            # For writing too, so that it never ends.
            return os.open(self.path / ".news", os.O_RDWR | os.O_NONBLOCK)
        except OSError:
            return -1


def private_folder(path: Path) -> Path:
    """Make a folder, and those above it that are missing, for the owner only; return it."""
    if not path.is_dir():
        private_folder(path.parent)
        path.mkdir(mode=0o700, exist_ok=True)
    return path


def read_json(path: Path) -> Json | None:
    """Return the object in a file, None if there is no file. Raises SubmarineError if it is no object."""
    try:
        data = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise SubmarineError(f"{path} is damaged: {error}") from None
    if not isinstance(data, dict):
        raise SubmarineError(f"{path} is damaged: it holds no object")
    return data


def write_json(path: Path, data: Json) -> None:
    """Replace a file at once and for good, also through a power cut."""
    draft = _write_draft(path, data)
    draft.replace(path)
    _sync_folder(path.parent)


def _write_draft(path: Path, data: Json) -> Path:
    draft = path.with_name(f".{path.name}.{os.getpid()}.{next(_draft)}")
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(fd, "w", encoding="utf-8") as file:
            json.dump(data, file)
            file.flush()
            os.fsync(fd)
    except OSError:
        draft.unlink()
        raise
    return draft


def _workspace(experiment: Path) -> Path:
    return experiment.parents[1] / "work" / experiment.name


def _sync_folder(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
