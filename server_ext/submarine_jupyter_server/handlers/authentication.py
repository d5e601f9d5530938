"""Who authenticates the callers of this server: Jupyter, a hub, a proxy that the administrator names, or nobody.

An experiment is a command: where nobody does, any page in the user's browser could send one.
"""

from __future__ import annotations

import hmac
import os
import re
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from jupyter_server.auth.identity import IdentityProvider, LegacyIdentityProvider, PasswordIdentityProvider
from jupyter_server.serverapp import ServerApp
from tornado.httputil import HTTPHeaders

from submarine_jupyter.errors import AuthenticationRequired

HEADER_NAME = re.compile(r"[A-Za-z0-9-]{1,100}")
LONGEST_NAME = 255
# Exactly these: what is derived from them may know its users.
_NAMELESS = (IdentityProvider, PasswordIdentityProvider, LegacyIdentityProvider)


@dataclass(frozen=True, slots=True)
class TrustedProxy:
    """A proxy that has authenticated whoever comes through it, and names the user in ``header``.

    Kernels do not come through it: they send ``token``, which they read where only this user can.
    """

    header: str
    token: str

    def user(self, headers: HTTPHeaders) -> str | None:
        """Return the name of the caller, None for a kernel of this user. Raises AuthenticationRequired."""
        if hmac.compare_digest(headers.get("Authorization", "").encode(), f"token {self.token}".encode()):
            return None
        found = [name.strip() for name in headers.get_list(self.header)]
        if len(found) != 1 or not found[0].isprintable() or not 0 < len(found[0]) <= LONGEST_NAME:
            raise AuthenticationRequired(
                "Authentication is required.",
                hint=f"The proxy in front of this server has to name its user, once, in the header {self.header}.",
            )
        return found[0]

    def is_same_site(self, headers: HTTPHeaders) -> bool:
        """Return whether no page of another site can have sent this: the proxy would take its word for the user's."""
        if headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
            return False
        origin = headers.get("Origin")
        return origin is None or origin.lower().partition("://")[2] == headers.get("Host", "").lower()


def token_file(runtime_dir: str) -> Path:
    """Return where kernels of this user find the token of this server, beside its own runtime file."""
    return Path(runtime_dir) / f"submarine-{os.getpid()}.token"


def trusted_proxy(server: ServerApp, header: str) -> TrustedProxy | None:
    """Return the proxy whose ``header`` the administrator trusts; None where Jupyter authenticates by itself."""
    if not header or authenticates(server):
        return None
    token, path = secrets.token_urlsafe(32), token_file(server.runtime_dir)
    path.unlink(missing_ok=True)  # of a process that had this number
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(token)
    return TrustedProxy(header, token)


def authenticates(server: ServerApp) -> bool:
    """Return whether Jupyter lets nobody in who has not authenticated.

    By what was built, not by variables of the environment. Of a JupyterHub it is the login handler that does it, where
    hub and server are joined by inheritance (jupyterhub.singleuser.mixins); else its identity provider says so itself.
    """
    provider = server.identity_provider
    if provider.auth_enabled:
        return True
    if not isinstance(provider, LegacyIdentityProvider):
        return False
    kinds = cast(type, provider.login_handler_class).__mro__
    return any(kind.__module__ == "jupyterhub.singleuser.mixins" for kind in kinds)


def is_nameless(provider: IdentityProvider) -> bool:
    """Return whether an identity provider does not know its users by name: it invents one for each browser."""
    return type(provider) in _NAMELESS


def insecure(server: ServerApp, proxy: TrustedProxy | None, *, separate: bool = False) -> tuple[str, str] | None:
    """Return why a stranger could run code through this server and what to do, None if he cannot.

    Where users are to be ``separate``, whoever cannot be told from the others is a stranger.
    """
    if proxy is not None:
        return None
    if separate and is_nameless(server.identity_provider):
        return (
            "SubmarineExtension.separate_users is set, but nothing identifies the users of this server.",
            "Configure an identity provider that names each user, or SubmarineExtension.trusted_user_header.",
        )
    if not authenticates(server):
        hint = (
            "Remove IdentityProvider.token = '' from the configuration, or set a token or a password. Where a proxy "
            "authenticates, set SubmarineExtension.trusted_user_header to the header that names the user."
        )
        return "authentication is switched off.", hint
    pattern = server.web_app.settings.get("allow_origin_pat")
    if server.allow_origin == "*" or (pattern is not None and pattern.fullmatch("https://any.invalid")):
        return (
            "pages of any origin are allowed.",
            "Set ServerApp.allow_origin to the one origin that needs it.",
        )
    return None
