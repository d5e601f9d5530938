"""Names in a list's filters that no experiment has."""

from __future__ import annotations

from sqlalchemy import Connection

from submarine_jupyter_server.services import access
from submarine_jupyter_server.services.principal import Principal
from submarine_jupyter_server.store.experiments import Page, Query
from submarine_jupyter_server.store.lists.conditions import HAS, NOUNS, Condition, Named


def unknown(tx: Connection, principal: Principal, query: Query, page: Page) -> str | None:
    """Return a sentence on a parameter or a metric that nothing has: misspelt, it must not look like no result."""
    asked = [Named.of(query.sort.removeprefix("-")), *([] if page.rows else (one.named for one in query.conditions))]
    for named in dict.fromkeys(named for named in asked if named is not None):
        having = Query(conditions=(Condition(named, HAS, "", None),), archived=None, limit=1)
        if not access.page(tx, principal, having).rows:
            return f"No experiment has the {NOUNS[named.kind]} '{named.name}'."
    return None
