"""A registry of images that has none, and says so as the distribution specification wants it.

https://github.com/opencontainers/distribution-spec/blob/main/spec.md#error-codes

It runs in the network of the node, where containerd takes this address without TLS.
"""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ADDRESS = "127.0.0.1:5000"
# By the first part of an image's name; everything else is unknown.
_ANSWERS = {"private": (401, "UNAUTHORIZED"), "busy": (429, "TOOMANYREQUESTS")}


class _Handler(BaseHTTPRequestHandler):
    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, *, with_body: bool) -> None:
        name = self.path.removeprefix("/v2/").partition("/")[0]
        status, code = _ANSWERS.get(name, (404, "MANIFEST_UNKNOWN"))
        body = json.dumps({"errors": [{"code": code, "message": code.lower()}]}).encode()
        self.send_response(status)
        if status == 401:
            self.send_header("WWW-Authenticate", 'Basic realm="registry"')
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if with_body:
            self.wfile.write(body)


if __name__ == "__main__":
    host, _, port = ADDRESS.partition(":")
    ThreadingHTTPServer((host, int(port)), _Handler).serve_forever()
