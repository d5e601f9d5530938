"""The files of an experiment on this machine, which outlive both the server and its database.

    <data>/runs/.news                      FIFO: shims name the attempt that has news
    <data>/runs/<id>/experiment.json       what was ordered, written before anything is done
    <data>/runs/<id>/deleted               tombstone: nothing brings it back; stays when all else is purged
    <data>/runs/<id>/<attempt>/plan.json   what the shim shall make so         (server, replaced at once)
                              /lock        flock held by the living shim
                              /started     identity of the shim: replicas were started, or may have been
                              /state.json  how they are                        (shim)
                              /exit.json   how it all ended                    (shim; the server where there is none)
                              /seen        the final state reached the database
                              /ctl         FIFO: the shim reads the plan again
                              /logs/<replica>/, shim.log
    <data>/work/<id>/<attempt>/code/, work/, tensorboard/   where replicas start and write

Everything is for the owner only: plans hold secrets. What replicas work in is a tree of its own, so that an ``rm -rf
..`` of theirs removes neither a log nor how they are supervised. These functions block and belong into a thread.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import stat
from collections.abc import Callable, Iterator
from enum import Enum, auto
from pathlib import Path

from submarine_jupyter.errors import NotFound, SubmarineError, TargetUnavailable
from submarine_jupyter.files import atomic_files, file_locks
from submarine_jupyter.models import ExperimentSpec
from submarine_jupyter.spec.experiment_ids import is_id
from submarine_jupyter_server.targets import tombstones
from submarine_jupyter_server.targets.protocol import Launch

from . import contents, files
from .files import Json, Unreadable, private_folder
from .shared_sync import SharedSync

_NUMBER = re.compile(r"[1-9][0-9]{0,8}")


class Lock(Enum):
    """What the lock of an attempt says of its shim."""

    HELD = auto()
    FREE = auto()
    MISSING = auto()
    SPOILT = auto()  # something else has its name


class Attempt:
    """The folder of one attempt."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.number = int(path.name)

    @property
    def workspace(self) -> Path:
        """Where its replicas work."""
        return _workspace(self.path.parent) / self.path.name

    def create_plan(self, plan: Json) -> Json:
        """Write the first plan and return it, or return the one that is there already."""
        private_folder(self.path)
        path = self.path / "plan.json"
        try:
            made = files.create_json(path, plan)
        except OSError:
            # A file system without hard links: the lock decides who writes it.
            with self._locked() as held:
                made = held and not files.exists(path)
                if made:
                    files.write_json(path, plan)
        return plan if made else self.read("plan.json") or plan

    def replace_plan(self, plan: Json) -> None:
        """Write the plan anew and have the shim read it."""
        files.write_json(self.path / "plan.json", plan)
        self.call()

    def call(self, word: bytes = b"") -> bool:
        """Have the shim read the plan, or do what ``word`` says; return whether there is one that hears it."""
        try:
            fd = os.open(self.path / "ctl", os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            return stat.S_ISFIFO(os.fstat(fd).st_mode) and os.write(fd, word + b"\n") > 0
        except OSError:
            return False
        finally:
            os.close(fd)

    def read(self, name: str) -> Json | None:
        """Return what one of the JSON files holds, None if there is none. Raises Unreadable."""
        return _read(self.path / name)

    def has(self, name: str) -> bool:
        """Return whether one of the files is there, whatever it is."""
        return files.exists(self.path / name)

    def mark(self, name: str) -> None:
        """Create one of the empty files."""
        files.mark(self.path / name)

    @property
    def there(self) -> bool:
        """Return whether the folder is there. Raises Unreadable for anything else of its name."""
        if not files.exists(self.path):
            return False
        if not stat.S_ISDIR(self.path.lstat().st_mode):
            raise Unreadable(self.path, "it is not a folder")
        return True

    def lock_state(self) -> tuple[Lock, int]:
        """Return whether a shim holds the lock, and when it last gave a sign of life there, in ns; raises Unreadable.

        Raises Unreadable only for what a failing system may be the cause of; something else of its name is SPOILT.
        """
        path = self.path / "lock"
        try:
            if not stat.S_ISREG(path.lstat().st_mode):
                return Lock.SPOILT, 0
            fd = files.open_regular(path, os.O_RDWR)
        except FileNotFoundError:
            return Lock.MISSING, 0
        except OSError as error:
            raise Unreadable(path, error.strerror or error) from error
        try:
            # Shared, so that two who ask do not take each other for it.
            free = file_locks.try_lock(fd, shared=True)
            return (Lock.FREE, 0) if free else (Lock.HELD, os.fstat(fd).st_mtime_ns)
        finally:
            os.close(fd)

    def finish(self, state: Json) -> bool:
        """Write ``exit.json`` for an attempt without a shim, so that none ever starts; False if there is one.

        What is there and cannot be read is replaced.
        """
        private_folder(self.path)
        with self._locked() as held:
            if not held:
                return False
            try:
                ended = self.read("exit.json") is not None
            except Unreadable:
                ended = False
            if not ended:
                files.write_json(self.path / "exit.json", state)
            for folder in self.path.glob("logs/*"):
                with contextlib.suppress(OSError, Unreadable):
                    files.mark(folder / "ended")
        return True

    @contextlib.contextmanager
    def _locked(self) -> Iterator[bool]:
        path = self.path / "lock"
        if self.lock_state()[0] is Lock.SPOILT:
            files.set_aside(path)
        fd = files.open_regular(path, os.O_RDWR | os.O_CREAT)
        try:
            yield file_locks.try_lock(fd)
        finally:
            os.close(fd)


class ExperimentFolder:
    """The folder of one experiment; ``sync`` has its name survive a power cut."""

    def __init__(self, path: Path, sync: Callable[[], None]) -> None:
        self.path = path
        self._sync = sync

    @property
    def deleted(self) -> bool:
        """Return whether the tombstone stands."""
        return files.exists(self.path / "deleted")

    def bury(self) -> None:
        """Set the tombstone, for good."""
        private_folder(self.path)
        files.mark(self.path / "deleted")
        atomic_files.sync(self.path)

    def attempt(self, number: int) -> Attempt:
        """Return the folder of an attempt."""
        return Attempt(self.path / str(number))

    def attempts(self) -> list[Attempt]:
        """Return the attempts there are, oldest first. Raises Unreadable."""
        try:
            names = os.listdir(self.path)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise Unreadable(self.path, error.strerror or error) from error
        return [self.attempt(number) for number in sorted(int(name) for name in names if _NUMBER.fullmatch(name))]

    def read_launch(self) -> Launch | None:
        """Return what was ordered last; None if the folder holds no experiment. Raises Unreadable."""
        path = self.path / "experiment.json"
        data = _read(path)
        if data is None:
            return None
        try:
            spec = ExperimentSpec.parse(data["spec"])
        except (SubmarineError, RecursionError) as error:
            raise Unreadable(path, str(error)[:300]) from None
        if data["experiment_id"] != self.path.name:
            raise Unreadable(path, f"it is about {data['experiment_id'][:80]}")
        return Launch(**{name: data[name] for name in Launch.__slots__} | {"spec": spec})

    def write_launch(self, launch: Launch) -> None:
        """Write what is ordered, before it is done."""
        new = not self.path.exists()
        # First, so that the newest attempt of an experiment is always to be seen from the folders alone.
        private_folder(self.attempt(launch.attempt).path)
        data = {name: getattr(launch, name) for name in Launch.__slots__} | {"spec": launch.spec.wire()}
        files.write_json(self.path / "experiment.json", data)
        if new:
            self._sync()

    def remove(self) -> None:
        """Remove everything but the tombstone: an older copy of the database may come back."""
        shutil.rmtree(_workspace(self.path), ignore_errors=True)
        tombstones.clear(self.path)


class RunFolders:
    """All run directories of a data directory."""

    def __init__(self, data_dir: Path) -> None:
        self.path = data_dir / "runs"
        self._sync = SharedSync(self.path)

    def create(self) -> None:
        """Make the folder, for its owner only."""
        private_folder(self.path)
        self.path.chmod(0o700)

    def experiment(self, experiment_id: str) -> ExperimentFolder:
        """Return the folder of an experiment. Raises NotFound for what is no id: nothing else gets into a path."""
        if not is_id(experiment_id):
            raise NotFound(f"{experiment_id[:80]!r} is not the id of an experiment")
        return ExperimentFolder(self.path / experiment_id, self._sync)

    def experiments(self) -> list[ExperimentFolder]:
        """Return the folders of all experiments, oldest first. Raises TargetUnavailable if they cannot be listed."""
        try:
            names = sorted(os.listdir(self.path))
        except OSError as error:
            raise TargetUnavailable(f"the experiments in {self.path} cannot be listed: {error.strerror}") from error
        return [ExperimentFolder(self.path / name, self._sync) for name in names if is_id(name)]

    def listen(self) -> int:
        """Open the FIFO through which shims report news, for reading without waiting; -1 where there are no FIFOs."""
        path = self.path / ".news"
        try:
            if files.exists(path) and not stat.S_ISFIFO(path.lstat().st_mode):
                files.set_aside(path)
            with contextlib.suppress(FileExistsError):
                os.mkfifo(path, 0o600)
            # For writing too, so that it never ends.
            return os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        except (OSError, Unreadable):
            return -1


def _read(path: Path) -> Json | None:
    data = files.read_json(path, contents.LIMITS[path.name])
    if data is not None and (problem := contents.problem(path.name, data)) is not None:
        raise Unreadable(path, problem)
    return data


def _workspace(experiment: Path) -> Path:
    return experiment.parents[1] / "work" / experiment.name
