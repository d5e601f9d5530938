"""What can be done with experiments: the one object the handlers talk to.

A write is one transaction (the experiment, its event and the order to the target), answered once it is on disk; then
the order is given at once, and the answer waits for that at most ``INLINE_S``.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection

from submarine_jupyter.errors import Conflict, IdempotencyMismatch, NotFound
from submarine_jupyter.models import ExperimentSpec, Status
from submarine_jupyter_server.failpoints import reach
from submarine_jupyter_server.lifecycle import record
from submarine_jupyter_server.outbox import Outbox, launch_of, now_ms
from submarine_jupyter_server.query import QueryString
from submarine_jupyter_server.requests import (
    SpecReader,
    body_hash,
    list_query,
    merge_patch,
    source_id,
)
from submarine_jupyter_server.secrets import mask
from submarine_jupyter_server.store import events, experiments, idempotency, outbox, replicas
from submarine_jupyter_server.store.database import Database
from submarine_jupyter_server.store.experiments import ExperimentRow, NewExperiment
from submarine_jupyter_server.store.outbox import OutboxRow
from submarine_jupyter_server.targets.base import ComputeTarget, Launch
from submarine_jupyter_server.wire import Answer, accepted_json, deleted_json, detail, experiment_json, json_text

INLINE_S = 2.0
_ENDED = "The experiment has ended: the change is recorded and nothing was started. Clone it to run it again."


class Experiments:
    """The verbs of the REST API; each returns what goes into the envelope."""

    def __init__(self, db: Database, targets: Mapping[str, ComputeTarget], reader: SpecReader, outbox_: Outbox) -> None:
        self._db = db
        self._targets = targets
        self._reader = reader
        self._outbox = outbox_

    async def create(self, body: object, *, owner: str, key: str | None = None) -> Answer:
        """Accept an experiment. The same ``key`` and body return the same experiment, another body is refused."""
        digest = body_hash(body)
        reach("body_parsed")
        spec = await self._new_spec(body)
        accepted = await self._db.write(lambda tx: self._accept(tx, spec, owner, key, digest))
        if isinstance(accepted, str):
            return Answer(accepted, headers={"Idempotent-Replayed": "true"})
        _, new = accepted
        await self._outbox.settle(new.id, INLINE_S, accepted)
        reach("response_before")
        return Answer(accepted_json(new))

    async def plan(self, body: object, *, owner: str) -> Answer:
        """Return what ``create`` would make, and make nothing."""
        spec = await self._new_spec(body)
        masked = ExperimentSpec.parse(mask(spec.wire()))
        launch = Launch("experiment-0-0000", str(uuid.UUID(int=0)), owner, spec.meta.name, masked, 1, 1, now_ms())
        name = self._reader.target(spec)
        objects = await self._targets[name].render(launch)
        return Answer(json_text({"target": name, "spec": masked.wire(), "objects": objects}))

    async def list(self, query: QueryString) -> Answer:
        """Return a page of experiments, newest first unless sorted otherwise."""
        wanted = list_query(query)
        page = await self._db.read(lambda tx: experiments.page(tx, wanted))
        result = f"[{','.join(experiment_json(row) for row in page.rows)}]"
        if page.next_cursor is None:
            return Answer(result)
        return Answer(result, {"nextCursor": page.next_cursor})

    async def get(self, experiment_id: str, *, full: bool = False) -> Answer:
        """Return one experiment; ``full`` adds why it is as it is."""

        def read(tx: Connection) -> str:
            row = _find(tx, experiment_id)
            if not full:
                return experiment_json(row)
            seen = replicas.of(tx, row.id, row.attempt)
            return experiment_json(row, detail(row, seen, events.of(tx, row.id, limit=100)))

        return Answer(await self._db.read(read))

    async def patch(
        self, experiment_id: str, body: object, *, merge: bool, if_match: str | None = None, full: bool = False
    ) -> Answer:
        """Change an experiment: scale it while it runs, run it anew when its template changes.

        ``if_match`` is the generation (``detail.generation``) the change is meant for.
        """
        row = await self._db.read(lambda tx: _find(tx, experiment_id))
        old = ExperimentSpec.parse(json.loads(row.spec))
        spec = self._reader.read(merge_patch(old.wire(), body) if merge else body, old, target=row.target)
        ended = Status(row.status).final
        restart = _template(old) != _template(spec)
        _check_change(row, old, spec, self._reader.target(spec, row.target), if_match)
        if not ended:
            self._targets[row.target].check(spec)
            if not restart:
                self._targets[row.target].check_change(launch_of(row), replace(launch_of(row), spec=spec))
        reach("scale_intent")
        await self._db.write(lambda tx: self._replace(tx, row, spec, restart=restart))
        if not ended:
            await self._outbox.settle(row.id, INLINE_S)
        answer = await self.get(experiment_id, full=full)
        return Answer(answer.result, {"note": _ENDED} if ended else {})

    async def stop(self, experiment_id: str) -> Answer:
        """End an experiment and keep its record and logs; one that has ended stays as it is."""

        def intend(tx: Connection) -> bool:
            row = _find(tx, experiment_id)
            if Status(row.status).final:
                return False
            experiments.request_stop(tx, row.id, now_ms())
            outbox.put(tx, row.id, "stop", row.generation)
            events.append(tx, row.id, type="stop", status=row.status, reason="Stopping", message="stop was asked for")
            return True

        if stopping := await self._db.write(intend):
            reach("stop_intent")
            await self._outbox.settle(experiment_id, INLINE_S)
        answer = await self.get(experiment_id)
        return Answer(answer.result, {} if stopping else {"note": "The experiment had ended already."})

    async def delete(self, experiment_id: str) -> Answer:
        """End an experiment and take it out of every list."""

        def intend(tx: Connection) -> ExperimentRow:
            row = experiments.mark_deleted(tx, experiment_id, now_ms())
            if row is None:
                raise NotFound("Not found experiment.")
            outbox.put(tx, row.id, "delete", row.generation)
            record(tx, row, "deleted")
            return row

        row = await self._db.write(intend)
        reach("delete_intent")
        await self._outbox.settle(row.id, INLINE_S)
        reach("delete_done")
        return Answer(deleted_json(row))

    async def _new_spec(self, body: object) -> ExperimentSpec:
        source = None
        if copied_from := source_id(body):
            row = await self._db.read(lambda tx: experiments.find(tx, copied_from))
            source = ExperimentSpec.parse(json.loads(row.spec)) if row else None
        spec = self._reader.read(body, source)
        self._targets[self._reader.target(spec)].check(spec)
        return spec

    def _accept(
        self, tx: Connection, spec: ExperimentSpec, owner: str, key: str | None, digest: str
    ) -> tuple[OutboxRow, ExperimentRow] | str:
        """Store an experiment and the order to run it, and return both, or return the stored answer to the same key."""
        if key is not None and (earlier := idempotency.find(tx, owner, key)) is not None:
            if earlier.body_hash != digest:
                raise IdempotencyMismatch("This Idempotency-Key was used before, with another body.")
            return earlier.response
        now = now_ms()
        experiment_id = experiments.next_id(tx)
        texts = _stored(spec, experiment_id)
        row = experiments.insert(
            tx,
            NewExperiment(
                id=experiment_id,
                uid=str(uuid.uuid4()),
                owner=owner,
                target=self._reader.target(spec),
                namespace=spec.meta.namespace or "",
                name=spec.meta.name,
                framework=spec.meta.framework,
                tags=tuple(spec.meta.tags),
                spec=texts[0],
                wire_spec=texts[1],
                accepted=now,
            ),
        )
        order = outbox.put(tx, row.id, "ensure", row.generation)
        record(tx, row, "accepted")
        if key is not None:
            idempotency.claim(
                tx, owner=owner, key=key, path="experiment", body_hash=digest,
                experiment_id=row.id, response=accepted_json(row), created=now,
            )  # fmt: skip
        return order, row

    def _replace(self, tx: Connection, row: ExperimentRow, spec: ExperimentSpec, *, restart: bool) -> None:
        now_ended = Status(_find(tx, row.id).status).final
        texts = _stored(spec, row.id)
        changed = experiments.replace_spec(
            tx, row.id, expected_generation=row.generation, spec=texts[0], wire_spec=texts[1], name=spec.meta.name,
            namespace=spec.meta.namespace or "", tags=tuple(spec.meta.tags), new_attempt=restart and not now_ended,
        )  # fmt: skip
        if changed is None:
            raise Conflict("The experiment was changed by somebody else meanwhile; nothing was done.")
        if not now_ended:
            outbox.put(tx, row.id, "ensure", changed.generation)
        record(tx, changed, "changed")


def _find(tx: Connection, experiment_id: str) -> ExperimentRow:
    row = experiments.find(tx, experiment_id)
    if row is None:
        raise NotFound("Not found experiment.")
    return row


def _stored(spec: ExperimentSpec, experiment_id: str) -> tuple[str, str]:
    """Return the spec as JSON text, whole and masked, under its own id."""
    wire = spec.wire()
    wire["meta"]["experimentId"] = experiment_id
    return json_text(wire), json_text(mask(wire))


def _template(spec: ExperimentSpec) -> dict[str, Any]:
    """Return what running replicas depend on: a change of anything else needs no new start."""
    wire = spec.wire()
    for name in ("experimentId", "name", "tags"):
        wire["meta"].pop(name)
    for task in wire["spec"].values():
        task.pop("replicas")
    (wire.get("runtime") or {}).pop("metrics", None)
    return wire


def _check_change(
    row: ExperimentRow, old: ExperimentSpec, new: ExperimentSpec, target: str, if_match: str | None
) -> None:
    if if_match is not None and if_match.strip('" ') not in ("*", str(row.generation)):
        raise Conflict(f"If-Match is {if_match}, but the experiment is at generation {row.generation} now.")
    if Status(row.status).final:
        return
    if row.stop_requested is not None:
        raise Conflict("The experiment is being stopped.")
    for what, before, after in (
        ("meta.framework", old.meta.framework, new.meta.framework),
        ("meta.namespace", old.meta.namespace, new.meta.namespace),
        ("runtime.target", row.target, target),
    ):
        if before != after:
            raise Conflict(f"{what} cannot change from {before} to {after} while the experiment lives; clone it.")
