"""The texts of a spec: what a system takes as a command, a variable, a file name, an address, and nothing else.

Sizes are bytes, as systems count them: a program gets no string of 128 KiB (``MAX_ARG_STRLEN``, execve(2)), and a file
name has at most 255 (``NAME_MAX``). What is refused here would be accepted, queued, started, and could never run.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field

from submarine_jupyter.spec.code_files import MOST_BYTES, decoded

LONGEST_STRING = 128 * 1024 - 1
LONGEST_COMMAND = LONGEST_STRING - 16  # a shell may get "exec " in front of it
MOST_VARIABLES = 1000
LONGEST_START = 1024 * 1024  # command and variables of one process together; Linux takes 2 MiB
_LONGEST_NAME, _LONGEST_PATH, _LONGEST_FOLDER = 255, 1024, 4095
_POINTER = 9  # what execve(2) counts for a string beside its characters
_EMPTY = re.compile(r"""(?:''|""|\s)*+(?:(?:(?<=\s)|^)\#[^\n]*+(?:\n(?:''|""|\s)*+|$))*+""", re.MULTILINE)
_REFERENCE = re.compile(r"\$(?:\{([A-Za-z_]\w*)\}|([A-Za-z_]\w*))", re.ASCII)
_ADDRESS = re.compile(r"(https?://|ssh://|git://|[A-Za-z0-9_.]+@[A-Za-z0-9.-]+:)\S+")


def _storable(text: str) -> str:
    # No process takes a NUL in an argument or a variable, and no file a lone surrogate.
    if "\0" in text:
        raise ValueError("must not contain a NUL character")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("must be valid Unicode text") from None
    return text


def _text(value: object) -> object:
    # YAML writers leave `DEBUG: true` unquoted; the process gets what they wrote.
    return str(value).lower() if isinstance(value, bool) else value


def _command(text: str) -> str:
    # A text area of a browser, and Windows, end lines with both; a shell would take the first for a part of the word.
    return check_command(text.replace("\r\n", "\n").removesuffix("\r"))


def check_command(text: str) -> str:
    """Return a command line, if a process can be given it. Raises ValueError."""
    if (size := len(text.encode())) > LONGEST_COMMAND:
        raise ValueError(
            f"has {size:,} bytes, but Linux limits a command to less than 128 KiB (131,072 bytes): "
            "send the script in code.files, and let the command run that"
        )
    return text


def _variable_name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]{0,255}", text):
        raise ValueError(f"{text[:80]!r} is not a variable name")
    return text


def _variables(variables: dict[str, str]) -> dict[str, str]:
    for name, value in variables.items():
        if (size := len(name) + 1 + len(value.encode())) > LONGEST_STRING:
            raise ValueError(
                f"{name} has {size:,} bytes, but Linux limits a variable to less than 128 KiB (131,072 bytes): "
                "send the value as a file in code.files"
            )
        if "$" in value and any(name in found for found in _REFERENCE.findall(value)):
            raise ValueError(
                f"{name}: '${name}' would stay as it is, because no shell expands the values of envVars: "
                f"leave {name} out here, and begin the command with export {name}={value[:80]};"
            )
    return variables


def _label(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise ValueError("must be printable text")
    return text


def _folder(text: str) -> str:
    if len(text.encode()) > _LONGEST_FOLDER:
        raise ValueError(f"is longer than {_LONGEST_FOLDER} bytes, which no system takes as a path")
    return text


def _repository(text: str) -> str:
    complaint = "is not a repository address (https://, ssh://, git:// or user@host:path)"
    if not _ADDRESS.fullmatch(text):
        raise ValueError(complaint)
    if "://" in text:
        try:
            parts = urlsplit(text)
            whole = bool(parts.hostname) and (parts.port or 0) >= 0
        except ValueError as error:
            raise ValueError(f"{complaint}: {error}") from None
        if not whole:
            raise ValueError(f"{complaint}: it names no host")
    return text


Text = Annotated[str, BeforeValidator(_text), AfterValidator(_storable)]
Label = Annotated[Text, Field(min_length=1, max_length=255), AfterValidator(_label)]
NotebookPath = Annotated[Text, Field(min_length=1, max_length=1024), AfterValidator(_label)]
Command = Annotated[Text, AfterValidator(_command)]
Folder = Annotated[Text, AfterValidator(_folder)]
Repository = Annotated[Text, AfterValidator(_repository)]
EnvVars = Annotated[
    dict[Annotated[str, AfterValidator(_variable_name)], Text],
    Field(max_length=MOST_VARIABLES),
    AfterValidator(_variables),
]


def is_empty(command: str) -> bool:
    """Return whether a command line runs nothing: blanks, comments, empty quotation marks."""
    return _EMPTY.fullmatch(command) is not None


def start_size(command: str, variables: dict[str, str]) -> int:
    """Return the bytes that starting a process with this command and these variables takes."""
    pairs = sum(len(name) + len(value.encode()) + 1 + _POINTER for name, value in variables.items())
    return len(command.encode()) + pairs


def check_files(files: dict[str, str]) -> None:
    """Refuse what cannot be written as files of one folder. Raises ValueError naming the file."""
    for name in files:
        parts = name.split("/")
        if not name.isprintable() or "\\" in name or any(part in ("", ".", "..") for part in parts):
            raise ValueError(f"'{name[:80]}' is not a relative file name")
        if len(name.encode()) > _LONGEST_PATH or any(len(part.encode()) > _LONGEST_NAME for part in parts):
            raise ValueError(
                f"'{name[:80]}' is too long: a name has at most {_LONGEST_NAME} bytes, a path {_LONGEST_PATH}"
            )
    for folder, inside in pairwise(sorted(name.split("/") for name in files)):
        if inside[: len(folder)] == folder:
            raise ValueError(f"'{'/'.join(folder)[:80]}' cannot be both a file and a folder of '{inside[-1][:80]}'")
    if sum(_size(name, text) for name, text in files.items()) > MOST_BYTES:
        raise ValueError(f"more than {MOST_BYTES // 1024} KiB in all")


def _size(name: str, text: str) -> int:
    try:
        return len(decoded(text))
    except ValueError as error:
        raise ValueError(f"'{name[:80]}' {error}") from None
