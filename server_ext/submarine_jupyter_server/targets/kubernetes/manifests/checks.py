"""What Kubernetes takes as a name, a label, a resource, an image: each check returns what is wrong, with its path.

Grammars: https://kubernetes.io/docs/concepts/overview/working-with-objects/names/,
https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set,
https://github.com/distribution/reference/blob/main/reference.go
"""

from __future__ import annotations

import re
from collections.abc import Collection

from submarine_jupyter.models import Toleration
from submarine_jupyter.spec.resources import quantity

_LABEL_PART = r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?"
_SUBDOMAIN = re.compile(rf"(?=.{{1,253}}\Z){_LABEL_PART}(?:\.{_LABEL_PART})*")
_NAME = re.compile(r"[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_HOST = r"[A-Za-z0-9](?:[-A-Za-z0-9]*[A-Za-z0-9])?"
_PATH = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_IMAGE = re.compile(
    rf"((?:{_HOST}(?:\.{_HOST})*(?::[0-9]{{1,5}})?/)?{_PATH}(?:/{_PATH})*)"
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha(?:256:[0-9a-f]{64}|384:[0-9a-f]{96}|512:[0-9a-f]{128}))?"
)
_IMAGE_ID = re.compile(r"[0-9a-f]{64}")
_LONGEST_IMAGE, _LONGEST_IMAGE_NAME = 1024, 255
SHOWN = 80
_LONGEST_PART, _LONGEST_PATH = 255, 4095
# The least a file takes, and what no machine has.
_SMALLEST, _LARGEST = 4096, 2**60


def subdomain(path: str, text: str, longest: int = 253) -> list[str]:
    """Check the name of an object, a DNS subdomain (RFC 1123)."""
    if len(text) <= longest and _SUBDOMAIN.fullmatch(text):
        return []
    return [f"{path}: '{text[:SHOWN]}' is not a valid name in Kubernetes (lower case letters, digits, '-' and '.')"]


def label_key(path: str, text: str) -> list[str]:
    """Check a qualified name: of a label, a taint, an extended resource."""
    prefix, slash, name = text.rpartition("/")
    if _NAME.fullmatch(name) and (not slash or _SUBDOMAIN.fullmatch(prefix)):
        return []
    return [f"{path}: '{text[:SHOWN]}' is not the key of a label"]


def label_value(path: str, text: str) -> list[str]:
    """Check the value of a label."""
    if not text or _NAME.fullmatch(text):
        return []
    return [f"{path}: '{text[:SHOWN]}' is not the value of a label"]


def resources(path: str, asked: Collection[str]) -> list[str]:
    """Check the names of what a container asks for; those without a ``/`` are known to be right."""
    found = [problem for name in asked if "/" in name for problem in _device(path, name)]
    if not {"cpu", "memory"} & set(asked):
        found += [f"{path}: {name} needs memory or cpu beside it" for name in asked if name.startswith("hugepages-")]
    return found


def _device(path: str, name: str) -> list[str]:
    prefix, _, _ = name.rpartition("/")
    native = prefix == "kubernetes.io" or prefix.endswith(".kubernetes.io")
    # A quota prepends `requests.` to the name, and together they must still be a name.
    if native or name.startswith("requests.") or label_key(path, f"requests.{name}"):
        return [f"{path}: '{name[:SHOWN]}': is not a name for a device"]
    return []


def image(path: str, text: str) -> list[str]:
    """Check the reference of a container image."""
    match = _IMAGE.fullmatch(text) if len(text) <= _LONGEST_IMAGE else None
    # A name of 64 digits would be the number of an image.
    if match and len(match[1]) <= _LONGEST_IMAGE_NAME and not _IMAGE_ID.fullmatch(text):
        return []
    return [f"{path}: '{text[:SHOWN]}' is not the name of a container image"]


def toleration(path: str, item: Toleration) -> list[str]:
    """Check a toleration."""
    found = label_key(f"{path}.key", item.key) if item.key else []
    if not item.key and item.operator != "Exists":
        found.append(f"{path}.operator: must be Exists where there is no key")
    if item.operator == "Exists" and item.value:
        found.append(f"{path}.value: has no meaning with operator Exists")
    elif item.value:
        found += label_value(f"{path}.value", item.value)
    if item.toleration_seconds is not None and item.effect != "NoExecute":
        found.append(f"{path}.tolerationSeconds: has a meaning only with effect NoExecute")
    return found


def absolute(path: str, text: str) -> list[str]:
    """Check an absolute path in a container."""
    parts = text.split("/")
    if not text.startswith("/") or not text.isprintable() or ".." in parts:
        return [f"{path}: '{text[:SHOWN]}' is not an absolute path"]
    if len(text.encode()) > _LONGEST_PATH or any(len(part.encode()) > _LONGEST_PART for part in parts):
        return [
            f"{path}: '{text[:SHOWN]}...' is too long: a name has at most {_LONGEST_PART} bytes, a path {_LONGEST_PATH}"
        ]
    return []


def priority(path: str, text: str) -> list[str]:
    """Check the name of a PriorityClass; those of the system are for what runs the cluster."""
    if text.startswith("system-"):
        return [f"{path}: '{text[:SHOWN]}' is reserved for the cluster's own parts"]
    return subdomain(path, text)


def mount(path: str, place: str) -> list[str]:
    """Check where a volume is mounted; ``place`` is a normal path."""
    system = any(place == top or place.startswith(f"{top}/") for top in ("/proc", "/sys", "/dev"))
    if place == "/" or ":" in place or (system and place != "/dev/shm"):  # noqa: S108 - its usual place
        return [f"{path}: nothing can be mounted at '{place[:SHOWN]}'"]
    return []


def size(path: str, text: str) -> list[str]:
    """Check the size limit of a volume."""
    try:
        value = quantity(text)
    except ValueError as error:
        return [f"{path}: {error}"]
    if value < _SMALLEST:
        return [f"{path}: '{text[:SHOWN]}' leaves no room for a file; leave it out for no limit"]
    return [f"{path}: '{text[:SHOWN]}' is more than any machine has"] if value > _LARGEST else []
