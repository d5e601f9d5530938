"""HTTP to one Submarine server: the token, retries, and errors of the one tree."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import httpx

from submarine_jupyter import errors

API = "api/v1/"
# How long a request that may be repeated is tried again (s), and how long one answer may take.
PATIENCE_S = 10.0
TIMEOUT_S = 30.0
_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 3.0
_PASSING = (502, 503, 504)
_BY_STATUS: dict[int, type[errors.SubmarineError]] = {
    kind.status: kind
    for kind in (
        errors.InvalidRequest,
        errors.Forbidden,
        errors.NotFound,
        errors.Conflict,
        errors.TooLarge,
        errors.UnsupportedMedia,
        errors.RangeNotSatisfiable,
        errors.IdempotencyMismatch,
        errors.TooManyRequests,
        errors.Unavailable,
        errors.StorageFull,
    )
}


def on_this_machine(url: str) -> bool:
    """Tell whether a URL leads to the machine this runs on, by its host: ``localhost`` or a loopback address."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


class Pauses:
    """Growing pauses with full jitter, until ``patience`` seconds are over."""

    def __init__(self, patience: float) -> None:
        self._end = time.monotonic() + patience
        self._next = _FIRST_PAUSE_S

    def wait(self, at_least: float = 0.0) -> bool:
        """Sleep; return False at once when there is no time left for another try."""
        pause = max(random.uniform(0, self._next), at_least)  # noqa: S311 - no secret
        self._next = min(self._next * 2, _LONGEST_PAUSE_S)
        if time.monotonic() + pause > self._end:
            return False
        time.sleep(pause)
        return True


class Transport:
    """Requests to one server; its token goes there and nowhere else."""

    def __init__(self, url: str, token: str | None) -> None:
        self.url = url.rstrip("/") + "/"
        local = on_this_machine(self.url)
        self._http = httpx.Client(
            base_url=self.url + API,
            headers={"Authorization": f"token {token}"} if token else {},
            timeout=httpx.Timeout(TIMEOUT_S, connect=5.0),
            follow_redirects=False,
            # A proxy has no business between two processes of one machine, and would see the token. The
            # certificate of a loopback server is as a rule its own; nobody else can stand in between.
            trust_env=not local,
            verify=not local,
        )

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        repeatable: bool | None = None,
        patience: float = PATIENCE_S,
    ) -> Any:
        """Return the ``result`` of the answer.

        What may be repeated (None: GET) is, after a lost connection or a 502, 503 or 504. Raises a SubmarineError
        with the server's own words, or ServerNotFound when nothing answers.
        """
        repeatable = method == "GET" if repeatable is None else repeatable
        request = self.build(method, path, params=params, body=body, headers=headers)
        pauses = Pauses(patience)
        while True:
            try:
                answer = self._http.send(request)
            except httpx.TransportError as error:
                # What never connected was never executed.
                if not (repeatable or isinstance(error, httpx.ConnectError)) or not pauses.wait():
                    raise self.lost(error) from None
                continue
            if answer.status_code in _PASSING and repeatable and pauses.wait(_retry_after(answer)):
                continue
            return self.result(answer)

    def build(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Request:
        """Return the request for a path below ``api/v1/``; parameters that are None are left out."""
        content = None if body is None else json.dumps(body).encode()
        known = {} if content is None else {"Content-Type": "application/json"}
        query = {name: value for name, value in (params or {}).items() if value is not None}
        return self._http.build_request(
            method, path, params=query, content=content, headers={**known, **(headers or {})}
        )

    def open(self, request: httpx.Request) -> httpx.Response:
        """Return an answer whose body is still to be read; raises httpx.TransportError as it comes."""
        return self._http.send(request, stream=True)

    def result(self, answer: httpx.Response) -> Any:
        """Return the result in an envelope, or raise the error it tells of."""
        envelope = _envelope(answer)
        if answer.status_code == 200 and envelope and "result" in envelope:
            return envelope["result"]
        raise self._error(answer, envelope)

    def lost(self, error: httpx.TransportError) -> errors.ServerNotFound:
        """Return the error for a server that does not answer."""
        return errors.ServerNotFound(
            f"No answer from the server at {self.url}: {str(error) or type(error).__name__}.",
            hint="If it was restarted, '%submarine connect' finds it again; experiments go on without it.",
        )

    def _error(self, answer: httpx.Response, envelope: dict[str, Any] | None) -> errors.SubmarineError:
        code = answer.status_code
        if envelope is None and (code == 404 or code < 400):
            return errors.ServerNotFound(
                f"The server at {self.url} has no Submarine extension (HTTP {code}).",
                hint="Install it where that server runs (pip install submarine_jupyter), check it with "
                "'jupyter server extension list', and restart the server.",
            )
        if code in (401, 403) and (envelope is None or "uthenticat" in str(envelope.get("message"))):
            return errors.Forbidden(
                f"The server at {self.url} does not accept the token.",
                hint="Give the right one: %submarine connect URL --token TOKEN, or SUBMARINE_TOKEN.",
            )
        attributes = (envelope or {}).get("attributes") or {}
        hint = attributes.get("hint") if isinstance(attributes, dict) else None
        message = str((envelope or {}).get("message") or f"The server answered HTTP {code} {answer.reason_phrase}.")
        kind = _BY_STATUS.get(code)
        return kind(message, hint=hint) if kind else errors.ServerError(message, code=code, hint=hint)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()


def _envelope(answer: httpx.Response) -> dict[str, Any] | None:
    """Return the envelope of our REST API; None for any other answer, as of a proxy or of Jupyter itself."""
    try:
        found = answer.json()
    except ValueError:
        return None
    return found if isinstance(found, dict) and "success" in found else None


def _retry_after(answer: httpx.Response) -> float:
    seconds = answer.headers.get("Retry-After", "")
    return float(seconds) if seconds.isascii() and seconds.isdigit() and len(seconds) < 4 else 0.0
