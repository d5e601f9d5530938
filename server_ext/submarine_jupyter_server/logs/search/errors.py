"""The first error of a run: the earliest sign of what went wrong, in one log and over all replicas.

Signs are tracebacks of Python and lines such as those of CUDA, a crash, or a kernel that ran out of memory. Of each log
the newest ``READ_BYTES`` are read. Signs within ``TOGETHER_S`` belong together: the first one is the cause, what was
handled earlier has nothing to do with the end. Some signs only tell that another process has failed (a collective
operation that timed out, a closed connection, the summary of torchrun): an *echo* counts where nothing else is found.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from submarine_jupyter_server.logs.archive import Chunk, ReplicaLog
from submarine_jupyter_server.logs.lines.plain import Plain

READ_BYTES = 256 * 1024
TOGETHER_S = 60
MAX_CHARS = 500
_LINE_BYTES = 2000
_FRAMES = 1000

_TRACEBACK = b"Traceback (most recent call last):"
_FRAME = re.compile(rb'\s+File "([^"]{1,400})", line ([0-9]{1,9})')
_NAMED = re.compile(rb"[A-Za-z_][\w.]*(?::\s|:?$)")
_EXCEPTION = re.compile(rb"(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Interrupt|Exit)(?::\s|:?$)")
_FATAL = re.compile(
    rb"\bFATAL\b|\bFatal (?:Python )?error\b|^F[0-9]{4} [0-9:.]+ |: F tensorflow/"
    rb"|Segmentation fault|Bus error|Illegal instruction|Floating point exception|core dumped"
    rb"|terminate called|std::bad_alloc|\bCUDA error\b|CUDA out of memory|CUDNN_STATUS_(?!SUCCESS)|device-side assert"
    rb"|^Killed$|: Killed$|: +[0-9]+ Killed\b|[Oo]ut of memory: Killed|oom-kill|OOMKilled|\bNCCL (?:error|WARN)"
    rb"|: command not found$|: can't open file |: error: (?:unrecognized|the following|argument|invalid)"
    rb"|Root Cause \(first observed failure\)|Watchdog caught collective operation timeout"
)
# Every sign has one of these in it: what stands before the first is passed over fast.
_WORDS = (
    *(b"Traceback (most", b"Error", b"Exception", b"Interrupt", b"Exit", b"FATAL", b"Fatal", b"\nF", b": F tensorflow"),
    *(b"fault", b"Bus error", b"Illegal", b"Floating", b"core dumped", b"terminate called", b"bad_alloc", b"CUD"),
    *(b"device-side", b"Killed", b"oom-kill", b"NCCL", b"command not", b"open file", b": error: ", b"Root Cause"),
    b"Watchdog",
)
_ECHO = re.compile(
    rb"ChildFailedError|Root Cause \(first observed failure\)|Watchdog caught|NCCL|nccl[A-Z]\w*Error|DistBackendError"
    rb"|DistNetworkError|SignalException|SIGTERM|KeyboardInterrupt|SystemExit|BrokenPipeError|Connection(?:Reset|Aborted)"
    rb"|Connection (?:reset|closed|refused)|Socket closed|[Tt]imed out waiting|EOFError|Gloo|gloo"
)


@dataclass(frozen=True, slots=True)
class ErrorSign:
    """A sign of an error at byte ``offset``. If known, ``at_ns``: when it was written, ``where``: the line of code.

    ``text`` is the line that names it, at most ``MAX_CHARS``.
    """

    log: ReplicaLog
    offset: int
    at_ns: int | None
    text: str
    where: str | None
    echo: bool


def first_in(log: ReplicaLog) -> ErrorSign | None:
    """Return what one log says first of how it ended, None if nothing. Raises OSError."""
    end = log.end
    pieces = list(log.pieces(log.back(end, READ_BYTES), end, READ_BYTES))
    lines = [line for piece in pieces if isinstance(piece, Chunk) for line in _lines(piece)]
    found = [_sign(log, *one) for one in _signs(lines)]
    causes = [sign for sign in found if not sign.echo] or found
    if not causes:
        return None
    first = causes.pop()
    while causes and _together(causes[-1], first):
        first = causes.pop()
    return first


def first_of(signs: Iterable[ErrorSign], failed: Iterable[str]) -> ErrorSign | None:
    """Return the cause among the signs of several replicas, of which those named ``failed`` have failed themselves."""
    names = set(failed)
    return min(
        signs,
        key=lambda sign: (sign.echo, sign.log.name not in names, sign.at_ns is None, sign.at_ns or 0),
        default=None,
    )


def _together(earlier: ErrorSign, later: ErrorSign) -> bool:
    if earlier.at_ns is None or later.at_ns is None:
        return True
    return later.at_ns - earlier.at_ns <= TOGETHER_S * 1_000_000_000


def _sign(log: ReplicaLog, offset: int, text: bytes, where: str | None) -> ErrorSign:
    times = log.times(offset, offset + 1)
    said = text.strip().decode("utf-8", "replace")
    short = said if len(said) <= MAX_CHARS else said[: MAX_CHARS - 1] + "…"
    return ErrorSign(log, offset, times[0][1] if times else None, short, where, _ECHO.search(text) is not None)


def _lines(chunk: Chunk) -> Iterator[tuple[int, bytes]]:
    """Yield the lines of a chunk without colours, each with its offset, from the first that may be a sign."""
    data = b"\n" + chunk.data
    first = len(data)
    for word in _WORDS:
        if (found := data.find(word, 0, first)) >= 0:
            first = found
    if first == len(data):
        return
    begin = max(data.rfind(b"\n", 0, first + 1), data.rfind(b"\r", 0, first))
    at = chunk.offset + begin
    for raw in re.split(rb"[\r\n]", chunk.data[begin:]):
        line = raw[:_LINE_BYTES]
        yield at, Plain(line).text if b"\x1b" in line else line
        at += len(raw) + 1


def _signs(lines: Iterable[tuple[int, bytes]]) -> Iterator[tuple[int, bytes, str | None]]:
    """Yield where each error begins, the line that names it, and the line of code."""
    open_: _Traceback | None = None
    for offset, line in lines:
        begin = line.find(_TRACEBACK)
        if begin >= 0:
            # That of another process, in between, has its turn with its own exception.
            open_ = open_ or _Traceback(offset, line[:begin].removesuffix(b"Original "))
        elif open_ is not None:
            if (named := open_.named(line)) is not None:
                yield open_.offset, named, open_.where
            if named is not None or open_.lines > _FRAMES:
                open_ = None
        elif _EXCEPTION.match(line) or _FATAL.search(line):
            yield offset, line, None
    if open_ is not None:
        yield open_.offset, _TRACEBACK, open_.where


class _Traceback:
    """A traceback whose exception has not come yet; all of its lines begin with ``prefix``."""

    def __init__(self, offset: int, prefix: bytes) -> None:
        self.offset = offset
        self.where: str | None = None
        self.lines = 0
        self._prefix = prefix
        self._indented = False

    def named(self, line: bytes) -> bytes | None:
        """Return the line that names the exception, without the prefix; None while it is another one."""
        self.lines += 1
        if not line.startswith(self._prefix):
            return None
        body = line[len(self._prefix) :]
        if frame := _FRAME.match(body):
            self.where = f"{frame[1].decode('utf-8', 'replace')}:{int(frame[2])}"
        was_indented, self._indented = self._indented, body[:1] in (b" ", b"\t")
        if _EXCEPTION.match(body) or (was_indented and not self._indented and _NAMED.match(body)):
            return body
        return None
