"""Which server a kernel finds: real runtime files, real servers."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from submarine_jupyter import Forbidden, ServerNotFound, connect
from submarine_jupyter.discovery.connection import Connection, _owner, find
from submarine_jupyter.discovery.running import running_servers
from tests.live_server import TOKEN, LiveServer

DEAD_PID = 2**22 + 1  # beyond the largest pid of Linux


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty runtime directory, and nothing said in the environment."""
    for name in list(os.environ):
        if name.startswith(("JUPYTER", "JPY", "SUBMARINE")):
            monkeypatch.delenv(name)
    for kind in ("CONFIG", "DATA", "RUNTIME"):
        monkeypatch.setenv(f"JUPYTER_{kind}_DIR", str(tmp_path / kind.lower()))
    # The tests take the place of the Jupyter Server: it has to be the process that listens.
    monkeypatch.setattr(os, "getppid", os.getpid)
    (tmp_path / "runtime").mkdir()
    return tmp_path / "runtime"


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A port on which this process listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def write(runtime: Path, pid: int, port: int, **more: object) -> None:
    info = {
        "pid": pid,
        "url": f"http://127.0.0.1:{port}/",
        "token": "t",
        "port": port,
        "hostname": "127.0.0.1",
        "base_url": "/",
    }
    (runtime / f"jpserver-{pid}.json").write_text(json.dumps({**info, **more}))


class Page(BaseHTTPRequestHandler):
    """A server that is none of ours, and leads elsewhere."""

    seen: list[str]
    location: str | None = None

    def do_GET(self) -> None:
        type(self).seen.append(self.headers.get("Authorization", ""))
        self.send_response(302 if self.location else 200)
        if self.location:
            self.send_header("Location", self.location)
        self.end_headers()
        self.wfile.write(b"<html>hello</html>")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def foreign() -> Iterator[tuple[HTTPServer, type[Page]]]:
    page = type("One", (Page,), {"seen": []})
    server = HTTPServer(("127.0.0.1", 0), page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server, page
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("said", "url", "token"),
    [
        ("http://127.0.0.1:8888", "http://127.0.0.1:8888/", None),
        ("127.0.0.1:8888/", "http://127.0.0.1:8888/", None),
        ("http://127.0.0.1:8888/lab?token=abc", "http://127.0.0.1:8888/", "abc"),
        ("https://hub/user/me/lab/tree/x.ipynb?token=abc", "https://hub/user/me/", "abc"),
        ("https://hub/user/me/tree/", "https://hub/user/me/", None),
        ("https://hub/user/lab/", "https://hub/user/lab/", None),
        ("https://me:pw@hub/base#top", "https://hub/base/", None),
    ],
)
def test_an_address_is_read_as_people_have_it(said: str, url: str, token: str | None, runtime: Path) -> None:
    assert find(said) == Connection(url, token, "as given")


@pytest.mark.parametrize("said", ["ftp://host/", "http://", "//", "http:///path", "http://host:port/", "http://[::1"])
def test_what_is_no_address_is_said(said: str, runtime: Path) -> None:
    with pytest.raises(ServerNotFound, match="is not the address of a server"):
        find(said)


def test_the_environment_is_asked_first(runtime: Path, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    write(runtime, os.getpid(), port)
    monkeypatch.setenv("SUBMARINE_URL", "http://127.0.0.1:9/base")
    monkeypatch.setenv("SUBMARINE_TOKEN", "from-env")

    assert find() == Connection("http://127.0.0.1:9/base/", "from-env", "from SUBMARINE_URL")
    # The token belongs to that server alone; that of a hub to the hub's addresses.
    assert find("http://127.0.0.1:10/").token is None


def test_a_said_server_of_this_user_needs_no_token(runtime: Path, port: int) -> None:
    write(runtime, os.getpid(), port, url=f"http://127.0.0.1:{port}/base/", token="its-own")

    assert find(f"http://127.0.0.1:{port}/base").token == "its-own"
    for other in (f"http://127.0.0.1:{port}/", "http://127.0.0.1:8898/base", f"http://example.org:{port}/base"):
        assert find(other).token is None


@pytest.mark.parametrize("how", ["parent", "JPY_PARENT_PID"])
def test_the_server_that_started_this_kernel(
    how: str, runtime: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if how == "JPY_PARENT_PID":
        monkeypatch.setattr(os, "getppid", lambda: DEAD_PID)
        monkeypatch.setenv("JPY_PARENT_PID", str(os.getpid()))
    write(runtime, DEAD_PID, port, token="stale")
    write(runtime, os.getpid(), port, token="mine")

    assert find() == Connection(f"http://127.0.0.1:{port}/", "mine", "the Jupyter Server of this notebook")


def test_a_file_that_a_dead_server_left_gives_its_token_to_nobody(
    foreign: tuple[HTTPServer, type[Page]], runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its process id is that of the shell now that has started this kernel, its port that of another program."""
    shell = subprocess.Popen(["sleep", "600"])
    monkeypatch.setattr(os, "getppid", lambda: shell.pid)
    write(runtime, shell.pid, foreign[0].server_port, token="secret")
    try:
        assert _owner() is None
        assert find(f"http://127.0.0.1:{foreign[0].server_port}/").token is None
    finally:
        shell.kill()
        shell.wait()
    assert foreign[1].seen == []


@pytest.mark.parametrize(
    ("hostname", "host"),
    [("0.0.0.0", "127.0.0.1"), ("", "127.0.0.1"), ("*", "127.0.0.1"), ("::", "[::1]")],
)
def test_a_server_on_all_interfaces_is_reached_on_this_machine(
    hostname: str, host: str, runtime: Path, port: int
) -> None:
    write(runtime, os.getpid(), port, url=f"http://some-name:{port}/base/", hostname=hostname, base_url="/base/")

    assert find().url == f"http://{host}:{port}/base/"


def test_files_that_cannot_be_used_are_left_out(runtime: Path, port: int) -> None:
    (runtime / f"jpserver-{os.getpid()}.json").write_text('{"pid": 1')
    (runtime / "jpserver-2.json").write_text("[]")
    (runtime / "jpserver-x.json").write_text("{}")
    for number, url in enumerate(("http+unix://%2Ftmp%2Fsock/", "http://[::1/", "http://host:port/", "http://")):
        write(runtime, os.getpid() + number, port, url=url)

    assert running_servers() == []


def test_a_hub_knows_the_token_of_its_server(runtime: Path, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTERHUB_SERVICE_PREFIX", "/user/m%40e/")
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", "hub-token")
    assert find() == Connection("http://127.0.0.1:8888/user/m%40e/", "hub-token", "your server on JupyterHub")

    for listens, host in (("0.0.0.0", "127.0.0.1"), ("[::]", "[::1]"), ("[::1]", "[::1]"), ("", "127.0.0.1")):
        monkeypatch.setenv("JUPYTERHUB_SERVICE_URL", f"http://{listens}:4567/user/m%40e/")
        assert find().url == f"http://{host}:{4567 if listens else 8888}/user/m%40e/"

    write(runtime, os.getpid(), port, url=f"http://127.0.0.1:{port}/user/m%40e/", token="")
    assert find() == Connection(f"http://127.0.0.1:{port}/user/m%40e/", "hub-token", "your server on JupyterHub")


@pytest.mark.parametrize(
    ("url", "known"),
    [
        ("http://127.0.0.1:1/user/me/", True),
        ("https://hub.example/user/me/", True),
        ("http://hub:8000/user/me/", True),
        ("https://evil.example/user/me/", False),
    ],
)
def test_the_token_of_a_hub_is_good_for_its_addresses(
    url: str, known: bool, runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", "hub-token")
    monkeypatch.setenv("JUPYTERHUB_API_URL", "http://hub:8081/hub/api")
    monkeypatch.setenv("JUPYTERHUB_HOST", "https://hub.example")
    monkeypatch.setenv("SUBMARINE_URL", url)
    assert find().token == ("hub-token" if known else None)

    monkeypatch.setenv("SUBMARINE_TOKEN", "said")
    assert find().token == "said"


def test_on_a_hub_the_token_in_the_runtime_file_opens_nothing(
    runtime: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUPYTERHUB_SERVICE_PREFIX", "/user/me/")
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", "hub-token")
    url = f"http://127.0.0.1:{port}/user/me/"
    write(runtime, os.getpid(), port, url=url, token="made-up-at-the-start")
    assert find().token == "hub-token"

    monkeypatch.setenv("SUBMARINE_URL", url)
    assert find() == Connection(url, "hub-token", "from SUBMARINE_URL")


def test_a_server_is_found_by_its_runtime_file_and_answers(
    server: LiveServer, runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(server.folder / "runtime"))
    monkeypatch.setenv("JPY_PARENT_PID", str(server.pid))

    with connect() as client:
        assert client.url == server.url.removesuffix("api/v1/experiment")
        assert [target["kind"] for target in client.targets()] == ["local"]


def test_a_server_that_wants_a_password_is_left_out(
    server: LiveServer, url: str, runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "getppid", lambda: server.pid)
    listens = urlsplit(url).port or 0
    write(runtime, server.pid, listens, url=url, token="")
    assert _owner() is None

    write(runtime, server.pid, listens, url=url, token=TOKEN)
    assert _owner() == Connection(url, TOKEN, "the Jupyter Server of this notebook")


def test_a_wrong_token_is_said(url: str, runtime: Path) -> None:
    with pytest.raises(Forbidden, match="does not accept the token"):
        connect(url, "wrong")


def test_a_redirect_never_gets_the_token(foreign: tuple[HTTPServer, type[Page]], url: str, runtime: Path) -> None:
    server, page = foreign
    page.location = f"{url}api/v1/experiment/ping"

    with pytest.raises(ServerNotFound, match="has no Submarine extension"):
        connect(f"http://127.0.0.1:{server.server_port}/", TOKEN)

    assert page.seen == [f"token {TOKEN}"]


def test_a_proxy_never_sees_what_goes_to_this_machine(
    foreign: tuple[HTTPServer, type[Page]], url: str, runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, page = foreign
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{server.server_port}")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)

    connect(url, TOKEN).close()

    assert page.seen == []


@pytest.fixture
def plain_server(runtime: Path) -> Iterator[None]:
    """A Jupyter Server without our extension."""
    process = subprocess.Popen(
        [sys.executable, "-m", "jupyter_server", "--allow-root", "--no-browser", "--ServerApp.ip=127.0.0.1"],
        env={**os.environ, "JUPYTER_TOKEN": "plain", "JUPYTER_NO_CONFIG": "1", "TMPDIR": str(runtime)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=runtime,
    )
    while not running_servers():
        assert process.poll() is None
        time.sleep(0.05)
    yield
    process.terminate()
    process.wait()


def test_a_server_without_the_extension_is_said(plain_server: None) -> None:
    with pytest.raises(ServerNotFound, match="has no Submarine extension") as caught:
        connect(running_servers()[0].url)
    assert "pip install submarine_jupyter" in str(caught.value.hint)
