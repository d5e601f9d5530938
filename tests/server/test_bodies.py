"""Bodies over the wire: every bad one is a 4xx in the envelope that says what and where, and none is a burden."""

from __future__ import annotations

import asyncio
import json
import resource
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from jupyter_server.serverapp import ServerApp

MIB = 1024 * 1024
JSON = "application/json"
YAML = "application/yaml"
GOOD = {
    "meta": {"name": "small", "framework": "Standalone", "cmd": "true"},
    "spec": {"Worker": {"resources": "cpu=1"}},
}


def files(**found: str) -> bytes:
    """Return a body whose code has these files."""
    return json.dumps(GOOD | {"code": {"syncMode": "inline", "files": found}}).encode()


BINARY = "data:application/octet-stream;base64,"
TWICE = files(**{"a.py": ""}).replace(b'{"a.py": ""}', b'{"a.py": "", "a.py": "x"}')
BAD = [
    ("file above", JSON, files(**{"../x": ""}), 400, "code.files: '../x' is not a relative file name"),
    ("absolute file", JSON, files(**{"/etc/x": ""}), 400, "code.files: '/etc/x' is not a relative file name"),
    ("file in a file", JSON, files(**{"a": "", "a/b": ""}), 400, "'a' cannot be both a file and a folder of 'b'"),
    ("file twice", JSON, TWICE, 400, "'a.py' is given twice"),
    ("no base64", JSON, files(a=f"{BINARY}%"), 400, "code.files: 'a' is not base64 after"),
    ("large files", JSON, files(a=BINARY + "AAAA" * 175_000), 400, "code.files: more than 512 KiB in all"),
    ("empty", JSON, b"", 400, "Invalid experiment spec. The body is empty."),
    ("blank", JSON, b" \n ", 400, "Invalid experiment spec. The body is empty."),
    ("truncated", JSON, json.dumps(GOOD).encode()[:-5], 400, "Invalid experiment spec. Line 1, column"),
    ("not UTF-8", JSON, b'{"meta": "\xff"}', 400, "Byte 10 is not UTF-8"),
    ("UTF-16", JSON, json.dumps(GOOD).encode("utf-16"), 400, "Byte 0 is not UTF-8"),
    ("deep", JSON, b'{"a":' * 50_000, 400, "deeper than 32"),
    ("wide", JSON, b"[" + b"0," * 100_000 + b"0]", 400, "More than 10000 values"),
    ("twice", JSON, b'{"meta": {}, "meta": {}}', 400, "'meta' is given twice"),
    ("NaN", JSON, b'{"meta": NaN}', 400, "NaN is not JSON"),
    ("huge number", JSON, b'{"meta": 1e400}', 400, "too large"),
    ("surrogate", JSON, b'{"meta": "\\ud800"}', 400, "surrogate"),
    ("list", JSON, b"[]", 400, "not an object"),
    ("text", JSON, b'"x"', 400, "not an object"),
    ("null", JSON, b"null", 400, "not an object"),
    ("bomb", YAML, b"a: &a [x, x]\nb: [*a, *a]", 400, "anchors and aliases"),
    ("python", YAML, b"a: !!python/object/apply:os.system [id]", 400, "tags are not supported"),
    ("merge", YAML, b"<<: {a: 1}", 400, "merge keys"),
    ("two documents", YAML, b"a: 1\n---\nb: 1", 400, "single document"),
    ("broken YAML", YAML, b"a: [1", 400, "Line 1|Line 2"),
    ("large YAML", YAML, b"a: " + b"x" * 300_000, 413, "256 KiB"),
    ("large", JSON, b'{"a": "' + b"x" * MIB + b'"}', 413, "1024 KiB"),
    ("form", "application/x-www-form-urlencoded", b"meta=x", 415, "x-www-form-urlencoded"),
    ("parts", "multipart/form-data; boundary=x", b"--x\r\n\r\n--x--", 415, "multipart/form-data"),
    ("plain", "text/plain", json.dumps(GOOD).encode(), 415, "text/plain"),
    ("untyped", "", json.dumps(GOOD).encode(), 415, "no content type"),
    ("Latin", f"{JSON}; charset=latin-1", json.dumps(GOOD).encode(), 415, "UTF-8"),
    ("odd charset", f"{JSON}; charset*=x''y", json.dumps(GOOD).encode(), 415, "UTF-8"),
    ("patch", "application/merge-patch+json", b"{}", 415, "merge-patch"),
]


@pytest.mark.parametrize(("kind", "body", "code", "words"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
async def test_a_bad_body_is_refused_in_words(call: Any, kind: str, body: bytes, code: int, words: str) -> None:
    answer = await call("POST", "experiment", body, headers={"Content-Type": kind})
    assert answer.code == code, answer.text
    assert any(part in answer.message for part in words.split("|")), answer.message
    assert (await call("GET", "experiment")).result == []


@pytest.mark.parametrize("body", [b"", b"[", b'{"a": NaN}', b"null"])
async def test_a_change_is_read_as_strictly(call: Any, body: bytes) -> None:
    path = "experiment/experiment-1647574374688-0002"
    for kind in (JSON, "application/merge-patch+json"):
        answer = await call("PATCH", path, body, headers={"Content-Type": kind})
        assert answer.code == 400
        assert answer.message.startswith("Invalid experiment spec.")


async def test_a_compressed_body_is_not_unpacked(call: Any) -> None:
    headers = {"Content-Type": JSON, "Content-Encoding": "gzip"}
    assert (await call("POST", "experiment", b"\x1f\x8b", headers=headers)).code == 415


@pytest.mark.parametrize("key", ["", "x" * 256, "with space", "caf\xe9", "a\tb"])
async def test_an_idempotency_key_is_visible_ascii(call: Any, key: str) -> None:
    answer = await call("POST", "experiment", GOOD, headers={"Idempotency-Key": key})
    assert answer.code == 400
    assert "Idempotency-Key" in answer.message


@pytest.mark.parametrize("value", ["3", '"x"', 'W/"3"', '"3", "4"'])
async def test_if_match_is_a_generation(call: Any, value: str) -> None:
    path = "experiment/experiment-1647574374688-0002"
    answer = await call("PATCH", path, GOOD, headers={"If-Match": value})
    assert answer.code == 400
    assert "If-Match" in answer.message


Raw = Callable[[bytes | AsyncIterator[bytes]], Awaitable[bytes]]


@pytest.fixture
def raw(http_server: Any, jp_http_port: int, jp_serverapp: ServerApp) -> Raw:
    """Send bytes, and return all that comes back."""

    async def exchange(sent: bytes | AsyncIterator[bytes]) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", jp_http_port)
        try:
            if isinstance(sent, bytes):
                writer.write(sent)
            else:
                async for piece in sent:
                    writer.write(piece)
                    await writer.drain()
            return await asyncio.wait_for(reader.read(), 20)
        finally:
            writer.close()

    return exchange


def head(base_url: str, token: str, *lines: str) -> bytes:
    first = (f"POST {base_url}api/v1/experiment HTTP/1.1", "Host: localhost", "Connection: close")
    more = (f"Authorization: token {token}", f"Content-Type: {JSON}", *lines)
    return "\r\n".join((*first, *more, "", "")).encode()


async def test_a_body_declared_too_large_is_refused_before_it_is_sent(raw: Raw, jp_serverapp: ServerApp) -> None:
    token = jp_serverapp.identity_provider.token
    answer = await raw(head(jp_serverapp.base_url, token, f"Content-Length: {60 * MIB}", "Expect: 100-continue"))
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"REQUEST_ENTITY_TOO_LARGE" in answer


async def test_not_even_the_end_of_an_endless_body_is_waited_for(raw: Raw, jp_serverapp: ServerApp) -> None:
    token = jp_serverapp.identity_provider.token
    answer = await raw(head(jp_serverapp.base_url, token, f"Content-Length: {10**12}") + b"{")
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b'"success":false' in answer


@pytest.mark.parametrize("token", [None, "wrong"], ids=["known", "unknown"])
async def test_whoever_sends_too_much_still_reads_the_answer(
    raw: Raw, jp_serverapp: ServerApp, token: str | None
) -> None:
    """The answer is not lost in a reset connection, and 40 MiB are not kept."""

    async def flood() -> AsyncIterator[bytes]:
        yield head(jp_serverapp.base_url, token or jp_serverapp.identity_provider.token, f"Content-Length: {40 * MIB}")
        for _ in range(40):
            yield b"x" * MIB

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    answer = await raw(flood())
    assert answer.startswith(b"HTTP/1.1 413 " if token is None else b"HTTP/1.1 403 ")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20 * 1024


async def test_chunks_are_counted(raw: Raw, jp_serverapp: ServerApp) -> None:
    async def chunked() -> AsyncIterator[bytes]:
        yield head(jp_serverapp.base_url, jp_serverapp.identity_provider.token, "Transfer-Encoding: chunked")
        for _ in range(20):
            yield b"%x\r\n%s\r\n" % (MIB, b"x" * MIB)
        yield b"0\r\n\r\n"

    answer = await raw(chunked())
    assert answer.startswith(b"HTTP/1.1 413 "), answer[:200]


async def test_a_body_in_chunks_is_read(raw: Raw, jp_serverapp: ServerApp) -> None:
    sent = head(jp_serverapp.base_url, jp_serverapp.identity_provider.token, "Transfer-Encoding: chunked")
    answer = await raw(sent + b"1\r\n{\r\n1\r\n}\r\n0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"meta: Field required" in answer


async def test_a_client_that_leaves_in_the_middle_of_its_body_leaves_nothing(
    call: Any, jp_http_port: int, jp_serverapp: ServerApp
) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", jp_http_port)
    writer.write(head(jp_serverapp.base_url, jp_serverapp.identity_provider.token, "Content-Length: 500"))
    writer.write(json.dumps(GOOD).encode())
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    assert (await call("GET", "experiment")).result == []


async def test_a_client_that_leaves_after_its_body_has_made_its_experiment(
    call: Any, jp_http_port: int, jp_serverapp: ServerApp
) -> None:
    await call("GET", "experiment")
    body = json.dumps(GOOD).encode()
    _, writer = await asyncio.open_connection("127.0.0.1", jp_http_port)
    writer.write(head(jp_serverapp.base_url, jp_serverapp.identity_provider.token, f"Content-Length: {len(body)}"))
    writer.write(body)
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    for _ in range(800):
        if made := (await call("GET", "experiment")).result:
            break
        await asyncio.sleep(0.05)
    assert [item["spec"]["meta"]["name"] for item in made] == ["small"]
    await call("DELETE", f"experiment/{made[0]['experimentId']}")


@pytest.mark.parametrize(
    "body",
    [
        {"meta": {"envVars": {f"V{i:05}": "x" * 1000 for i in range(1000)}}},
        {"meta": {"cmd": "echo " + "'a' " * 32_000}},
        {"meta": {"cmd": "echo " + "--password xyzzy " * 7000}},
        {"code": {"syncMode": "inline", "files": {f"d{i % 50}/f{i}.py": "x" * 50 for i in range(4000)}}},
        {"meta": {"framework": "TensorFlow"}, "spec": {"Worker": {"replicas": 1000, "resources": "cpu=1m"}}},
    ],
)
async def test_the_largest_bodies_hold_up_nobody(call: Any, body: dict[str, Any]) -> None:
    meta = {"name": "large", "framework": "Standalone", "cmd": "true"} | body.get("meta", {})
    whole = {"spec": {"Worker": {"resources": "cpu=1m"}}} | body | {"meta": meta}
    answer = await call("POST", "experiment", whole, params={"dryRun": "true"})  # the fixture of all tests sees a stall
    assert answer.result["objects"]
