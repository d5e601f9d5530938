"""Every error is the envelope, in words, with the real HTTP status and nothing that should stay inside."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from tornado.escape import url_escape

from submarine_jupyter import errors
from submarine_jupyter_server.handlers import envelope
from submarine_jupyter_server.opening import startup

ID = "experiment-1647574374688-9999"


def kinds(root: type[errors.SubmarineError]) -> list[type[errors.SubmarineError]]:
    found = [root]
    for kind in root.__subclasses__():
        found += kinds(kind)
    # Those of other modules are made of other things than a message.
    return [kind for kind in found if not issubclass(kind, errors.KernelError) and kind.__module__ == errors.__name__]


async def test_an_unknown_experiment_is_told_in_the_words_clients_test_for(call: Any) -> None:
    for method, path in (
        ("GET", f"experiment/{ID}"),
        ("DELETE", f"experiment/{ID}"),
        ("POST", f"experiment/{ID}/stop"),
        ("GET", f"experiment/logs/{ID}"),
        ("GET", f"experiment/{ID}/metrics"),
        ("GET", f"experiment/{ID}/events"),
    ):
        answer = await call(method, path, b"" if method == "POST" else None)
        assert answer.text == (
            '{"status":"NOT_FOUND","code":404,"success":false,"message":"Not found experiment.",'
            '"result":null,"attributes":{"error": "NotFound"}}'
        ), path
    for more in ({"follow": "true"}, {"format": "raw"}, {"download": "true"}):
        answer = await call("GET", f"experiment/logs/{ID}", params=more)
        assert (answer.code, answer.message) == (404, "Not found experiment."), more


@pytest.mark.parametrize(
    "name",
    ["..", "%2e%2e", "..%2f..%2fetc%2fpasswd", "experiment-1-0001%00", "experiment-1-0001%0a", "\u2170", "x" * 300,
     "experiment-1-0001%2f..", "experiment-\uff11-0001", "experiment-1-0001.json", "*", "experiment-1-*", "'%20or%201"],
)  # fmt: skip
async def test_what_cannot_be_an_id_is_not_found(
    http_server_client: Any, jp_base_url: str, jp_auth_header: dict[str, str], name: str
) -> None:
    for path in (f"experiment/{name}", f"experiment/logs/{name}", f"experiment/{name}/metrics"):
        url = jp_base_url + "api/v1/" + (path if path.isascii() else url_escape(path, plus=False))
        answer = await http_server_client.fetch(url, headers=jp_auth_header, raise_error=False)
        assert answer.code == 404, (path, answer.body)
        assert b'"success":false' in answer.body


async def test_bytes_in_the_url_that_are_no_text_are_refused(call: Any, http_server_client: Any, jp_base_url: str,
                                                             jp_auth_header: dict[str, str]) -> None:  # fmt: skip
    for path in ("experiment/%ff", "experiment?name=%ff", "experiment?name=a%00b"):
        answer = await http_server_client.fetch(
            f"{jp_base_url}api/v1/{path}", headers=jp_auth_header, raise_error=False
        )
        assert answer.code == 400, answer.body
        assert b'"success":false' in answer.body


@pytest.mark.parametrize(
    ("method", "path", "params"),
    [
        ("GET", "experiment", {"stauts": "Running"}),
        ("GET", "experiment", {"limit": "-1"}),
        ("GET", "experiment", {"limit": "many"}),
        ("GET", "experiment", {"cursor": "x"}),
        ("GET", "experiment", {"sort": "colour"}),
        ("GET", "experiment", {"status": "Happy"}),
        ("POST", "experiment", {"dryrun": "true"}),
        ("POST", "experiment", {"dryRun": "yes"}),
        ("GET", f"experiment/{ID}", {"view": "all"}),
        ("GET", f"experiment/{ID}", {"veiw": "full"}),
        ("DELETE", f"experiment/{ID}", {"force": "true"}),
        ("GET", f"experiment/logs/{ID}", {"follow": "1"}),
        ("GET", f"experiment/logs/{ID}", {"format": "html"}),
        ("GET", f"experiment/logs/{ID}", {"format": "raw", "tail": "3"}),
        ("GET", f"experiment/logs/{ID}", {"follow": "true", "tail": "x"}),
        ("GET", f"experiment/logs/{ID}", {"tail": "-1"}),
        ("GET", f"experiment/logs/{ID}", {"color": "x"}),
        ("GET", "experiment/events", {"lastEventId": "x"}),
        ("GET", "experiment/ping", {"x": "y"}),
        ("GET", "target", {"x": "y"}),
    ],
)
async def test_a_parameter_that_is_not_understood_is_refused(
    call: Any, method: str, path: str, params: dict[str, str]
) -> None:
    answer = await call(method, path, b"{}" if method == "POST" else None, params=params)
    assert answer.code in ((400, 404) if "tail" in params or "color" in params else (400,)), answer.text
    assert answer.message


async def test_parameters_of_jupyter_itself_are_let_through(call: Any) -> None:
    for params in ({"no_track_activity": "1"}, {"1647574374688": ""}, {"_xsrf": "x"}):
        assert (await call("GET", "experiment", params=params)).code == 200


async def test_polling_does_not_keep_a_server_alive(call: Any, jp_serverapp: Any) -> None:
    await call("GET", "experiment/ping", params={"no_track_activity": "1"})
    assert "api_last_activity" not in jp_serverapp.web_app.settings
    await call("GET", "experiment/ping")
    assert "api_last_activity" in jp_serverapp.web_app.settings


async def test_a_method_that_is_not_there_lists_those_that_are(call: Any) -> None:
    answer = await call("PUT", "experiment", {})
    assert (answer.code, answer.envelope["status"]) == (405, "METHOD_NOT_ALLOWED")
    assert answer.headers["Allow"] == "GET, POST, DELETE"


async def test_what_is_not_there_is_told_in_the_envelope(call: Any) -> None:
    for path in ("", "experiments", "experiment/a/b/c", "environment"):
        assert (await call("GET", path)).code == 404


@pytest.mark.parametrize("kind", kinds(errors.SubmarineError), ids=lambda kind: kind.__name__)
async def test_each_error_of_ours_has_its_status(
    call: Any, monkeypatch: pytest.MonkeyPatch, kind: type[errors.SubmarineError]
) -> None:
    async def fail(_: object) -> None:
        raise kind("No disk.", hint="Buy one.")

    monkeypatch.setattr(startup.Opening, "service", fail)
    answer = await call("GET", "experiment")
    assert answer.code == kind.status
    assert answer.message == "No disk."
    assert answer.envelope["attributes"] == {"error": kind.__name__, "hint": "Buy one."}
    assert ("Retry-After" in answer.headers) == (kind.status in (429, 503))


async def test_an_error_nobody_expected_shows_an_id_and_no_secret(
    call: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, jp_serverapp: Any
) -> None:
    async def fail(_: object) -> None:
        raise RuntimeError("canary in the exception")

    monkeypatch.setattr(startup.Opening, "service", fail)
    caplog.set_level(logging.DEBUG)
    answer = await call("GET", "experiment", params={"name": "canary-in-the-query"})
    assert (answer.code, answer.message) == (500, "The server failed.")
    assert "canary" not in answer.text
    assert "Traceback" not in answer.text
    error_id = answer.envelope["attributes"]["hint"].split()[1]
    logged = [record for record in caplog.records if error_id in record.getMessage()]
    assert len(logged) == 1
    assert logged[0].exc_info
    assert jp_serverapp.identity_provider.token not in caplog.text.partition("Use Control-C")[2].partition(error_id)[2]


@pytest.mark.parametrize(
    ("code", "name"),
    [(400, "BAD_REQUEST"), (403, "FORBIDDEN"), (404, "NOT_FOUND"), (405, "METHOD_NOT_ALLOWED"), (409, "CONFLICT"),
     (413, "REQUEST_ENTITY_TOO_LARGE"), (415, "UNSUPPORTED_MEDIA_TYPE"), (416, "REQUESTED_RANGE_NOT_SATISFIABLE"),
     (422, "UNPROCESSABLE_ENTITY"), (429, "TOO_MANY_REQUESTS"), (500, "INTERNAL_SERVER_ERROR"),
     (503, "SERVICE_UNAVAILABLE"), (507, "INSUFFICIENT_STORAGE")],
)  # fmt: skip
def test_the_status_has_the_name_submarine_gives_it(code: int, name: str) -> None:
    assert envelope.name(code) == name


async def test_answers_are_not_for_caches_or_other_sites(call: Any) -> None:
    for path in ("experiment", "experiment/nope", "openapi.json"):
        headers = (await call("GET", path)).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert headers["Cache-Control"] in ("no-store", "no-cache")
        assert headers["Content-Type"] == "application/json; charset=utf-8"


async def test_nothing_is_answered_as_unchanged(call: Any) -> None:
    assert (await call("GET", "experiment", headers={"If-None-Match": "*"})).code == 200
