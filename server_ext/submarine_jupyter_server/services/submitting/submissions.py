"""Accept new experiments: from a body to a row on disk, and to the target's first word.

A body goes through one door (`SpecReader.accept`), which finds out all that follows from it. What is accepted is one
transaction (the experiment, its event, the order to the target, the key of the request), answered once it is on disk;
then the order is given at once, and the answer waits for that at most ``delivery.INLINE_S``.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from submarine_jupyter.errors import IdempotencyMismatch, SubmarineError, TargetUnavailable
from submarine_jupyter.models import ExperimentSpec
from submarine_jupyter_server.control import groups
from submarine_jupyter_server.control.delivery import Outbox, launch_of
from submarine_jupyter_server.control.lifecycle import record
from submarine_jupyter_server.control.refusals import answer_of
from submarine_jupyter_server.masking.masks import mask
from submarine_jupyter_server.process.clock import now_ms
from submarine_jupyter_server.process.failpoints import reach
from submarine_jupyter_server.services import access
from submarine_jupyter_server.services.principal import Principal
from submarine_jupyter_server.services.submitting import attach
from submarine_jupyter_server.services.submitting.forecasts import Forecasts
from submarine_jupyter_server.store import experiments
from submarine_jupyter_server.store.annotations import origins
from submarine_jupyter_server.store.engine.database import Database
from submarine_jupyter_server.store.experiments import ExperimentRow, NewExperiment
from submarine_jupyter_server.store.orders import idempotency, outbox
from submarine_jupyter_server.store.orders.idempotency import IdempotencyRow
from submarine_jupyter_server.store.orders.outbox import OutboxRow
from submarine_jupyter_server.targets.protocol import ComputeTarget, Launch
from submarine_jupyter_server.wire.answers.experiments import Accepted, Plan, accepted_json, experiment_json
from submarine_jupyter_server.wire.specs import SpecReader, Submission, body_hash, named, source_id


class Submissions:
    """What a POST asks for."""

    def __init__(
        self,
        db: Database,
        targets: Mapping[str, ComputeTarget],
        reader: SpecReader,
        outbox_: Outbox,
        forecasts: Forecasts,
    ) -> None:
        self._db = db
        self._forecasts = forecasts
        self._targets = targets
        self._reader = reader
        self._outbox = outbox_

    async def create(
        self, principal: Principal, body: object, *, key: str | None = None, if_not_running: bool = False
    ) -> Accepted:
        """Accept an experiment. The same ``key`` and body return the same experiment, another body is refused.

        ``if_not_running``: what the same body from the same cell has made, and what has not ended, is the answer.
        """
        reach("body_parsed")
        try:
            found = await self._read(principal, body)
        except SubmarineError:
            # What was accepted once stays so, whatever has become of its source or of the targets meanwhile.
            if key is not None:
                digest = await asyncio.to_thread(body_hash, body)
                if (replayed := await self._replay(principal.name, key, digest)) is not None:
                    return replayed
            raise
        if if_not_running:
            attach.check(found.spec)
        accepted = await self._db.write(lambda tx: _accept(tx, found, principal, key, if_not_running=if_not_running))
        if accepted is None:
            replayed = await self._replay(principal.name, key or "", found.digest)
            assert replayed is not None  # noqa: S101 - for the type checker
            return replayed
        if accepted.order is not None:
            launch = None if accepted.attached else _launch(accepted.row, found.spec)
            await self._settle_first(accepted.order, accepted.row, launch, keyed=key is not None)
        reach("response_before")
        return Accepted(accepted.text, attached=accepted.attached)

    async def plan(self, principal: Principal, body: object) -> Plan:
        """Return what ``create`` would make and whether it would start now, and make nothing."""
        found = await self._read(principal, body)
        masked = await asyncio.to_thread(lambda: ExperimentSpec.parse(mask(found.spec.wire())))
        nobody = str(uuid.UUID(int=0))
        launch = Launch("experiment-0-0000", nobody, principal.name, masked.meta.name, masked, 1, 1, now_ms())
        try:
            objects = await self._targets[found.target].render(launch)
        except TargetUnavailable as error:
            if self._outbox.delivering:
                raise
            raise TargetUnavailable(
                f"A dry run asks the cluster of target '{found.target}' itself, and this server is not connected to "
                "it: another server on this data directory gives the orders.",
                hint="Ask that server, or submit without dryRun: that works here, too.",
            ) from error
        forecast = await self._forecasts.of_new(principal, found.target, launch)
        return Plan(found.target, masked.wire(), objects, forecast)

    async def _read(self, principal: Principal, body: object) -> Submission:
        source = None
        if copied_from := source_id(body):
            row = await self._db.read(lambda tx: access.secrets_of(tx, principal, copied_from))
            source = ExperimentSpec.parse(json.loads(row.spec)) if row else None
        return await asyncio.to_thread(self._reader.accept, body, source)  # a large body takes its time

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
            await self._settle_first(order, row, None, keyed=earlier.refusal is None)
        return Accepted(earlier.response, replayed=True)

    async def _settle_first(self, order: OutboxRow, row: ExperimentRow, launch: Launch | None, *, keyed: bool) -> None:
        """Wait for the decision on a new experiment; without one it is accepted, for this and all answers to its key.

        Raises what the target has refused it with.
        """
        decided = await self._outbox.settle(order, row, launch)
        if keyed and not decided and (refusal := await self._db.write(lambda tx: idempotency.promise(tx, row.id))):
            raise answer_of(refusal)


@dataclass(frozen=True, slots=True)
class _Taken:
    """What answers a POST as ``text``: a new row or one that runs already, with its order, if it has one."""

    row: ExperimentRow
    order: OutboxRow | None
    text: str
    attached: bool = False


def _accept(
    tx: Connection, new: Submission, principal: Principal, key: str | None, *, if_not_running: bool
) -> _Taken | None:
    """Store an experiment and the order to run it, unless it runs; None if the key was used before."""
    if key is not None and idempotency.find(tx, principal.name, key) is not None:
        return None
    promised = False
    running = attach.running(tx, principal, new) if if_not_running else None
    if running is not None:
        order = outbox.pending(tx, running.id)
        first = order is not None and (order.op, order.generation) == ("ensure", 1)
        taken = _Taken(running, order if first else None, experiment_json(running), attached=True)
    else:
        row, order = _store(tx, new, principal.name)
        taken = _Taken(row, order, accepted_json(row))
        # What waits in its group is accepted, whatever its target says of it later.
        promised = order is None
    if key is not None:
        idempotency.claim(
            tx, owner=principal.name, key=key, path="experiment", body_hash=new.digest,
            experiment_id=taken.row.id, response=taken.text, created=now_ms(), refusal="" if promised else None,
        )  # fmt: skip
    return taken


def _launch(row: ExperimentRow, spec: ExperimentSpec) -> Launch:
    """Return what is ordered for a new row: its spec has been read from the body, and needs not be read again."""
    spec.meta.experiment_id = row.id
    return launch_of(row, spec)


def _store(tx: Connection, new: Submission, owner: str) -> tuple[ExperimentRow, OutboxRow | None]:
    texts = named(new.texts, experiment_id := experiments.next_id(tx))
    row = experiments.insert(
        tx,
        NewExperiment(
            id=experiment_id,
            uid=str(uuid.uuid4()),
            owner=owner,
            target=new.target,
            namespace=texts.namespace,
            name=texts.name,
            framework=texts.framework,
            tags=texts.tags,
            spec=texts.spec,
            wire_spec=texts.wire_spec,
            list_spec=texts.list_spec,
            replicas=texts.replicas,
            accepted=now_ms(),
        ),
    )
    if new.spec.runtime and new.spec.runtime.origin:
        origins.remember(tx, row.seq, new.digest)
    grouped = new.spec.runtime is not None and new.spec.runtime.group is not None
    order = None if grouped and groups.hold(tx, row) else outbox.put(tx, row, "ensure", first=True)
    record(tx, row, "accepted")
    return row, order
