"""Find which variables hold a credential, by their name or by their value, and hide credentials within a text.

A secret shown is worse than a setting hidden; yet settings that everybody has (``MAX_TOKENS``, ``SORT_KEY``) stay
visible, or nobody could compare experiments. The beginnings of tokens are those their issuers document for scanners:
https://docs.github.com/en/code-security/reference/secret-security/supported-secret-scanning-patterns
"""

from __future__ import annotations

import re
from itertools import pairwise

MASK = "******"
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
# Anywhere in a name: these words are about nothing else.
_ALWAYS = re.compile(r"(?i)passw|passphrase|secret|credential|api[_.-]?key|bearer|authorization")
_WORDS = frozenset(
    """token tokens pass passcode pwd pat cred creds cookie cookies auth jwt dsn sas webhook webhooks pem keyfile
    htpasswd""".split()  # noqa: SIM905 - a list of words is read best as words
)
_KEYS = frozenset(
    """api access private auth account encryption signing ssh gpg pgp deploy master service storage shared license
    session client server ssl tls rsa host hmac admin project user my app team wandb hf openai""".split()  # noqa: SIM905
)
# Beside `token`, `pass` or `key` these speak of counts and marks of data, not of doors.
_DATA = frozenset(
    """max min num n count total limit per batch len length size rate budget new first last eos bos pad unk mask sep
    cls special stop begin end start image sort group primary foreign partition label metric monitor text feature
    target input output row index cache join public parallelism vocab through forward backward""".split()  # noqa: SIM905
)
# What a name ends with that speaks about a secret without being one.
_ABOUT = frozenset("file path dir folder name type mode method url uri host port ttl domain algorithm enabled".split())  # noqa: SIM905
_HARMLESS = re.compile(
    r"(?i)|[+-]?[0-9][0-9_.,:e+-]{0,15}|true|false|yes|no|on|off|none|null|auto|default|basic|digest|bearer|oauth2?|oidc"
)
# Written at the end of another word: DBPASS, PGPASS.
_GLUED = re.compile(r"(?!bypass|compass|encompass|trespass|surpass)[a-z]{2,20}(?:pass|pwd)")
# A password may have signs that an address should not; what begins like a port and a path is one.
_USERINFO = re.compile(
    r"(?<![A-Za-z0-9+.-])([A-Za-z][A-Za-z0-9+.-]{0,31}://[^\s/?#@:'\"]{0,256}):((?![0-9]{1,5}[/?#])[^\s@'\"]{1,512})@"
)
_BARE_TOKEN = re.compile(r"(?<![A-Za-z0-9+.-])(https?://)[A-Za-z0-9_-]{20,512}@")
# Something of this is in each value that is known by itself; most values have nothing of it.
_SIGN = re.compile(r"[_.:=\"-]|AKIA|ASIA|AIza|(?i:bearer|basic|token)\s")
_TOKEN = re.compile(
    r"(?<![A-Za-z0-9_])(?:"
    r"hf_[A-Za-z0-9]{16,}|gh[opsur]_[A-Za-z0-9]{16,}|github_pat_\w{20,}|glpat-[\w-]{16,}|(?:AKIA|ASIA)[A-Z0-9]{16}"
    r"|xox[abeprs]-[\w-]{10,}|xapp-[\w-]{10,}|sk-[\w-]{16,}|[srp]k_(?:live|test)_[A-Za-z0-9]{10,}|AIza[\w-]{30,}"
    r"|ya29\.[\w-]{20,}|npm_[A-Za-z0-9]{30,}|pypi-[\w-]{30,}|dop_v1_[a-f0-9]{40,}|dapi[a-f0-9]{30,}|SG\.[\w-]{16,}\.[\w-]{16,}"
    r"|nvapi-[\w-]{20,}|gsk_[A-Za-z0-9]{20,}|r8_[A-Za-z0-9]{20,}|shp(?:at|ss)_[a-f0-9]{20,}|lsv2_\w{20,}|xai-[\w-]{20,}"
    r"|eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"  # a JSON Web Token (RFC 7519) begins with the base64 of {"
    r")"
)
_PEM = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----(?:[^-]|-(?!----))*+(?:-----END [A-Z ]*-----)?")
_WHOLE = re.compile(
    r"(?i)\A\s*(?:bearer|basic|token)\s+\S{8,}|(?:accountkey|sharedaccesskey|password|pwd)\s*=\s*[^;\s]+;?|[?&]sig="
    r"|hooks\.slack\.com/services/|discord(?:app)?\.com/api/webhooks/|\"(?:private_key|client_secret|password)\"\s*:"
)
_LONG_OPTION = re.compile(r"(?<!\S)(--?([A-Za-z][\w.-]{2,60})(?:=|[ \t]+))('[^']*'|\"[^\"]*\"|[^\s'\"|&;<>()]+)")
_ASSIGNMENT = re.compile(r"(?<![\w$/.-])(([A-Za-z_]\w{1,60})=)('[^']*'|\"[^\"]*\"|[^\s'\"|&;<>()]+)")


def is_secret(name: str, value: str) -> bool:
    """Return whether a variable holds a credential."""
    return _is_secret_name(name, value) or _is_secret_value(value)


def hide(text: str) -> str:
    """Return a text in which each credential is ``******``: passwords of addresses, known tokens, private keys, and
    the values of options and variables that are named as secrets."""
    text = _BARE_TOKEN.sub(rf"\1{MASK}@", _PEM.sub(MASK, _TOKEN.sub(MASK, text)))
    text = _USERINFO.sub(rf"\1:{MASK}@", text)
    return _ASSIGNMENT.sub(_hidden, _LONG_OPTION.sub(_hidden, text))


def _hidden(match: re.Match[str]) -> str:
    start, name, value = match[1], match[2], match[3].strip("'\"")
    from_elsewhere = value.startswith(("$", "{{", "-", "/", "./", "~", "@"))
    if from_elsewhere or MASK in value or not _is_secret_name(name.replace("-", "_"), value):
        return match[0]
    return f"{start}{MASK}"


def _is_secret_value(value: str) -> bool:
    if _SIGN.search(value) is None:
        return False
    return any(sign.search(value) for sign in (_TOKEN, _USERINFO, _BARE_TOKEN, _PEM, _WHOLE))


def _is_secret_name(name: str, value: str) -> bool:
    words = [word.lower() for word in _WORD.findall(name)]
    if not words or name in ("PWD", "OLDPWD"):
        return False
    if words[-1] in _ABOUT and not {"webhook", "dsn"} & set(words):
        return False
    if _ALWAYS.search(name):
        return re.fullmatch(r"(?i)|true|false|none|null", value) is None
    if _HARMLESS.fullmatch(value) or _DATA & set(words):
        return False
    key = words[-1] == "key" or any(one in _KEYS and two == "key" for one, two in pairwise(words))
    return key or bool(_WORDS & set(words)) or any(map(_GLUED.fullmatch, words))
