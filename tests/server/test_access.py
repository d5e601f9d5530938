"""Who is let in: every route and every method, without and with wrong credentials, through real authorizers."""

from __future__ import annotations

import getpass
import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from jupyter_server.auth import Authorizer, IdentityProvider, User
from jupyter_server.serverapp import ServerApp
from tornado.web import RequestHandler

from submarine_jupyter_server.handlers import ROUTES
from submarine_jupyter_server.handlers.admission import Admission
from submarine_jupyter_server.handlers.base import SubmarineHandler
from submarine_jupyter_server.handlers.streams.stream import StreamHandler

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")
ID = "experiment-1647574374688-0002"
WRITES = ("POST", "PUT", "PATCH", "DELETE")
Fetch = Callable[..., Awaitable[Any]]


class DenyAll(Authorizer):
    def is_authorized(self, handler: Any, user: Any, action: str, resource: str) -> bool:
        return False


class ReadOnly(Authorizer):
    def is_authorized(self, handler: Any, user: Any, action: str, resource: str) -> bool:
        assert resource == "submarine", resource
        return action == "read"


class Named(IdentityProvider):
    """Names its user, as that of JupyterHub does."""

    def get_user(self, handler: Any) -> User:
        return User("ada")

    def is_token_authenticated(self, handler: Any) -> bool:
        return True


def paths() -> list[str]:
    """Return one path for each route, and some that are none."""
    found = [pattern.replace(r"\.", ".").removesuffix("/?") for pattern, _ in ROUTES]
    real = [re.sub(r"\(\[\^/\]\+\)", ID, path) for path in found if "(?:" not in path]
    return [*real, "/api/v1", "/api/v1/nothing", f"/api/v1/experiment/{ID}/nothing"]


@pytest.fixture
def fetch(http_server_client: Any, jp_base_url: str, jp_serverapp: ServerApp) -> Fetch:
    """Fetch a path below the base URL, with exactly the headers given."""

    async def request(method: str, path: str, headers: dict[str, str] | None = None) -> Any:
        return await http_server_client.fetch(
            jp_base_url.rstrip("/") + path,
            method=method,
            headers=headers or {},
            body=b"" if method in WRITES else None,
            allow_nonstandard_methods=True,
            raise_error=False,
            follow_redirects=False,
        )

    return request


def served(path: str, method: str) -> bool:
    """Tell whether the first route that matches has the method."""
    handler = next(handler for pattern, handler in ROUTES if re.fullmatch(pattern, path))
    unimplemented = RequestHandler._unimplemented_method
    return method in ("GET", *WRITES) and getattr(handler, method.lower()) is not unimplemented


def test_every_route_is_served_by_our_base_class(jp_serverapp: ServerApp) -> None:
    rules = [rule for group in jp_serverapp.web_app.default_router.rules for rule in group.target.rules]
    ours = [rule for rule in rules if "api/v1" in getattr(rule.matcher, "regex", re.compile("")).pattern]
    assert len(ours) == len(ROUTES)
    assert all(issubclass(rule.target, Admission) for rule in ours)
    for _, handler in ROUTES:
        assert handler.admit is Admission.admit
        assert handler.prepare in (SubmarineHandler.prepare, StreamHandler.prepare)


@pytest.mark.parametrize("server_config", [{}, {"ServerApp": {"allow_unauthenticated_access": False}}])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "token wrong"},
        {"Authorization": "token "},
        {"Authorization": "token"},
        {"Authorization": "Bearer nothing"},
        {"Authorization": "Basic bm9ib2R5Og=="},
        {"Authorization": ""},
        {"Cookie": "username-127-0-0-1=2|1:0|10:1|1:x|8:c3R1ZmY=|00"},
    ],
    ids=["none", "wrong", "empty", "bare", "bearer", "basic", "blank", "cookie"],
)
async def test_nobody_gets_in_without_credentials(fetch: Fetch, headers: dict[str, str]) -> None:
    for path in paths():
        for method in METHODS:
            answer = await fetch(method, path, headers)
            allowed = (405,) if method in ("TRACE", "PROPFIND") else (403,)
            assert answer.code in allowed, (method, path, answer.code)
            assert b'"success":false' in answer.body or method == "HEAD"
            assert b'"result":null' in answer.body or method == "HEAD"


@pytest.mark.parametrize("query", ["token=", "token=wrong"])
async def test_a_wrong_token_in_the_url_opens_nothing(fetch: Fetch, query: str) -> None:
    for path in paths():
        for method in METHODS[:-2]:
            assert (await fetch(method, f"{path}?{query}")).code == 403, (method, path)


@pytest.mark.parametrize("server_config", [{"ServerApp": {"authorizer_class": DenyAll}}])
async def test_an_authorizer_that_denies_all_denies_every_route(fetch: Fetch, jp_auth_header: dict[str, str]) -> None:
    for path in paths():
        for method in METHODS[:-2]:
            code = (await fetch(method, path, jp_auth_header)).code
            assert code == (403 if served(path, method) else 405), (method, path, code)


@pytest.mark.parametrize("server_config", [{"ServerApp": {"authorizer_class": ReadOnly}}])
async def test_reading_and_writing_are_two_permissions(fetch: Fetch, jp_auth_header: dict[str, str]) -> None:
    for path in paths():
        for method in WRITES if path.endswith("events") else ("GET", *WRITES):  # reading events never ends
            code = (await fetch(method, path, jp_auth_header)).code
            # It is no WebSocket that asks, and names no two experiments.
            read = {400} if path.endswith(("stream", "diff")) else {200, 404}
            expected = {405} if not served(path, method) else read if method == "GET" else {403}
            assert code in expected, (method, path, code)


@pytest.mark.parametrize("method", WRITES)
async def test_a_token_in_the_url_is_good_for_reading_only(fetch: Fetch, jp_serverapp: ServerApp, method: str) -> None:
    token = jp_serverapp.identity_provider.token
    assert (await fetch("GET", f"/api/v1/experiment/ping?token={token}")).code == 200
    refused = await fetch(method, f"/api/v1/experiment/{ID}?token={token}")
    assert refused.code == 403
    assert b"for reading only" in refused.body
    assert token not in refused.body.decode()


async def test_the_server_warns_of_no_open_endpoint(jp_serverapp: ServerApp) -> None:
    """Jupyter Server itself finds all our verbs decorated (it warns otherwise)."""
    for pattern, handler in ROUTES:
        assert jp_serverapp.web_app._check_handler_auth(pattern, handler) == []


async def cookies(fetch: Fetch, token: str) -> dict[str, str]:
    """Log in as a browser does, and return its cookies with an XSRF cookie."""
    answer = await fetch("GET", f"/api/v1/experiment/ping?token={token}")
    return {"Cookie": f"{answer.headers['Set-Cookie'].split(';')[0]}; _xsrf=c0ffee"}


async def test_a_token_in_the_header_opens_no_session(fetch: Fetch, jp_auth_header: dict[str, str]) -> None:
    answer = await fetch("GET", "/api/v1/experiment/ping", jp_auth_header)
    assert answer.code == 200
    assert "Set-Cookie" not in answer.headers


async def test_a_cookie_needs_the_xsrf_token_to_write(fetch: Fetch, jp_serverapp: ServerApp) -> None:
    browser = await cookies(fetch, jp_serverapp.identity_provider.token)
    assert (await fetch("GET", "/api/v1/experiment/ping", browser)).code == 200
    for method, path in (
        ("POST", "/api/v1/experiment"),
        ("POST", f"/api/v1/experiment/{ID}/stop"),
        ("PATCH", f"/api/v1/experiment/{ID}"),
        ("DELETE", f"/api/v1/experiment/{ID}"),
    ):
        refused = await fetch(method, path, browser)
        assert refused.code == 403, (method, path)
        assert b"_xsrf" in refused.body
        assert b"X-XSRFToken" in refused.body
        assert (await fetch(method, path, {**browser, "X-XSRFToken": "decaf0"})).code == 403
        let_in = await fetch(method, path, {**browser, "X-XSRFToken": "c0ffee"})
        assert let_in.code in (404, 415), (method, path, let_in.body)


async def test_another_site_can_neither_read_nor_write(fetch: Fetch, jp_serverapp: ServerApp) -> None:
    browser = await cookies(fetch, jp_serverapp.identity_provider.token)
    for origin in ("https://evil.example", "null"):
        for more in ({}, {"X-XSRFToken": "c0ffee"}):
            for method in ("GET", "POST"):
                answer = await fetch(method, "/api/v1/experiment", {**browser, **more, "Origin": origin})
                assert answer.code in (403, 404), (origin, method, answer.body)
                assert b'"success":false' in answer.body


@pytest.mark.parametrize(
    "kind",
    ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain", ""],
)
async def test_a_form_of_another_page_creates_nothing(
    http_server_client: Any, jp_base_url: str, fetch: Fetch, jp_serverapp: ServerApp, kind: str
) -> None:
    browser = await cookies(fetch, jp_serverapp.identity_provider.token)
    for more in ({}, {"Sec-Fetch-Mode": "no-cors"}, {"X-XSRFToken": "c0ffee"}):
        answer = await http_server_client.fetch(
            f"{jp_base_url}api/v1/experiment",
            method="POST",
            headers={**browser, **more, "Content-Type": kind},
            body=b'--x\r\nContent-Disposition: form-data; name="_xsrf"\r\n\r\nc0ffee\r\n--x--&_xsrf=c0ffee',
            raise_error=False,
        )
        assert answer.code == (415 if "X-XSRFToken" in more else 403), answer.body


async def test_the_wrong_host_is_refused(fetch: Fetch, jp_auth_header: dict[str, str]) -> None:
    assert (await fetch("GET", "/api/v1/experiment", {**jp_auth_header, "Host": "evil.example"})).code == 403


@pytest.mark.parametrize(
    ("server_config", "reason"),
    [
        ({"PasswordIdentityProvider": {"token": ""}}, "authentication is switched off"),
        ({"ServerApp": {"allow_origin": "*"}}, "any origin"),
        ({"ServerApp": {"allow_origin_pat": ".*"}}, "any origin"),
        ({"SubmarineExtension": {"separate_users": True}}, "nothing identifies the users of this server"),
    ],
)
async def test_a_server_open_to_strangers_runs_nothing(
    fetch: Fetch, jp_serverapp: ServerApp, jp_auth_header: dict[str, str], caplog: Any, reason: str
) -> None:
    headers = jp_auth_header if jp_serverapp.identity_provider.token else {}
    assert (await fetch("GET", "/api/v1/experiment/ping", headers)).code == 200
    for method in WRITES:
        refused = await fetch(method, f"/api/v1/experiment/{ID}", headers)
        assert refused.code == 403
        assert reason in refused.body.decode()
        assert "hint" in refused.body.decode()


@pytest.mark.parametrize("server_config", [{"ServerApp": {"allow_origin": "https://lab.example"}}])
async def test_a_preflight_is_answered_where_another_origin_is_let_in(
    fetch: Fetch, jp_auth_header: dict[str, str]
) -> None:
    preflight = await fetch("OPTIONS", "/api/v1/experiment", {"Origin": "https://lab.example"})
    assert preflight.code == 204 or preflight.code == 200
    assert "idempotency-key" in preflight.headers["Access-Control-Allow-Headers"]
    missing = await fetch("GET", "/api/v1/nothing", {**jp_auth_header, "Origin": "https://lab.example"})
    assert missing.headers["Access-Control-Allow-Origin"] == "https://lab.example"


async def owner_of_a_new_experiment(call: Any) -> str:
    spec = {
        "meta": {"name": "mine", "framework": "Standalone", "cmd": "true"},
        "spec": {"Worker": {"resources": "cpu=1"}},
    }
    made = (await call("POST", "experiment", spec)).result
    found = (await call("GET", f"experiment/{made['experimentId']}", params={"view": "full"})).result
    await call("DELETE", f"experiment/{made['experimentId']}")
    return str(found["detail"]["owner"])


async def test_with_a_token_the_owner_is_the_user_of_the_server(call: Any) -> None:
    assert await owner_of_a_new_experiment(call) == getpass.getuser()


@pytest.mark.parametrize("server_config", [{"ServerApp": {"identity_provider_class": Named}}])
async def test_an_identity_provider_that_names_its_users_names_the_owner(call: Any) -> None:
    assert await owner_of_a_new_experiment(call) == "ada"


@pytest.mark.parametrize("method", WRITES)
async def test_a_wrong_token_is_told_as_one_whatever_else_is_missing(fetch: Fetch, method: str) -> None:
    refused = await fetch(method, f"/api/v1/experiment/{ID}", {"Authorization": "token wrong"})
    assert refused.code == 403
    assert b'"error": "AuthenticationRequired"' in refused.body
