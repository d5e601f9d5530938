"""Following a server that breaks, is silent, or refuses: never hot, never longer than it was allowed."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from submarine_jupyter import ServerNotFound, SubmarineClient, WaitTimeout
from submarine_jupyter.client import following
from submarine_jupyter.client.following import Cut, End, Lines, Partial, State
from submarine_jupyter.errors import ServerError, TooManyRequests, Unavailable

ID = "experiment-1-0001"
STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
Behave = Callable[[socket.socket, int], None]


class Odd:
    """A server that does with each connection what it is told; ``connections`` counts them."""

    def __init__(self) -> None:
        self.connections = 0
        self.behave: Behave = lambda connection, number: None
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            with contextlib.suppress(OSError):  # the client has left
                self.behave(connection, self.connections)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        for one in (self._listener, *self._open):
            one.close()


@pytest.fixture
def odd() -> Iterator[Odd]:
    made = Odd()
    yield made
    made.close()


@pytest.fixture
def client(odd: Odd, monkeypatch: pytest.MonkeyPatch) -> Iterator[SubmarineClient]:
    monkeypatch.setattr(following, "PATIENCE_S", 2.0)
    with SubmarineClient(odd.url) as made:
        yield made


def event(name: str, number: int, **data: object) -> bytes:
    return f"id: {number}\nevent: {name}\ndata: {json.dumps(data)}\n\n".encode()


def answer(connection: socket.socket, *parts: bytes) -> None:
    connection.recv(65536)
    connection.sendall(b"".join(parts))
    connection.shutdown(socket.SHUT_RDWR)


RUNNING = {"status": "Running", "reason": None, "message": None}


def test_a_stream_that_breaks_behind_its_beginning_is_given_up(odd: Odd, client: SubmarineClient) -> None:
    odd.behave = lambda connection, _: answer(connection, STREAM, event("state", 1, **RUNNING))
    with pytest.raises(ServerNotFound, match="the connection was closed"):
        list(client.follow(ID))
    assert odd.connections < 30  # in two seconds; it was 40


def test_what_is_new_gives_new_patience(odd: Odd, client: SubmarineClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "PATIENCE_S", 0.3)

    def behave(connection: socket.socket, number: int) -> None:
        time.sleep(0.1)
        end = [event("end", 99, status="Succeeded", complete=True)] if number == 10 else []
        log = event("log", number, replica="worker-0", attempt=1, offset=number, lines=[str(number)])
        answer(connection, STREAM, event("state", number - 1, **RUNNING), log, *end)

    odd.behave = behave
    items = list(client.follow(ID))
    assert [item.lines[0] for item in items if isinstance(item, Lines)] == [str(number) for number in range(1, 11)]
    assert items[-1] == End("Succeeded", True)


def test_a_connection_that_lasted_is_no_failure(
    odd: Odd, client: SubmarineClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy that cuts what is silent for long, while nothing is printed."""
    monkeypatch.setattr(following, "PATIENCE_S", 0.3)
    monkeypatch.setattr(following, "LASTING_S", 0.1)

    def behave(connection: socket.socket, number: int) -> None:
        time.sleep(0.15)
        end = event("end", 9, status="Succeeded", complete=True) if number == 6 else b""
        answer(connection, STREAM, event("state", 1, **RUNNING), end)

    odd.behave = behave
    assert list(client.follow(ID))[-1] == End("Succeeded", True)


@pytest.mark.parametrize("spoken", [b"", b"HTTP/1.1 200 OK\r\n", STREAM, STREAM + event("state", 1, **RUNNING)])
def test_a_time_limit_is_kept_however_silent_the_server(odd: Odd, client: SubmarineClient, spoken: bytes) -> None:
    odd.behave = lambda connection, _: connection.sendall(spoken)
    started = time.monotonic()
    with pytest.raises(WaitTimeout, match=r"within 0\.5 s"):
        list(client.follow(ID, timeout=0.5))
    assert time.monotonic() - started < 20  # it was 45 s


def test_a_time_limit_is_kept_while_nothing_accepts(client: SubmarineClient, odd: Odd) -> None:
    odd.close()
    with pytest.raises(WaitTimeout):
        list(client.events(ID, timeout=0.3))


@pytest.mark.parametrize(("status", "kind"), [(429, TooManyRequests), (503, Unavailable), (502, ServerError)])
def test_a_server_that_goes_on_refusing_is_said_as_it_says(
    odd: Odd, client: SubmarineClient, status: int, kind: type[Exception]
) -> None:
    body = json.dumps(
        {"success": False, "message": "This server has 256 open streams.", "attributes": {"hint": "Wait."}}
    )
    head = f"HTTP/1.1 {status} No\r\nRetry-After: 1\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    odd.behave = lambda connection, _: answer(connection, (head + body).encode())
    with pytest.raises(kind, match="256 open streams"):
        list(client.follow(ID))
    assert odd.connections <= 3  # it wants to be left alone for a second each time


def test_what_the_server_tells_of_itself_ends_it(odd: Odd, client: SubmarineClient) -> None:
    told = event("error", 1, message="The server failed.", hint="Error 1 in its log", error="InternalError")
    odd.behave = lambda connection, _: answer(connection, STREAM, told)
    with pytest.raises(ServerError, match="Error 1 in its log"):
        list(client.follow(ID))
    assert odd.connections == 1


def test_unfinished_lines_are_told(odd: Odd, client: SubmarineClient) -> None:
    partial = event("partial", 1, replica="worker-0", attempt=1, offset=0, text="50 %")
    end = event("end", 2, status="Succeeded", complete=True)
    odd.behave = lambda connection, _: answer(connection, STREAM, event("state", 1, **RUNNING), partial, end)
    assert list(client.follow(ID)) == [
        State("Running", None, None),
        Partial("worker-0", 1, "50 %"),
        End("Succeeded", True),
    ]


def test_another_thread_ends_a_silent_stream_at_once(odd: Odd, client: SubmarineClient) -> None:
    read = threading.Event()

    def silent(connection: socket.socket, number: int) -> None:
        connection.recv(65536)
        connection.sendall(STREAM + event("log", 1, replica="worker-0", attempt=1, offset=0, lines=["first"]))

    odd.behave = silent
    cut = Cut()

    def end() -> None:
        assert read.wait(30)
        cut.make()

    threading.Thread(target=end, daemon=True).start()
    found = []
    for item in client.follow(ID, cut=cut):
        found.append(item)
        read.set()
    assert found == [Lines("worker-0", 1, 0, ("first",))]
    assert odd.connections == 1
    # What is cut before it begins brings nothing.
    assert list(client.follow(ID, cut=cut)) == []
