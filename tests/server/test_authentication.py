"""Who authenticates: what was built decides, never a variable; a proxy only where the administrator names it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from jupyter_server.auth.login import LegacyLoginHandler
from jupyter_server.serverapp import ServerApp
from traitlets import TraitError

from submarine_jupyter import SubmarineClient
from submarine_jupyter.discovery.connection import find
from submarine_jupyter.errors import AuthenticationRequired, Insecure
from submarine_jupyter_server.app import SubmarineExtension
from submarine_jupyter_server.handlers.authentication import TrustedProxy, authenticates, trusted_proxy
from tests.live_server import LiveServer, kill_experiments
from tests.server.conftest import Call

OPEN = {"PasswordIdentityProvider": {"token": ""}}
BODY = {"meta": {"name": "n", "framework": "Standalone", "cmd": "echo hello"}, "spec": {"Worker": {"replicas": 1}}}
# As the notebook images of Kubeflow start it: the mesh in front authenticates.
OPEN_TO_ALL = ("--IdentityProvider.token=", "--ServerApp.password=", "--ServerApp.allow_origin=*")
TRUSTED = "--SubmarineExtension.trusted_user_header=kubeflow-userid"


@pytest.fixture
def of_a_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("API_URL", "API_TOKEN", "SERVICE_PREFIX", "SERVICE_URL", "USER"):
        monkeypatch.setenv(f"JUPYTERHUB_{name}", "http://127.0.0.1:9/")


@pytest.mark.parametrize("server_config", [OPEN])
async def test_a_variable_of_a_hub_switches_nothing_off(of_a_hub: None, call: Call) -> None:
    answer = await call("POST", "experiment", BODY)
    assert (answer.code, answer.envelope["attributes"]["error"]) == (403, "Insecure")
    notices = (await call("GET", "experiment/ping")).envelope["attributes"]["notices"]
    assert notices == ["This server runs no experiments: authentication is switched off."]


@pytest.mark.parametrize("server_config", [OPEN])
def test_a_hub_that_is_built_in_authenticates(jp_serverapp: ServerApp, monkeypatch: pytest.MonkeyPatch) -> None:
    from jupyter_server.auth.identity import LegacyIdentityProvider

    def server_with(module: str) -> bool:
        handler = type("JupyterHubLoginHandler", (LegacyLoginHandler,), {"__module__": module})
        provider = LegacyIdentityProvider(parent=jp_serverapp, login_handler_class=handler, token="")
        monkeypatch.setattr(jp_serverapp, "identity_provider", provider)
        return authenticates(jp_serverapp)

    assert server_with("jupyterhub.singleuser.mixins")
    assert not server_with("somewhere.else")


def test_a_header_is_not_trusted_where_jupyter_authenticates(jp_serverapp: ServerApp) -> None:
    assert trusted_proxy(jp_serverapp, "kubeflow-userid") is None


def test_what_is_no_header_is_refused_at_the_start() -> None:
    with pytest.raises(TraitError, match="'two words' is not the name of a header"):
        SubmarineExtension(trusted_user_header="two words")


@pytest.fixture(scope="module")
def behind_a_proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    made = LiveServer(tmp_path_factory.mktemp("kubeflow"), *OPEN_TO_ALL, TRUSTED, base_url="/n/x/")
    made.start()
    made.http.headers["kubeflow-userid"] = "ada@example.org"
    del made.http.headers["Authorization"]
    assert made.wait_ready(), made.log()
    yield made
    made.kill()
    made.http.close()
    kill_experiments(made.folder)


def test_whom_the_proxy_names_may_run_experiments(behind_a_proxy: LiveServer) -> None:
    made = behind_a_proxy.result("POST", json=BODY)
    ended = behind_a_proxy.ended(made["experimentId"])
    assert (ended["status"], ended["detail"]["owner"]) == ("Succeeded", "ada@example.org")
    assert "notices" not in behind_a_proxy.http.get(f"{behind_a_proxy.url}/ping").json()["attributes"]


NOBODY: tuple[tuple[tuple[str, str], ...], ...] = (
    (),
    (("kubeflow-userid", ""),),
    (("kubeflow-userid", "ada"), ("kubeflow-userid", "eve")),
    (("kubeflow-userid", "a" * 256),),
    (("kubeflow-userid", "a\tb"),),
    (("X-Forwarded-User", "ada"),),
    (("Authorization", "token"),),
    (("Authorization", "token live-test"),),
)


@pytest.mark.parametrize("headers", NOBODY)
@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE"])
def test_whom_it_does_not_name_is_not_let_in(
    behind_a_proxy: LiveServer, method: str, headers: tuple[tuple[str, str], ...]
) -> None:
    answer = httpx.request(method, behind_a_proxy.url, headers=list(headers), trust_env=False)
    assert answer.status_code == 403
    assert answer.json()["attributes"]["error"] == "AuthenticationRequired"


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, 200),
        ({"Origin": "http://HOST", "Sec-Fetch-Site": "same-origin"}, 200),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
    ],
)
def test_a_page_of_another_site_cannot_use_what_the_proxy_vouches_for(
    behind_a_proxy: LiveServer, headers: dict[str, str], code: int
) -> None:
    host = httpx.URL(behind_a_proxy.url).netloc.decode()
    sent = {name: value.replace("HOST", host) for name, value in headers.items()}
    answer = behind_a_proxy.http.post(behind_a_proxy.url, json=BODY, headers=sent)
    assert answer.status_code == code, answer.text
    if code == 403:
        assert answer.json()["attributes"]["error"] == "XsrfTokenRequired"


def test_a_kernel_of_the_same_user_is_let_in(behind_a_proxy: LiveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    (token,) = (behind_a_proxy.folder / "runtime").glob("submarine-*.token")
    assert token.stat().st_mode & 0o077 == 0
    for name in ("SUBMARINE_URL", "SUBMARINE_TOKEN", "JUPYTERHUB_SERVICE_PREFIX"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(behind_a_proxy.folder / "runtime"))
    monkeypatch.setenv("JPY_PARENT_PID", str(behind_a_proxy.pid))
    connection = find()
    assert connection.token == token.read_text()

    with SubmarineClient(connection.url, connection.token) as client:
        experiment = client.create(BODY).wait(60)
        assert experiment.known["detail"]["owner"] != "ada@example.org"
    with SubmarineClient(connection.url, None) as client, pytest.raises(AuthenticationRequired, match="wants a token"):
        client.list()
    with SubmarineClient(connection.url, "wrong") as client, pytest.raises(AuthenticationRequired, match="not accept"):
        client.list()


def test_the_refusal_of_an_open_server_is_said_as_it_is(tmp_path: Path) -> None:
    server = LiveServer(tmp_path, *OPEN_TO_ALL)
    server.start()
    try:
        assert server.wait_ready(), server.log()
        with SubmarineClient(server.url.removesuffix("api/v1/experiment")) as client:
            with pytest.raises(Insecure, match="authentication is switched off") as caught:
                client.create(BODY)
            assert "trusted_user_header" in str(caught.value.hint)
            assert client.list() == ()
    finally:
        server.kill()
        server.http.close()


def test_tokens_are_compared_as_bytes() -> None:
    from tornado.httputil import HTTPHeaders

    proxy = TrustedProxy("user", "secret")
    assert proxy.user(HTTPHeaders({"Authorization": "token secret"})) is None
    with pytest.raises(AuthenticationRequired):
        proxy.user(HTTPHeaders({"Authorization": "token sécret"}))
    assert json.dumps(proxy.user(HTTPHeaders({"User": " ada "}))) == '"ada"'


def test_the_setting_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "rest-api.md").read_text()
    assert "trusted_user_header" in page
