"""How a body comes in: bounded while it arrives, its type checked, read strictly and off the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from email.message import Message

from submarine_jupyter.errors import InvalidRequest, TooLarge, UnsupportedMedia
from submarine_jupyter.spec.parsing import Unreadable, parse_json, parse_yaml

MAX_BYTES = 1024 * 1024
INLINE_BYTES = 16 * 1024
MERGE_PATCH = "application/merge-patch+json"  # RFC 7396
READERS: Mapping[str, Callable[[bytes], object]] = {
    "application/json": parse_json,
    "application/yaml": parse_yaml,  # RFC 9512
    "text/yaml": parse_yaml,
    "application/x-yaml": parse_yaml,
}


class Body:
    """Collect the body of one request; at most 1 MiB of it is kept."""

    def __init__(self) -> None:
        self._chunks: list[bytes] = []
        self._size = 0

    def declared(self, size: str | None) -> None:
        """Refuse by the Content-Length, before anything was read. Raises TooLarge."""
        if size is not None and size.isdecimal() and int(size[:20]) > MAX_BYTES:
            raise _too_large()

    def received(self, chunk: bytes) -> None:
        """Keep a chunk, or drop it when there are too many already: what is too large is not an error yet."""
        self._size += len(chunk)
        if self._size > MAX_BYTES:
            self._chunks.clear()
        else:
            self._chunks.append(chunk)

    def close(self) -> None:
        """Keep nothing any more: whatever still comes is only taken off the wire."""
        self._size = MAX_BYTES + 1
        self._chunks.clear()

    async def read(
        self, headers: Mapping[str, str], *, merge_patch: bool = False, what: str = "spec"
    ) -> dict[str, object]:
        """Return the object in the body, which is the spec of an experiment, or ``what`` else.

        Raises TooLarge, UnsupportedMedia, or InvalidRequest ("Invalid experiment spec." and where).
        """
        if self._size > MAX_BYTES:
            raise _too_large()
        reader = _reader(headers, merge_patch=merge_patch)
        body = b"".join(self._chunks)
        if not body.strip():
            raise _invalid("The body is empty.", what)
        try:
            value = reader(body) if len(body) <= INLINE_BYTES else await asyncio.to_thread(reader, body)
        except Unreadable as error:
            raise _invalid(error.message, what) from None
        if not isinstance(value, dict):
            raise _invalid("The body is not an object of names and values.", what)
        return value


def media_type(headers: Mapping[str, str]) -> str:
    """Return the media type of the body in lower case, without its parameters."""
    return headers.get("Content-Type", "").partition(";")[0].strip().lower()


def _reader(headers: Mapping[str, str], *, merge_patch: bool) -> Callable[[bytes], object]:
    kind = media_type(headers)
    readers = {**READERS, MERGE_PATCH: parse_json} if merge_patch else READERS
    if kind not in readers:
        raise UnsupportedMedia(
            f"The content type {kind[:200]!r} is not supported." if kind else "The body has no content type.",
            hint=f"Send one of {', '.join(readers)} in the header Content-Type.",
        )
    if _charset(headers.get("Content-Type", "")) != "utf-8":
        raise UnsupportedMedia("A body must be UTF-8.", hint="Leave the charset out, or set it to utf-8.")
    if headers.get("Content-Encoding", "identity").lower() != "identity":
        raise UnsupportedMedia("Compressed bodies are not supported.", hint="Send it without Content-Encoding.")
    return readers[kind]


def _charset(content_type: str) -> str:
    if ";" not in content_type:
        return "utf-8"
    header = Message()
    header["Content-Type"] = content_type
    return header.get_content_charset() or "utf-8"


def _too_large() -> TooLarge:
    return TooLarge(
        f"The body is larger than {MAX_BYTES // 1024} KiB.",
        hint="Leave data and long scripts out of the experiment: give a git repository, or a path.",
    )


def _invalid(where: str, what: str) -> InvalidRequest:
    return InvalidRequest(f"Invalid experiment {what}. {where}", hint="Send a JSON object, or YAML.")
