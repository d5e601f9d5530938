"""Blocks of ``runtime`` in the text of a spec, for what is kept beside the row."""

from __future__ import annotations

import json
from typing import Any


def runtime_block(spec: str, name: str) -> dict[str, Any] | None:
    """Return the block ``runtime.<name>`` of a spec; None without one, or where the disk has altered the text."""
    if f'"{name}"' not in spec:  # a spec may have 1 MiB of code
        return None
    try:
        found = (json.loads(spec).get("runtime") or {}).get(name)
    except ValueError:
        return None  # the experiment can be shown without
    return found if isinstance(found, dict) else None
