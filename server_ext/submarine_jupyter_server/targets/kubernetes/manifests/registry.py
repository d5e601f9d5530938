"""All kinds of object that an experiment can become: whoever adds one adds its line here."""

from __future__ import annotations

from .kind import Kind
from .kinds import indexed_jobs, jobset, pytorchjob, tfjob, xgboostjob

KINDS: dict[str, Kind] = {
    kind.name: kind for kind in (tfjob.KIND, pytorchjob.KIND, xgboostjob.KIND, jobset.KIND, indexed_jobs.KIND)
}
# The same by the names that Kubernetes has for them.
OWN_KINDS: dict[str, Kind] = {kind.kind: kind for kind in KINDS.values()}
# The kinds of operators, each made for one framework.
OPERATORS: dict[str, Kind] = {kind.frameworks[0]: kind for kind in KINDS.values() if len(kind.frameworks) == 1}
