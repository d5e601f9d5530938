"""A template that could not be understood, or could be slow, is refused with a reason."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from submarine_jupyter.errors import InvalidSpec
from submarine_jupyter_server.metrics.templates import parse_template


@pytest.mark.parametrize(
    "template",
    [
        "",
        "no field",
        "{loss}",
        " {loss}",
        "step={step}",
        "a={a}{b}",
        "a={}",
        "a={a b}",
        "a={{a}}",
        "a={a",
        "a=}{a}",
        "a={a} b={a}",
        "a={a!r}",
        "a={a:>10}",
        "a\n{a}",
        "a={" + "x" * 65 + "}",
        "x" * 200 + "{a}",
        "".join(f"{name}={{{name}}}" for name in "abcdefghi"),
    ],
)
def test_refuses(template: str) -> None:
    with pytest.raises(InvalidSpec, match=r"runtime\.metrics"):
        parse_template(template)


@given(st.text(alphabet="a{}= step1.+*(", max_size=30), st.text(alphabet="a= step1.e+-\t", max_size=60))
def test_any_template_is_understood_or_refused(template: str, line: str) -> None:
    try:
        parsed = parse_template(template)
    except InvalidSpec:
        return
    found = parsed.match(line)
    if found is not None:
        assert set(found) == set(parsed.names)
        assert all(float(number) == float(number) for number in found.values())
        assert parsed.needle in line.encode()
