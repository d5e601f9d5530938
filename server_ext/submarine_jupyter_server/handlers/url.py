"""What the URL and the headers say: parameters by name, ids, keys."""

from __future__ import annotations

import re
from collections.abc import Mapping

from submarine_jupyter.errors import InvalidRequest, NotFound
from submarine_jupyter.spec.experiment_ids import is_id
from submarine_jupyter_server.wire.queries.parameters import one

Values = dict[str, list[str]]

# Of Jupyter's own: who calls, whether it counts as activity, and the number JupyterLab adds against caches.
_NOT_OURS = re.compile(r"token|_xsrf|no_track_activity|[0-9]+")
_KEY = re.compile(r"[!-~]{1,255}")


def decode(arguments: Mapping[str, list[bytes]]) -> Values:
    """Return the parameters as text. Raises InvalidRequest for bytes that are not UTF-8, and for a NUL."""
    try:
        decoded = {
            name: [value.decode() for value in values]
            for name, values in arguments.items()
            if not _NOT_OURS.fullmatch(name)
        }
    except UnicodeDecodeError:
        raise InvalidRequest("A parameter of the URL is not UTF-8.") from None
    for name, found in decoded.items():
        if any("\0" in value for value in found):
            raise InvalidRequest(f"{name[:80]!r} must not contain a NUL character.")
    return decoded


def take(values: Values, name: str) -> str | None:
    """Take one parameter out; None if it is absent or empty. Raises InvalidRequest if it is given twice."""
    found = one(values, name)
    values.pop(name, None)
    return found


def flag(values: Values, name: str) -> bool:
    """Take a parameter out that is true, false or absent."""
    return choice(values, name, "true", "false") == "true"


def choice(values: Values, name: str, *choices: str) -> str | None:
    """Take a parameter out that is one of ``choices``, or absent."""
    text = take(values, name)
    if text is not None and text not in choices:
        raise InvalidRequest(f"{name!r} must be {' or '.join(choices)}, not {text[:80]!r}.")
    return text


def experiment_id(text: str) -> str:
    """Return ``text`` if it can be an id: nothing else of a URL gets any further. Raises NotFound."""
    if not is_id(text):
        raise NotFound("Not found experiment.")
    return text


def idempotency_key(text: str | None) -> str | None:
    """Return the header Idempotency-Key: 1 to 255 visible ASCII characters. Raises InvalidRequest."""
    if text is not None and not _KEY.fullmatch(text):
        raise InvalidRequest("Idempotency-Key must be 1 to 255 visible ASCII characters.")
    return text


def if_match(text: str | None) -> str | None:
    """Return the header If-Match: the generation in quotes, or a star. Raises InvalidRequest."""
    if text is not None and not re.fullmatch(r'\*|"[0-9]{1,18}"', text):
        raise InvalidRequest(
            "If-Match must be the generation in double quotes.",
            hint='detail.generation of ?view=full, as "3".',
        )
    return text
