"""Bars as libraries print them are read, and nothing else is."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from submarine_jupyter_server.metrics.progress.bars import LONGEST_LABEL, Progress, read, read_epoch
from tests.metrics.progress.bars_of_libraries import KERAS_2, KERAS_3, LIGHTNING_RICH, RICH, TQDM

Said = tuple[str, float | None, int | None, str]


def said(text: str, epoch: tuple[int, int] | None = None) -> Said | None:
    found = read(text, epoch)
    return None if found is None else (found.source, found.percent, found.eta_seconds, found.label)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  0%|          | 0/3 [00:00<?, ?it/s]", ("tqdm", 0.0, None, "")),
        ("Epoch 3:  45%|████▌     | 45/100 [00:01<00:09, 40.00it/s, v_num=0]", ("tqdm", 45.0, 9, "Epoch 3")),
        (" 10%|█         | 57/571 [1:02:03<10:20:30,  4.07it/s]", ("tqdm", 9.9, 37230, "")),
        (" 33% 1/3 [00:00<00:02,  1.00it/s]", ("tqdm", 33.3, 2, "")),
        ("100%|##########| 999/1000 [00:01<00:00, 99.0it/s]", ("tqdm", 99.9, 0, "")),
        ("100%|##########| 2.996M/3.00M [00:01<00:00, 9.0MB/s]", ("tqdm", 99.0, 0, "")),
        ("100%|##########| 3.00M/3.00M [00:01<00:00, 9.0MB/s]", ("tqdm", 100.0, 0, "")),
        ("data: 120it [00:12, 10.1it/s]", ("tqdm", None, None, "data")),
        ("120it [00:12,  2.5s/it]", ("tqdm", None, None, "")),
        ("0it [00:00, ?it/s]", ("tqdm", None, None, "")),
        ("Training ━━━━━━━━╺━━━━━━━━  25% 0:00:12", ("rich", 25.0, 12, "Training")),
        ("Working... ━━━━━━━━━━━━━━━━━  0% -:--:--", ("rich", 0.0, None, "Working...")),
        ("Training ━━━━━━━━━━━━━━━━ 100% 0:00:01", ("rich", 99.0, 1, "Training")),
        ("Training ━━━━━━━━━━━━━━━━ 100% 0:00:00", ("rich", 100.0, 0, "Training")),
        ("Epoch 0/3  ━━━━━━━━━━━╺━━━━ 5/10 0:00:05 • 0:00:10 1.00it/s", ("rich", 12.5, 70, "epoch 1 of 4")),
        ("Epoch 3/3  ━━━━━━━━━━━━━━━━ 10/10 0:00:05 • 0:00:00 1.00it/s", ("rich", 100.0, None, "epoch 4 of 4")),
        ("Validation ━━━━━━━━━━━╺━━━━ 5/10 0:00:05 • 0:00:10 1.00it/s", ("rich", 50.0, 10, "Validation")),
        ('submarine-progress {"done": 20, "total": 100}', ("tracking", 20.0, None, "")),
        ('INFO submarine-progress {"done": 57, "total": 100, "eta": 3.2} ', ("tracking", 57.0, 4, "")),
        ('submarine-progress {"done": 200, "total": 100}', ("tracking", 100.0, None, "")),
        ('submarine-progress {"done": -5, "total": 100}', ("tracking", 0.0, None, "")),
        ('submarine-progress {"done": 5, "total": 0}', ("tracking", None, None, "")),
        ('submarine-progress {"done": 5, "total": -1}', ("tracking", None, None, "")),
        ('submarine-progress {"done": 5, "total": NaN}', ("tracking", None, None, "")),
        ('submarine-progress {"done": 5, "total": null}', ("tracking", None, None, "")),
        ('submarine-progress {"done": 1e308, "total": 1e-300}', ("tracking", 100.0, None, "")),
        ('submarine-progress {"done": 1, "total": 2, "eta": 1e300}', ("tracking", 50.0, None, "")),
    ],
)
def test_what_a_bar_says(text: str, expected: Said) -> None:
    assert said(text) == expected


@pytest.mark.parametrize(
    ("text", "epoch", "expected"),
    [
        (" 3/12 ━━━━━━━━━━━━━━━━━━━━ 9s 1s/step - loss: 0.6111", None, ("keras", 25.0, 9, "")),
        (" 3/12 ━━━━━━━━━━━━━━━━━━━━ 9s 1s/step - loss: 0.6111", (1, 4), ("keras", 6.2, 45, "epoch 1 of 4")),
        ("12/12 ━━━━━━━━━━━━━━━━━━━━ 12s 1s/step - loss: 0.6111", (2, 4), ("keras", 50.0, 24, "epoch 2 of 4")),
        ("12/12 ━━━━━━━━━━━━━━━━━━━━ 12s 1s/step - loss: 0.6111", (4, 4), ("keras", 100.0, 0, "epoch 4 of 4")),
        ("12/12 ━━━━━━━━━━━━━━━━━━━━ 0s 1ms/step - loss: 0.6111", (2, 4), ("keras", 50.0, None, "epoch 2 of 4")),
        (" 3/12 ━━━━━━━━━━━━━━━━━━━━ 1:02:03 1s/step", None, ("keras", 25.0, 3723, "")),
        (" 3/12 [======>.......................] - ETA: 1:05 - loss: 0.5", None, ("keras", 25.0, 65, "")),
        (" 3/12 [======>.......................] - ETA: 5s", None, ("keras", 25.0, 5, "")),
        ("12/12 [==============================] - 3s 3ms/step - loss: 1", (1, 2), ("keras", 50.0, 3, "epoch 1 of 2")),
        ("      2/Unknown 3s 60ms/step - loss: 0.7500", (3, 10), ("keras", 20.0, None, "epoch 3 of 10")),
        ("      2/Unknown - 3s 60ms/step - loss: 0.7500", None, ("keras", None, None, "")),
    ],
)
def test_what_a_bar_of_keras_says(text: str, epoch: tuple[int, int] | None, expected: Said) -> None:
    assert said(text, epoch) == expected


@pytest.mark.parametrize(
    "text",
    [
        "12/100 5", "3/4 of the disk is full", "2026/11/28 12:00:00 INFO started", "50% of 3/4", "cpu 3%| mem 4%|",
        "10%|###", " 45%|████▌     | 45/1", " 45%|████▌     | 45/100 [00:01<00:0", "━━━━━━━━━━━━━━━━━━━", "a ━━━━━━ 5%",
        "Training ━━━━━━━━╺━━━━━━━━  25% 0:00:1", "submarine-progress", 'submarine-progress {"done": ', "it [a, b]",
        'submarine-progress {"done": "5"}', 'submarine-progress {"done": NaN, "total": 3}', "submarine-progress [1, 2]",
        'submarine-progress {"done": true, "total": 3}', f'submarine-progress {{"done": 1{"0" * 400}}}', "/ % ━ it [",
    ],
)  # fmt: skip
def test_what_is_no_bar_says_nothing(text: str) -> None:
    assert said(text) is None


@pytest.mark.parametrize(
    ("text", "epoch"),
    [
        ("Epoch 3/10", (3, 10)), ("Epoch: 1/1", (1, 1)), ("== epoch 2/3 ==", (2, 3)), ("Epoch 0/9", None),
        ("Epoch 4/3", None), ("Epoch 3", None), ("Epoch 1/2 loss", None),
    ],
)  # fmt: skip
def test_where_an_epoch_begins(text: str, epoch: object) -> None:
    assert read_epoch(text) == epoch


PIECES = st.sampled_from(
    [
        "%|", "|", "1", "99999999999999999999", "/", " ", "[", "00:01", "<", "?", ",", "it/s", "━━━━━", "╺", "[==>..]",
        "ETA: ", "s", "/step", "Epoch 3/9", "•", "-:--:--", "0:00:12", "Unknown", "submarine-progress ", "{", "}",
        '"done": ', '"total": ', "1e999", "-", "NaN", ": ", "\x1b", "100%",
    ]
)  # fmt: skip
TEXTS = st.lists(PIECES | st.text(max_size=3), max_size=60).map("".join)
EPOCHS = st.none() | st.integers(1, 10**6).flatmap(lambda last: st.tuples(st.integers(1, last), st.just(last)))
NUMBERS = st.integers(-(10**25), 10**25) | st.floats() | st.none()


def check(found: Progress | None) -> None:
    """Check that what is said can be."""
    if found is not None:
        assert found.percent is None or 0 <= found.percent <= 100
        assert found.eta_seconds is None or 0 <= found.eta_seconds <= 10**9
        assert len(found.label) <= LONGEST_LABEL
        assert found.label.isprintable()


@given(TEXTS, EPOCHS)
@example("1/0 ━━━━━ 3s 1s/step", (1, 2))
@example("5/3 ━━━━━ 3s 1s/step", (1, 2))
@example("Epoch 9/3 ━━━━━ 5/0 0:00:01 • 0:00:01", None)
@example("1%|| 5/0 [00:01<00:01,", None)
def test_no_text_makes_it_say_what_cannot_be(text: str, epoch: tuple[int, int] | None) -> None:
    check(read(text, epoch))


@given(NUMBERS, NUMBERS, NUMBERS)
def test_no_numbers_make_it_say_what_cannot_be(done: object, total: object, eta: object) -> None:
    values = zip(("done", "total", "eta"), (done, total, eta), strict=True)
    words = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity", "None": "null"}
    text = ", ".join(f'"{name}": {words.get(str(value), str(value))}' for name, value in values)
    found = read(f"submarine-progress {{{text}}}", None)
    check(found)
    if found is not None and isinstance(done, int) and isinstance(total, int) and max(abs(done), abs(total)) < 2**53:
        assert (found.percent == 100) == (total > 0 and done >= total)


@given(st.integers(0, 10**9), st.integers(1, 10**9))
@example(57, 100)
@example(10**9 - 1, 10**9)
def test_a_percentage_is_rounded_down(done: int, total: int) -> None:
    found = read(f'submarine-progress {{"done": {done}, "total": {total}}}', None)
    assert found is not None
    assert found.percent is not None
    assert round(found.percent * 10) == min(1000, done * 1000 // total)


@pytest.mark.parametrize("text", [*TQDM, *KERAS_2, *KERAS_3, *RICH, *LIGHTNING_RICH])
def test_the_beginning_of_a_bar_says_the_same_or_nothing(text: str) -> None:
    whole = read(text, (2, 4))
    assert whole is not None
    for end in range(len(text)):
        begun = read(text[:end], (2, 4))
        assert begun is None or (begun.percent, begun.eta_seconds) == (whole.percent, whole.eta_seconds), text[:end]


HOSTILE = (
    "1%|", "1%| ", "1/1 ", "━", "━━━━━ ", "a: ", "1it [", "9", " ", "100%|" + "x" * 399, "Epoch 1/1", "1/1 ━━━━━ ", "[",
    "submarine-progress {", "=", "#", "1%|x| 1/1 [00:00<", "0:00:00 • ", "{",
)  # fmt: skip


@pytest.mark.parametrize("piece", HOSTILE)
def test_the_time_grows_as_the_text_does(piece: str) -> None:
    """Compared is the processor time of two lengths: 16 times the text takes far less than 256 times as long."""

    def took(size: int) -> float:
        text, best = (piece * size)[:size], float("inf")
        for _ in range(3):
            begin = time.process_time()
            for _ in range(10):
                read(text, (1, 2))
                read_epoch(text)
            best = min(best, time.process_time() - begin)
        return best

    assert took(16 * 4096) < 80 * took(4096) + 0.05
