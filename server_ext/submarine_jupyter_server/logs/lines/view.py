"""Show bytes as lines a person may see.

Lines end at ``\\n`` alone, a byte that is part of no other UTF-8 character, so every line can be shown by
itself and the result does not depend on how the bytes arrived. In a line only what follows the last ``\\r``
is shown (progress bars), colours are kept (ECMA-48 SGR: ``ESC [ ... m``), every other control character and
sequence is dropped: links, clipboard and titles (OSC), device strings, cursor moves, C1.
"""

from __future__ import annotations

import codecs
import json
import re

LINE_BYTES = 64 * 1024

_CSI = r"[0-?]*+[ -/]*+[@-~]?+"
# A string (OSC, DCS, PM, APC, SOS) goes on to BEL or ST; where neither comes, to the end of the line.
_STRING = r"[^\x07\x18\x1a\x1b\x9c]*+(?:\x07|\x1b\\|\x9c)?+"
# Begins with a set of characters: what has none of them, which is most of any log, is passed over fast.
_CONTROLS = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f](?:"
    rf"(?<=\x1b)(?:\[{_CSI}|[\]PX^_]{_STRING}|[ -/]*+[0-~]?+)"
    rf"|(?<=\x9b){_CSI}|(?<=[\x90\x98\x9d-\x9f]){_STRING})?+"
)
_C0 = bytes(code for code in (*range(32), 127) if code not in b"\t\n")
_C1 = re.compile(rb"\xc2[\x80-\x9f]")
_COLOUR = re.compile(r"\x1b\[[0-9;:]{0,64}m")


def shown(line: bytes) -> str:
    """Return one line, without its newline, as a person sees it."""
    segment = line.rstrip(b"\r")
    return _text(segment[segment.rfind(b"\r") + 1 :], 0)


class LineView:
    """The lines of bytes that arrive in pieces; holds at most one piece and ``LINE_BYTES``."""

    def __init__(self) -> None:
        self._segment = bytearray()
        self._cut = 0
        self._return = False

    def feed(self, data: bytes) -> list[str]:
        """Take the next bytes and return the lines that they complete."""
        stop = data.rfind(b"\n") + 1
        if stop == 0:
            self._extend(data)
            return []
        first, _, rest = data[:stop].partition(b"\n")
        self._extend(first)
        lines = [self.rest(), *_lines(rest)]
        self._clear()
        self._extend(data[stop:])
        return lines

    def rest(self) -> str:
        """Return the unfinished last line as it looks now, empty when there is none."""
        return _text(bytes(self._segment), self._cut)

    def _clear(self) -> None:
        self._segment.clear()
        self._cut = 0
        self._return = False

    def _extend(self, data: bytes) -> None:
        """Add bytes without a newline to the unfinished line."""
        if not data:
            return
        body = data.rstrip(b"\r")
        if body:
            after = body.rfind(b"\r") + 1
            if after or self._return:
                self._clear()
            room = LINE_BYTES - len(self._segment)
            self._segment += body[after : after + room]
            self._cut += max(len(body) - after - room, 0)
        # What follows decides whether a return at the end starts the line again or belongs to the newline.
        self._return = len(body) < len(data)


def lines_json(lines: list[str]) -> str:
    """Return lines that are shown as JSON; empty where there are none."""
    if not lines:
        return ""
    # Most have nothing that JSON writes differently: to find that out takes a third of the time that ``dumps`` takes.
    text = '", "'.join(lines)
    if text.isascii() and text.count('"') == 2 * len(lines) - 2 and not any(sign in text for sign in "\\\t\x1b"):
        return f'["{text}"]'
    return json.dumps(lines)


def _lines(data: bytes) -> list[str]:
    """Return the lines of bytes that are empty or end with a newline."""
    if not data:
        return []
    if _plain(data):
        return data.decode("utf-8", "replace").split("\n")[:-1]
    return [shown(line) for line in data.split(b"\n")[:-1]]


def _plain(data: bytes) -> bool:
    """Return whether lines are shown as they are: without control characters, and none too long."""
    if len(data.translate(None, _C0)) < len(data) or not (data.isascii() or _C1.search(data) is None):
        return False
    start = 0
    while len(data) - start > LINE_BYTES + 1:
        end = data.rfind(b"\n", start, start + LINE_BYTES + 1)
        if end < 0:
            return False
        start = end + 1
    return True


def _text(segment: bytes, cut: int) -> str:
    """Return what is shown of a segment of which ``cut`` more bytes were left out already."""
    cut += max(len(segment) - LINE_BYTES, 0)
    if not cut:
        return _CONTROLS.sub(_colour_only, segment.decode("utf-8", "replace"))
    # Without final=True a character that the cut went through is left out, not shown as a wrong one.
    head = codecs.getincrementaldecoder("utf-8")("replace").decode(segment[:LINE_BYTES])
    return f"{_CONTROLS.sub(_colour_only, head)} … [{cut} more bytes in this line]"


def _colour_only(match: re.Match[str]) -> str:
    found = match[0]
    return found if _COLOUR.fullmatch(found) else ""
