"""Files that travel in ``code.files`` of a spec: name -> text; one that is no text is a ``data:`` URL (RFC 2397).

So any JSON or YAML can carry it, and nothing has to be unpacked where it arrives.
"""

from __future__ import annotations

import base64
import binascii

MOST_BYTES = 512 * 1024  # all files of an experiment together
MOST_FILES = 500
BINARY = "data:application/octet-stream;base64,"


def encoded(content: bytes) -> str:
    """Return the text that a file is sent as."""
    try:
        text = content.decode()
    except UnicodeDecodeError:
        text = None
    if text is None or "\0" in text or text.startswith(BINARY):
        return BINARY + base64.b64encode(content).decode()
    return text


def decoded(text: str) -> bytes:
    """Return the content of a file. Raises ValueError where it says that it is base64 and is not."""
    if not text.startswith(BINARY):
        return text.encode("utf-8", "surrogateescape")
    try:
        return base64.b64decode(text.removeprefix(BINARY), validate=True)
    except binascii.Error as error:
        raise ValueError(f"is not base64 after '{BINARY}': {error}") from None


def is_binary(text: str) -> bool:
    """Return whether a file is sent as base64."""
    return text.startswith(BINARY)
