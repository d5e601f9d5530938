"""The keys by which a client says that two requests are the same one."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from submarine_jupyter_server.store.tables import idempotency

# Made once: to put a statement together takes as long as to carry it out.
_FIND = select(*idempotency.c).where(idempotency.c.owner == bindparam("whose"), idempotency.c.key == bindparam("named"))


@dataclass(frozen=True, slots=True)
class IdempotencyRow:
    """A key of one owner, what it was used for, and the answer to it: the ``refusal`` (JSON) if there is one.

    A refusal that is empty text will never be one: somebody has the answer that the experiment is accepted.
    """

    owner: str
    key: str
    path: str
    body_hash: str
    experiment_id: str
    response: str
    refusal: str | None
    created: int


def find(tx: Connection, owner: str, key: str) -> IdempotencyRow | None:
    """Return what a key was used for, None if it was not."""
    found = tx.execute(_FIND, {"whose": owner, "named": key}).first()
    return None if found is None else IdempotencyRow(*found)


def claim(
    tx: Connection,
    *,
    owner: str,
    key: str,
    path: str,
    body_hash: str,
    experiment_id: str,
    response: str,
    created: int,
    refusal: str | None = None,
) -> IdempotencyRow | None:
    """Keep the answer to a key; when the key was used before, keep nothing and return that use.

    A later ``find`` in the same transaction, or in any after it, returns the first use: whoever claims first wins.
    """
    earlier = find(tx, owner, key)
    if earlier is None:
        row = IdempotencyRow(owner, key, path, body_hash, experiment_id, response, refusal, created)
        tx.execute(insert(idempotency).values({name: getattr(row, name) for name in IdempotencyRow.__slots__}))
    return earlier


def refuse(tx: Connection, experiment_id: str, refusal: str) -> bool:
    """Keep a refusal as the answer to the keys of an experiment; False if it was promised already."""
    mine = idempotency.c.experiment_id == experiment_id
    if tx.execute(select(idempotency.c.key).where(mine, idempotency.c.refusal == "").limit(1)).first() is not None:
        return False
    tx.execute(update(idempotency).where(mine).values(refusal=refusal))
    return True


def promise(tx: Connection, experiment_id: str) -> str | None:
    """Note that an answer now says that an experiment is accepted; return the refusal if that came first."""
    mine = idempotency.c.experiment_id == experiment_id
    tx.execute(update(idempotency).where(mine, idempotency.c.refusal.is_(None)).values(refusal=""))
    return tx.execute(select(idempotency.c.refusal).where(mine)).scalar() or None


def purge(tx: Connection, before_ms: int) -> int:
    """Forget the keys that were used before a time; return how many."""
    return tx.execute(delete(idempotency).where(idempotency.c.created < before_ms)).rowcount
