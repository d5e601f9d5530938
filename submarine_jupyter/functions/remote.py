"""``@remote``: what it makes of a function."""

from __future__ import annotations

import functools
import secrets
import sys
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, overload

from submarine_jupyter.commands.sending.surroundings import Surroundings
from submarine_jupyter.discovery.running import runtime_dir
from submarine_jupyter.errors import ServerNotFound, UsageError
from submarine_jupyter.functions import server
from submarine_jupyter.functions.call import Where, spec_of, where
from submarine_jupyter.functions.handle import RemoteCall
from submarine_jupyter.functions.keys import key_of
from submarine_jupyter.functions.pickling import pickled

if TYPE_CHECKING:
    from submarine_jupyter.client.client import SubmarineClient

P = ParamSpec("P")
R = TypeVar("R")


class Remote(Generic[P, R]):
    """A function whose calls are experiments: every replica calls it, the value of the one that leads comes back.

    >>> @remote(worker=2)  # doctest: +SKIP
    ... def double(x): return 2 * x
    >>> double(21)  # doctest: +SKIP
    42
    """

    __name__: str

    def __init__(self, function: Callable[P, R], on: Where, client: SubmarineClient | None = None) -> None:
        self._function = function
        self._on = on
        self._client = client
        functools.update_wrapper(self, function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call it and wait for the value; raise what it raises. An interrupt ends the waiting, not the call."""
        call = self.submit(*args, **kwargs)
        try:
            return call.result()
        except KeyboardInterrupt:
            sys.stdout.write(f"Detached: {call.id} goes on; attach({call.id!r}).result() waits for its value.\n")
            raise

    def submit(self, *args: P.args, **kwargs: P.kwargs) -> RemoteCall[R]:
        """Call it and return at once; ``result()`` of what is returned waits for the value."""
        return self._submit(args, kwargs, None)

    def map(self, *columns: Iterable[Any], parallel: int | None = None) -> list[R]:
        """Call it for each item, as ``map`` does, at most ``parallel`` at a time; return the values in order.

        The calls are a group. Raises what the first of them, in order, has raised; the others go on.
        """
        rows = list(zip(*columns, strict=False))
        name = f"{self._name}-{secrets.token_hex(3)}"
        group = {"name": name, **({"maxRunning": parallel} if parallel else {})}
        return [call.result() for call in [self._submit(row, {}, group) for row in rows]]

    def __repr__(self) -> str:
        return f"<remote {self._name}>"

    @property
    def _name(self) -> str:
        return getattr(self._function, "__name__", "function").strip("<>")

    def _submit(self, args: tuple[Any, ...], kwargs: Mapping[str, Any], group: dict[str, Any] | None) -> RemoteCall[R]:
        content = pickled(self._function, args, kwargs)
        client = self._client or server.own_client()
        call = uuid.uuid4().hex[:16]
        try:
            local = server.runs_here(client, self._on.target)
            here = Surroundings.of_this_kernel()
            key = key_of(call, runtime_dir())
            spec = spec_of(self._name, content, self._on, here, local=local, call=call, key=key, group=group)
            return RemoteCall(client, client.create(spec))
        except ServerNotFound:
            server.forget()
            raise


@overload
def remote(function: Callable[P, R], /) -> Remote[P, R]: ...


@overload
def remote(
    *,
    framework: str | None = ...,
    cpu: float | str | None = ...,
    memory: str | None = ...,
    gpu: int | None = ...,
    env: Mapping[str, str] | None = ...,
    image: str | None = ...,
    target: str | None = ...,
    max_run_time: int | None = ...,
    client: SubmarineClient | None = ...,
    **replicas: int,
) -> Callable[[Callable[P, R]], Remote[P, R]]: ...


def remote(function: Any = None, /, *, client: SubmarineClient | None = None, **how: Any) -> Any:
    """Make calls of a function experiments: ``@remote(worker=2, gpu=1, memory="4G")``, or ``@remote`` for one replica.

    ``worker``, ``master``, ``chief``, ``ps``, ``evaluator`` are numbers of replicas; cpu, memory and gpu are for each.
    ``max_run_time`` is in seconds. ``client`` is one of another server than that of this kernel. Raises UsageError.
    """
    if function is not None and not callable(function):
        raise UsageError("@remote takes names: @remote(worker=2)")
    known = ("framework", "cpu", "memory", "gpu", "env", "image", "target", "max_run_time")
    replicas = {name: how.pop(name) for name in list(how) if name not in known} or {"worker": 1}
    on = where(replicas, **how)
    return Remote(function, on, client) if function is not None else lambda found: Remote(found, on, client)
