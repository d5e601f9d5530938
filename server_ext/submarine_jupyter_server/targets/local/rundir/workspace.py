"""The folders in which the replicas of an attempt start, and what of a spec cannot be made of them.

What never can is refused, with the same words before anything is written (``refuse``) and while it is (``prepare``);
what may go better later, such as a full disk, stays an OSError.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

from submarine_jupyter.errors import TargetRefused
from submarine_jupyter.models import ExperimentSpec
from submarine_jupyter.spec.code_files import decoded
from submarine_jupyter_server.targets.protocol import Launch

from .files import private_folder
from .folders import Attempt

CODE, WORK, TENSORBOARD = "code", "work", "tensorboard"
# What the names in a spec cause, always again. Not EACCES, EPERM and EROFS of our own folders: somebody can mend those.
_OF_NAMES = frozenset(
    {
        errno.EEXIST,
        errno.EILSEQ,
        errno.EINVAL,
        errno.EISDIR,
        errno.ELOOP,
        errno.ENAMETOOLONG,
        errno.ENOTDIR,
    }
)
# A folder that a person names is his: what he may not enter stays so until he does something about it.
_OF_FOLDERS = _OF_NAMES | {errno.EACCES, errno.EPERM, errno.ENOENT}


def refuse(launch: Launch, attempt: Attempt) -> None:
    """Refuse what cannot be prepared on this machine, as far as that is seen without writing. Raises TargetRefused."""
    working_dir(launch.spec)
    folder = attempt.workspace / CODE
    longest, whole = _limits(folder)
    for name in files(launch.spec):
        if any(len(os.fsencode(part)) > longest for part in name.split("/")):
            raise TargetRefused(f"code.files: '{name[:80]}' has a part that is longer than {longest} bytes")
        if len(os.fsencode(folder / name)) >= whole:
            raise TargetRefused(f"code.files: '{name[:80]}' is longer than a path can be in {folder}")


def prepare(launch: Launch, attempt: Attempt) -> None:
    """Make the workspace of an attempt, with its inline code. Raises TargetRefused, or OSError for what may pass."""
    refuse(launch, attempt)
    private_folder(attempt.workspace / TENSORBOARD)
    if not files(launch.spec):
        private_folder(attempt.workspace / WORK)
    for name, text in files(launch.spec).items():
        try:
            _write(attempt.workspace / CODE / name, text)
        except OSError as error:
            if error.errno in _OF_NAMES:
                raise TargetRefused(f"code.files: '{name[:80]}' cannot be written: {error.strerror}") from error
            raise


def files(spec: ExperimentSpec) -> dict[str, str]:
    """Return the code that travels with an experiment: name -> text."""
    return (spec.code.files if spec.code else None) or {}


def working_dir(spec: ExperimentSpec) -> str | None:
    """Return the folder replicas start in, if the spec says so. Raises TargetRefused if they cannot start there."""
    text = spec.runtime.working_dir if spec.runtime else None
    if not text:
        return None
    shown = text[:200]
    try:
        path = Path(text).expanduser()
    except RuntimeError:
        raise TargetRefused(f"runtime.workingDir: this machine has no home folder for '{shown}'") from None
    if not path.is_absolute():
        raise TargetRefused(f"runtime.workingDir: '{shown}' must be an absolute path")
    try:
        exists = path.is_dir()
    except OSError as error:
        if error.errno in _OF_FOLDERS:
            raise TargetRefused(f"runtime.workingDir: '{shown}' cannot be used: {error.strerror}") from error
        raise
    if not exists:
        raise TargetRefused(f"runtime.workingDir: there is no folder '{shown}' on this machine")
    if not os.access(path, os.X_OK):
        raise TargetRefused(f"runtime.workingDir: this server may not enter '{shown}'")
    return str(path)


def _write(path: Path, text: str) -> None:
    private_folder(path.parent)
    path.write_bytes(decoded(text))
    if text.startswith("#!"):
        path.chmod(0o755)  # a script, and no text can say so otherwise; the folders above keep others out


def _limits(folder: Path) -> tuple[int, int]:
    """Return the longest name and the longest path there, in bytes; some file systems have less than 255."""
    there = next((place for place in folder.parents if place.is_dir()), Path("/"))
    try:
        return os.pathconf(there, "PC_NAME_MAX"), os.pathconf(there, "PC_PATH_MAX")
    except (OSError, ValueError):
        return 255, 1024
