"""Why a volume of a replica cannot be mounted, from the events of its node."""

from __future__ import annotations

import re

from submarine_jupyter.models import ExperimentSpec

from .trouble import Rank, Trouble, cut

REASONS = frozenset({"FailedMount", "FailedAttachVolume", "FailedMapVolume"})
_NAME = re.compile(r'volume "([^"]{1,253})" ?:? ?|unmounted volumes=\[([^\],]{1,253})')
_MISSING = re.compile(r'(secret|configmap|persistentvolumeclaim) "([^"]{1,253})" not found')
_PLAIN = {"secret": "secret", "configmap": "ConfigMap", "persistentvolumeclaim": "volume claim"}


def why_not_mounted(message: str, spec: ExperimentSpec) -> Trouble:
    """Return the trouble, its sentence without the replica's name."""
    named = _NAME.search(message)
    name = (named[1] or named[2] or "") if named else ""
    what = _what(name, spec)
    if missing := _MISSING.search(message):
        gone = f"the {_PLAIN[missing[1]]} '{missing[2]}' does not exist"
        return Trouble(Rank.NEVER, "VolumeNotMounted", f"{what} cannot be mounted: {gone}")
    rest = message[named.end() :] if named and named[1] else message
    return Trouble(
        Rank.BLOCKED, "VolumeNotMounted", f"{what} cannot be mounted: {cut(rest) or 'its node does not say why'}"
    )


def _what(name: str, spec: ExperimentSpec) -> str:
    """Return what a volume is to the person who asked for it; ours are named by number."""
    if name.startswith("code-"):
        return "its code"
    number = name.removeprefix("volume-")
    volumes = (spec.runtime.volumes if spec.runtime else None) or []
    if number != name and number.isascii() and number.isdigit() and int(number[:6]) < len(volumes):
        return f"its volume at {cut(volumes[int(number[:6])].mount_path, 80)}"
    return f"its volume '{cut(name, 80)}'" if name else "a volume"
