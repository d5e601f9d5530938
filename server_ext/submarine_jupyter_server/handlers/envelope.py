"""The envelope around every answer: ``status, code, success, message, result, attributes``, in this order."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from http import HTTPStatus

# The names are those of JAX-RS, which Submarine answers with; Python 3.13 renamed some of its own.
_NAMES = {
    413: "REQUEST_ENTITY_TOO_LARGE",
    416: "REQUESTED_RANGE_NOT_SATISFIABLE",
    422: "UNPROCESSABLE_ENTITY",
}


def success(result: str, attributes: Mapping[str, object]) -> str:
    """Return the answer around ``result``, which is JSON text already."""
    return (
        f'{{"status":"OK","code":200,"success":true,"message":null,"result":{result},'
        f'"attributes":{json.dumps(dict(attributes))}}}'
    )


def failure(code: int, message: str, hint: str | None, cause: str) -> str:
    """Return the answer for an error with the HTTP status ``code``; hint and cause, one word, are attributes."""
    attributes = {"error": cause, **({"hint": hint} if hint else {})}
    return (
        f'{{"status":"{name(code)}","code":{code},"success":false,"message":{json.dumps(message)},'
        f'"result":null,"attributes":{json.dumps(attributes)}}}'
    )


def name(code: int) -> str:
    """Return the name of an HTTP status, such as ``NOT_FOUND``."""
    return _NAMES.get(code) or HTTPStatus(code).name


def http_words(code: int, text: str, *, known: bool) -> tuple[str, str | None, str]:
    """Return message, hint and cause for an error of the web server; ``known`` tells whether the caller is."""
    if code == 403 and not known:  # Jupyter looks for the XSRF token before it refuses who has no other
        hint = "Send the token of the server: 'Authorization: token ...'."
        return "Authentication is required.", hint, "AuthenticationRequired"
    if code == 404 and not text:
        hint = "ServerApp.allow_origin or allow_origin_pat of the Jupyter Server can admit it."
        return "This server does not answer requests from another origin.", hint, "OtherOrigin"
    if code == 405:
        return (
            "This URL does not support the method.",
            "The header Allow lists the methods it supports.",
            "NoSuchMethod",
        )
    phrase = HTTPStatus(code).phrase
    return text or phrase, None, re.sub("[^A-Za-z]", "", phrase.title())
