"""What is done to which experiment: every kind of object that there is of one, and every deed."""

from __future__ import annotations

import os
import random
from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.kubernetes.deeds import OWN, OWNED, REPLACED, Deed
from tests.kubernetes.server import spec
from tests.kubernetes.things import Json, Thing

NEVER = {"FAKE_EXIT_CODE": "never"}
EXPERIMENTS: dict[str, tuple[str, Json]] = {
    "tfjob": ("kubernetes", spec("TensorFlow", {"worker": 1}, env=NEVER)),
    "pytorchjob": ("kubernetes", spec("PyTorch", {"master": 1, "worker": 1}, env=NEVER)),
    "xgboostjob": ("kubernetes", spec("XGBoost", {"master": 1, "worker": 1}, env=NEVER)),
    "jobset": ("jobset", spec("TensorFlow", {"worker": 1}, env=NEVER)),
    "jobs": ("jobs", spec("TensorFlow", {"ps": 1, "worker": 1}, env={**NEVER, "MY_TOKEN": "hidden"})),
    "standalone": ("jobs", spec("Standalone", {"worker": 1}, env=NEVER)),
}
EXPERIMENTS["jobs"][1]["code"] = {"syncMode": "inline", "files": {"train.py": "print()"}}
OBJECTS = {
    **{f"the {kind}": (kind, OWN) for kind in EXPERIMENTS},
    **{f"a pod of the {kind}": (kind, OWNED) for kind in EXPERIMENTS},
    **{
        f"the {what} of the jobs": ("jobs", [*OWNED, REPLACED])
        for what in ("secret", "code", "addresses", "service", "second job")
    },
    "a job of the jobset": ("jobset", [*OWNED, REPLACED]),
}


@dataclass
class Case:
    """One object of an experiment, and what is done to it."""

    what: str
    deed: Deed
    id: str = ""
    planted: list[Thing] = field(default_factory=list)
    ours: set[str] = field(default_factory=set)
    """The uids of what the server itself made: it has to remove them also where bonds are cut."""
    roots: set[str] = field(default_factory=set)
    """Those of them that have no owner: of these alone the record on the cluster tells a server without a database."""

    @property
    def loses(self) -> bool:
        """Whether a bond between owner and object is cut, without which Kubernetes does not remove the object."""
        return self.deed.removes and self.what != "the second job of the jobs"

    @property
    def kind(self) -> str:
        """The kind of the experiment."""
        return OBJECTS[self.what][0]

    def find(self, things: Iterable[Thing]) -> Thing:
        """Find the object among all of its namespace."""
        of = [thing for thing in things if thing.id == self.id]
        if self.what.startswith("a pod"):
            return next(thing for thing in of if thing.plural == "pods")
        if self.what == "a job of the jobset" or self.what.endswith("second job of the jobs"):
            return next(thing for thing in of if thing.plural == "jobs" and thing.owners)
        word = {"secret": "secrets", "code": "-code-", "addresses": "-cluster-", "service": "services"}
        part = word.get(self.what.split()[1], "") if self.what.endswith("of the jobs") else ""
        if part:
            return next(thing for thing in of if part == thing.plural or part in thing.name)
        return next(thing for thing in of if not thing.owners)

    def __str__(self) -> str:
        return f"{self.what} ({self.id}), {self.deed.name}"


def drawn(seed: str) -> list[Case]:
    """Draw what is tried: each deed at least once on an own object and once on another, or as many as are wanted."""
    every = [Case(what, deed) for what, (_, deeds) in OBJECTS.items() for deed in deeds]
    random.Random(seed).shuffle(every)
    if (wanted := os.environ.get("SUBMARINE_TEST_CASES", "")) == "all":
        return every
    found = list({(case.deed.name, OBJECTS[case.what][1] is OWN): case for case in every}.values())
    rest = [case for case in every if not any(case is one for one in found)]
    return found + rest[: max(0, int(wanted or 0) - len(found))]


def free_id(experiment_id: str, number: int) -> str:
    """Return an id that a server could give and has not given."""
    return f"{experiment_id.rpartition('-')[0]}-{number}"
