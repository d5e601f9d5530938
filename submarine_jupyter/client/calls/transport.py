"""HTTP to one Submarine server: the token, retries, and errors of the one tree."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx

from submarine_jupyter import errors
from submarine_jupyter.backoff import Backoff
from submarine_jupyter.client.calls.proxies import on_this_machine, proxy_of

API = "api/v1/"
# How long a request that may be repeated is tried again (s), and how long one answer may take.
PATIENCE_S = 10.0
TIMEOUT_S = 30.0
CONNECT_S = 5.0
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


class Answer(NamedTuple):
    """What an envelope holds: the ``result``, and ``attributes`` beside it."""

    result: Any
    attributes: dict[str, Any]


class Pauses:
    """Growing pauses, until ``patience`` seconds are over."""

    def __init__(self, patience: float) -> None:
        self._end = time.monotonic() + patience
        self._backoff = Backoff(_FIRST_PAUSE_S, _LONGEST_PAUSE_S)

    def wait(self, at_least: float = 0.0, at_most: float = math.inf) -> bool:
        """Sleep; return False at once when there is no time left for another try."""
        pause = min(max(self._backoff.failed(), at_least), at_most)
        if time.monotonic() + pause > self._end:
            return False
        time.sleep(pause)
        return True


class Transport:
    """Requests to one server; its token goes there and nowhere else."""

    def __init__(self, url: str, token: str | None) -> None:
        self.url = url.rstrip("/") + "/"
        self._token = _usable(token)
        self._http = _http(self.url, self._token)

    def ask(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        repeatable: bool | None = None,
        patience: float = PATIENCE_S,
    ) -> Answer:
        """Send a request and return what the server answers.

        What may be repeated (None: GET) is, after a lost connection or a 502, 503 or 504. Raises a SubmarineError
        with the server's own words, or ServerNotFound when nothing answers.
        """
        repeatable = method == "GET" if repeatable is None else repeatable
        request = self.build(method, path, params=params, body=body, headers=headers)
        return self.result(self._sent(request, repeatable=repeatable, patience=patience))

    def read_end(self, path: str, params: Mapping[str, Any], size: int) -> bytes:
        """Return the last ``size`` bytes of what is at ``path`` (RFC 9110, 14.2), none where there are none yet."""
        request = self.build("GET", path, params=params, headers={"Range": f"bytes=-{size}"})
        answer = self._sent(request, repeatable=True, patience=PATIENCE_S)
        if answer.status_code in (200, 206) and "json" not in answer.headers.get("Content-Type", ""):
            return answer.content
        if answer.status_code != errors.RangeNotSatisfiable.status:
            self.result(answer)
        return b""

    def _sent(self, request: httpx.Request, *, repeatable: bool, patience: float) -> httpx.Response:
        pauses = Pauses(patience)
        while True:
            try:
                answer = self._http.send(request)
            except httpx.RequestError as error:
                # What never connected was never executed.
                if not (repeatable or isinstance(error, httpx.ConnectError)) or not pauses.wait():
                    raise self.lost(error) from None
                continue
            if answer.status_code in _PASSING and repeatable and pauses.wait(retry_after(answer)):
                continue
            return answer

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
        content = None if body is None else _json(body)
        known = {} if content is None else {"Content-Type": "application/json"}
        query = {name: value for name, value in (params or {}).items() if value is not None}
        return self._http.build_request(
            method, path, params=query, content=content, headers={**known, **(headers or {})}
        )

    def open(self, request: httpx.Request) -> httpx.Response:
        """Return an answer whose body is still to be read; raises httpx.RequestError as it comes."""
        return self._http.send(request, stream=True)

    def result(self, answer: httpx.Response) -> Answer:
        """Return what is in an envelope, or raise the error it holds."""
        envelope = _envelope(answer)
        if answer.status_code == 200 and envelope and "result" in envelope:
            return Answer(envelope["result"], envelope.get("attributes") or {})
        raise self._error(answer, envelope)

    def lost(self, error: httpx.RequestError) -> errors.ServerNotFound:
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
        attributes = (envelope or {}).get("attributes")
        attributes = attributes if isinstance(attributes, dict) else {}
        kind = _kind(code, attributes.get("error"))
        if kind is errors.AuthenticationRequired or (envelope is None and code in (401, 403)):
            what = "does not accept the token" if self._token else "wants a token"
            return errors.AuthenticationRequired(
                f"The server at {self.url} {what}.",
                hint="Give a valid token: %submarine connect URL --token TOKEN, or SUBMARINE_TOKEN.",
            )
        message = str((envelope or {}).get("message") or f"The server answered HTTP {code} {answer.reason_phrase}.")
        hint = attributes.get("hint")
        if kind is errors.NotFound and hint is None:
            hint = "The experiment may have been deleted. %submarine list shows those that exist."
        return kind(message, hint=hint) if kind else errors.ServerError(message, code=code, hint=hint)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()


def _kind(status: int, name: object) -> type[errors.SubmarineError] | None:
    """Return the class of an error by the name the server gives it, else by its HTTP status."""
    named = getattr(errors, name, None) if isinstance(name, str) else None
    if isinstance(named, type) and issubclass(named, _BY_STATUS.get(status, errors.KernelError)):
        return named
    return _BY_STATUS.get(status)


def _http(url: str, token: str) -> httpx.Client:
    local = on_this_machine(url)
    proxy = proxy_of(url)
    try:
        for address in (url, proxy) if proxy else (url,):
            parts = urlsplit(address)
            # Found out here: below the HTTP client these are errors of their own kinds.
            if not parts.hostname or not parts.hostname.encode("idna") or parts.port == 0:
                raise ValueError("it names no host")
        return httpx.Client(
            base_url=url + API,
            headers={"Authorization": f"token {token}"} if token else {},
            timeout=httpx.Timeout(TIMEOUT_S, connect=CONNECT_S),
            follow_redirects=False,
            # What the environment says was read already, in its every spelling.
            trust_env=False,
            proxy=proxy,
            # The certificate of a loopback server is as a rule its own; nobody else can stand in between.
            verify=False if local or not url.startswith("https:") else httpx.create_ssl_context(trust_env=True),
        )
    except (ImportError, ValueError, httpx.InvalidURL) as error:
        raise _no_way(url, proxy, error) from None
    except OSError as error:  # ssl.SSLError is one
        raise errors.ServerNotFound(
            f"The certificates for {url} cannot be read: {error.strerror or error}.",
            hint="Check SSL_CERT_FILE and SSL_CERT_DIR, which say where they are.",
        ) from None


def _no_way(url: str, proxy: str | None, error: Exception) -> errors.ServerNotFound:
    host = urlsplit(url).hostname
    if proxy is None:
        return errors.ServerNotFound(f"{url} is not the address of a server: {error}.")
    what = "needs the package socksio" if isinstance(error, ImportError) else "cannot be used"
    shown = proxy.rpartition("@")[2] if "@" in proxy else proxy.rpartition("//")[2]
    return errors.ServerNotFound(
        f"The proxy {shown[:80]!r} for {url}, from the environment, {what}.",
        hint=f"Correct the proxy, or add {host} to no_proxy: export no_proxy={host}"
        + (" (or: pip install 'httpx[socks]')" if isinstance(error, ImportError) else ""),
    )


def _usable(token: str | None) -> str:
    """Return a token without the line end of the file it comes from. Raises Forbidden for what no header can hold."""
    found = (token or "").strip()
    if not all("!" <= char <= "~" for char in found):
        raise errors.Forbidden(
            (
                "The token contains characters that a token cannot have: blanks, control "
                "characters, or letters beyond ASCII."
            ),
            hint="Copy the token again; 'jupyter server list' shows the tokens of this user's servers.",
        )
    return found


def _json(body: object) -> bytes:
    try:
        return json.dumps(body).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise errors.InvalidRequest(
            f"The experiment cannot be written as JSON: {error}.",
            hint="Use text, numbers, true, false, None, lists, and dictionaries with text as names.",
        ) from None


def _envelope(answer: httpx.Response) -> dict[str, Any] | None:
    """Return the envelope of our REST API; None for any other answer, as of a proxy or of Jupyter itself."""
    try:
        found = answer.json()
    except ValueError:
        return None
    return found if isinstance(found, dict) and "success" in found else None


def retry_after(answer: httpx.Response) -> float:
    """Return for how many seconds a server wants to be left alone (RFC 9110, 10.2.3; no dates)."""
    seconds = answer.headers.get("Retry-After", "")
    return float(seconds) if seconds.isascii() and seconds.isdigit() and len(seconds) < 4 else 0.0
