"""What can be done with experiments, by whom they belong to.

A write is one transaction (the experiment, its event and the order to the target), answered once it is on disk; then
the order is given at once, and the answer waits for that at most ``INLINE_S``.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Mapping
from dataclasses import replace

from sqlalchemy import Connection

from submarine_jupyter.errors import (
    Conflict,
    IdempotencyMismatch,
    NotFound,
    SubmarineError,
    TargetRefused,
    TargetUnavailable,
)
from submarine_jupyter.models import ExperimentSpec, Status
from submarine_jupyter_server.clock import now_ms
from submarine_jupyter_server.control.delivery import Outbox, launch_of
from submarine_jupyter_server.control.lifecycle import record, tell_deleted
from submarine_jupyter_server.control.refusals import answer_of
from submarine_jupyter_server.failpoints import reach
from submarine_jupyter_server.masking import mask
from submarine_jupyter_server.services import access, changing
from submarine_jupyter_server.services.principal import Principal
from submarine_jupyter_server.store import changes, events, experiments, idempotency, metrics, outbox, replicas
from submarine_jupyter_server.store.engine import Database
from submarine_jupyter_server.store.experiments import ExperimentRow, NewExperiment, Query
from submarine_jupyter_server.store.idempotency import IdempotencyRow
from submarine_jupyter_server.store.outbox import OutboxRow
from submarine_jupyter_server.targets.protocol import ComputeTarget, Launch
from submarine_jupyter_server.wire.answers import Accepted, Detail, ExperimentPage, Plan, Shown, accepted_json
from submarine_jupyter_server.wire.specs import SpecReader, body_hash, patched, source_id, stored

INLINE_S = 2.0
_ENDED = "The experiment has ended: the change is recorded and nothing was started. Clone it to run it again."


class Experiments:
    """The verbs of the REST API. Each raises NotFound for what its principal may not see."""

    def __init__(self, db: Database, targets: Mapping[str, ComputeTarget], reader: SpecReader, outbox_: Outbox) -> None:
        self._db = db
        self._targets = targets
        self._reader = reader
        self._outbox = outbox_

    async def create(self, principal: Principal, body: object, *, key: str | None = None) -> Accepted:
        """Accept an experiment. The same ``key`` and body return the same experiment, another body is refused."""
        digest = body_hash(body)
        reach("body_parsed")
        try:
            spec = await self._new_spec(principal, body)
        except SubmarineError:
            # What was accepted once stays so, whatever has become of its source or of the targets meanwhile.
            if key is not None and (replayed := await self._replay(principal.name, key, digest)) is not None:
                return replayed
            raise
        accepted = await self._db.write(lambda tx: self._accept(tx, spec, principal.name, key, digest))
        if accepted is None:
            replayed = await self._replay(principal.name, key or "", digest)
            assert replayed is not None  # noqa: S101 - for the type checker
            return replayed
        order, new = accepted
        await self._settle_first(order, new, keyed=key is not None)
        reach("response_before")
        return Accepted(accepted_json(new))

    async def _replay(self, owner: str, key: str, digest: str) -> Accepted | None:
        """Return the answer that a key has been given, once its order is decided; None for a new key.

        Raises IdempotencyMismatch, or what the target has refused the experiment with.
        """

        def read(tx: Connection) -> tuple[IdempotencyRow, OutboxRow | None, ExperimentRow | None] | None:
            earlier = idempotency.find(tx, owner, key)
            if earlier is None:
                return None
            row = experiments.find(tx, earlier.experiment_id)
            return earlier, outbox.pending(tx, earlier.experiment_id), row

        found = await self._db.read(read)
        if found is None:
            return None
        earlier, order, row = found
        if earlier.body_hash != digest:
            raise IdempotencyMismatch("This Idempotency-Key was used before, with another body.")
        if earlier.refusal:
            raise answer_of(earlier.refusal)
        if order is not None and row is not None and (order.op, order.generation) == ("ensure", 1):
            await self._settle_first(order, row, keyed=earlier.refusal is None)
        return Accepted(earlier.response, replayed=True)

    async def _settle_first(self, order: OutboxRow, row: ExperimentRow, *, keyed: bool) -> None:
        """Wait for the decision on a new experiment; without one it is accepted, for this and all answers to its key.

        Raises what the target has refused it with.
        """
        decided = await self._outbox.settle(order, row, INLINE_S)
        if keyed and not decided and (refusal := await self._db.write(lambda tx: idempotency.promise(tx, row.id))):
            raise answer_of(refusal)

    async def plan(self, principal: Principal, body: object) -> Plan:
        """Return what ``create`` would make, and make nothing."""
        spec = await self._new_spec(principal, body)
        masked = await asyncio.to_thread(lambda: ExperimentSpec.parse(mask(spec.wire())))
        nobody = str(uuid.UUID(int=0))
        launch = Launch("experiment-0-0000", nobody, principal.name, spec.meta.name, masked, 1, 1, now_ms())
        name = self._reader.target(spec)
        try:
            objects = await self._targets[name].render(launch)
        except TargetUnavailable as error:
            if self._outbox.delivering:
                raise
            raise TargetUnavailable(
                f"another server on this data directory gives the orders, and only that one is connected to '{name}'",
                hint="Try it there, or submit without dryRun: that works here, too.",
            ) from error
        return Plan(name, masked.wire(), objects)

    async def list(self, principal: Principal, query: Query, *, summary: bool = False) -> ExperimentPage:
        """Return a page of experiments, newest first unless sorted otherwise; ``summary`` adds how each is."""

        def read(tx: Connection) -> ExperimentPage:
            page = access.page(tx, principal, query)
            troubled = outbox.troubled(tx, [row.id for row in page.rows]) if summary else None
            return ExperimentPage(page.rows, troubled, page.next_cursor)

        return await self._db.read(read)

    async def get(
        self, principal: Principal, experiment_id: str, *, full: bool = False, attempt: int | None = None
    ) -> Shown:
        """Return one experiment; ``full`` adds why it is as it is, ``attempt`` shows the spec as that one ran."""

        def read(tx: Connection) -> Shown:
            row = access.find(tx, principal, experiment_id)
            if attempt is not None:
                row = _as_it_ran(tx, row, attempt)
            return Shown(row, _detail(tx, row) if full else None)

        return await self._db.read(read)

    async def patch(
        self,
        principal: Principal,
        experiment_id: str,
        body: object,
        *,
        merge: bool,
        if_match: str | None = None,
        full: bool = False,
    ) -> Shown:
        """Change an experiment: scale it while it runs, run it anew when its template changes.

        ``if_match`` is the generation (``detail.generation``) the change is meant for.
        """
        row = await self._db.read(lambda tx: access.find(tx, principal, experiment_id))
        old = ExperimentSpec.parse(json.loads(row.spec))
        spec = self._reader.read(patched(old, body, merge=merge), old, target=row.target)
        restart = changing.template(old) != changing.template(spec)
        changing.check(row, old, spec, self._reader.target(spec, row.target), if_match)
        if not Status(row.status).final and not row.restored:
            self._targets[row.target].check(spec)
            if not restart:
                self._targets[row.target].check_change(launch_of(row), replace(launch_of(row), spec=spec))
        reach("scale_intent")
        order, changed = await self._db.write(lambda tx: _replace(tx, row, spec, restart=restart))
        if order is not None:
            await self._outbox.settle(order, changed, INLINE_S)
        shown = await self.get(principal, experiment_id, full=full)
        return replace(shown, note=_ENDED if Status(changed.status).final else None)

    async def stop(self, principal: Principal, experiment_id: str) -> Shown:
        """End an experiment and keep its record and logs; one that has ended stays as it is."""

        def intend(tx: Connection) -> tuple[OutboxRow | None, ExperimentRow]:
            row = access.find(tx, principal, experiment_id)
            if Status(row.status).final:
                return None, row
            row = experiments.request_stop(tx, row.id, now_ms()) or row
            order = outbox.put(tx, row, "stop")
            events.append(tx, row.id, type="stop", status=row.status, reason="Stopping", message="stop was asked for")
            return order, row

        order, row = await self._db.write(intend)
        if order is None:
            return Shown(row, note="The experiment had ended already.")
        reach("stop_intent")
        await self._outbox.settle(order, row, INLINE_S)
        return await self.get(principal, experiment_id)

    async def delete(self, principal: Principal, experiment_id: str, *, purge: bool = False) -> Shown:
        """End an experiment and take it out of every list; ``purge`` removes its logs and its secrets at once."""

        def intend(tx: Connection) -> tuple[OutboxRow, ExperimentRow]:
            found = access.find(tx, principal, experiment_id)
            row = experiments.mark_deleted(tx, found.id, now_ms()) or found
            return outbox.put(tx, row, "purge" if purge else "delete"), row

        order, row = await self._db.write(intend)
        reach("delete_intent")
        if not await self._outbox.settle(order, row, INLINE_S):
            await self._db.write(lambda tx: _confirm_deletion(tx, row))
        reach("delete_done")
        # What somebody left without its owner the target cannot end: the cause of its end says what to do.
        return Shown(row, note=row.message if row.reason == "Orphaned" else None)

    async def _new_spec(self, principal: Principal, body: object) -> ExperimentSpec:
        source = None
        if copied_from := source_id(body):
            row = await self._db.read(lambda tx: access.secrets_of(tx, principal, copied_from))
            source = ExperimentSpec.parse(json.loads(row.spec)) if row else None
        return await asyncio.to_thread(self._checked, body, source)  # a large body takes its time

    def _checked(self, body: object, source: ExperimentSpec | None) -> ExperimentSpec:
        spec = self._reader.read(body, source)
        self._targets[self._reader.target(spec)].check(spec)
        return spec

    def _accept(
        self, tx: Connection, spec: ExperimentSpec, owner: str, key: str | None, digest: str
    ) -> tuple[OutboxRow, ExperimentRow] | None:
        """Store an experiment and the order to run it, and return both; None if the key was used before."""
        if key is not None and idempotency.find(tx, owner, key) is not None:
            return None
        texts = stored(spec, experiment_id := experiments.next_id(tx))
        row = experiments.insert(
            tx,
            NewExperiment(
                id=experiment_id,
                uid=str(uuid.uuid4()),
                owner=owner,
                target=self._reader.target(spec),
                namespace=texts.namespace,
                name=texts.name,
                framework=texts.framework,
                tags=texts.tags,
                spec=texts.spec,
                wire_spec=texts.wire_spec,
                list_spec=texts.list_spec,
                accepted=now_ms(),
            ),
        )
        order = outbox.put(tx, row, "ensure")
        record(tx, row, "accepted")
        if key is not None:
            idempotency.claim(
                tx, owner=owner, key=key, path="experiment", body_hash=digest,
                experiment_id=row.id, response=accepted_json(row), created=row.accepted,
            )  # fmt: skip
        return order, row


def _replace(
    tx: Connection, row: ExperimentRow, spec: ExperimentSpec, *, restart: bool
) -> tuple[OutboxRow | None, ExperimentRow]:
    """Store a change of ``row``, as it was read before, and the order to make it so.

    There is none for what has ended, nor for what nothing can be started for.
    """
    now = experiments.find(tx, row.id)
    if now is None:
        raise NotFound("Not found experiment.")
    ended, pending = Status(now.status).final, outbox.pending(tx, row.id)
    if now.generation != row.generation:
        raise Conflict("The experiment was changed by somebody else meanwhile; nothing was done.")
    if not ended and (now.stop_requested is not None or (pending is not None and pending.op != "ensure")):
        raise Conflict("The experiment is being stopped.")
    texts = stored(spec, row.id, restored=now.restored)
    changed = changes.replace_spec(tx, now, texts, new_attempt=restart and not ended)
    order = None if ended or now.restored else outbox.put(tx, changed, "ensure")
    record(tx, changed, "changed")
    return order, changed


def _confirm_deletion(tx: Connection, row: ExperimentRow) -> None:
    """Tell everybody that an experiment is deleted. Raises TargetRefused if its target has refused that just now."""
    order = outbox.pending(tx, row.id)
    if experiments.find(tx, row.id) is not None and order is not None:
        raise TargetRefused(order.last_error or "the target refused to delete it", reason="DeleteRefused")
    tell_deleted(tx, row)


def _as_it_ran(tx: Connection, row: ExperimentRow, attempt: int) -> ExperimentRow:
    if attempt > row.attempt:
        raise NotFound(f"{row.id} has had {row.attempt} {'attempt' if row.attempt == 1 else 'attempts'}.")
    return replace(row, attempt=attempt, wire_spec=changes.ran(tx, row.id, attempt) or row.wire_spec)


def _detail(tx: Connection, row: ExperimentRow) -> Detail:
    return Detail(
        replicas=replicas.of(tx, row.id, row.attempt),
        events=events.of(tx, row.id, limit=100),
        order=outbox.troubled(tx, [row.id]).get(row.id),
        params=metrics.settings(tx, row.id, row.attempt),
    )
