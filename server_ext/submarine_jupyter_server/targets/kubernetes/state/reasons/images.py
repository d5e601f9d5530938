"""Why an image cannot be pulled, from what the container runtime says."""

from __future__ import annotations

from .trouble import Rank, Trouble, cut

REASONS = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "ErrImageNeverPull",
        "ImageInspectError",
        "RegistryUnavailable",
    }
)
# In this order: a registry that wants a password first says "may not exist, or needs a login".
_CAUSES: tuple[tuple[tuple[str, ...], Rank, str, str], ...] = (
    (
        ("denied", "unauthorized", "authorization failed", "authentication required", "403 forbidden", "401 unauth"),
        Rank.NEVER,
        "ImageAccessDenied",
        "the registry gives its image {image} only after a login, or does not have it",
    ),
    (
        ("toomanyrequests", "429 too many"),
        Rank.BLOCKED,
        "RegistryBusy",
        "the registry of its image {image} limits pulls and refuses more now",
    ),
    (
        ("no such host", "dial tcp", "i/o timeout", "connection refused", "server misbehaving", "tls:", "x509:", "eof"),
        Rank.BLOCKED,
        "RegistryUnreachable",
        "the registry of its image {image} cannot be reached from the cluster",
    ),
    (("no space left",), Rank.BLOCKED, "DiskFull", "its node has no room for its image {image}"),
    (
        ("no match for platform",),
        Rank.NEVER,
        "ImageNotFound",
        "its image {image} is not built for this kind of machine",
    ),
    (
        ("not found", "manifest unknown", "notfound", "name unknown"),
        Rank.NEVER,
        "ImageNotFound",
        "its image {image} does not exist",
    ),
)


def why_no_image(reason: str, image: str, message: str) -> Trouble:
    """Return the trouble, its sentence without the replica's name."""
    name = f"'{cut(image, 140)}'"
    if reason == "InvalidImageName":
        return Trouble(Rank.NEVER, "InvalidImageName", f"{name} is not the name of an image")
    if reason == "ErrImageNeverPull":
        return Trouble(Rank.NEVER, "ImageNotFound", f"its image {name} is not on its node, and may not be pulled")
    lower = message.lower()
    for words, rank, word, sentence in _CAUSES:
        if any(text in lower for text in words):
            essence = f" ({cut(message.rpartition(': ')[2], 80)})" if word == "RegistryUnreachable" else ""
            return Trouble(rank, word, sentence.format(image=name) + essence)
    essence = cut(_essence(message), 140)
    return Trouble(
        Rank.BLOCKED, "ImagePullFailed", f"its image {name} cannot be pulled{f': {essence}' if essence else ''}"
    )


def has_cause(message: str) -> bool:
    """Return whether a message says more than that it is tried again."""
    return not message.startswith("Back-off pulling image") or '": ' in message


def _essence(message: str) -> str:
    """Return the end of the chain of errors: the first cause."""
    return message.rpartition('": ')[2] if '": ' in message else message
