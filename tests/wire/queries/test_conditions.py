from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from submarine_jupyter.errors import InvalidRequest
from submarine_jupyter_server.store.lists.conditions import OPERATORS, Condition, Named
from submarine_jupyter_server.wire.queries.lists import list_query


def read(name: str, text: str) -> Condition:
    [found] = list_query({name: [text]}).conditions
    return found


@pytest.mark.parametrize(
    ("name", "text", "operator", "value", "number"),
    [
        ("param.lr", "<0.01", "<", "0.01", 0.01),
        ("param.lr", "0.1", "=", "0.1", 0.1),
        ("param.lr", "=1e-5", "=", "1e-5", 1e-5),
        ("param.lr", ">= -.5 ", ">=", " -.5 ", -0.5),
        ("param.optimizer", "adam", "=", "adam", None),
        ("param.optimizer", "!=adam", "!=", "adam", None),
        ("param.optimizer", "==<b>", "=", "<b>", None),
        ("param.a.b-c", "", "=", "", None),
        ("metric.val/acc top1", "<=1e400", "<=", "", None),
        ("param.n", "infinity", "=", "infinity", None),
    ],
)
def test_conditions(name: str, text: str, operator: str, value: str, number: float | None) -> None:
    if "1e400" in text:
        with pytest.raises(InvalidRequest, match="must be compared with a number"):
            read(name, text)
        return
    kind, _, rest = name.partition(".")
    assert read(name, text) == Condition(Named(kind, rest), operator, value, number)


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ({"param.": ["1"]}, "'param.' must be followed by a name"),
        ({"metric." + "x" * 129: ["1"]}, "must be followed by a name of 1 to 128"),
        ({"params.lr": ["1"]}, "Unknown parameter 'params.lr'; known: "),
        ({"param": ["1"]}, "Unknown parameter 'param'"),
        ({"param.lr": ["<high"]}, "'param.lr' must be compared with a number, as param.lr=>0.9, not with 'high'"),
        ({"metric.acc": ["high"]}, "'metric.acc' must be compared with a number"),
        ({"metric.acc": [">nan"]}, "must be compared with a number"),
        ({"param.t": ["x" * 256]}, "'param.t' can be compared with 255 characters at most"),
        ({"since": ["yesterday"]}, "'since' must be like 30s, 10m, 2h, 1d"),
        ({"q": ["a", "b"]}, "'q' may be given only once"),
    ],
)
def test_what_cannot_be_used_is_named(query: dict[str, list[str]], problem: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        list_query(query)
    assert problem in str(caught.value)


def test_all_conditions_hold() -> None:
    found = list_query({"param.lr": [">0.1", "<1"], "metric.acc": [">0.9"], "since": ["7d"], "q": ["a b"]})
    assert [(one.named.name, one.operator) for one in found.conditions] == [("lr", ">"), ("lr", "<"), ("acc", ">")]
    assert found.words == "a b"
    assert found.since is not None
    assert abs(found.since - (time.time() - 7 * 86400) * 1000) < 60_000


@given(kind=st.sampled_from(("param", "metric")), name=st.text(max_size=140), text=st.text(max_size=300))
def test_any_text_is_a_condition_or_a_bad_request(kind: str, name: str, text: str) -> None:
    try:
        found = read(f"{kind}.{name}", text)
    except InvalidRequest:
        return
    assert found.operator in OPERATORS
    assert found.named == Named(kind, name)
    assert found.text in text


@given(number=st.floats(allow_nan=False, allow_infinity=False), operator=st.sampled_from(OPERATORS))
def test_every_number_is_read_exactly(number: float, operator: str) -> None:
    assert read("metric.x", f"{operator}{number!r}") == Condition(Named("metric", "x"), operator, repr(number), number)
