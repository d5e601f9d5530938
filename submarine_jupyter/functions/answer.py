"""What a call has printed in the log of the replica that leads: the value, or what was raised, and the signature."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import pickle
import re
import zlib
from dataclasses import dataclass
from typing import Any

from submarine_jupyter.spec.vocabulary import VALUE_MARK

# More than the largest value takes, with what may be printed after it.
READ_BYTES = 1024 * 1024
_LINE = re.compile(rb"%b(\d{1,6}|end) (\S*)\r?$" % VALUE_MARK.encode(), re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Answer:
    """``kind`` says what ``content`` is: ``value``, ``error``, ``unsendable`` (why) or ``large`` (its bytes)."""

    kind: str
    content: Any


def read(log: bytes, key: bytes, experiment_id: str) -> Answer | None:
    """Return the last answer in a log that ``key`` signs for this experiment; None if there is none.

    Nothing else is unpickled: a log is what anybody could have written.
    """
    signed, parts = None, list[bytes]()
    for number, data in _LINE.findall(log):
        if number == b"end":
            packed = _decoded(b"".join(parts))
            if packed is not None and hmac.compare_digest(_signature(key, experiment_id, packed), data):
                signed = packed
            parts = []
        else:
            parts = [*parts, data] if int(number) == len(parts) else [data] if int(number) == 0 else []
    if signed is None:
        return None
    return Answer(*pickle.loads(zlib.decompress(signed)))  # noqa: S301 - signed by a key that only this user has


def _signature(key: bytes, experiment_id: str, packed: bytes) -> bytes:
    return hmac.new(key, experiment_id.encode() + b"\n" + packed, hashlib.sha256).hexdigest().encode()


def _decoded(text: bytes) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return None
