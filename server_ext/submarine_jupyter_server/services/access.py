"""What a principal may see and do: the one place where that is decided.

**A server of one person** (the default) tells its callers apart by name only to write down whose an experiment is.
Whoever Jupyter let in sees and changes all experiments: he may run any command as the user of this server, and so read
its files. Jupyter gives a browser without a login another name each time, a kernel may have another one than the
browser, and a database outlives them all: a check of names would lock people out of their own experiments.

**Where users are separate** (``SubmarineExtension.separate_users``) an experiment belongs to the name it was accepted
from, for ever. To anybody else it does not exist: one answer, 404, for what is not there and for what is not his;
lists, logs, events and metrics leave it out, and it cannot be copied. A row that was written again from the record on
a cluster keeps the owner of the record; one without an owner is shown to nobody there, and to all on a server of one
person.

**Secrets** know the owner everywhere: what is masked in an experiment is put into another one for its owner only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Connection

from submarine_jupyter.errors import NotFound
from submarine_jupyter_server.services.principal import Principal
from submarine_jupyter_server.store import experiments
from submarine_jupyter_server.store.experiments import ExperimentRow, Page, Query


def only_owner(principal: Principal) -> str | None:
    """Return the only owner whose experiments a principal may see and change, None for all owners."""
    return None if principal.owns_all else principal.name


def find(tx: Connection, principal: Principal, experiment_id: str) -> ExperimentRow:
    """Return an experiment that a principal may see and change. Raises NotFound."""
    row = experiments.find(tx, experiment_id)
    if row is None or only_owner(principal) not in (None, row.owner):
        raise NotFound("Not found experiment.")
    return row


def page(tx: Connection, principal: Principal, query: Query) -> Page:
    """Return one page of the experiments that a principal may see. Raises InvalidRequest."""
    narrow = narrowed(principal, query)
    if narrow is None:
        experiments.page(tx, query)  # a bad filter is named to everybody
        return Page([], None)
    return experiments.page(tx, narrow)


def narrowed(principal: Principal, query: Query) -> Query | None:
    """Return a query for what a principal may see of what is asked for; None where that is nothing."""
    owner = only_owner(principal)
    if owner is None:
        return query
    return replace(query, owner=owner) if query.owner in (None, owner) else None


def own(tx: Connection, principal: Principal, ids: Sequence[str]) -> list[str]:
    """Return those of ``ids`` whose experiments a principal may see, in the same order."""
    owner = only_owner(principal)
    if owner is None:
        return list(ids)
    known = experiments.owned(tx, owner, ids)
    return [found for found in ids if found in known]


def secrets_of(tx: Connection, principal: Principal, experiment_id: str) -> ExperimentRow | None:
    """Return the experiment from which masked values and code may be put back for a principal, None if there is none.

    What is masked is shown to nobody else, and put back for nobody else.
    """
    row = experiments.find(tx, experiment_id)
    return row if row is not None and row.owner == principal.name and not row.restored else None
