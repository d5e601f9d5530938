"""The configuration of the service: plain values, filled from the traits of the extension."""

from __future__ import annotations

import errno
import os
import re
import secrets
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from submarine_jupyter.errors import Unavailable
from submarine_jupyter.files import atomic_files

# RFC 1123, as Kubernetes takes it for namespaces: https://kubernetes.io/docs/concepts/overview/working-with-objects/names/
DNS_LABEL = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?")
INSTANCE_LENGTH = 40
KEY_BYTES = 32
_MOST_BYTES = 4096


def nobody(data: dict[str, object]) -> None:
    """Emit an event that nobody listens to."""


@dataclass(frozen=True, slots=True)
class ServiceConfig:
    """Configure the service.

    Times are seconds, sizes bytes, ``local_memory`` a Kubernetes quantity; None means "what the machine has"
    for ``local_cpus`` and ``local_memory``, and "for ever" for ``retention_days``. ``targets`` are the clusters,
    name -> options as they were configured; ``local_enabled`` adds this machine. ``instance`` tells the experiments of
    this server from those of others on a cluster; None: what ``kept_instance`` returns. ``signing_key`` signs what this
    server writes on its objects there: what ``kept_key`` returns, from ``signing_key_file`` where that is given.
    ``emit`` takes one event of ``events/experiment.yaml`` and is called on the event loop.
    """

    data_dir: Path
    namespace: str = "default"
    namespaces: tuple[str, ...] = ("default",)
    default_target: str = "local"
    targets: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    instance: str | None = None
    signing_key_file: Path | None = None
    signing_key: bytes = field(default=b"", repr=False)
    local_enabled: bool = True
    local_cpus: float | None = None
    local_memory: str | None = None
    grace_seconds: float = 10.0
    log_cap_bytes: int = 1 << 30
    retention_days: float | None = 7.0
    reconcile_seconds: float = 300.0
    emit: Callable[[dict[str, object]], None] = nobody


def private_directory(path: Path) -> None:
    """Make ``path`` a directory that only its owner, this user, can enter (mode 0700).

    Logs and secrets go there: raises Unavailable when it cannot be made, is somebody else's or a symbolic link.
    """
    hint = "Set SubmarineExtension.data_dir, or SUBMARINE_DATA_DIR, to a directory of your own."
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = path.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
            raise Unavailable(f"The data directory {path} is not a directory of this user.", hint=hint)
        if found.st_mode & 0o077:
            path.chmod(0o700)
    except OSError as error:
        raise Unavailable(f"The data directory {path} cannot be used: {error.strerror or error}.", hint=hint) from error


def is_instance(text: str) -> bool:
    """Return whether a text can name a server on a cluster: a DNS label of at most 40 characters."""
    return len(text) <= INSTANCE_LENGTH and DNS_LABEL.fullmatch(text) is not None


def kept_instance(data_dir: Path) -> str:
    """Return the random name of the server on this data directory, made once and for all. Blocks.

    It is kept outside of the database: a server that lost its database finds its experiments on the cluster by it.
    Raises Unavailable when the file is damaged, for a new name would leave all of them without a server.
    """
    path = data_dir / "instance"
    try:
        if not path.exists():
            _write_once(path, secrets.token_hex(8))
        found = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Unavailable(f"{path} cannot be used: {error}") from error
    if not is_instance(found):
        raise Unavailable(
            f"{path} is damaged: it does not hold the name of this server.",
            hint=(
                "Write the value of the label submarine.apache.org/instance of its "
                "experiments into the file, or remove the file."
            ),
        )
    return found


def kept_key(data_dir: Path, given: Path | None = None) -> bytes:
    """Return the 32 bytes that sign what this server writes on clusters: made once and for all, or ``given``. Blocks.

    A file that is given belongs to the administrator, who may mount it read-only, and readable by a group. Raises
    Unavailable when a file cannot be used or is damaged; the message says nothing of its content.
    """
    path = given or data_dir / "signing.key"
    hint = (
        "Put the key back that several servers share: 64 hexadecimal digits, such as `openssl rand -hex 32` prints."
        if given
        else "Put it back from a backup of the data directory, or remove it: then a new one is made, and experiments "
        "on clusters that are missing in the database are shown there, but not restored."
    )
    try:
        if given is None and not path.is_symlink() and not path.exists():
            _write_once(path, secrets.token_hex(KEY_BYTES))
        text = _one_line(path, private=given is None)
    except OSError as error:
        raise Unavailable(f"The signing key {path} cannot be used: {error.strerror}.", hint=hint) from error
    if re.fullmatch(r"[0-9a-fA-F]{64}", text) is None:
        raise Unavailable(f"The signing key {path} is damaged: it does not hold 64 hexadecimal digits.", hint=hint)
    return bytes.fromhex(text)


def _one_line(path: Path, *, private: bool) -> str:
    """Return the text of a small file. Raises OSError.

    A ``private`` one is a file of this user, no link, and from now on nobody else can read it.
    """
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | (os.O_NOFOLLOW if private else 0)
    with open(os.open(path, flags), "rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file")
        if private and found.st_uid != os.geteuid():
            raise OSError(errno.EPERM, "it belongs to another user")
        if private and found.st_mode & 0o077:
            os.fchmod(file.fileno(), 0o600)
        return file.read(_MOST_BYTES).decode("ascii", "replace").strip()


def _write_once(path: Path, text: str) -> None:
    """Write a file of mode 0600, whole or not at all; one that somebody else has just written stays."""
    try:
        atomic_files.create(path, f"{text}\n")
    except OSError:
        # Without hard links the last of several that write at once stays.
        if not path.exists():
            atomic_files.replace(path, f"{text}\n", durable=True)
