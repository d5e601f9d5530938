"""One order per experiment: the latest intention, unless a weightier one stands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import get_args

import pytest
from sqlalchemy import Connection

from submarine_jupyter_server.store import experiments
from submarine_jupyter_server.store.experiments import NewExperiment
from submarine_jupyter_server.store.orders import outbox
from submarine_jupyter_server.store.orders.outbox import Op

New = Callable[..., NewExperiment]
OPS: tuple[Op, ...] = get_args(Op)


@pytest.mark.parametrize("first", OPS)
@pytest.mark.parametrize("second", OPS)
def test_purge_before_delete_before_stop_before_ensure(tx: Connection, new: New, first: Op, second: Op) -> None:
    row = experiments.insert(tx, new())
    one = outbox.put(tx, row, first)
    two = outbox.put(tx, replace(row, generation=2, attempt=3), second)
    assert two == outbox.pending(tx, row.id)
    if OPS.index(second) >= OPS.index(first):
        assert (two.op, two.generation, two.attempt) == (second, 2, 3)
        assert two.seq > one.seq
        assert not outbox.done(tx, one.seq)
        assert not outbox.retry(tx, one.seq, 1, "late")
        assert outbox.pending(tx, row.id) == two
    else:
        assert two == one
    assert outbox.done(tx, two.seq)
    assert outbox.pending(tx, row.id) is None


def test_an_order_that_failed_waits(tx: Connection, new: New) -> None:
    rows = [experiments.insert(tx, new()) for _ in range(3)]
    orders = [outbox.put(tx, row, "ensure") for row in rows]
    assert outbox.next_due(tx, -1) == 0
    assert outbox.retry(tx, orders[0].seq, 1000, "no answer", "Busy")
    assert [order.seq for order in outbox.due(tx, 999, 10)] == [orders[1].seq, orders[2].seq]
    assert [order.seq for order in outbox.due(tx, 999, 1)] == [orders[1].seq]
    assert outbox.troubled(tx, [row.id for row in rows]).keys() == {rows[0].id}
    late = outbox.due(tx, 1000, 10)[-1]
    assert late.last_reason == "Busy"
    assert (late.seq, late.attempts, late.last_error, late.next_at) == (orders[0].seq, 1, "no answer", 1000)
    for order in orders[1:]:
        outbox.done(tx, order.seq)
    assert outbox.next_due(tx, 999) == 1000
    again = outbox.put(tx, rows[0], "ensure")
    assert (again.attempts, again.next_at, again.last_error) == (0, 0, None)


def test_a_clock_that_was_set_back_holds_up_no_order(tx: Connection, new: New) -> None:
    order = outbox.put(tx, experiments.insert(tx, new()), "ensure", first=True)
    outbox.retry(tx, order.seq, 10_000_000, "no answer")
    assert outbox.due(tx, 9_990_000, 10) == []
    assert [late.seq for late in outbox.due(tx, 9_990_000 - 3_600_000, 10)] == [order.seq]
