from __future__ import annotations

import base64
import pickle
import zlib
from pathlib import Path

import pytest

from submarine_jupyter.errors import UsageError
from submarine_jupyter.functions import keys, replica
from submarine_jupyter.functions.answer import Answer, _signature, read
from submarine_jupyter.spec.vocabulary import VALUE_MARK

KEY, ID = b"k" * 32, "experiment-1-0001"


class Evil:
    """What would leave a trace if it were unpickled."""

    ran = False

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return exec, ("from tests.kernel.functions import test_answer; test_answer.Evil.ran = True",)


def log(value: object, key: bytes = KEY, experiment_id: str = ID, size: int = 7) -> bytes:
    packed = zlib.compress(pickle.dumps(("value", value)))
    text = base64.b64encode(packed)
    parts = [text[at : at + size] for at in range(0, len(text), size)]
    lines = [b"submarine-value %d %b\n" % item for item in enumerate(parts)]
    return b"".join([b"hello\n", *lines, b"submarine-value end %b\n" % _signature(key, experiment_id, packed)])


def test_a_signed_value_is_read_whatever_stands_around_it() -> None:
    assert read(log(7), KEY, ID) == Answer("value", 7)
    assert read(b"bar 10%" + log(7) + b"late line\n", KEY, ID) == Answer("value", 7)
    assert read(log(7).replace(b"\n", b"\n[other] line\n", 3), KEY, ID) == Answer("value", 7)
    assert read(log(7).replace(b"\n", b"\r\n"), KEY, ID) == Answer("value", 7)


def test_of_several_attempts_the_last_whole_one_counts() -> None:
    assert read(log(1) + log(2), KEY, ID) == Answer("value", 2)
    assert read(log(1) + log(2)[:-40], KEY, ID) == Answer("value", 1)
    assert read(log(1)[:-90] + log(2), KEY, ID) == Answer("value", 2)


@pytest.mark.parametrize(
    "text",
    [
        log(Evil(), key=b"x" * 32),
        log(Evil(), experiment_id="experiment-1-0002"),
        log(Evil()).replace(b"submarine-value 0 ", b"submarine-value 0 AAAA", 1),
        log(Evil()).replace(b"submarine-value 1 ", b"submarine-value 9 ", 1),
        log(Evil())[:-30],
        b"submarine-value 0 %%%\nsubmarine-value end abc\n",
        b"submarine-value end \n",
        b"",
    ],
)
def test_what_is_not_signed_is_never_unpickled(text: bytes) -> None:
    assert read(text, KEY, ID) is None
    assert not Evil.ran


def test_the_program_of_the_replicas_prints_the_mark_that_is_read() -> None:
    """It travels alone, so it cannot import it."""
    assert f"{replica.MARK} " == VALUE_MARK


def test_the_key_is_made_once_and_is_for_nobody_else(tmp_path: Path) -> None:
    folder = tmp_path / "runtime"
    first = keys.key_of("a", folder)

    assert keys.key_of("a", folder) == first != keys.key_of("b", folder)
    assert (folder / keys.NAME).stat().st_mode & 0o777 == 0o600
    assert len(list(folder.iterdir())) == 1


@pytest.mark.parametrize("text", ["", "abc", "zz" * 32, "00" * 33])
def test_a_damaged_key_says_what_to_do(tmp_path: Path, text: str) -> None:
    path = tmp_path / keys.NAME
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(UsageError, match="is damaged: remove it"):
        keys.key_of("a", tmp_path)


def test_a_key_that_others_can_read_is_not_used(tmp_path: Path) -> None:
    keys.key_of("a", tmp_path)
    (tmp_path / keys.NAME).chmod(0o644)
    with pytest.raises(UsageError, match="not yours alone"):
        keys.key_of("a", tmp_path)


def test_a_link_in_the_place_of_the_key_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("00" * 32)
    (tmp_path / keys.NAME).symlink_to(tmp_path / "other")
    with pytest.raises(UsageError, match="cannot be kept"):
        keys.key_of("a", tmp_path)
