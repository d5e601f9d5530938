"""Signatures of texts with the server's key: HMAC-SHA256 (RFC 2104)."""

from __future__ import annotations

import hmac
from itertools import chain

from submarine_jupyter_server.targets.protocol import Launch


def sign(key: bytes, *parts: str) -> str:
    """Return the signature of a list of texts; what it is for comes first, so that none can stand for another."""
    # Each part has its length before it: no two lists of parts are one message. `surrogatepass`: any text has bytes.
    texts = [part.encode("utf-8", "surrogatepass") for part in parts]
    message = b"".join(chain.from_iterable((len(text).to_bytes(8, "big"), text) for text in texts))
    return hmac.digest(key, message, "sha256").hex()


def mark(key: bytes, launch: Launch) -> str:
    """Return 8 digits for the names of what belongs to an attempt: nobody can take a name before it is made."""
    return sign(key, "mark", launch.experiment_id, launch.uid, str(launch.attempt))[:8]
