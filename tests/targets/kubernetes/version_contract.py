"""What has to hold with every version of the `kubernetes` package, run as a program beside one of them.

``python -m tests.targets.kubernetes.version_contract <folder of the authority>`` prints the versions it ran with as
JSON, and fails with the traceback of the first promise that does not hold.
"""

from __future__ import annotations

import asyncio
import base64
import datetime as dt
import importlib
import json
import os
import shutil
import ssl
import stat
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from submarine_jupyter_server.targets.kubernetes.api import credentials
from submarine_jupyter_server.targets.kubernetes.api.cluster import ApiError, BadCredentials, Cluster, Unreachable
from tests.targets.kubernetes.certificates import Authority
from tests.targets.kubernetes.fault_server import FaultServer, Script, answer, guarded, stream

Json = dict[str, Any]
WORKS = answer({"works": True})
EXEC = "client.authentication.k8s.io/v1"


class Stand:
    """A server, the authority, and a folder for one scenario."""

    def __init__(self, authority: Authority, folder: Path) -> None:
        self.authority = authority
        self.folder = folder

    @asynccontextmanager
    async def served(self, tls: ssl.SSLContext | None = None, script: Script = WORKS) -> Any:
        """Serve ``/version`` over TLS."""
        async with FaultServer(tls or self.authority.server()) as server:
            server.on("GET", "/version", script)
            yield server

    def kubeconfig(self, url: str, user: Json, *, trust: Json | None = None) -> str:
        """Write a kubeconfig for one user; the authority is trusted unless ``trust`` says otherwise."""
        trust = {"certificate-authority-data": self.authority.data("ca.pem")} if trust is None else trust
        config = {
            "clusters": [{"name": "c", "cluster": {"server": url, **trust}}],
            "users": [{"name": "u", "user": user}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u", "namespace": "team"}}],
            "current-context": "x",
        }
        path = self.folder / "kubeconfig"
        path.write_text(json.dumps(config))
        return str(path)

    def text(self, new: str | None = None) -> str:
        """Return the text of the kubeconfig, or write another one."""
        path = self.folder / "kubeconfig"
        if new is not None:
            path.write_text(new)
        return path.read_text()

    def program(self, **status: str) -> Json:
        """Return the user of a login program that prints ``status``, which may be rewritten with another call."""
        (self.folder / "status.json").write_text(json.dumps(status))
        program = self.folder / "login"
        told = {"apiVersion": EXEC, "kind": "ExecCredential"}
        program.write_text(
            f"#!{sys.executable} -S\nimport json, os\n"
            f"here = {str(self.folder)!r}\nopen(here + '/runs', 'a').write('x')\n"
            f"print(json.dumps({told!r} | {{'status': json.load(open(here + '/status.json'))}}))\n"
        )
        program.chmod(stat.S_IRWXU)
        return {"exec": {"apiVersion": EXEC, "command": str(program), "interactiveMode": "Never"}}


async def works(cluster: Cluster) -> None:
    """Make one call, which has to succeed, and close."""
    async with cluster:
        assert await cluster.call("GET", "/version") == {"works": True}


async def a_token(stand: Stand) -> None:
    """A token in the kubeconfig; also a stream."""
    async with stand.served(script=guarded("Bearer t0ken", WORKS)) as server:
        server.on("GET", "/logs", guarded("Bearer t0ken", stream(b"one\n", b"two\n")))
        cluster = await Cluster.connect(kubeconfig=stand.kubeconfig(server.url, {"token": "t0ken"}))
        assert (cluster.server, cluster.namespace) == (server.url, "team")
        async with cluster.stream("/logs", params={"follow": "true"}, idle_s=30) as chunks:
            assert b"".join([chunk async for chunk in chunks]) == b"one\ntwo\n"
        await works(cluster)


async def a_client_certificate(stand: Stand) -> None:
    """A certificate and its key, in the kubeconfig and as files beside it; no key stays on disk."""
    authority = stand.authority
    inside = {f"client-{what}-data": authority.data(f"client.{end}") for what, end in _PARTS.items()}
    beside = {f"client-{what}": f"client.{end}" for what, end in _PARTS.items()}
    for end in _PARTS.values():
        shutil.copy(authority.file(f"client.{end}"), stand.folder)
    async with stand.served(authority.server(clients=True)) as server:
        for user in (inside, beside, inside):  # twice: the package remembers files that are gone by then
            await works(await Cluster.connect(kubeconfig=stand.kubeconfig(server.url, user)))
        with pytest.raises(Unreachable):
            await works(await Cluster.connect(kubeconfig=stand.kubeconfig(server.url, {})))
    assert os.listdir(tempfile.gettempdir()) == []


async def names_and_trust(stand: Stand) -> None:
    """The name in the certificate, another name, and no check at all."""
    ca = {"certificate-authority-data": stand.authority.data("ca.pem")}
    async with stand.served(stand.authority.server("named")) as server:
        for trust in ({**ca, "tls-server-name": "api.test"}, {"insecure-skip-tls-verify": True}):
            await works(await Cluster.connect(kubeconfig=stand.kubeconfig(server.url, {}, trust=trust)))
        for trust in (ca, {"tls-server-name": "api.test"}):
            cluster = await Cluster.connect(kubeconfig=stand.kubeconfig(server.url, {}, trust=trust))
            with pytest.raises(Unreachable, match="not trusted"):
                await works(cluster)


async def a_login_program(stand: Stand) -> None:
    """A token from a program: another one after a 401, and before it expires; or a certificate."""
    accepted = "Bearer first"
    async with stand.served(script=guarded(lambda: accepted, WORKS)) as server:
        kubeconfig = stand.kubeconfig(server.url, stand.program(token="first"))
        cluster = await Cluster.connect(kubeconfig=kubeconfig)
        await cluster.call("GET", "/version")
        accepted = "Bearer second"
        stand.program(token="second", expirationTimestamp=_in(200))  # five minutes before counts as expired
        await cluster.call("GET", "/version")
        accepted = "Bearer third"
        stand.program(token="third", expirationTimestamp=_in(3600))
        credentials.CHECK_S = 0.0
        before = len(server.requests)
        await works(cluster)
        assert len(server.requests) == before + 1, "it should have been renewed before a 401"
        assert (stand.folder / "runs").read_text() == "xxx"
    data = {part: (stand.authority.folder / f"client.{end}").read_text() for part, end in _EXEC_PARTS.items()}
    async with stand.served(stand.authority.server(clients=True)) as server:
        await works(await Cluster.connect(kubeconfig=stand.kubeconfig(server.url, stand.program(**data))))


async def a_login_program_that_fails(stand: Stand) -> None:
    """Nothing is sent without credentials."""
    user = {"exec": {"apiVersion": EXEC, "command": "/bin/false", "interactiveMode": "Never"}}
    async with stand.served() as server:
        with pytest.raises(BadCredentials, match="/bin/false"):
            await Cluster.connect(kubeconfig=stand.kubeconfig(server.url, user))
        assert server.requests == []


async def openid_connect(stand: Stand) -> None:
    """A token of OpenID Connect: as it is, and renewed when it has expired, which the kubeconfig remembers."""
    old, new = _jwt(-3600), _jwt(3600)
    ca = stand.authority.data("ca.pem")
    async with stand.served(script=guarded(f"Bearer {new}", WORKS)) as server:
        server.on("GET", "/.well-known/openid-configuration", answer({"token_endpoint": f"{server.url}/token"}))
        told = {"id_token": new, "refresh_token": "again", "access_token": "a", "token_type": "Bearer"}
        server.on("POST", "/token", answer(told))
        config = {"idp-issuer-url": server.url, "idp-certificate-authority-data": ca, "client-id": "i"}
        config |= {"client-secret": "s", "id-token": old, "refresh-token": "r"}
        path = stand.kubeconfig(server.url, {"auth-provider": {"name": "oidc", "config": config}})
        for _ in range(2):
            await works(await Cluster.connect(kubeconfig=path))
        assert new in stand.text()
        assert len(server.to("/token")) == 1


async def a_pod(stand: Stand) -> None:
    """The service account of a pod, whose token is rotated: noticed by its age, and after a 401."""
    package: Any = importlib.import_module("kubernetes.config.incluster_config")
    account = stand.folder / "account"
    account.mkdir()
    package.SERVICE_TOKEN_FILENAME = str(account / "token")
    package.SERVICE_CERT_FILENAME = stand.authority.file("ca.pem")
    (account / "namespace").write_text("of-the-pod")
    accepted = "bearer one"
    async with stand.served(script=guarded(lambda: accepted, WORKS)) as server:
        os.environ |= {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(server.port)}
        (account / "token").write_text("one\n")
        cluster = await Cluster.connect(in_cluster=True)
        assert (cluster.server, cluster.namespace) == (server.url, "of-the-pod")
        await cluster.call("GET", "/version")
        (account / "token").write_text("two")
        accepted = "bearer two"
        await cluster.call("GET", "/version")
        (account / "token").write_text("three")
        accepted = "bearer three"
        later = SimpleNamespace(now=lambda: dt.datetime.now() + dt.timedelta(minutes=2))
        package.datetime = SimpleNamespace(datetime=later, timedelta=dt.timedelta)
        credentials.CHECK_S = 0.0
        before = len(server.requests)
        await works(cluster)
        assert len(server.requests) == before + 1


async def no_other_credentials(stand: Stand) -> None:
    """A 401 that stays is told, after one request, as there is no other token to try."""
    async with stand.served(script=guarded("Bearer other", WORKS)) as server:
        cluster = await Cluster.connect(kubeconfig=stand.kubeconfig(server.url, {"token": "t0ken"}))
        with pytest.raises(ApiError, match="HTTP 401 Unauthorized"):
            await works(cluster)
        assert len(server.requests) == 1


async def nothing_leaks(stand: Stand) -> None:
    """A kubeconfig that is wrong is described without what is secret in it."""
    user = {"token": "t0ken", "auth-provider": {"config": {}}}
    path = stand.kubeconfig("https://me:passw0rd@127.0.0.1:1", {"token": "t0ken"})
    good = stand.text()
    broken = (
        good.replace('"user": {"token"', '"usr": {"token"'),
        good.replace('"cluster": "c"', '"cluster": "d"'),
        good.replace('"current-context"', '"current"'),
        good.replace('"users": [', '"users": [{{'),
        good.replace('"t0ken"', '["t0ken"]'),
        good.replace('{"token": "t0ken"}', json.dumps(user)),
        good.replace("https://", "ftp://"),
    )
    for text in (good, *broken):
        stand.text(text)
        try:
            cluster = await Cluster.connect(kubeconfig=path)
        except BadCredentials as error:
            told = repr(error)
        else:
            call: Any = cluster.call
            told = repr((vars(cluster), await call.__self__._keeper.current()))
            await cluster.close()
        assert "t0ken" not in told, told
        assert "passw0rd" not in told, told


_PARTS = {"certificate": "pem", "key": "key"}
_EXEC_PARTS = {"clientCertificateData": "pem", "clientKeyData": "key"}
SCENARIOS: tuple[Callable[[Stand], Awaitable[None]], ...] = (
    a_token,
    a_client_certificate,
    names_and_trust,
    a_login_program,
    a_login_program_that_fails,
    openid_connect,
    a_pod,
    no_other_credentials,
    nothing_leaks,
)


def _in(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))


def _jwt(seconds: int) -> str:
    parts = ({"alg": "none"}, {"exp": int(time.time()) + seconds}, {"signature": "is not looked at"})
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)


async def main(authority: Authority) -> None:
    """Run all scenarios."""
    assert not {"kubernetes", "aiohttp"} & set(sys.modules), "imported before anybody connects"
    usual = credentials.CHECK_S
    for scenario in SCENARIOS:
        with tempfile.TemporaryDirectory() as folder:
            stand = Stand(authority, Path(folder, "stand"))
            tempfile.tempdir = os.path.join(folder, "temporary")
            os.mkdir(stand.folder)
            os.mkdir(tempfile.tempdir)
            credentials.CHECK_S = usual
            await scenario(stand)
            tempfile.tempdir = None
    print(json.dumps({name: version(name) for name in ("kubernetes", "aiohttp")}))


if __name__ == "__main__":
    asyncio.run(main(Authority(Path(sys.argv[1]))))
