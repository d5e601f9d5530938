"""What every handler is made of: who may call it, how answers and errors go out.

Nothing here is opened by forgetting something. ``prepare`` refuses before any verb runs, because Jupyter
Server serves an undecorated handler to anybody (``allow_unauthenticated_access`` is True by default), and its
bare ``@authorized`` keeps the resource of the first caller for all others.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import urlencode

from jupyter_core.utils import ensure_async
from jupyter_server.auth.decorator import allow_unauthenticated
from jupyter_server.base.handlers import APIHandler
from jupyter_server.extension.handler import ExtensionHandlerMixin
from tornado.concurrent import future_set_result_unless_cancelled
from tornado.http1connection import HTTP1Connection
from tornado.web import HTTPError, RequestHandler, authenticated, stream_request_body

from submarine_jupyter.errors import Forbidden, Insecure, NotFound, SubmarineError, XsrfTokenRequired
from submarine_jupyter_server.handlers import envelope
from submarine_jupyter_server.handlers.authentication import is_nameless
from submarine_jupyter_server.handlers.body import Body
from submarine_jupyter_server.handlers.sse import Message, Streams
from submarine_jupyter_server.handlers.url import Values, decode
from submarine_jupyter_server.services.principal import Principal
from submarine_jupyter_server.wire.parameters import only

if TYPE_CHECKING:
    from submarine_jupyter_server.handlers.authentication import TrustedProxy
    from submarine_jupyter_server.startup import Opening
    from submarine_jupyter_server.wiring import Service

Value = TypeVar("Value")
RESOURCE = "submarine"
ACTIONS = {"GET": "read", "POST": "write", "PUT": "write", "PATCH": "write", "DELETE": "write"}
BODY_SECONDS = 60.0
DRAIN_SECONDS = 5.0
DRAIN_BYTES = 64 * 1024 * 1024
RETRY_SECONDS = 5
MAKING_AT_ONCE = 2


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
    separate: bool = False
    making: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MAKING_AT_ONCE))


@stream_request_body
class SubmarineHandler(ExtensionHandlerMixin, APIHandler):
    """Base of all our handlers: a verb runs only for a caller who was let in."""

    _error_id = ""

    def initialize(self, name: str, **kwargs: Any) -> None:
        """Begin with an empty body."""
        super().initialize(name, **kwargs)
        self.incoming = Body()
        self._leave: Callable[[], object] | None = None
        self._named: str | None = None

    @property
    def surroundings(self) -> Surroundings:
        """What all handlers of this server share."""
        return cast(Surroundings, self.settings["submarine_surroundings"])

    async def service(self) -> Service:
        """Return the service once it is open. Raises Unavailable."""
        return await self.surroundings.opening.service()

    # Who may call

    async def prepare(self) -> None:  # type: ignore[override]
        """Let the caller in, or raise."""
        try:
            await self._admit()
        except (HTTPError, SubmarineError):
            await self._drain()
            raise

    async def _admit(self) -> None:
        method = self.request.method or ""
        action = ACTIONS.get(method, "")
        if action == "write":
            self._refuse_unsafe_write()
        if self.surroundings.proxy is not None and method != "OPTIONS":
            self._named = self.surroundings.proxy.user(self.request.headers)
        await super().prepare()  # who is it; Host, Origin and XSRF checks
        if method == "OPTIONS" and (self.allow_origin or self.allow_origin_pat):
            return  # a preflight never carries credentials, and tells only what this server allows
        if self.current_user is None:
            raise HTTPError(403)
        # A probe of tornado's own: which verbs a class has is not public.
        if not action or getattr(type(self), method.lower()) is RequestHandler._unimplemented_method:
            raise HTTPError(405)
        allowed = await ensure_async(self.authorizer.is_authorized(self, self.current_user, action, RESOURCE))
        if not allowed:
            raise Forbidden(f"You are not authorized to {action} experiments on this server.")
        self.incoming.declared(self.request.headers.get("Content-Length"))
        cast(HTTP1Connection, self.request.connection).set_body_timeout(BODY_SECONDS)

    def _refuse_unsafe_write(self) -> None:
        if self.surroundings.insecure is not None:
            reason, hint = self.surroundings.insecure
            raise Insecure(f"Experiments cannot be run or changed here: {reason}", hint=hint)
        if "token" in self.request.query_arguments:
            raise Forbidden(
                "A token in the URL is good for reading only: URLs end up in logs and histories.",
                hint="Send it in the header 'Authorization: token ...'.",
            )

    def check_xsrf_cookie(self) -> None:
        """Want no cookie of who can be no page of another site; Jupyter itself wants none where it has a token."""
        proxy = self.surroundings.proxy
        if proxy is not None and (self._named is None or proxy.is_same_site(self.request.headers)):
            return
        try:
            super().check_xsrf_cookie()
        except HTTPError as error:
            if error.status_code != 403 or getattr(self, "_jupyter_current_user", None) is None:
                raise
            raise XsrfTokenRequired(
                (error.log_message or "The XSRF token is missing.") % error.args,
                hint="Send the value of the cookie _xsrf in the header X-XSRFToken, or authenticate with a token.",
            ) from None

    async def _drain(self) -> None:
        """Take the rest of a refused body: closing a socket with unread bytes would lose the answer."""
        size = self.request.headers.get("Content-Length", "0")
        endless = not size.isdecimal() or int(size[:20]) > DRAIN_BYTES
        if endless or self._prepared_future is None or self.request.headers.get("Expect"):
            return
        self.incoming.close()
        future_set_result_unless_cancelled(self._prepared_future, None)
        await asyncio.wait({self.request._body_future}, timeout=DRAIN_SECONDS)

    def data_received(self, chunk: bytes) -> None:
        """Take a piece of the body."""
        self.incoming.received(chunk)

    @property
    def for_one(self) -> bool:
        """Whether this server is one person's: it does not tell its callers apart."""
        return self.surroundings.proxy is None and is_nameless(self.identity_provider)

    def principal(self) -> Principal:
        """Return the caller, by a stable name: for a token alone Jupyter invents another one each time."""
        name = self._named
        if name is None:
            nameless = is_nameless(self.identity_provider)
            name = self.surroundings.owner if nameless else str(self.current_user.username)
        return Principal(name, owns_all=not self.surroundings.separate)

    # What is asked for

    def filters(self) -> Values:
        """Return all parameters of the URL, for a part of the service that checks their names itself."""
        return decode(self.request.query_arguments)

    def query(self, *names: str) -> Values:
        """Return the parameters of the URL, of which only ``names`` are known. Raises InvalidRequest."""
        values = self.filters()
        only(values, *names)
        return values

    # What is answered

    def set_default_headers(self) -> None:
        """Answer JSON that no cache keeps, and that no other site may use."""
        super().set_default_headers()
        self.set_header("Content-Type", "application/json; charset=utf-8")
        self.set_header("Cache-Control", "no-store")
        self.set_header("Cross-Origin-Resource-Policy", "same-origin")

    async def made(self, text_of: Callable[[Value], str], value: Value) -> str:
        """Return the text of what a service returned, which may be large: it is made off the event loop."""
        async with self.surroundings.making:
            return await asyncio.to_thread(text_of, value)

    def answer(self, result: str, attributes: Mapping[str, object] | None = None) -> None:
        """Answer with ``result``, which is JSON text; attributes that are None are left out."""
        known = {name: value for name, value in (attributes or {}).items() if value is not None}
        if cursor := known.get("nextCursor"):
            following = urlencode({**self.filters(), "cursor": cursor}, doseq=True)
            self.set_header("Link", f'<{self.request.path}?{following}>; rel="next"')  # RFC 8288
        self.finish(envelope.success(result, known))

    async def while_there(self, work: Coroutine[Any, Any, Value]) -> Value | None:
        """Return what takes a while to find; None, and nobody goes on with it, once the client has gone away."""
        task = asyncio.create_task(work)
        self.on_disconnect(task.cancel)
        await asyncio.wait({task})
        return None if task.cancelled() else task.result()

    async def stream(self, messages: AsyncIterator[Message | None]) -> None:
        """Answer with server-sent events until they end."""
        self._track_activity = False
        await self.surroundings.streams.run(self, messages)

    def finish(self, *args: Any, **kwargs: Any) -> asyncio.Future[None]:
        """End the answer with the content type it has; the base class would say JSON."""
        kwargs.setdefault("set_content_type", self._headers.get("Content-Type", ""))
        return super().finish(*args, **kwargs)

    def compute_etag(self) -> None:
        """Hash no answers: an ETag here is a generation, given by the service."""

    def check_etag_header(self) -> bool:
        """Never answer 304: a status changes without a new generation."""
        return False

    @allow_unauthenticated
    def options(self, *args: Any, **kwargs: Any) -> None:
        """Answer a preflight, for the headers of this API too."""
        super().options()
        if "Access-Control-Allow-Headers" not in self.settings.get("headers", {}):
            core = str(self._headers["Access-Control-Allow-Headers"])
            self.set_header("Access-Control-Allow-Headers", f"{core}, idempotency-key, if-match, last-event-id, range")

    def on_disconnect(self, leave: Callable[[], object]) -> None:
        """Call ``leave`` when the client goes away before the answer is complete."""
        self._leave = leave

    def on_connection_close(self) -> None:
        """End what only the client was waiting for."""
        super().on_connection_close()
        if self._leave is not None:
            self._leave()

    # What went wrong

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
        """Return what to tell a person of an error, message and hint, and the word that tells a program the cause."""
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


class UnknownHandler(SubmarineHandler):
    """Whatever else is below ``api/v1``: an answer in the envelope, not a page."""

    @authenticated
    def _not_found(self) -> None:
        raise NotFound(f"There is no {self.request.method} {self.request.path[:200]} here.")

    get = post = put = patch = delete = _not_found
