"""What can be done with experiments that are there: list, show, change, stop, delete.

A write is one transaction (the experiment, its event and the order to the target), answered once it is on disk; then
the order is given at once, and the answer waits for that at most ``delivery.INLINE_S``.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace

from sqlalchemy import Connection

from submarine_jupyter.errors import NotFound, TargetRefused
from submarine_jupyter.models import ExperimentSpec, Status
from submarine_jupyter_server.control.delivery import Outbox, launch_of
from submarine_jupyter_server.control.lifecycle import report_deleted
from submarine_jupyter_server.process.failpoints import reach
from submarine_jupyter_server.services import access, changing, ending
from submarine_jupyter_server.services.changing import Change
from submarine_jupyter_server.services.logs.first_error import FirstErrors
from submarine_jupyter_server.services.principal import Principal
from submarine_jupyter_server.services.submitting.forecasts import Forecasts
from submarine_jupyter_server.services.unknown import unknown
from submarine_jupyter_server.store import experiments
from submarine_jupyter_server.store.annotations import housekeeping, progress
from submarine_jupyter_server.store.engine.database import Database
from submarine_jupyter_server.store.experiments import ExperimentRow, Query
from submarine_jupyter_server.store.orders import changes, outbox
from submarine_jupyter_server.store.orders.outbox import OutboxRow
from submarine_jupyter_server.store.reported import events, metrics, replicas
from submarine_jupyter_server.targets.protocol import ComputeTarget
from submarine_jupyter_server.wire.answers.detail import Detail
from submarine_jupyter_server.wire.answers.experiments import ExperimentPage, Shown
from submarine_jupyter_server.wire.notes import Notes
from submarine_jupyter_server.wire.specs import SpecReader, patched

_ENDED = "The experiment has ended: the change is recorded, but nothing was started. Clone it to run it again."


class Experiments:
    """The verbs of the REST API. Each raises NotFound for what its principal may not see."""

    def __init__(
        self,
        db: Database,
        targets: Mapping[str, ComputeTarget],
        reader: SpecReader,
        outbox_: Outbox,
        first_errors: FirstErrors,
        forecasts: Forecasts,
    ) -> None:
        self._db = db
        self._forecasts = forecasts
        self._first_errors = first_errors
        self._targets = targets
        self._reader = reader
        self._outbox = outbox_

    async def list(self, principal: Principal, query: Query, *, summary: bool = False) -> ExperimentPage:
        """Return a page of experiments, newest first unless sorted otherwise; ``summary`` adds how each is."""

        def read(tx: Connection) -> ExperimentPage:
            page = access.page(tx, principal, query)
            if not summary:
                return ExperimentPage(page.rows, None, {}, page.next_cursor, unknown(tx, principal, query, page))
            troubled = outbox.troubled(tx, [row.id for row in page.rows])
            noted = housekeeping.of(tx, [row.seq for row in page.rows])
            return ExperimentPage(page.rows, troubled, noted, page.next_cursor, unknown(tx, principal, query, page))

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

        shown = await self._db.read(read)
        if shown.detail is None:
            return shown
        first_error = await self._first_errors.of(shown.row, shown.detail.replicas)
        waiting = await self._forecasts.of_waiting(principal, shown.row, shown.detail.events)
        return replace(shown, detail=replace(shown.detail, first_error=first_error, waiting=waiting))

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
        # A large body takes its time.
        change = await asyncio.to_thread(self._change, row, body, merge=merge, if_match=if_match)
        reach("scale_intent")
        order, changed = await self._db.write(lambda tx: changing.store(tx, row, change))
        if order is not None:
            await self._outbox.settle(order, changed, change.launch)
        self._outbox.wake()  # with another group it may be the turn of others
        shown = await self.get(principal, experiment_id, full=full)
        return replace(shown, note=_ENDED if Status(changed.status).final else None)

    def _change(self, row: ExperimentRow, body: object, *, merge: bool, if_match: str | None) -> Change:
        """Return the change of ``row`` that a body asks for, once it is found good."""
        old = ExperimentSpec.parse(json.loads(row.spec))
        spec, target = self._reader.read(patched(old, body, merge=merge), old, target=row.target)
        change = changing.change(row, old, spec)
        changing.check(row, old, spec, target, if_match)
        if not Status(row.status).final and not row.restored:
            self._targets[row.target].check(spec)
            if not change.restart:
                before, spec.meta.experiment_id = launch_of(row, old), row.id
                after = replace(before, spec=spec, name=spec.meta.name, generation=row.generation + 1)
                prepared = self._targets[row.target].check_change(before, after)
                return replace(change, launch=replace(after, prepared=prepared))
        return change

    async def note(self, principal: Principal, experiment_id: str, body: object) -> Shown:
        """Change what is noted about an experiment: ``note``, ``pinned``, ``archived``, each where ``body`` has it."""
        notes = Notes.parse(body).changes()

        def write(tx: Connection) -> Shown:
            row = access.find(tx, principal, experiment_id)
            before = housekeeping.of(tx, [row.seq]).get(row.seq, housekeeping.Noted())
            if housekeeping.change(tx, row.seq, notes) != before:
                events.append(tx, row.id, type="notes")
            return Shown(row, _detail(tx, row))

        return await self._db.write(write)

    async def stop(self, principal: Principal, experiment_id: str) -> Shown:
        """End an experiment and keep its record and logs; one that has ended stays as it is."""

        def intend(tx: Connection) -> tuple[OutboxRow | None, ExperimentRow]:
            row = access.find(tx, principal, experiment_id)
            return ending.stop(tx, row) or (None, row)

        order, row = await self._db.write(intend)
        if order is None:
            return Shown(row, note="The experiment had ended already.")
        reach("stop_intent")
        await self._outbox.settle(order, row)
        return await self.get(principal, experiment_id)

    async def delete(self, principal: Principal, experiment_id: str, *, purge: bool = False) -> Shown:
        """End an experiment and take it out of every list; ``purge`` removes its logs and its secrets at once."""

        def intend(tx: Connection) -> tuple[OutboxRow, ExperimentRow]:
            if (ordered := ending.delete(tx, access.find(tx, principal, experiment_id), purge=purge)) is None:
                raise NotFound("Not found experiment.")
            return ordered

        order, row = await self._db.write(intend)
        reach("delete_intent")
        if not await self._outbox.settle(order, row):
            await self._db.write(lambda tx: _confirm_deletion(tx, row))
        reach("delete_done")
        # What somebody left without its owner the target cannot end: the cause of its end says what to do.
        return Shown(row, note=row.message if row.reason == "Orphaned" else None)


def _confirm_deletion(tx: Connection, row: ExperimentRow) -> None:
    """Announce that an experiment is deleted. Raises TargetRefused if its target has refused that just now."""
    order = outbox.pending(tx, row.id)
    if experiments.find(tx, row.id) is not None and order is not None:
        raise TargetRefused(order.last_error or "the target refused to delete it", reason="DeleteRefused")
    report_deleted(tx, row)


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
        noted=housekeeping.of(tx, [row.seq]).get(row.seq),
        progress=progress.of(tx, row.id, row.attempt),
    )
