from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from submarine_jupyter.commands.ids import KnownIds, choose, short
from submarine_jupyter.errors import UsageError

IDS = ["experiment-1647574374688-0012", "experiment-1647574374688-0002", "experiment-1647192232698-0001"]
NAMED = list(zip(IDS, ("digits", "hello", "digits"), strict=True))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("2", IDS[1]),
        ("0002", IDS[1]),
        ("12", IDS[0]),
        ("88-0012", IDS[0]),
        ("experiment-16471", IDS[2]),
        (IDS[2], IDS[2]),
        ("hello", IDS[1]),
        ("digits", IDS[0]),
    ],
)
def test_a_part_of_an_id_is_enough(text: str, found: str) -> None:
    assert choose(text, NAMED)[0] == found


@pytest.mark.parametrize(
    ("text", "why"),
    [("experiment-16475", "several"), ("7", "No experiment"), ("x", "No experiment"), ("digits", "name of several")],
)
def test_what_is_not_clear_is_refused(text: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        choose(text, NAMED, newest=False)


@given(
    st.lists(st.integers(0, 99999), unique=True, min_size=1).map(lambda all_: [f"experiment-1-{n:04d}" for n in all_])
)
def test_a_number_always_means_its_own_experiment(ids: list[str]) -> None:
    for one in ids:
        assert choose(one.rpartition("-")[2], [(each, "name") for each in ids])[0] == one


def test_the_last_one_is_remembered_and_forgotten() -> None:
    ids = KnownIds()
    ids.meet({"experimentId": one, "name": name, "state": "Running"} for one, name in NAMED)
    found = [ids.last]
    ids.use(IDS[2])
    assert ids.newest_first()[0] == (IDS[2], ("digits", "Running"))
    found.append(ids.last)
    ids.forget(IDS[2])
    assert [*found, ids.last] == [None, IDS[2], None]
    assert [one for one, _ in ids.newest_first()] == IDS[:2]


def test_the_end_of_an_id_is_short_while_it_is_the_only_one() -> None:
    assert short(IDS[0], IDS) == "0012"
    assert short(IDS[0], [*IDS, "experiment-1-0012"]) == IDS[0]
