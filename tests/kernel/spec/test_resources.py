from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from submarine_jupyter.spec.resources import parse_resources, quantity

SUFFIXES = {
    "": 1,
    "k": 10**3,
    "M": 10**6,
    "G": 10**9,
    "T": 10**12,
    "Ki": 2**10,
    "Mi": 2**20,
    "Gi": 2**30,
    "Ti": 2**40,
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", "1"),
        ("500m", "0.5"),
        ("0.25", "0.25"),
        ("1.", "1"),
        (".5", "0.5"),
        ("1024M", "1024000000"),
        ("1Gi", "1073741824"),
        ("1.5Gi", "1610612736"),
        ("2e3", "2000"),
        ("2E-1", "0.2"),
        ("1E", "1000000000000000000"),
        ("100u", "0.0001"),
    ],
)
def test_a_quantity_means_what_kubernetes_means(text: str, value: str) -> None:
    assert quantity(text) == Decimal(value)


@pytest.mark.parametrize(
    "text", ["", "x", "1 Gi", "1gi", "-1", "+1", "1K", "0x10", "1e", "NaN", "inf", "\u0661", "1e999", "1\n"]
)
def test_what_is_not_a_quantity_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a quantity"):
        quantity(text)


@given(st.integers(0, 10**12), st.sampled_from(sorted(SUFFIXES)))
def test_every_whole_number_and_suffix_is_exact(number: int, suffix: str) -> None:
    assert quantity(f"{number}{suffix}") == number * SUFFIXES[suffix]


def test_resources_keep_their_text_and_show_memory_first() -> None:
    parsed = parse_resources(" cpu=1 , nvidia.com/gpu=2, memory = 1024M ")
    assert list(parsed.items()) == [("memory", "1024M"), ("cpu", "1"), ("nvidia.com/gpu", "2")]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("cpu=x", "'cpu=x' is not a quantity"),
        ("cpu", "'cpu' is not of the form name=quantity"),
        ("cpu=1,,memory=1G", "'' is not of the form"),
        ("cpu=1,cpu=2", "'cpu' is given twice"),
        ("nvidia.com/gpu=0.5", "must be a whole number"),
        ("a b=1", "'a b=1' is not of the form"),
        ("cpu=1=2", "is not a quantity"),
        ("cpu=0", "'cpu=0' is less than 1m"),
        ("cpu=1e30", "'cpu=1e30' is more than any machine has"),
        ("memory=1m", "'memory=1m' is a fraction of a byte each"),
        ("memory=0", "'memory=0' is none at all; leave memory out for no limit"),
        ("memory=8Ei", "'memory=8Ei' is more than any machine has"),
        ("ephemeral-storage=0", "'ephemeral-storage=0' is none at all; leave ephemeral-storage out for no limit"),
        ("ephemeral-storage=1", "'ephemeral-storage=1' is 1 bytes, too little for any program: did you mean 1M"),
        ("ephemeral-storage=1e30", "'ephemeral-storage=1e30' is more than any machine has"),
        (
            "hugepages-2Mi=3Mi",
            "'hugepages-2Mi=3Mi' is not a multiple of 2Mi: write hugepages-2Mi=2Mi",
        ),
        ("hugepages-2Mi=0", "is not a multiple of"),
        ("hugepages-0Mi=1", "unknown resource 'hugepages-0Mi'"),
        ("nvidia.com/gpu=1e7", "is more than any machine has"),
    ],
)
def test_a_piece_that_cannot_be_read_is_named(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        parse_resources(text)


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused_with_a_message(text: str) -> None:
    try:
        parsed = parse_resources(text)
    except ValueError:
        return
    assert all(quantity(value) >= 0 for value in parsed.values())
