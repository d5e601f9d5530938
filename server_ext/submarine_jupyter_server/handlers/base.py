"""What every REST handler is made of: when it may write, how bodies come in and answers go out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from typing import Any, TypeVar, cast
from urllib.parse import urlencode

from jupyter_server.auth.decorator import allow_unauthenticated
from jupyter_server.base.handlers import APIHandler
from jupyter_server.extension.handler import ExtensionHandlerMixin
from tornado.concurrent import future_set_result_unless_cancelled
from tornado.http1connection import HTTP1Connection
from tornado.web import HTTPError, authenticated, stream_request_body

from submarine_jupyter.errors import Forbidden, Insecure, NotFound, SubmarineError, XsrfTokenRequired
from submarine_jupyter_server.handlers import envelope
from submarine_jupyter_server.handlers.admission import ACTIONS, Admission
from submarine_jupyter_server.handlers.body import Body
from submarine_jupyter_server.handlers.streams.sse import Message
from submarine_jupyter_server.handlers.url import Values, decode
from submarine_jupyter_server.wire.queries.parameters import only

Value = TypeVar("Value")
BODY_SECONDS = 60.0
DRAIN_SECONDS = 5.0
DRAIN_BYTES = 64 * 1024 * 1024


@stream_request_body
class SubmarineHandler(Admission, ExtensionHandlerMixin, APIHandler):
    """Base of all our REST handlers: a verb runs only for a caller who was let in."""

    def initialize(self, name: str, **kwargs: Any) -> None:
        """Begin with an empty body."""
        super().initialize(name, **kwargs)
        self.incoming = Body()
        self._leave: Callable[[], object] | None = None

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
        await self.admit(action)
        self.incoming.declared(self.request.headers.get("Content-Length"))
        cast(HTTP1Connection, self.request.connection).set_body_timeout(BODY_SECONDS)

    def _refuse_unsafe_write(self) -> None:
        if self.surroundings.insecure is not None:
            reason, hint = self.surroundings.insecure
            raise Insecure(f"This server neither runs nor changes experiments: {reason}", hint=hint)
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

    def set_secure_cookie(self, name: str, value: str | bytes, *args: Any, **kwargs: Any) -> None:
        """Open no session for who sends its token in a header: to sign one takes as long as to let the caller in."""
        if "Authorization" not in self.request.headers:
            super().set_secure_cookie(name, value, *args, **kwargs)

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


class UnknownHandler(SubmarineHandler):
    """Whatever else is below ``api/v1``: an answer in the envelope, not a page."""

    @authenticated
    def _not_found(self) -> None:
        raise NotFound(f"There is no {self.request.method} {self.request.path[:200]} here.")

    get = post = put = patch = delete = _not_found
