"""The environment a personal server gets, in processes that were really started with one."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from submarine_jupyter.discovery.login_environment import clean_environment

SHOW = "import json, os; from submarine_jupyter.discovery.login_environment import clean_environment as clean"
KERNEL = {
    "JPY_PARENT_PID": "1",
    "JPY_SESSION_NAME": "x.ipynb",
    "PYDEVD_USE_FRAME_EVAL": "NO",
    "VSCODE_PID": "1",
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    "FORCE_COLOR": "1",
    "CLICOLOR": "1",
    "CLICOLOR_FORCE": "1",
    "PAGER": "cat",
    "GIT_PAGER": "cat",
    "TERM": "xterm-color",
    "JUPYTER_TOKEN": "secret",
    "SUBMARINE_TOKEN": "secret",
    "SUBMARINE_URL": "http://127.0.0.1:1/",
}
LOGIN = {"HOME": "/home/me", "LANG": "C.UTF-8", "CUDA_VISIBLE_DEVICES": "1", "HTTPS_PROXY": "http://p:1", "MY": "own"}


def of_a_process(code: str, env: dict[str, str]) -> dict[str, str]:
    script = f"{SHOW}\n{code}\nprint(json.dumps(clean(os.environ)))"
    env = {"PATH": os.environ["PATH"], **env}
    ran = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, check=True)
    found: dict[str, str] = json.loads(ran.stdout)
    return {name: value for name, value in found.items() if name not in ("PATH", "LC_CTYPE")}


def test_what_a_login_has_is_kept_and_what_a_kernel_adds_is_not() -> None:
    assert of_a_process("", {**LOGIN, **KERNEL}) == LOGIN


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux keeps the environment of the start")
def test_what_the_notebook_sets_is_not_there() -> None:
    code = "os.environ.update(WANDB_API_KEY='k', MY='changed', MPLBACKEND='agg'); del os.environ['LANG']"
    assert of_a_process(code, LOGIN) == LOGIN


def test_where_the_server_keeps_its_things_is_as_the_notebook_says() -> None:
    code = "os.environ.update(JUPYTER_RUNTIME_DIR='/r', SUBMARINE_DATA_DIR='/d')"
    assert of_a_process(code, {"SUBMARINE_DATA_DIR": "/old"}) == {
        "JUPYTER_RUNTIME_DIR": "/r",
        "SUBMARINE_DATA_DIR": "/d",
    }


def test_what_a_person_has_set_stays() -> None:
    own = {"MPLBACKEND": "agg", "PAGER": "less", "TERM": "xterm-256color"}
    assert {name: clean_environment({**os.environ, **own}).get(name) for name in own}.keys() == own.keys()
    assert of_a_process("", own) == own
