"""Pages are what Python's own sorting and filtering would give, wherever they begin."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, insert

from submarine_jupyter.errors import InvalidRequest
from submarine_jupyter_server.store import experiments
from submarine_jupyter_server.store.experiments import ListRow, NewExperiment, Query
from submarine_jupyter_server.store.sqlite import connection
from submarine_jupyter_server.store.sqlite.file import recovery
from submarine_jupyter_server.store.tables import experiment, experiment_tag

NAMES = ("", "a", "ab", "abc", "b", "\ud7ff", "\ue000", "a\U0010ffff", "a*", "Ünï", "a\x01b")
STATUSES = ("Accepted", "Created", "Running", "Succeeded", "Failed")
TAGS = ("x", "y", "z")
rows = st.fixed_dictionaries(
    {
        "name": st.sampled_from(NAMES),
        "status": st.sampled_from(STATUSES),
        "owner": st.sampled_from("pq"),
        "framework": st.sampled_from("tu"),
        "target": st.sampled_from("kl"),
        "namespace": st.sampled_from("mn"),
        "finished": st.none() | st.integers(0, 5),
        "deleted": st.sampled_from((None, None, None, 1)),
        "tags": st.sets(st.sampled_from(TAGS)),
    }
)
queries = st.fixed_dictionaries(
    {},
    optional={
        "statuses": st.lists(st.sampled_from(STATUSES), max_size=3),
        "name": st.sampled_from((*NAMES, *(f"{name}*" for name in NAMES))),
        "tags": st.lists(st.sampled_from((*TAGS, "none")), max_size=2),
        "owner": st.sampled_from("pqr"),
        "framework": st.sampled_from("tuv"),
        "target": st.sampled_from("klm"),
        "namespace": st.sampled_from("mno"),
    },
)
sorts = st.sampled_from([sign + name for sign in ("", "-") for name in ("accepted", "name", "status", "finished")])


@dataclass
class Shared:
    """One database for all examples; each of them is rolled back."""

    tx: Connection


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    file = tmp_path_factory.mktemp("listing") / "submarine.db"
    recovery.repair(file)
    with connection.opened(file) as tx:
        yield Shared(tx)


def fill(tx: Connection, found: list[dict[str, Any]]) -> None:
    for seq, row in enumerate(found, 1):
        fixed = {"seq": seq, "id": f"e-{seq}", "uid": f"u-{seq}", "notes": "[]", "generation": 1, "attempt": 1}
        fixed |= {"accepted": 1000 - seq, "replicas": 1, "restored": False, "wire_spec": "{}", "spec": "{}"}
        tx.execute(insert(experiment).values({**fixed, **{k: v for k, v in row.items() if k != "tags"}}))
        for tag in row["tags"] if row["deleted"] is None else ():
            tx.execute(insert(experiment_tag).values(tag=tag, seq=seq))


def expected(found: list[dict[str, Any]], query: dict[str, Any], sort: str) -> list[int]:
    """Return the numbers of the rows that fit, in order, by plain Python."""

    def fits(row: dict[str, Any]) -> bool:
        name = query.get("name")
        if name is not None and not (row["name"].startswith(name[:-1]) if name.endswith("*") else row["name"] == name):
            return False
        same = all(row[k] == query[k] for k in ("owner", "framework", "target", "namespace") if k in query)
        status = not query.get("statuses") or row["status"] in query["statuses"]
        return same and status and row["deleted"] is None and set(query.get("tags", ())) <= row["tags"]

    column = sort.removeprefix("-")

    def key(item: tuple[int, dict[str, Any]]) -> tuple[Any, int]:
        value = 0 if column == "accepted" else item[1][column]
        return (-1 if value is None else value, item[0])

    fitting = [(seq, row) for seq, row in enumerate(found, 1) if fits(row)]
    return [seq for seq, _ in sorted(fitting, key=key, reverse=sort.startswith("-"))]


def walk(tx: Connection, query: Query) -> Iterator[ListRow]:
    """Yield all rows, page by page."""
    cursor = query.cursor
    while True:
        page = experiments.page(tx, Query(**{**_fields(query), "cursor": cursor}))
        assert len(page.rows) <= query.limit
        yield from page.rows
        if (cursor := page.next_cursor) is None:
            return
        assert len(page.rows) == query.limit


def _fields(query: Query) -> dict[str, Any]:
    return {name: getattr(query, name) for name in Query.__dataclass_fields__}


@settings(max_examples=200, deadline=None)
@given(found=st.lists(rows, max_size=25), query=queries, sort=sorts, limit=st.integers(1, 12), few=st.integers(0, 20))
def test_pages_are_what_sorting_in_python_gives(
    shared: Shared, found: list[dict[str, Any]], query: dict[str, Any], sort: str, limit: int, few: int
) -> None:
    tx = shared.tx
    tx.exec_driver_sql("BEGIN IMMEDIATE")
    try:
        # Both ways to a page, by one index and by the order, whatever the number of rows.
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("submarine_jupyter_server.store.lists.listing._FEW", few)
            fill(tx, found)
            wanted = expected(found, query, sort)
            assert [row.seq for row in walk(tx, Query(**query, sort=sort, limit=limit))] == wanted
            assert experiments.count(tx, Query(**query)) == len(wanted)
    finally:
        connection.abandon(tx)


def test_a_page_goes_on_where_the_last_row_was_though_it_is_gone(
    tx: Connection, new: Callable[..., NewExperiment]
) -> None:
    made = [experiments.insert(tx, new(name=f"n{number}")) for number in range(6)]
    first = experiments.page(tx, Query(limit=3))
    experiments.forget(tx, made[3].id)
    experiments.insert(tx, new())
    second = experiments.page(tx, Query(limit=3, cursor=first.next_cursor))
    assert [row.seq for row in (*first.rows, *second.rows)] == [row.seq for row in reversed(made)]
    assert second.next_cursor is None


def test_status_is_found_in_any_case(tx: Connection, new: Callable[..., NewExperiment]) -> None:
    row = experiments.insert(tx, new())
    assert [found.seq for found in experiments.page(tx, Query(statuses=("aCCepted", "ACCEPTED"))).rows] == [row.seq]
    with pytest.raises(InvalidRequest, match="status: 'Sleeping' is not one of Accepted, "):
        experiments.page(tx, Query(statuses=("Sleeping",)))


def test_a_list_never_reads_the_spec_with_its_secrets() -> None:
    assert "spec" not in ListRow.__dataclass_fields__


@pytest.mark.parametrize("field", ["name", "owner", "framework", "target", "namespace", "tags", "statuses"])
def test_half_a_surrogate_pair_finds_nothing(tx: Connection, new: Callable[..., NewExperiment], field: str) -> None:
    experiments.insert(tx, new())
    given: Any = "\ud800" if field in ListRow.__dataclass_fields__ else ("\ud800",)
    if field == "statuses":
        with pytest.raises(InvalidRequest, match="status: "):
            experiments.page(tx, Query(statuses=given))
    else:
        assert experiments.page(tx, Query(**{field: given})).rows == []
        assert experiments.count(tx, Query(**{field: given})) == 0


def test_more_tags_than_can_be_looked_up_are_a_bad_request(tx: Connection) -> None:
    assert experiments.page(tx, Query(tags=[str(number) for number in range(20)])).rows == []
    with pytest.raises(InvalidRequest, match="tag: at most 20"):
        experiments.page(tx, Query(tags=[str(number) for number in range(21)]))


@pytest.mark.parametrize("sort", ["", "-", "seq", "--name", "name; DROP TABLE experiment"])
def test_an_unknown_sort_is_named(tx: Connection, sort: str) -> None:
    with pytest.raises(InvalidRequest, match="sort: "):
        experiments.page(tx, Query(sort=sort))


def test_a_limit_below_one_is_a_bad_request(tx: Connection) -> None:
    with pytest.raises(InvalidRequest, match="limit: "):
        experiments.page(tx, Query(limit=0))


def cursor_of(content: object) -> str:
    return urlsafe_b64encode(json.dumps(content).encode()).decode()


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "nonsense",
        "ß",
        "!!!!",
        cursor_of(1),
        cursor_of([]),
        cursor_of(["-accepted", 1]),
        cursor_of(["-accepted", "x", 1]),
        cursor_of(["-accepted", 1, True]),
        cursor_of(["-accepted", 1.5, 1]),
        cursor_of(["-accepted", 2**63, 1]),
        cursor_of(["-accepted", 1, 10**400]),
        cursor_of(["-seq", 1, 1]),
        cursor_of([None, 1, 1]),
        cursor_of(["name", None, 1]),
        urlsafe_b64encode(b"[" * 100_000).decode(),
        urlsafe_b64encode(b'["-accepted", NaN, 1]').decode(),
    ],
)
def test_a_forged_cursor_is_a_bad_request(tx: Connection, cursor: str) -> None:
    with pytest.raises(InvalidRequest, match="cursor: "):
        experiments.page(tx, Query(cursor=cursor, sort="name" if "bmFtZ" in cursor else "-accepted"))


@given(st.text() | st.binary().map(lambda raw: urlsafe_b64encode(raw).decode()))
def test_no_text_at_all_as_a_cursor_is_more_than_a_bad_request(shared: Shared, text: str) -> None:
    with pytest.raises(InvalidRequest, match="cursor: "):
        experiments.page(shared.tx, Query(cursor=text))


def test_a_cursor_belongs_to_its_sort(tx: Connection, new: Callable[..., NewExperiment]) -> None:
    experiments.insert(tx, new())
    experiments.insert(tx, new())
    cursor = experiments.page(tx, Query(limit=1, sort="name")).next_cursor
    with pytest.raises(InvalidRequest, match="cursor: it belongs to sort=name, not to sort=-name"):
        experiments.page(tx, Query(limit=1, sort="-name", cursor=cursor))
