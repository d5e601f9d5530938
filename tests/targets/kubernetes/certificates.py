"""A certificate authority for tests, made with the openssl program."""

from __future__ import annotations

import base64
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Authority:
    """A folder with the authority ``ca.pem``, and certificates it signed as ``<name>.pem`` and ``<name>.key``."""

    folder: Path

    @classmethod
    def make(cls, folder: Path) -> Authority:
        """Make one, with ``server`` (for 127.0.0.1), ``named`` (for ``api.test`` only), and ``client``."""
        authority = cls(folder)
        subject = ["-subj", "/CN=test authority", "-keyout", "ca.key", "-out", "ca.pem"]
        authority._openssl("req", "-x509", *_KEY, *subject, "-days", "2")
        authority._sign("server", "subjectAltName=IP:127.0.0.1")
        authority._sign("named", "subjectAltName=DNS:api.test")
        authority._sign("client", "extendedKeyUsage=clientAuth")
        return authority

    def file(self, name: str) -> str:
        """Return the path of a file."""
        return str(self.folder / name)

    def data(self, name: str) -> str:
        """Return a file as kubeconfigs have it, in base64."""
        return base64.b64encode((self.folder / name).read_bytes()).decode()

    def server(self, name: str = "server", *, clients: bool = False) -> ssl.SSLContext:
        """Return what a server needs; with ``clients`` it wants a certificate of this authority from everybody."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.file(f"{name}.pem"), self.file(f"{name}.key"))
        if clients:
            context.load_verify_locations(self.file("ca.pem"))
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def _sign(self, name: str, extension: str) -> None:
        self._openssl("req", *_KEY, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        (self.folder / f"{name}.ext").write_text(extension)
        signer = ["-CA", "ca.pem", "-CAkey", "ca.key", "-set_serial", str(sum(name.encode())), "-days", "1"]
        self._openssl("x509", "-req", "-in", f"{name}.csr", *signer, "-extfile", f"{name}.ext", "-out", f"{name}.pem")

    def _openssl(self, *words: str) -> None:
        subprocess.run(["openssl", *words], cwd=self.folder, check=True, capture_output=True)


_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
