"""What replicas inherit, and the way between them where a proxy is set."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from submarine_jupyter_server.targets.local.attempts.inheritance import around_proxies, inherited
from tests.targets.local.bench import Bench, launch

LOOPBACK = ("localhost", "127.0.0.1", "::1")
PYTHON = sys.executable


@pytest.mark.parametrize(
    "name",
    """JUPYTER_TOKEN JUPYTERHUB_API_TOKEN JUPYTERHUB_COOKIE_ID JPY_API_TOKEN JPY_PARENT_PID CONFIGPROXY_AUTH_TOKEN
    SUBMARINE_TOKEN JUPYTER_SERVER_TOKEN FORCE_COLOR CLICOLOR_FORCE PAGER GIT_PAGER PYDEVD_USE_FRAME_EVAL TF_CONFIG RANK
    WORLD_SIZE MASTER_ADDR PET_NNODES DMLC_TASK_ID NOTIFY_SOCKET""".split(),  # noqa: SIM905
)
def test_what_is_the_servers_own_is_kept_back(name: str) -> None:
    assert name not in inherited({name: "x", "HOME": "/home/me"}, PYTHON)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HOME", "/home/me"),
        ("LANG", "C.UTF-8"),
        ("CUDA_VISIBLE_DEVICES", "0"),
        ("HF_TOKEN", "x"),
        ("JUPYTER_CONFIG_DIR", "/x"),
        ("MPLBACKEND", "Agg"),
        ("SUBMARINE_DATA_DIR", "/x"),
        ("https_proxy", "http://proxy:3128"),
        ("RANKING", "x"),
    ],
)
def test_the_rest_is_inherited(name: str, value: str) -> None:
    assert inherited({name: value}, PYTHON)[name] == value


def test_a_backend_that_draws_into_cells_is_kept_back() -> None:
    assert "MPLBACKEND" not in inherited({"MPLBACKEND": "module://matplotlib_inline.backend_inline"}, PYTHON)


def test_python_is_the_servers() -> None:
    assert inherited({"PATH": "/bin"}, "/opt/py/bin/python")["PATH"] == f"/opt/py/bin{os.pathsep}/bin"


@pytest.mark.parametrize("proxy", ["http_proxy", "HTTPS_PROXY", "all_proxy", "grpc_proxy", "ALL_PROXY", "ftp_proxy"])
def test_where_a_proxy_is_set_both_spellings_except_the_loopback(proxy: str) -> None:
    found = around_proxies({proxy: "http://proxy:3128"}, LOOPBACK)
    assert found["no_proxy"] == found["NO_PROXY"] == "localhost,127.0.0.1,::1"


def test_what_was_excepted_before_stays() -> None:
    env = {"http_proxy": "p", "NO_PROXY": ".corp, localhost", "no_grpc_proxy": "x"}
    found = around_proxies(env, LOOPBACK)
    assert found["no_proxy"] == found["NO_PROXY"] == ".corp,localhost,127.0.0.1,::1"
    assert found["no_grpc_proxy"] == "x,localhost,127.0.0.1,::1"
    assert around_proxies({"http_proxy": "p", "no_proxy": "*"}, LOOPBACK)["no_proxy"] == "*"


def test_without_a_proxy_nothing_is_added() -> None:
    assert around_proxies({"A": "1", "http_proxy": ""}, LOOPBACK) == {"A": "1", "http_proxy": ""}


SERVES = """
import http.server, os, sys, threading, urllib.request
address = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
if os.environ["RANK"] == "0":
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"pong")
            threading.Thread(target=self.server.shutdown).start()
    http.server.HTTPServer(address, Handler).serve_forever()
else:
    import time
    for _ in range(200):
        try:
            print(urllib.request.urlopen("http://%s:%s/" % address).read().decode())
            break
        except ConnectionRefusedError:
            time.sleep(0.05)
        except OSError as error:
            if "refused" not in str(error):
                raise
            time.sleep(0.05)
    else:
        sys.exit("the master was never reached")
"""


@pytest.mark.parametrize("spelling", ["http_proxy", "HTTP_PROXY", "ALL_PROXY"])
async def test_replicas_reach_each_other_past_a_dead_proxy(bench: Bench, tmp_path: Path, spelling: str) -> None:
    script = tmp_path / "serves.py"
    script.write_text(SERVES)
    target = await bench.target(environ={**os.environ, spelling: "http://127.0.0.1:9"})
    tasks = {"Worker": {"replicas": 2, "resources": "cpu=100m"}}
    order = launch(f"python {script}", framework="PyTorch", tasks=tasks)
    await target.ensure(order)
    end = await bench.end(order)
    assert (end.status, bench.log(order, "worker-1")) == ("Succeeded", b"pong\n"), end


def test_the_library_that_the_test_uses_reads_these_variables() -> None:
    env = around_proxies({"http_proxy": "http://127.0.0.1:9"}, LOOPBACK)
    code = "import urllib.request as u; print(bool(u.proxy_bypass('127.0.0.1')), bool(u.proxy_bypass('a.example')))"
    said = subprocess.run([PYTHON, "-c", code], env=env, capture_output=True, text=True, check=True).stdout
    assert said.split() == ["True", "False"]
