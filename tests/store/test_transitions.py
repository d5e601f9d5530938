"""However observations come, the status only goes forward and the times stay in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import Connection

from submarine_jupyter_server.store import experiments
from submarine_jupyter_server.store.experiments import ExperimentRow, NewExperiment
from submarine_jupyter_server.store.orders import changes
from submarine_jupyter_server.store.orders.changes import SpecTexts
from submarine_jupyter_server.store.sqlite import connection
from submarine_jupyter_server.store.sqlite.file import recovery

RANK = {"Accepted": 0, "Created": 1, "Running": 2, "Succeeded": 3, "Failed": 3}
ACCEPTED = 1_700_000_000_000
times = st.integers(ACCEPTED - 50, ACCEPTED + 50)
hints = st.fixed_dictionaries({}, optional={f"{name}_ms": times for name in ("created", "running", "finished")})
words = st.sampled_from((None, "Queued", "OutOfMemory"))


class Life(RuleBasedStateMachine):
    """Everything that can happen to one experiment, in any order."""

    tx: Connection

    @initialize()
    def accept(self) -> None:
        connection.abandon(self.tx)
        self.tx.exec_driver_sql("BEGIN IMMEDIATE")
        self.new = NewExperiment("e", "u", "ada", "local", "default", "n", "PyTorch", "{}", "{}", ACCEPTED, ("a",))
        self.row = self.before = experiments.insert(self.tx, self.new)

    @rule(
        status=st.sampled_from(list(RANK)),
        at=times,
        older=st.integers(-1, 1),
        mine=st.sampled_from((True, True, True, False)),
        hinted=hints,
        reason=words,
        message=words,
        notes=st.lists(st.sampled_from("abc"), max_size=2),
    )
    def observe(
        self,
        status: str,
        at: int,
        older: int,
        mine: bool,
        hinted: dict[str, int],
        reason: str | None,
        message: str | None,
        notes: list[str],
    ) -> None:
        before, attempt = self.now(), self.now().attempt + older
        after = experiments.advance(
            self.tx, "e", uid="u" if mine else "other", attempt=attempt, status=status, at_ms=at,
            reason=reason, message=message, notes=notes, known=before, **hinted,
        )  # fmt: skip
        assert (after or before) == self.now()
        assert after != before
        ended = RANK[before.status] == 3
        if not mine or older < 0 or ended or before.deleted is not None:
            assert after is None
        elif older > 0 or RANK[status] > RANK[before.status]:
            assert after is not None
            assert (after.status, after.attempt) == (status, attempt)
            assert (after.reason, after.message) == (reason, message)
        elif RANK[status] < RANK[before.status]:
            assert after is None

    @precondition(lambda self: self.now().deleted is None)
    @rule(new_attempt=st.booleans())
    def patch(self, new_attempt: bool) -> None:
        before = self.now()
        texts = SpecTexts("{2}", "{2}", None, "m", "other", "PyTorch", ("b", "c"))
        after = changes.replace_spec(self.tx, before, texts, new_attempt=new_attempt)
        assert after == self.now()
        assert (after.generation, after.spec, after.name) == (before.generation + 1, "{2}", "m")
        restarted = new_attempt and RANK[before.status] < 3
        assert after.attempt == before.attempt + restarted
        assert after.status == ("Accepted" if restarted else before.status)

    @rule(at=times)
    def stop(self, at: int) -> None:
        after = experiments.request_stop(self.tx, "e", at)
        assert (after is None) == (self.now().deleted is not None)

    @rule(at=times, sure=st.sampled_from((False, False, False, True)))
    def delete(self, at: int, sure: bool) -> None:
        if sure:
            gone = self.now().deleted is not None
            after = experiments.mark_deleted(self.tx, "e", at)
            assert (after is None) == gone
            assert experiments.find(self.tx, "e") is None

    @invariant()
    def is_possible(self) -> None:
        before, now = self.before, self.now()
        self.before = now
        shown = [time for time in (now.accepted, now.created, now.running, now.finished) if time is not None]
        assert shown == sorted(shown)
        assert (now.accepted, now.uid) == (ACCEPTED, "u")
        assert (now.finished is not None) == (RANK[now.status] == 3)
        if now.status in ("Created", "Running", "Succeeded"):
            assert now.created is not None
        if now.status in ("Running", "Succeeded"):
            assert now.running is not None
        if now.status == "Accepted":
            assert (now.created, now.running) == (None, None)
        assert now.attempt >= before.attempt
        assert now.generation >= before.generation
        if RANK[before.status] == 3:
            assert (now.status, now.finished, now.reason) == (before.status, before.finished, before.reason)
        if now.attempt == before.attempt:
            assert RANK[now.status] >= RANK[before.status]
            for name in ("created", "running", "finished"):
                assert getattr(before, name) in (None, getattr(now, name))
        if before.deleted is not None:
            assert now == before

    def now(self) -> ExperimentRow:
        found = experiments.find(self.tx, "e", include_deleted=True)
        assert found is not None
        return found


@pytest.fixture
def life(tmp_path_factory: pytest.TempPathFactory) -> Iterator[type[Life]]:
    file = tmp_path_factory.mktemp("life") / "submarine.db"
    recovery.repair(file)
    with connection.opened(file) as tx:
        yield type("LifeOnFile", (Life,), {"tx": tx})
        connection.abandon(tx)


def test_life(life: type[Life]) -> None:
    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(life, settings=settings(max_examples=100, stateful_step_count=25, deadline=None))


@pytest.fixture
def advance(tx: Connection, new: Callable[..., NewExperiment]) -> Callable[..., ExperimentRow | None]:
    row = experiments.insert(tx, new(accepted=100))

    def call(status: str, at: int, **more: Any) -> ExperimentRow | None:
        return experiments.advance(tx, row.id, uid=row.uid, attempt=1, status=status, at_ms=at, **more)

    return call


def test_a_job_that_is_over_at_the_first_look_was_created_and_ran(
    advance: Callable[..., ExperimentRow | None],
) -> None:
    row = advance("Succeeded", 200, created_ms=110, running_ms=120, finished_ms=190)
    assert row is not None
    assert (row.created, row.running, row.finished) == (110, 120, 190)


def test_a_job_that_was_refused_never_ran(advance: Callable[..., ExperimentRow | None]) -> None:
    row = advance("Failed", 200, reason="Refused", message="no such queue")
    assert row is not None
    assert (row.created, row.running, row.finished) == (None, None, 200)


def test_a_clock_that_is_behind_does_not_turn_time_round(advance: Callable[..., ExperimentRow | None]) -> None:
    row = advance("Running", 50)
    assert row is not None
    assert (row.created, row.running) == (100, 100)
    row = advance("Failed", 300, finished_ms=60)
    assert row is not None
    assert row.finished == 100


def test_notes_are_collected(advance: Callable[..., ExperimentRow | None]) -> None:
    assert advance("Created", 200, notes=("a",)) is not None
    assert advance("Created", 201, notes=("a",)) is None
    row = advance("Running", 202, notes=("b", "a"))
    assert row is not None
    assert row.notes == ("a", "b")


def test_deleted_is_no_status_to_advance_to(advance: Callable[..., ExperimentRow | None]) -> None:
    with pytest.raises(ValueError, match="Deleted"):
        advance("Deleted", 200)
