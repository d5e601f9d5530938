"""Why a container that has its image cannot be started, from what the kubelet and the runtime say."""

from __future__ import annotations

import re

from .trouble import Rank, Trouble, cut

REASONS = frozenset(
    {"CreateContainerConfigError", "CreateContainerError", "RunContainerError", "StartError", "ContainerCannotRun"}
)
_MISSING = re.compile(r'(secret|configmap) "([^"]{1,253})" not found')
_KEY = re.compile(r"couldn't find key (\S{1,253}) in (Secret|ConfigMap) \S*?/?([^/\s]{1,253})$")
_EXEC = re.compile(r'exec: "([^"]{1,300})": ([^"]{1,200})')
_FOLDER = re.compile(r'chdir to cwd \("([^"]{1,300})"\)[^:]*: ([^"]{1,200})')
_PLAIN = {"secret": "secret", "configmap": "ConfigMap"}


def why_not_started(reason: str, message: str, image: str) -> Trouble:
    """Return the trouble, its sentence without the replica's name."""
    found = cut(image, 140)
    message = message.strip().removesuffix(": unknown")
    if missing := _MISSING.search(message):
        kind = _PLAIN[missing[1]]
        word = "SecretNotFound" if missing[1] == "secret" else "ConfigMapNotFound"
        return Trouble(Rank.NEVER, word, f"the {kind} '{missing[2]}' that it refers to does not exist")
    if key := _KEY.search(message):
        return Trouble(Rank.NEVER, f"{key[2]}NotFound", f"the {key[2]} '{key[3]}' has no '{cut(key[1], 80)}'")
    if "runAsNonRoot" in message:
        why = "runs as root" if "as root" in message else "names a user whose id the cluster cannot determine"
        advice = "give the image a USER with a number other than 0, or ask the administrator to set one for this target"
        return Trouble(Rank.NEVER, "RunsAsRoot", f"its image '{found}' {why}, which is not allowed: {advice}")
    if command := _EXEC.search(message):
        if "not found" in command[2] or "no such file" in command[2]:
            return Trouble(Rank.NEVER, "CommandNotFound", f"there is no '{command[1]}' in its image '{found}'")
        return Trouble(Rank.NEVER, "CommandNotFound", f"'{command[1]}' cannot be run: {cut(command[2], 100)}")
    if folder := _FOLDER.search(message):
        return Trouble(Rank.NEVER, "FolderNotFound", f"its folder '{folder[1]}' cannot be used: {cut(folder[2], 100)}")
    why = cut(message) or reason
    return Trouble(Rank.NEVER, "ConfigError" if "Config" in reason else "StartFailed", why)
