"""Lists by parameters and metrics are what Python's own filtering and sorting would give, wherever a page begins."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, insert

from submarine_jupyter.errors import InvalidRequest
from submarine_jupyter_server.store import experiments
from submarine_jupyter_server.store.experiments import NewExperiment, Query
from submarine_jupyter_server.store.lists.conditions import OPERATORS, Condition, Named
from submarine_jupyter_server.store.orders import changes
from submarine_jupyter_server.store.orders.changes import SpecTexts
from submarine_jupyter_server.store.reported import metrics
from submarine_jupyter_server.store.sqlite import connection
from submarine_jupyter_server.store.sqlite.file import recovery
from submarine_jupyter_server.store.tables import experiment, experiment_tag, experiment_value
from submarine_jupyter_server.store.transitions import advance

LR, ACCURACY = Named("param", "lr"), Named("metric", "accuracy")
SORTS = ("param.lr", "-param.lr", "metric.accuracy", "-metric.accuracy", "param.none", "-param.none")
values = st.none() | st.sampled_from((0.0, 0.1, -1.5, 3.0, 1e300)) | st.sampled_from(("", "a", "adam", "Ünï", "0.1"))
rows = st.fixed_dictionaries(
    {
        "status": st.sampled_from(("Running", "Failed")),
        "deleted": st.sampled_from((None, None, None, 1)),
        "accepted": st.integers(0, 5),
        "name": st.sampled_from(("mnist", "MNIST two", "100%", "a_b")),
        "tag": st.none() | st.sampled_from(("x", "night")),
        "lr": values,
        "accuracy": st.none() | st.floats(-1, 1),
    }
)
numbers = st.builds(
    lambda named, operator, number: Condition(named, operator, str(number), number),
    st.sampled_from((LR, ACCURACY)),
    st.sampled_from(OPERATORS),
    st.sampled_from((0.0, 0.1, -1.5)) | st.floats(-1, 1),
)
texts = st.builds(Condition, st.just(LR), st.sampled_from(("=", "!=")), st.sampled_from(("adam", "Ünï", "")), st.none())
conditions = numbers | texts
queries = st.fixed_dictionaries(
    {},
    optional={
        "statuses": st.just(("Running",)),
        "tags": st.just(("x",)),
        "since": st.integers(0, 6),
        "words": st.sampled_from(("", "mnist", "two MNIST", "%", "_", "night", "ada", "e-1", "x adam")),
        "conditions": st.lists(conditions, max_size=2),
    },
)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Connection]]:
    """One database for all examples; each of them is rolled back."""
    file = tmp_path_factory.mktemp("by_value") / "submarine.db"
    recovery.repair(file)
    with connection.opened(file) as tx:
        yield [tx]


def fill(tx: Connection, found: list[dict[str, Any]]) -> None:
    for seq, row in enumerate(found, 1):
        fixed = {"seq": seq, "id": f"e-{seq}", "uid": f"u-{seq}", "notes": "[]", "generation": 1, "attempt": 1}
        fixed |= {"replicas": 1, "restored": False, "wire_spec": "{}", "spec": "{}"}
        fixed |= dict.fromkeys(("owner", "framework", "target", "namespace"), "p")
        tx.execute(
            insert(experiment).values({**fixed, **{k: row[k] for k in ("status", "deleted", "accepted", "name")}})
        )
        if row["tag"] and row["deleted"] is None:
            tx.execute(insert(experiment_tag).values(tag=row["tag"], seq=seq))
        for kind, name in (("param", "lr"), ("metric", "accuracy")):
            if (value := row[name]) is not None:
                number, text = (None, value) if isinstance(value, str) else (value, None)
                one = {"seq": seq, "kind": kind, "name": name, "number": number, "text": text}
                others = ("metric", "lr") if kind == "param" else ("param", "another")
                two = {"seq": seq, "kind": others[0], "name": others[1], "number": number, "text": "zebra"}
                tx.execute(insert(experiment_value), [one, two])


def fits(seq: int, row: dict[str, Any], query: dict[str, Any]) -> bool:
    if row["deleted"] is not None or row["status"] not in query.get("statuses", (row["status"],)):
        return False
    if row["accepted"] < query.get("since", 0) or not set(query.get("tags", ())) <= {row["tag"]}:
        return False
    params = [row["lr"] if isinstance(row["lr"], str) else "", "zebra" if row["accuracy"] is not None else ""]
    texts = [text.lower() for text in (row["name"], f"e-{seq}", row["tag"] or "", *params)]
    if not all(any(word.lower() in text for text in texts) for word in query.get("words", "").split()):
        return False
    return all(compares(row[one.named.name], one) for one in query.get("conditions", ()))


def compares(value: Any, one: Condition) -> bool:
    if value is None:
        return False
    number = isinstance(value, float)
    same = bool(value == one.number if number else value == one.text)
    if one.operator in ("=", "!="):
        return same == (one.operator == "=")
    less, equal = bool(number and value < one.number), bool(number and value == one.number)
    more = number and not less and not equal
    return {"<": less, "<=": less or equal, ">": more, ">=": more or equal}[one.operator]


def expected(found: list[dict[str, Any]], query: dict[str, Any], sort: str) -> list[int]:
    """Return the numbers of the rows that fit, in order, by plain Python."""
    fitting = [seq for seq, row in enumerate(found, 1) if fits(seq, row, query)]
    name = sort.partition(".")[2]
    value = {seq: found[seq - 1].get(name) for seq in fitting}
    down = sort.startswith("-")
    groups: list[list[tuple[Any, int]]] = [[], [], []]
    for seq in fitting:
        groups[0 if isinstance(value[seq], float) else 1 if isinstance(value[seq], str) else 2].append(
            (value[seq] or 0, seq)
        )
    groups[1] = [(value[seq], seq) for _, seq in groups[1]]
    return [seq for group in groups for _, seq in sorted(group, reverse=down)]


def walk(tx: Connection, query: Query) -> Iterator[int]:
    """Yield the numbers of all rows, page by page."""
    fields = {name: getattr(query, name) for name in Query.__dataclass_fields__}
    cursor = None
    while True:
        page = experiments.page(tx, Query(**{**fields, "cursor": cursor}))
        yield from (row.seq for row in page.rows)
        if (cursor := page.next_cursor) is None:
            return
        assert len(page.rows) == query.limit


@settings(max_examples=100, deadline=None)
@given(
    found=st.lists(rows, max_size=20),
    query=queries,
    sort=st.sampled_from(SORTS),
    limit=st.integers(1, 8),
    few=st.sampled_from((0, 5, 20)),
)
def test_pages_by_value_are_what_sorting_in_python_gives(
    shared: list[Connection], found: list[dict[str, Any]], query: dict[str, Any], sort: str, limit: int, few: int
) -> None:
    [tx] = shared
    tx.exec_driver_sql("BEGIN IMMEDIATE")
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("submarine_jupyter_server.store.lists.listing._FEW", few)
            fill(tx, found)
            wanted = expected(found, query, sort)
            assert list(walk(tx, Query(**query, sort=sort, limit=limit))) == wanted
            assert list(walk(tx, Query(**query, limit=limit))) == sorted(wanted, reverse=True)
            assert experiments.count(tx, Query(**query)) == len(wanted)
    finally:
        connection.abandon(tx)


def found_by(tx: Connection, name: str, operator: str, text: str, number: float | None = None) -> int:
    named = Named.of(name)
    assert named is not None
    return experiments.count(tx, Query(conditions=[Condition(named, operator, text, number)]))


def spec(**params: Any) -> str:

    return json.dumps({"runtime": {"params": params}})


def test_a_value_is_found_from_the_post_to_the_purge(tx: Connection, new: Callable[..., NewExperiment]) -> None:
    row = experiments.insert(tx, new(spec=spec(lr=0.1, amp=True, optimizer="adam", big=3)))
    for name, text, number in (
        ("lr", "0.10", 0.1),
        ("amp", "true", None),
        ("optimizer", "adam", None),
        ("big", "3", 3),
    ):
        assert found_by(tx, f"param.{name}", "=", text, number) == 1
        assert found_by(tx, f"param.{name}", "!=", text, number) == 0
    # What training code tells is true from then on; so is what it measures.
    metrics.record(
        tx, row.id, 1, "worker-0", 10, [("loss", 3.0, 1, 1), ("loss", 0.5, 2, 2)], {"lr": "0.2", "layers": "[64]"}
    )
    assert found_by(tx, "param.lr", "=", "0.2", 0.2) == found_by(tx, "param.layers", "=", "[64]") == 1
    assert found_by(tx, "metric.loss", "=", "0.5", 0.5) == 1
    metrics.record(tx, row.id, 1, "worker-0", 20, [("loss", float("nan"), 3, 3)])
    assert found_by(tx, "metric.loss", "<", "9", 9) == found_by(tx, "metric.loss", ">=", "9", 9) == 0
    experiments.mark_deleted(tx, row.id, 5)
    assert found_by(tx, "param.lr", "=", "0.2", 0.2) == 0
    experiments.bring_back(tx, row.id, ())
    assert found_by(tx, "param.lr", "=", "0.2", 0.2) == 1
    experiments.mark_deleted(tx, row.id, 6)
    experiments.scrub(tx, row.id)
    assert tx.execute(experiment_value.select()).all() == []
    assert metrics.settings(tx, row.id, 1) == {}


def test_another_attempt_begins_with_what_its_spec_declares(tx: Connection, new: Callable[..., NewExperiment]) -> None:
    row = experiments.insert(tx, new(spec=spec(lr=0.1)))
    metrics.record(tx, row.id, 1, "worker-0", 10, [("loss", 0.5, 1, 1)], {"seed": "1"})
    texts = SpecTexts(spec(lr=0.3), "{}", None, "n", "default", "PyTorch", ())
    # The same attempt has another spec, as after the end: what was told and measured stays.
    same = changes.replace_spec(tx, row, texts, new_attempt=False)
    assert found_by(tx, "param.lr", "=", "0.3", 0.3) == found_by(tx, "param.seed", "=", "1", 1) == 1
    assert found_by(tx, "metric.loss", "=", "0.5", 0.5) == 1
    second = changes.replace_spec(tx, same, texts, new_attempt=True)
    assert second.attempt == 2
    assert found_by(tx, "param.seed", "=", "1", 1) == found_by(tx, "metric.loss", "<", "9", 9) == 0
    # What is read late of the first attempt is not true of the second.
    metrics.record(tx, row.id, 1, "worker-0", 20, [("loss", 0.4, 2, 1)], {"seed": "2"})
    assert found_by(tx, "param.seed", "=", "2", 2) == found_by(tx, "metric.loss", "<", "9", 9) == 0
    # A refused change brings back what was true.
    back = changes.take_back(tx, second, texts, reason="r", message="m")
    assert (back.attempt, found_by(tx, "metric.loss", "=", "0.4", 0.4)) == (1, 1)
    assert found_by(tx, "param.seed", "=", "2", 2) == 1
    advance(tx, row.id, uid=row.uid, attempt=3, status="Running", at_ms=1)
    assert found_by(tx, "param.lr", "=", "0.3", 0.3) == 1
    assert found_by(tx, "param.seed", "=", "2", 2) == found_by(tx, "metric.loss", "<", "9", 9) == 0


@pytest.mark.parametrize("sort", ["param.", "-metric.", "params.lr", "param." + "x" * 129, "param"])
def test_what_cannot_be_sorted_by_is_named(tx: Connection, sort: str) -> None:
    with pytest.raises(InvalidRequest, match="sort: "):
        experiments.page(tx, Query(sort=sort))


@pytest.mark.parametrize("key", [True, 1, [1], {"a": 1}])
def test_a_forged_value_is_a_bad_request(tx: Connection, key: Any) -> None:

    cursor = urlsafe_b64encode(json.dumps(["param.lr", key, 1]).encode()).decode()
    with pytest.raises(InvalidRequest, match="cursor: "):
        experiments.page(tx, Query(sort="param.lr", cursor=cursor))


def test_what_is_asked_for_is_bounded(tx: Connection) -> None:
    condition = Condition(LR, "<", "1", 1.0)
    assert experiments.page(tx, Query(conditions=[condition] * 20, words="a " * 8)).rows == []
    with pytest.raises(InvalidRequest, match="at most 20 conditions"):
        experiments.page(tx, Query(conditions=[condition] * 21))
    for words in ("a " * 9, "x" * 201):
        with pytest.raises(InvalidRequest, match="q: at most 8 words and 200 characters"):
            experiments.page(tx, Query(words=words))
