"""One Kubernetes cluster as one user sees it: raw JSON and bytes, with the credentials the `kubernetes` package reads.

Nothing else imports that package, and only here, in a worker thread of `Cluster.connect`, is it (and aiohttp) imported
at all: together they take half a second. Only what is the same from version 27 to 37 is used of it.
"""

from __future__ import annotations

import os
import ssl
import tempfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from submarine_jupyter_server.targets.kubernetes.raw_json import Json

from .credentials import Credentials, Keeper, in_thread
from .errors import ApiError, BadCredentials, Unreachable
from .proxies import proxy_for

if TYPE_CHECKING:
    from .transport import Transport

__all__ = ["ApiError", "BadCredentials", "Cluster", "Unreachable"]
_IMPERSONATION = {"as": "Impersonate-User", "as-uid": "Impersonate-Uid", "as-groups": "Impersonate-Group"}


class Cluster:
    """A connection to the API server; ``server`` is its URL, ``namespace`` that of the context or of the pod.

    Its requests are those of ``Transport``. Each raises ApiError when the server answers with an error, and Unreachable
    when it does not answer.
    """

    def __init__(self, transport: Transport, credentials: Credentials) -> None:
        self.call, self.text = transport.call, transport.text
        self.stream, self.close = transport.stream, transport.close
        self.server = credentials.server
        self.namespace = credentials.namespace

    @classmethod
    async def connect(
        cls, *, kubeconfig: str | None = None, context: str | None = None, in_cluster: bool = False
    ) -> Self:
        """Read the credentials, without a request to the server. Raises BadCredentials.

        ``kubeconfig`` may be several paths, joined as in the variable ``KUBECONFIG``, which counts when it is None.
        ``in_cluster`` takes the service account of the pod this runs in.
        """
        keeper = Keeper(_Login(kubeconfig, context, in_cluster=in_cluster))
        credentials = await keeper.current()
        transport = await in_thread(_transport_class)
        return cls(transport(keeper), credentials)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def _transport_class() -> type[Transport]:
    from .transport import Transport

    return Transport


class _Login:
    """A kubeconfig or a service account, read with the `kubernetes` package. Blocks."""

    def __init__(self, kubeconfig: str | None, context: str | None, *, in_cluster: bool) -> None:
        self._paths = kubeconfig or os.environ.get("KUBECONFIG") or "~/.kube/config"
        self._context = context
        self._in_cluster = in_cluster
        self._configuration: Any = None
        self._known: Credentials | None = None

    def load(self) -> Credentials:
        """Read everything anew."""
        try:
            self._known = self._from_pod() if self._in_cluster else self._from_kubeconfig()
        except BadCredentials:
            raise
        except Exception as error:  # noqa: BLE001 - the package and its login helpers raise whatever they like
            where = "the service account of this pod" if self._in_cluster else f"the kubeconfig {self._paths}"
            raise BadCredentials(f"{where} cannot be used: {_harmless(error)}") from None
        return self._known

    def refresh(self) -> Credentials:
        """Let the package renew a token that is about to expire."""
        if self._known is None or self._configuration.refresh_api_key_hook is None:
            return self._known or self.load()
        try:
            self._configuration.refresh_api_key_hook(self._configuration)
        except Exception as error:  # noqa: BLE001 - see above
            raise BadCredentials(f"the token cannot be renewed: {_harmless(error)}") from None
        others = tuple(header for header in self._known.headers if header[0] != "Authorization")
        self._known = replace(self._known, headers=(*_authorization(self._configuration), *others))
        return self._known

    def _from_pod(self) -> Credentials:
        from kubernetes.client import Configuration
        from kubernetes.config import incluster_config

        self._configuration = Configuration()
        incluster_config.load_incluster_config(self._configuration)  # type: ignore[no-untyped-call]
        namespace = Path(incluster_config.SERVICE_TOKEN_FILENAME).with_name("namespace")
        return _credentials(self._configuration, namespace.read_text().strip(), {}, {})

    def _from_kubeconfig(self) -> Credentials:
        from kubernetes.client import Configuration
        from kubernetes.config import kube_config

        files = kube_config.KubeConfigMerger(self._paths)  # type: ignore[no-untyped-call]
        if files.config is None:
            raise BadCredentials(f"there is no kubeconfig at {self._paths}")
        self._configuration = Configuration()
        with tempfile.TemporaryDirectory(prefix="submarine-") as folder:
            loader = kube_config.KubeConfigLoader(  # type: ignore[no-untyped-call]
                files.config,
                active_context=self._context,
                config_persister=lambda: _save(files),
                config_base_path=None,
                temp_file_path=folder,
            )
            try:
                loader.load_and_set(self._configuration)  # type: ignore[no-untyped-call]
                context = loader.current_context["context"]
                cluster = files.config["clusters"].get_with_name(context["cluster"])["cluster"].value
                user = _user(files.config, context)
                return _credentials(self._configuration, context.get("namespace") or "default", cluster, user)
            finally:
                _forget(kube_config, folder)


def _user(config: Any, context: Json) -> Json:
    if not context.get("user") or not config.safe_get("users"):
        return {}
    found = config["users"].get_with_name(context["user"], safe=True)
    return found["user"].value if found and found.safe_get("user") else {}


def _credentials(configuration: Any, namespace: str, cluster: Json, user: Json) -> Credentials:
    authorization = _authorization(configuration)
    if user.get("exec") and not authorization and not configuration.cert_file:
        raise BadCredentials(f"the login program {user['exec'].get('command')} gave no credentials")
    server = _without_login(configuration.host)
    # The package has read these two only since version 31 and 37.
    server_name = cluster.get("tls-server-name") or None
    proxy = cluster.get("proxy-url") or proxy_for(server, os.environ)
    if proxy and urlsplit(proxy).scheme not in ("http", "https"):
        raise BadCredentials(f"the proxy for {server} is of a kind that is not supported: {urlsplit(proxy).scheme}")
    return Credentials(
        server=server,
        namespace=namespace,
        headers=(*authorization, *_impersonation(user)),
        tls=_tls(configuration) if server.startswith("https:") else None,
        server_name=server_name,
        proxy=proxy,
        certificates=b"".join(
            Path(file).read_bytes() for file in (configuration.ssl_ca_cert, configuration.cert_file) if file
        ),
    )


def _authorization(configuration: Any) -> tuple[tuple[str, str], ...]:
    # The name of the token changed in version 36.
    token = configuration.api_key.get("BearerToken") or configuration.api_key.get("authorization")
    return (("Authorization", token.strip()),) if token else ()


def _impersonation(user: Json) -> tuple[tuple[str, str], ...]:
    """Return the headers by which a kubeconfig gives up rights; the package overlooks them."""
    if user.get("as-user-extra"):
        raise BadCredentials("as-user-extra in a kubeconfig is not supported")
    values = {header: user.get(key) or [] for key, header in _IMPERSONATION.items()}
    return tuple(
        (header, one) for header, value in values.items() for one in (value if isinstance(value, list) else [value])
    )


def _tls(configuration: Any) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
    # Python 3.13 refuses authorities without the extensions of RFC 5280, as many clusters have; kubectl does not.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if not configuration.verify_ssl:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if configuration.cert_file:
        # Without a password OpenSSL would ask for one on the terminal.
        context.load_cert_chain(configuration.cert_file, configuration.key_file, password="")
    return context


def _without_login(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl().rstrip("/")


def _save(files: Any) -> None:
    """Write renewed tokens of a login into the kubeconfig, as kubectl does; it may be read-only."""
    with suppress(OSError):
        files.save_changes()


def _forget(kube_config: Any, folder: str) -> None:
    """Have the package not hand out the files of ``folder``, which are gone, when it reads the same content again."""
    known: dict[str, str] = getattr(kube_config, "_temp_files", {})
    for content in [content for content, path in known.items() if path.startswith(folder)]:
        known.pop(content, None)


def _harmless(error: Exception) -> str:
    """Return what may be shown of an error: messages of the package and of YAML quote the file, tokens included."""
    if isinstance(error, OSError):
        return ": ".join(filter(None, (str(error.filename or ""), error.strerror or type(error).__name__)))
    if type(error).__name__ == "ConfigException":
        return str(error).partition("{")[0].partition(" in ")[0].strip()
    return type(error).__name__
