"""Write the row of an experiment again that the database has lost, from the record that a target has of it.

Only from a record that nobody else can have written, and only what can have been in one of ours: whatever else is found
is set aside with a reason, and reaches no row.
"""

from __future__ import annotations

import logging
import uuid

from sqlalchemy import Connection

from submarine_jupyter.spec.experiment_ids import is_id
from submarine_jupyter_server.control import lifecycle
from submarine_jupyter_server.process.clock import now_ms
from submarine_jupyter_server.store import experiments
from submarine_jupyter_server.store.experiments import NewExperiment
from submarine_jupyter_server.store.orders import outbox
from submarine_jupyter_server.store.reported import objects
from submarine_jupyter_server.targets.protocol import ComputeTarget, Found, Launch, Observation
from submarine_jupyter_server.wire.specs import stored

log = logging.getLogger(__name__)
_MOST = 2**31 - 1
_LIMITED = (
    "Its record was lost and restored from the cluster, where neither secret values nor code are kept: it is "
    "observed and can be stopped and deleted, not changed."
)


class SetAside(Exception):
    """One experiment that was found cannot be compared with the database; the text says why, and what to do."""


def restore(tx: Connection, target: ComputeTarget, item: Found) -> int:
    """Write a lost row again, if it is not deleted; return how many were. Raises SetAside."""
    launch, observation = item.launch, item.observation
    if item.deleted or launch is None or observation is None:
        return 0
    if (problem := _problem(tx, target, item, launch, observation)) is not None:
        raise SetAside(problem)
    texts = stored(launch.spec, launch.experiment_id, restored=not item.whole)
    row = experiments.restore(
        tx,
        NewExperiment(
            id=launch.experiment_id,
            uid=launch.uid,
            owner=launch.owner,
            target=target.name,
            namespace=texts.namespace,
            name=launch.name,
            framework=texts.framework,
            tags=texts.tags,
            spec=texts.spec,
            wire_spec=texts.wire_spec,
            list_spec=texts.list_spec,
            replicas=texts.replicas,
            accepted=min(launch.accepted_ms, now_ms()),
        ),
        generation=launch.generation,
        attempt=launch.attempt,
        restored=not item.whole,
        notes=() if item.whole else (_LIMITED,),
    )
    experiments.note_id(tx, row.id)
    if item.made is not None:
        objects.put(tx, item.made)
    lifecycle.record(tx, row, "restored")
    lifecycle.apply(tx, observation)
    if item.whole and not observation.status.final:
        outbox.put(tx, row, "ensure")
    log.warning("%s was written again from target %s", row.id, target.name)
    return 1


def _problem(
    tx: Connection, target: ComputeTarget, item: Found, launch: Launch, observation: Observation
) -> str | None:
    """Return why a row cannot be written from what was found, None if it can."""
    if not item.authentic:
        return (
            "not restored: this server did not sign its record. Delete the object there, or give this server the key "
            "that signed it (SubmarineExtension.signing_key_file)"
        )
    if not is_id(launch.experiment_id) or not _is_uuid(launch.uid):
        return "not restored: a server never assigns such an id or uid"
    if launch.accepted_ms < 0 or not all(1 <= number <= _MOST for number in (launch.attempt, launch.generation)):
        return "not restored: its attempt, generation or time of acceptance is impossible"
    about = {(launch.experiment_id, launch.uid), (observation.experiment_id, observation.uid)}
    if item.made is not None:
        about.add((item.made.experiment_id, item.made.uid))
    if about != {(item.experiment_id, launch.uid)}:
        return "not restored: its record belongs to another experiment"
    namespace = launch.spec.meta.namespace or ""
    if namespace not in target.namespaces:
        return (
            f"not restored: namespace '{namespace[:63]}' is not one of target '{target.name}'. Add it to "
            "them, or delete the experiment there"
        )
    if (holder := experiments.holder_of(tx, launch.uid)) is not None:
        return f"NameConflict: it has the uid of {holder}, so it is a copy of that; delete the copy"
    return None


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False
