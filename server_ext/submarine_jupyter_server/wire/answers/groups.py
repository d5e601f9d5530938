"""Groups, and what a request about many experiments did, as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from submarine_jupyter_server.wire.encoding import json_text, time_text

from .states import state_word

if TYPE_CHECKING:
    from submarine_jupyter_server.store.lists.grouped import Kin

# Of more experiments only the number is answered.
MOST_IDS = 1000


@dataclass(frozen=True, slots=True)
class Chosen:
    """The experiments that a request was about, newest first; ``dry_run``: nothing was done to them."""

    ids: list[str]
    dry_run: bool


def groups_json(found: Mapping[str, tuple[int | None, list[Kin]]]) -> str:
    """Return groups as JSON text: how many members each has, how many are in which state, and since when."""
    return json_text([_group(name, limit, members) for name, (limit, members) in found.items()])


def chosen_json(chosen: Chosen) -> str:
    """Return as JSON text which experiments a request was about."""
    ids = chosen.ids[:MOST_IDS]
    return json_text({"count": len(chosen.ids), "dryRun": chosen.dry_run, "experimentIds": ids})


def _group(name: str, limit: int | None, members: list[Kin]) -> dict[str, Any]:
    states: Counter[str] = Counter()
    for kin in members:
        states[state_word(kin.status, kin.reason, stopping=kin.stopping)] += kin.count
    return {
        "name": name,
        "experiments": states.total(),
        "states": dict(states.most_common()),
        "maxRunning": limit,
        "firstAcceptedTime": time_text(min(kin.first for kin in members)),
        "lastAcceptedTime": time_text(max(kin.last for kin in members)),
    }
