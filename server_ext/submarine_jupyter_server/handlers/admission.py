"""Who is let in, at REST and at WebSocket handlers alike, what they share, and how errors go out.

Nothing is opened by forgetting something: ``prepare`` refuses before any verb runs, because Jupyter Server serves an
undecorated handler to anybody (``allow_unauthenticated_access`` is True by default), and its bare ``@authorized`` keeps
the resource of the first caller for all others.
"""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from jupyter_core.utils import ensure_async
from jupyter_server.base.handlers import JupyterHandler
from tornado.web import HTTPError, RequestHandler

from submarine_jupyter.errors import Forbidden, SubmarineError
from submarine_jupyter_server.handlers import envelope
from submarine_jupyter_server.handlers.authentication import is_nameless
from submarine_jupyter_server.handlers.streams.sockets import Sockets
from submarine_jupyter_server.handlers.streams.sse import Streams
from submarine_jupyter_server.services.principal import Principal

if TYPE_CHECKING:
    from submarine_jupyter_server.handlers.authentication import TrustedProxy
    from submarine_jupyter_server.opening.startup import Opening
    from submarine_jupyter_server.opening.wiring import Service

RESOURCE = "submarine"
ACTIONS = {"GET": "read", "POST": "write", "PUT": "write", "PATCH": "write", "DELETE": "write"}
MAKING_AT_ONCE = 2
RETRY_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the handlers share.

    ``owner`` is whose experiments these are where nobody logs in by name; ``insecure`` says why nothing may
    be run on this server, and what to do, if so; ``proxy`` is what authenticates instead of Jupyter. ``separate``:
    users see their own experiments only (`services.access`). ``making`` bounds how many texts are made at once: each
    thread that makes one competes with the event loop for the interpreter.
    """

    opening: Opening
    owner: str
    insecure: tuple[str, str] | None = None
    proxy: TrustedProxy | None = None
    streams: Streams = field(default_factory=Streams)
    sockets: Sockets = field(default_factory=Sockets)
    separate: bool = False
    making: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MAKING_AT_ONCE))


class Admission(JupyterHandler):
    """Lets a caller in. The classes behind it find out who that is, in their ``prepare``."""

    _error_id = ""
    _named: str | None = None

    @property
    def surroundings(self) -> Surroundings:
        """What all handlers of this server share."""
        return cast(Surroundings, self.settings["submarine_surroundings"])

    async def service(self) -> Service:
        """Return the service once it is open. Raises Unavailable."""
        return await self.surroundings.opening.service()

    async def admit(self, action: str) -> None:
        """Let the caller in who may ``action``, or raise HTTPError or Forbidden."""
        if self.current_user is None:
            raise HTTPError(403)
        # A probe of tornado's own: which verbs a class has is not public.
        method = (self.request.method or "").lower()
        if not action or getattr(type(self), method) is RequestHandler._unimplemented_method:
            raise HTTPError(405)
        if not await ensure_async(self.authorizer.is_authorized(self, self.current_user, action, RESOURCE)):
            raise Forbidden(f"You are not authorized to {action} experiments on this server.")

    @property
    def for_one(self) -> bool:
        """Whether this server is one person's: it does not distinguish its callers."""
        return self.surroundings.proxy is None and is_nameless(self.identity_provider)

    def principal(self) -> Principal:
        """Return the caller, by a stable name: for a token alone Jupyter invents another one each time."""
        name = self._named
        if name is None:
            nameless = is_nameless(self.identity_provider)
            name = self.surroundings.owner if nameless else str(self.current_user.username)
        return Principal(name, owns_all=not self.surroundings.separate)

    def set_default_headers(self) -> None:
        """Answer JSON that no cache keeps, and that no other site may use."""
        super().set_default_headers()
        self.set_header("Content-Type", "application/json; charset=utf-8")
        self.set_header("Cache-Control", "no-store")
        self.set_header("Cross-Origin-Resource-Policy", "same-origin")

    def log_exception(self, typ: Any, value: BaseException | None, tb: Any) -> None:
        """Log what nobody expected, under an id; never the URL's query or the headers, which carry tokens."""
        if isinstance(value, HTTPError | SubmarineError):
            return
        self._error_id = secrets.token_hex(4)
        where = (self._error_id, self.request.method, self.request.path)
        self.log.error("Error %s in %s %s", *where, exc_info=value)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer an error: the one place where errors become the envelope."""
        error = kwargs.get("exc_info", (None, None))[1]
        code = error.status if isinstance(error, SubmarineError) else status_code
        message, hint, cause = self.words(code, error)
        self.set_status(code)
        if getattr(self, "_jupyter_current_user", None) is not None:
            self.set_cors_headers()  # dropped with all others when an error began
        if code == 405:
            self.set_header("Allow", ", ".join(self._verbs()))
        if code in (429, 503):
            self.set_header("Retry-After", str(RETRY_SECONDS))
        self.finish(envelope.failure(code, message, hint, cause))

    def words(self, code: int, error: BaseException | None) -> tuple[str, str | None, str]:
        """Return what a person reads of an error, message and hint, and the word by which a program knows the cause."""
        if isinstance(error, SubmarineError):
            return error.message, error.hint, type(error).__name__
        if isinstance(error, HTTPError):
            known = getattr(self, "_jupyter_current_user", None) is not None
            return envelope.http_words(code, (error.log_message or "") % error.args, known=known)
        return (
            "The server failed.",
            f"Error {self._error_id} in the log of the Jupyter Server has the details.",
            "InternalError",
        )

    def _verbs(self) -> list[str]:
        missing = RequestHandler._unimplemented_method
        return [verb for verb in ACTIONS if getattr(type(self), verb.lower()) is not missing]
