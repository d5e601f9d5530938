"""Become the program of a replica, or say on its output in words for a person why that cannot be.

Runs in the child, between fork and exec.
"""

from __future__ import annotations

import errno
import os

from ..exchange.plan import Item

NOT_FOUND, NOT_EXECUTABLE = 127, 126  # as a shell exits
MAX_STRING = 131_071  # MAX_ARG_STRLEN of Linux, execve(2)
_HEAD = 512


class CannotRunError(Exception):
    """Why the program does not run, and the exit code that says so."""

    def __init__(self, why: str, code: int = NOT_EXECUTABLE) -> None:
        super().__init__(why)
        self.code = code


def become(item: Item) -> None:
    """Turn this process into the program of ``item``; exit if that is not possible."""
    try:
        _enter(item.cwd)
        _execute(item)
    except CannotRunError as error:
        _complain(item, str(error))
        os._exit(error.code)
    except Exception as error:  # noqa: BLE001 - the root of a process: whatever it is, its owner reads it in the log
        _complain(item, f"{type(error).__name__}: {error}")
        os._exit(NOT_EXECUTABLE)


def _complain(item: Item, why: str) -> None:
    os.write(2, f"submarine: cannot run {item.argv[0]!r} in {item.cwd!r}: {why}\n".encode(errors="backslashreplace"))


def _enter(folder: str) -> None:
    try:
        os.chdir(folder)
    except OSError as error:
        raise CannotRunError(f"the folder cannot be entered: {error.strerror}", _code(error)) from None


def _execute(item: Item) -> None:
    """Run the first program of that name, as execvp(3) and shells look for it."""
    name, denied = item.argv[0], None
    for path in _candidates(name, item.env):
        try:
            _run(path, item)
        except (FileNotFoundError, NotADirectoryError) as error:
            if os.path.exists(path):
                raise CannotRunError(_no_interpreter(path), NOT_FOUND) from None
            if "/" in name:
                raise CannotRunError(str(error.strerror), NOT_FOUND) from None
        except PermissionError:
            denied = denied or path
        except OSError as error:
            raise CannotRunError(_too_large(item) if error.errno == errno.E2BIG else str(error.strerror)) from None
    if denied is not None:
        raise CannotRunError(_denied(denied))
    raise CannotRunError(_not_in_path(item), NOT_FOUND)


def _candidates(name: str, env: dict[str, str]) -> list[str]:
    if "/" in name:
        return [name]
    return [f"{folder or '.'}/{name}" for folder in env.get("PATH", os.defpath).split(":")]


def _run(path: str, item: Item) -> None:
    try:
        os.execve(path, item.argv, item.env)  # noqa: S606
    except OSError as error:
        if error.errno != errno.ENOEXEC:
            raise
    head = _head(path)
    if not head:
        raise CannotRunError("the file is empty")
    if b"\0" in head:
        raise CannotRunError("it is not a program for this system (Exec format error)")
    # A script without #! line: a shell runs it itself (execvp(3), ENOEXEC).
    shell = "/bin/bash" if os.access("/bin/bash", os.X_OK) else "/bin/sh"
    os.execve(shell, [shell, path, *item.argv[1:]], item.env)  # noqa: S606


def _no_interpreter(path: str) -> str:
    """Explain why a file that is there is not found: its interpreter is missing."""
    head = _head(path)
    if not head.startswith(b"#!"):
        return "the file is there, but the loader it needs is not: was it built for another system?"
    line = head[2:].partition(b"\n")[0].decode(errors="replace")
    interpreter = line.strip(" \t").partition(" ")[0]
    if "\r" in line:
        return (
            f"its interpreter {interpreter!r} does not exist: the script has Windows line ends (CRLF); save it with LF"
        )
    return f"its interpreter {interpreter!r} (first line, #!) does not exist"


def _denied(path: str) -> str:
    if os.path.isdir(path):
        return "it is a folder"
    if not os.access(path, os.X_OK):
        return f"the file is not executable: chmod +x {path}, or run it by its interpreter (python x.py, bash x.sh)"
    return "permission denied: its interpreter is not executable, or its file system allows no programs (noexec)"


def _not_in_path(item: Item) -> str:
    path = item.env.get("PATH", os.defpath)
    if not item.path_replaced:
        return f"No such file or directory: there is no program of that name in PATH ({path})"
    return f"No such file or directory: PATH was set to {path!r} by envVars, and there is no such program"


def _too_large(item: Item) -> str:
    """Name what is too large for execve(2)."""
    texts = [(f"argument {number} of the command", text) for number, text in enumerate(item.argv)]
    texts += [(f"the variable {name}", f"{name}={value}") for name, value in item.env.items()]
    sizes = [(len(os.fsencode(text)), name) for name, text in texts]
    size, name = max(sizes)
    if size > MAX_STRING:
        return f"{name} has {size} bytes, and the system allows at most {MAX_STRING} in one: put it into a file"
    total = sum(size for size, _ in sizes)
    return f"command and variables have {total} bytes together, and the system takes less: put large ones into files"


def _head(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(_HEAD)
    except OSError:
        return b""


def _code(error: OSError) -> int:
    return NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_EXECUTABLE
