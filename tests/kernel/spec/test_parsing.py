"""Bodies are read as they were meant, or refused with the place; nothing else."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from submarine_jupyter.errors import InvalidRequest, TooLarge
from submarine_jupyter.spec.parsing import MAX_DEPTH, parse_json, parse_yaml

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
# Beyond U+FFFF, JSON escapes are surrogate pairs, which YAML does not have.
BASIC = st.text(st.characters(exclude_categories=["Cs"], max_codepoint=0xFFFF), max_size=20)
WHOLE = st.integers(-(10**18) + 1, 10**18 - 1)
SCALARS = st.none() | st.booleans() | WHOLE | BASIC


def _containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(inner, max_size=5) | st.dictionaries(BASIC, inner, max_size=5)


VALUES = st.recursive(SCALARS | TEXT, _containers, max_leaves=20)
BOMB = "a: &a [x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [*{before}, *{before}, *{before}, *{before}]\n"
    for before, name in zip("abcdef", "bcdefg", strict=True)
)


@given(VALUES | st.floats(allow_nan=False, allow_infinity=False))
def test_json_is_read_as_it_was_written(value: Any) -> None:
    assert parse_json(json.dumps(value).encode()) == value
    assert parse_json(json.dumps(value, ensure_ascii=False).encode()) == value


@given(st.recursive(SCALARS, _containers, max_leaves=20))
def test_json_means_the_same_when_it_is_read_as_yaml(value: Any) -> None:
    assert parse_yaml(json.dumps(value).encode()) == value


def outcome(read: Callable[[bytes], object], body: bytes) -> tuple[object, str]:
    try:
        return read(body), ""
    except (InvalidRequest, TooLarge) as error:
        return None, error.message


@given(st.binary(max_size=200) | st.text(max_size=100).map(lambda text: text.encode("utf-8", "surrogatepass")))
@example(b"[" * 100_000)
@example(b'{"a":' * 100_000)
@example(b"- " * 100_000)
@example(b"{" * 50_000)
@example(b"\xef\xbb\xbf")
@example(b"%YAML 3.0\n---\n")
@example(b"? ? ? ?")
@example(b"\xe2\x80\xa8")
@example(b"a: !!python/object/apply:os.system [id]")
@example(b"!!binary x")
@example(b"a: !<tag:yaml.org,2002:int> x")
def test_any_bytes_give_a_value_or_an_error_with_words(body: bytes) -> None:
    for read in (parse_json, parse_yaml):
        value, words = outcome(read, body)
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
        assert words == "" or words.endswith(".")
        assert len(words) < 600


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"a": ', "Line 1, column 7"),
        (b'{\n "a": 1\n "b": 2}', "Line 3, column 2"),
        (b'{"a": 1} x', "Extra data"),
        (b"\xff", "Byte 0 is not UTF-8"),
        (b'{"n": "\xc3\x28"}', "Byte 7 is not UTF-8"),
        (b'{"a": 1, "b": 2, "a": 3}', "'a' is given twice"),
        (b'{"a": {"b": 1, "b": 1}}', "'b' is given twice"),
        (b'{"a": NaN}', "NaN is not JSON"),
        (b"[Infinity]", "Infinity is not JSON"),
        (b"[-Infinity]", "Infinity is not JSON"),
        (b"[1e999]", "too large"),
        (b"[1234567890123456789]", "more than 18 digits"),
        (b"[-1234567890123456789]", "more than 18 digits"),
        (b"[" + b"9" * 100_000 + b"]", "more than 18 digits"),
        (b'["\\ud800"]', "surrogate"),
        (b'{"\\udfff": 1}', "surrogate"),
        (b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1), "deeper than 32 levels"),
        (b"[" * 500_000, "deeper than 32 levels"),
        (b"[" + b"0," * 10_000 + b"0]", "More than 10000 values"),
        (b"{'a': 1}", "Line 1, column 2"),
        (b'{"a": 1,}', "Line 1"),
    ],
)
def test_json_is_refused_with_the_place(body: bytes, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        parse_json(body)


def test_what_is_just_small_enough_is_read() -> None:
    deep = b"[" * MAX_DEPTH + b"]" * MAX_DEPTH
    assert parse_json(deep) is not None
    assert parse_yaml(deep) is not None
    assert parse_json(b"[" + b"0," * 9_998 + b"0]") == [0] * 9_999
    assert parse_json(b"[999999999999999999]") == [10**18 - 1]
    assert parse_json(b"\xef\xbb\xbf{}") == {}


def test_one_bad_name_among_many_is_found_in_time() -> None:
    names = b",".join(b'"n%d":0' % number for number in range(9_000))
    with pytest.raises(InvalidRequest, match="'n8999' is given twice"):
        parse_json(b"{" + names + b',"n8999":0}')


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("NO", "NO"),
        ("no", "no"),
        ("off", "off"),
        ("y", "y"),
        ("True", "True"),
        ("true", True),
        ("false", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("12", 12),
        ("-3", -3),
        ("0", 0),
        ("-0", "-0"),
        ("0123", "0123"),
        ("0o17", "0o17"),
        ("0x10", "0x10"),
        ("1_000", "1_000"),
        ("12:30:45", "12:30:45"),
        ("2024-01-01", "2024-01-01"),
        ("1.10", "1.10"),
        ("1e-3", "1e-3"),
        (".inf", ".inf"),
        (".nan", ".nan"),
        ("1234567890123456789", "1234567890123456789"),
        ('"12"', "12"),
        ("'true'", "true"),
        ("|\n  python train.py\n  --x", "python train.py\n--x"),
        ("{cpu: 1, list: [a, b]}", {"cpu": 1, "list": ["a", "b"]}),
    ],
)
def test_a_plain_word_of_yaml_is_what_it_looks_like(text: str, value: object) -> None:
    assert parse_yaml(f"a: {text}".encode()) == {"a": value}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (BOMB, "anchors and aliases"),
        ("a: *nowhere", "anchors and aliases"),
        ("a: &x 1", "anchors and aliases"),
        ("a: !!python/object/apply:os.system ['id']", "tags are not supported"),
        ("a: !!binary aGk=", "tags are not supported"),
        ("a: !mine x", "tags are not supported"),
        ("<<: {a: 1}", "merge keys"),
        ("a: 1\na: 2", "Line 2, column 1: the name 'a' is given twice"),
        ("1: x", "a name must be text"),
        ("true: x", "a name must be text"),
        ("~: x", "a name must be text"),
        ("? [a, b]\n: c", "a name must be text"),
        ("a: 1\n---\nb: 2", "single document"),
        ("a: [1, 2", "Line 2"),
        ("a: 'x", "Line 1|Line 2"),
        ("\tx: 1", "Line 1, column 1"),
        ("a: \0", "control characters|not allowed"),
        ('a: "\\ud800"', "Line 1"),
        ("[" * 33 + "]" * 33, "deeper than 32 levels"),
        ("[" * 100_000, "deeper than 32 levels"),
        ("- " * 100_000, "deeper than 32 levels"),
        ("\n".join(f"k{number}: v" for number in range(11_000)), "[Mm]ore than 10000 values"),
    ],
)
def test_yaml_is_refused_with_the_place(text: str, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        parse_yaml(text.encode())


def test_yaml_has_a_size() -> None:
    with pytest.raises(TooLarge, match="256 KiB"):
        parse_yaml(b"a: " + b"x" * 256 * 1024)


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_numbers_of_json_are_finite(value: float) -> None:
    body = json.dumps([value]).encode()
    if math.isfinite(value):
        assert parse_json(body) == [value]
    else:
        with pytest.raises(InvalidRequest):
            parse_json(body)
