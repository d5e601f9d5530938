"""A small client of the API server for tests: raw JSON over HTTPS, with the credentials of a kubeconfig."""

import ssl
import time
from collections.abc import Callable, Iterable
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar

import httpx
from kubernetes.client import Configuration
from kubernetes.config import load_kube_config

Json = dict[str, Any]
T = TypeVar("T")
# All groups in one answer, as clients of today ask for them.
_KINDS = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


class ApiError(Exception):
    """The API server answered with an error; the message is its own."""

    def __init__(self, answer: httpx.Response) -> None:
        super().__init__(f"{answer.request.method} {answer.request.url.path}: {answer.status_code} {answer.text}")
        self.status = answer.status_code


class Api:
    """The API server as one user sees it. Answers other than 2xx raise `ApiError`."""

    def __init__(self, kubeconfig: Path, context: str | None = None) -> None:
        configuration = Configuration()
        load_kube_config(str(kubeconfig), context, configuration)  # type: ignore[no-untyped-call]
        verify = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
        if configuration.cert_file:
            verify.load_cert_chain(configuration.cert_file, configuration.key_file)
        # The name of the token changed in version 36 of the package.
        find = configuration.get_api_key_with_prefix
        token = find("BearerToken") or find("authorization")
        headers = {"Authorization": token} if token else {}
        self.http = httpx.Client(
            base_url=configuration.host, verify=verify, headers=headers, timeout=30, trust_env=False
        )

    def close(self) -> None:
        """Close the connections."""
        self.http.close()

    def get(self, path: str, **query: str) -> Json:
        """Return an object or a list."""
        return self._json("GET", path, params=query)

    def text(self, path: str, **query: str) -> str:
        """Return what is no JSON: a log, a health check."""
        return self._request("GET", path, params=query).text

    def create(self, path: str, body: Json) -> Json:
        """Create an object in the collection at `path`, with strict field validation."""
        return self._json("POST", path, params={"fieldValidation": "Strict"}, json=body)

    def ensure(self, path: str, body: Json) -> None:
        """Create an object in the collection at `path`, if none of that name is there."""
        try:
            self.create(path, body)
        except ApiError as problem:
            if problem.status != HTTPStatus.CONFLICT:
                raise

    def patch(self, path: str, body: Json) -> Json:
        """Merge `body` into the object at `path`."""
        return self._json("PATCH", path, json=body, headers={"Content-Type": "application/merge-patch+json"})

    def delete(self, path: str) -> Json:
        """Delete the object at `path` and, in the background, what it owns."""
        return self._json("DELETE", path, params={"propagationPolicy": "Background"})

    def _json(self, method: str, path: str, **options: Any) -> Json:
        answer: Json = self._request(method, path, **options).json()
        return answer

    def _request(self, method: str, path: str, **options: Any) -> httpx.Response:
        answer = self.http.request(method, path, **options)
        if not answer.is_success:
            raise ApiError(answer)
        return answer


def holds(item: Json, condition: str) -> bool:
    """Whether an object has a condition that is true."""
    conditions = item.get("status", {}).get("conditions") or []
    return any(found["type"] == condition and found["status"] == "True" for found in conditions)


def serves(api: Api, definitions: Iterable[Json]) -> bool:
    """Whether a client that asks which kinds there are finds those of `definitions`: moments after `Established`."""
    answer = api.http.get("/apis", headers={"Accept": _KINDS}).raise_for_status()
    known = {
        (group["metadata"]["name"], version["version"], resource["resource"])
        for group in answer.json()["items"]
        for version in group["versions"]
        for resource in version.get("resources", ())  # a version that is not known yet has none
    }
    wanted = {
        (item["spec"]["group"], version["name"], item["spec"]["names"]["plural"])
        for item in definitions
        for version in item["spec"]["versions"]
        if version["served"]
    }
    return wanted <= known


def wait(what: str, look: Callable[[], T], *, seconds: float = 60) -> T:
    """Return the first true answer of `look`, asked every 50 ms; `TimeoutError` names what did not come."""
    deadline = time.monotonic() + seconds
    last: object = None
    while time.monotonic() < deadline:
        try:
            if answer := look():
                return answer
            last = answer
        except (ApiError, httpx.HTTPError, OSError) as problem:
            last = problem
        time.sleep(0.05)
    raise TimeoutError(f"{what}: not within {seconds:g} s; last seen: {last!r}")
