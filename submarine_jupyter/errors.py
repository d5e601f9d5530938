"""The one tree of errors, the same in the kernel and in the server; its names are ``attributes.error`` on the wire.

SubmarineError                  500  anything of ours that went wrong
├── InvalidRequest              400  the request itself: query, header, body syntax
│   └── InvalidSpec             400  the experiment: each problem names its path
├── TargetRefused               400  the compute target said no; nothing was kept
├── Forbidden                   403  known, but not allowed
│   ├── AuthenticationRequired  403  no credentials, or wrong ones
│   ├── Insecure                403  nothing runs on a server that lets strangers in
│   └── XsrfTokenRequired       403  a cookie alone does not prove whose page sends it
├── NotFound                    404
├── Conflict                    409  not possible in the state it is in
├── TooLarge                    413
├── UnsupportedMedia            415
├── RangeNotSatisfiable         416
├── IdempotencyMismatch         422  the key was used with another body
├── TooManyRequests             429
├── Unavailable                 503  try again later
│   ├── ReadOnly                503  the database must not be written
│   └── TargetUnavailable       503  the outcome on the target is not known yet
├── StorageFull                 507
└── KernelError                      only ever raised in a notebook or script
    ├── UsageError                   a command says what means nothing here
    ├── ServerNotFound               no Submarine server to talk to
    ├── ServerError                  the server answered with an error of no kind above
    ├── WaitTimeout                  the experiment goes on, the waiting ended
    ├── RemoteError                  what a remote function returned or raised cannot come back
    └── ExperimentFailed             the experiment ended as Failed
"""

from __future__ import annotations

from typing import ClassVar


class SubmarineError(Exception):
    """State what went wrong, and in ``hint`` what to do about it.

    ``status`` is the HTTP status a server answers with.
    """

    status: ClassVar[int] = 500

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message if self.hint is None else f"{self.message} ({self.hint})"

    def _render_traceback_(self) -> list[str]:
        """Show two lines in a notebook instead of a traceback (an IPython protocol); the cell still fails."""
        lines = [f"{type(self).__name__}: {self.message}"]
        return lines if self.hint is None else [*lines, f"Hint: {self.hint}"]


class InvalidRequest(SubmarineError):
    """The request cannot be understood."""

    status = 400


class InvalidSpec(InvalidRequest):
    """The experiment cannot be run as described; ``problems`` has one ``path: reason`` each."""

    def __init__(self, problems: list[str] | str, *, hint: str | None = None) -> None:
        self.problems = [problems] if isinstance(problems, str) else problems
        super().__init__("; ".join(self.problems), hint=hint)


class TargetRefused(SubmarineError):
    """The compute target refused the experiment at once; ``reason`` is one CamelCase word."""

    status = 400

    def __init__(self, message: str, *, hint: str | None = None, reason: str = "Refused") -> None:
        super().__init__(message, hint=hint)
        self.reason = reason


class Forbidden(SubmarineError):
    """The caller may not do this."""

    status = 403


class AuthenticationRequired(Forbidden):
    """The caller has no credentials, or wrong ones."""


class Insecure(Forbidden):
    """The server lets strangers in, so nothing may be run on it."""


class XsrfTokenRequired(Forbidden):
    """The caller has a cookie, but not the token that proves that no page of another site has sent this."""


class NotFound(SubmarineError):
    """There is no such thing."""

    status = 404


class Conflict(SubmarineError):
    """The state the experiment is in does not allow it."""

    status = 409


class TooLarge(SubmarineError):
    """The body is larger than the server takes."""

    status = 413


class UnsupportedMedia(SubmarineError):
    """The body's content type is not one the server reads."""

    status = 415


class RangeNotSatisfiable(SubmarineError):
    """The byte range asked for is outside the log."""

    status = 416


class IdempotencyMismatch(SubmarineError):
    """The idempotency key was used before, with another body."""

    status = 422


class TooManyRequests(SubmarineError):
    """The server holds as many of these as it can."""

    status = 429


class Unavailable(SubmarineError):
    """The server cannot do it now, but may later."""

    status = 503


class ReadOnly(Unavailable):
    """The database can be read but must not be written."""


class TargetUnavailable(Unavailable):
    """The compute target cannot do it now, or did not answer; the order is given again.

    ``reason`` is one word, ``retry_after`` the seconds after which the target wants to be asked again.
    """

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        reason: str = "TargetUnavailable",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.reason = reason
        self.retry_after = retry_after


class StorageFull(SubmarineError):
    """The disk that holds the database is full."""

    status = 507


class KernelError(SubmarineError):
    """Something failed on the notebook's side."""


class UsageError(KernelError):
    """A command was written that means nothing here; one line says what to write instead."""


class ServerNotFound(KernelError):
    """No Submarine server could be found or started."""


class ServerError(KernelError):
    """The server answered with an error; ``code`` is its HTTP status."""

    def __init__(self, message: str, *, code: int, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.code = code


class WaitTimeout(KernelError):
    """The experiment had not ended in the time given; it goes on."""


class RemoteError(KernelError):
    """What a remote function has returned or raised cannot come back, or is not signed by this user's own key."""


class ExperimentFailed(KernelError):
    """The experiment ended as Failed; ``reason`` is one word, the message a sentence.

    ``exit_code`` is that of the replica that failed first, 128 and the signal's number where a signal ended it.
    """

    def __init__(
        self, message: str, *, reason: str | None = None, hint: str | None = None, exit_code: int | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.reason = reason
        self.exit_code = exit_code
