"""What requests are authenticated with, kept fresh; the event loop never waits for a file or a login program."""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from .errors import BadCredentials

log = logging.getLogger(__name__)
T = TypeVar("T")
# How often a token is looked at (s): kubelet and the login programs of clouds renew theirs minutes before the end.
CHECK_S = 30.0
# After the server said 401, the credentials are read again at most this often (s).
RELOAD_PAUSE_S = 5.0
# How long a login program may take (s).
PATIENCE_S = 30.0


@dataclass(frozen=True, slots=True)
class Credentials:
    """All that a connection and a request need; equal ones make the same impression on the server.

    ``server_name`` is who the certificate must be for when it is not for the host in ``server``. ``certificates`` are
    the PEM texts ``tls`` was made of, without the key.
    """

    server: str
    namespace: str
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    tls: ssl.SSLContext | None = field(default=None, compare=False, repr=False)
    server_name: str | None = None
    proxy: str | None = field(default=None, repr=False)
    certificates: bytes = field(default=b"", repr=False)


class CredentialSource(Protocol):
    """Where credentials come from. Both methods block, and raise BadCredentials only."""

    def load(self) -> Credentials:
        """Read everything anew."""

    def refresh(self) -> Credentials:
        """Return the present ones, with another token if the old one is about to expire."""


class Keeper:
    """The credentials of one cluster; one thread at a time reads them."""

    def __init__(self, source: CredentialSource) -> None:
        self._source = source
        self._now: Credentials | None = None
        self._reading: asyncio.Future[Credentials] | None = None
        self._checked_at = self._renewed = -float("inf")
        self._doubted = False

    async def current(self) -> Credentials:
        """Return what to use now. Raises BadCredentials only while there was never any."""
        if self._now is None:
            return await self._read(self._source.load)
        if time.monotonic() - self._checked_at < CHECK_S and not self._doubted:
            return self._now
        self._checked_at = time.monotonic()
        known = self._now
        try:
            return await (self._reload(known) if self._doubted else self._read(self._source.refresh))
        except BadCredentials as error:
            log.warning("The credentials for %s could not be renewed: %s", known.server, error)
            return known

    async def renewed(self, used: Credentials) -> Credentials | None:
        """Return other credentials than those the server refused; None if there are none. Raises BadCredentials."""
        found = self._now
        if found is None or found == used:
            found = await self._reload(used)
        return None if found == used else found

    def doubt(self) -> None:
        """Have everything read anew before the next request: a certificate may have been replaced."""
        self._doubted = True

    async def _reload(self, known: Credentials) -> Credentials:
        if time.monotonic() - self._renewed < RELOAD_PAUSE_S:
            return known
        self._doubted = False
        self._renewed = time.monotonic()
        return await self._read(self._source.load)

    async def _read(self, work: Callable[[], Credentials]) -> Credentials:
        if self._reading is None or self._reading.done():
            self._reading = asyncio.ensure_future(in_thread(work))
            # Everybody may have lost patience by the time it fails.
            self._reading.add_done_callback(lambda done: done.cancelled() or done.exception())
        try:
            async with asyncio.timeout(PATIENCE_S):
                found = await asyncio.shield(self._reading)
        except TimeoutError:
            raise BadCredentials(f"the login took longer than {PATIENCE_S:g} s") from None
        self._checked_at = time.monotonic()
        if self._now is None or found != self._now:  # equal ones stay: connections belong to their TLS context
            self._now = found
        return self._now


async def in_thread(work: Callable[[], T]) -> T:
    """Run what blocks in a thread that keeps no process alive: a login program may wait for a person for ever."""
    result: concurrent.futures.Future[T] = concurrent.futures.Future()
    result.set_running_or_notify_cancel()

    def run() -> None:
        try:
            result.set_result(work())
        except Exception as error:  # noqa: BLE001 - it goes to who waits
            result.set_exception(error)

    threading.Thread(target=run, name="submarine kubernetes login", daemon=True).start()
    return await asyncio.wrap_future(result)
