from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from submarine_jupyter import SubmarineClient
from tests.kernel.real_kernel import MakeKernel, RealKernel
from tests.kernel.wire import Wire
from tests.live_server import TOKEN, LiveServer, kill_experiments


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: takes longer than 10 s; run by default")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    folder = tmp_path_factory.mktemp("server")
    made = LiveServer(folder)
    made.start()
    assert made.wait_ready(), made.log()
    yield made
    end(made)


def end(server: LiveServer) -> None:
    """Kill a server and what it runs."""
    server.kill()
    server.http.close()
    kill_experiments(server.folder)


@pytest.fixture(scope="module")
def url(server: LiveServer) -> str:
    return server.url.removesuffix("api/v1/experiment")


@pytest.fixture
def client(url: str) -> Iterator[SubmarineClient]:
    with SubmarineClient(url, TOKEN) as made:
        yield made


@pytest.fixture
def wire(url: str) -> Iterator[Wire]:
    made = Wire(urlsplit(url).port or 0)
    yield made
    made.close()


@pytest.fixture
def cut_client(wire: Wire) -> Iterator[SubmarineClient]:
    with SubmarineClient(f"http://127.0.0.1:{wire.port}/", TOKEN) as made:
        yield made


@pytest.fixture
def make_kernel(tmp_path: Path) -> Iterator[MakeKernel]:
    made: list[RealKernel] = []

    def make(**env: str) -> RealKernel:
        made.append(RealKernel(tmp_path, env))
        return made[-1]

    yield make
    for kernel in made:
        kernel.close()


@pytest.fixture(scope="module")
def kernel(url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealKernel]:
    made = RealKernel(tmp_path_factory.mktemp("kernel"), {"SUBMARINE_URL": url, "SUBMARINE_TOKEN": TOKEN})
    assert made.run("%load_ext submarine_jupyter").status == "ok"
    yield made
    made.close()
