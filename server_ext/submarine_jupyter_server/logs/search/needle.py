"""What is searched for: a text as it stands, or a regular expression that cannot run wild.

Expressions are those of RE2 (https://github.com/google/re2/wiki/Syntax), which never goes back: a search takes time in
proportion to the log, whatever was asked for. Its package, ``google-re2``, has no wheels for every system, so a server
can do without: it searches for texts then, and says so.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any, Protocol

from submarine_jupyter.errors import InvalidRequest

MAX_CHARS = 1000
# To prepare a long one takes long, and holds all threads meanwhile.
MAX_EXPRESSION_CHARS = 250
# Where an expression is too involved for a table, each byte takes a step for each instruction.
_MAX_INSTRUCTIONS = 3000
_MAX_MEMORY = 2 * 1024 * 1024
_EACH_LINE = "(?m)"


class Needle(Protocol):
    """Finds itself in bytes whose lines end with a newline."""

    def spans(self, text: bytes, start: int) -> Iterator[tuple[int, int]]:
        """Yield where it is from ``start`` on (from, to), one after the other; never empty, never over two lines."""
        ...


def needle(text: str, *, regex: bool = False, ignore_case: bool = False) -> Needle:
    """Return what finds ``text``. Raises InvalidRequest: it is empty, too long, or no regular expression."""
    if not text:
        raise InvalidRequest("search: must not be empty.")
    most = MAX_EXPRESSION_CHARS if regex else MAX_CHARS
    if len(text) > most:
        what = "a regular expression" if regex else "a text"
        raise InvalidRequest(f"search: {what} must have at most {most:,} characters, not {len(text):,}.")
    if regex:
        return _Expression(text, ignore_case)
    if "\n" in text or "\r" in text:
        raise InvalidRequest("search: must be a part of one line.", hint="Search for the first of the lines.")
    return _Text(text, ignore_case)


class _Text:
    def __init__(self, text: str, ignore_case: bool) -> None:
        self._ignore_case = ignore_case
        self._bytes = text.encode("utf-8", "replace")
        if ignore_case:
            self._bytes = self._bytes.lower()

    def spans(self, text: bytes, start: int) -> Iterator[tuple[int, int]]:
        if self._ignore_case:
            text = text.lower()
        while (found := text.find(self._bytes, start)) >= 0:
            start = found + len(self._bytes)
            yield found, start


class _Expression:
    def __init__(self, text: str, ignore_case: bool) -> None:
        try:
            re2 = importlib.import_module("re2")
        except ImportError:
            raise InvalidRequest(
                "regex: the Jupyter Server has no engine for regular expressions.",
                hint="Search for a text, or install 'submarine_jupyter[search]' where the Jupyter Server runs.",
            ) from None
        try:
            self._compiled = _compiled(re2, text, ignore_case)
        except re2.error as error:
            raise InvalidRequest(f"search: {_reason(error)}") from None
        if self._compiled.programsize > _MAX_INSTRUCTIONS:
            raise InvalidRequest("search: the regular expression is too large.", hint="Repeat less often.")
        if self._compiled.fullmatch(b"") is not None:
            raise InvalidRequest("search: the regular expression matches empty text, so it matches everywhere.")

    def spans(self, text: bytes, start: int) -> Iterator[tuple[int, int]]:
        for match in self._compiled.finditer(text, start):
            if match.end() > match.start():
                yield match.span()


def _compiled(re2: Any, text: str, ignore_case: bool) -> Any:
    options = re2.Options()
    options.never_nl = True
    options.never_capture = True
    options.log_errors = False
    options.case_sensitive = not ignore_case
    options.max_mem = _MAX_MEMORY
    compiled = re2.compile(f"{_EACH_LINE}{text}", options)
    re2.purge()  # it would remember the last 128, each with all of its memory
    return compiled


def _reason(error: Exception) -> str:
    said = error.args[0] if error.args else ""
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
    return f"not a regular expression: {text.replace(_EACH_LINE, '', 1)}."
