"""What Kubernetes takes as a name, a label, a resource, an image: each check returns what is wrong, with its path.

Grammars: https://kubernetes.io/docs/concepts/overview/working-with-objects/names/,
https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set,
https://github.com/distribution/reference/blob/main/reference.go
"""

from __future__ import annotations

import re

from submarine_jupyter.models import Toleration
from submarine_jupyter.resources import quantity

_LABEL_PART = r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?"
_SUBDOMAIN = re.compile(rf"(?=.{{1,253}}\Z){_LABEL_PART}(?:\.{_LABEL_PART})*")
_NAME = re.compile(r"[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_HOST = r"[A-Za-z0-9](?:[-A-Za-z0-9]*[A-Za-z0-9])?"
_PATH = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_IMAGE = re.compile(
    rf"(?:{_HOST}(?:\.{_HOST})*(?::[0-9]{{1,5}})?/)?{_PATH}(?:/{_PATH})*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@[A-Za-z][A-Za-z0-9]*:[0-9a-fA-F]{32,128})?"
)
_STANDARD = re.compile(r"cpu|memory|ephemeral-storage|hugepages-[0-9]+[KMG]i")
SHOWN = 80
_LARGEST = 2**60


def subdomain(path: str, text: str, longest: int = 253) -> list[str]:
    """Check the name of an object, a DNS subdomain (RFC 1123)."""
    if len(text) <= longest and _SUBDOMAIN.fullmatch(text):
        return []
    return [f"{path}: '{text[:SHOWN]}' is not a name of Kubernetes (lower case letters, digits, '-' and '.')"]


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


def resource(path: str, name: str) -> list[str]:
    """Check the name of a resource a container can ask for."""
    prefix, slash, _ = name.rpartition("/")
    if not slash:
        good = _STANDARD.fullmatch(name) is not None
        advice = "Kubernetes has no resource of this name; a device is written like nvidia.com/gpu"
    else:
        native = prefix == "kubernetes.io" or prefix.endswith(".kubernetes.io")
        # A quota prepends `requests.` to the name, and together they must still be a name.
        good = not native and not name.startswith("requests.") and not label_key(path, f"requests.{name}")
        advice = "is not a name for a device"
    return [] if good else [f"{path}: '{name[:SHOWN]}': {advice}"]


def image(path: str, text: str) -> list[str]:
    """Check the reference of a container image."""
    if len(text) <= 512 and _IMAGE.fullmatch(text):
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
    if text.startswith("/") and text.isprintable() and len(text) <= 4096 and ".." not in text.split("/"):
        return []
    return [f"{path}: '{text[:SHOWN]}' is not an absolute path"]


def priority(path: str, text: str) -> list[str]:
    """Check the name of a PriorityClass; those of the system are for what runs the cluster."""
    if text.startswith("system-"):
        return [f"{path}: '{text[:SHOWN]}' is for the cluster's own parts, and no experiment may have it"]
    return subdomain(path, text)


def mount(path: str, place: str) -> list[str]:
    """Check where a volume is mounted; ``place`` is a normal path."""
    system = any(place == top or place.startswith(f"{top}/") for top in ("/proc", "/sys", "/dev"))
    if place in ("/", "//") or ":" in place or (system and place != "/dev/shm"):  # noqa: S108 - its usual place
        return [f"{path}: nothing can be mounted at '{place[:SHOWN]}'"]
    return []


def size(path: str, text: str) -> list[str]:
    """Check the size limit of a volume."""
    try:
        value = quantity(text)
    except ValueError as error:
        return [f"{path}: {error}"]
    return [f"{path}: '{text[:SHOWN]}' is more than any machine has"] if value > _LARGEST else []
