"""What is read of bars is the same however the log was cut, and it is the outermost that counts."""

from __future__ import annotations

import io
import time
from collections.abc import Iterable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from submarine_jupyter_server.metrics.progress.outermost import Moved
from submarine_jupyter_server.metrics.scanner import MetricScanner
from tests.metrics.progress.bars_of_libraries import (
    COLOURED_TQDM,
    EVALUATE_KERAS,
    FIT_KERAS,
    KERAS_2,
    NESTED_TQDM,
    RICH,
    TWO_OF_RICH,
)

WORDS = b"INFO loss=0.5 it took 3 s, progress is 7% | ok\n"
TRACKING = b'submarine-progress {"done": 1, "total": 4}'
BAR = b"\r 90%|###| 9/10 [00:01<00:01, 9.0it/s]"


def read(log: bytes, cuts: Iterable[int] = ()) -> Moved | None:
    """Read a log in pieces, as a reader of metrics does: whole lines once, and a peek at the rest each time."""
    scanner, done, moved = MetricScanner(), 0, None
    for end in (*sorted(cuts), len(log)):
        stop = log.rfind(b"\n", done, end) + 1 or done
        scanner.scan(log[done:stop], done)
        done = stop
        moved = scanner.progress.peek(log[done:end], done)
    return moved


def said(log: bytes) -> tuple[str, float | None, int | None, str] | None:
    moved = read(log)
    return None if moved is None else (moved[0].source, moved[0].percent, moved[0].eta_seconds, moved[0].label)


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        (NESTED_TQDM, ("tqdm", 100.0, 0, "epochs")),
        (NESTED_TQDM[: NESTED_TQDM.index(b"\repochs: 100%|")], ("tqdm", 50.0, 0, "epochs")),
        (COLOURED_TQDM, ("tqdm", 50.0, 7, "")),
        (COLOURED_TQDM[: COLOURED_TQDM.index(b"\r100%")], ("tqdm", 0.0, None, "")),
        (FIT_KERAS, ("keras", 100.0, 0, "epoch 2 of 2")),
        (FIT_KERAS[: FIT_KERAS.index(b"Epoch 2")], ("keras", 50.0, 7, "epoch 1 of 2")),
        (FIT_KERAS + EVALUATE_KERAS, ("keras", 75.0, 1, "")),
        (FIT_KERAS[: FIT_KERAS.index(b"Epoch 2")] + EVALUATE_KERAS * 2, ("keras", 75.0, 1, "")),
        (TWO_OF_RICH, ("rich", 50.0, 7, "Epochs")),
        (f"{RICH[1]}\n".encode(), ("rich", 100.0, 0, "Training")),
        (f"Epoch 1/2\n{KERAS_2[1]}\n".encode(), ("keras", 50.0, 11, "epoch 1 of 2")),
        (TRACKING + b"\n" + BAR + b"\n", ("tracking", 25.0, None, "")),
        (BAR + b"\n" + TRACKING, ("tracking", 25.0, None, "")),
        (BAR + b"\n" + WORDS + b"\rb: 10%|#  | 1/10 [00:01<00:09, 9.0it/s]\r\n", ("tqdm", 10.0, 9, "b")),
        (WORDS * 50, None),
        (b"", None),
    ],
)
def test_what_counts(log: bytes, expected: object) -> None:
    assert said(log) == expected


LOGS = (NESTED_TQDM, COLOURED_TQDM, FIT_KERAS + EVALUATE_KERAS, TWO_OF_RICH, WORDS, TRACKING + b"\n")


@settings(deadline=None)
@given(st.lists(st.sampled_from(LOGS), max_size=4).map(b"".join), st.data())
def test_chunks_say_what_the_whole_says(log: bytes, data: st.DataObject) -> None:
    cuts = data.draw(st.lists(st.integers(0, len(log)), max_size=12))
    assert read(log, cuts) == read(log)


@pytest.mark.parametrize("log", [NESTED_TQDM, COLOURED_TQDM, FIT_KERAS])
def test_it_never_goes_back_while_one_thing_is_done(log: bytes) -> None:
    found = [read(log[:end], [end // 2]) for end in range(0, len(log), 3)]
    percents = [moved[0].percent or 0 for moved in found if moved is not None]
    assert len(set(percents)) >= 2
    assert percents == sorted(percents)


CONTROLS = (b"\r", b"\n", b"\x1b[A", b"\x1b[99A", b"\x1b[2K", b"\xe2\x94", b"\xff", b"\x1b[", b"%|", b"Epoch 1/2\n")
BARS = (
    b"a: 50%|# | 1/2 [00:01<00:01, 1it/s]",
    b"b: 33%|# | 1/3 [00:01<00:01, 1it/s]",
    " 1/4 ━━━━━━━━━ 3s 1s/step".encode(),
)
HOSTILE = st.lists(st.sampled_from((*CONTROLS, *BARS)) | st.binary(max_size=5), max_size=80).map(b"".join)


@settings(deadline=None)
@given(HOSTILE, st.lists(st.integers(0, 500), max_size=5))
@example(b"\x1b[A" * 90 + b"\r 1/4 ", [3])
def test_whatever_comes_is_read_the_same_and_says_what_can_be(log: bytes, cuts: list[int]) -> None:
    moved = read(log)
    assert read(log, [min(cut, len(log)) for cut in cuts]) == moved
    if moved is not None:
        assert 0 <= (moved[0].percent or 0) <= 100
        assert 0 <= moved[1] <= len(log)


def test_a_line_of_many_bars_is_read_at_its_end() -> None:
    bars = b"".join(b"\r%3d%%|# | %d/9000 [00:01<00:01, 1it/s]" % (done // 90, done) for done in range(9000))
    moved = read(bars)
    assert moved is not None
    assert (moved[0].percent, bars[moved[1] :][:4]) == (99.9, b" 99%")
    assert read(bars + b"\n") == moved


@pytest.mark.parametrize("piece", [BAR, b"\x1b[A50%|", b"\r%|", b"\r", "━━━━━━━━━".encode(), b"1/2 "])
def test_the_time_grows_as_the_log_does(piece: bytes) -> None:
    def took(size: int) -> float:
        log = (piece * size)[:size]
        begin = time.process_time()
        for one in (log, log.replace(b"\r", b"\n")):
            read(one + b"\n")
        return time.process_time() - begin

    took(2**10)
    assert took(2**19) < 30 * took(2**15) + 1


def test_the_real_tqdm() -> None:
    tqdm = pytest.importorskip("tqdm").tqdm
    out = io.StringIO()
    known: list[object] = []
    for _ in tqdm(range(4), desc="epochs", file=out, mininterval=0, colour="green"):
        batches = tqdm(range(3), desc="batches", file=out, mininterval=0)
        known += [said(out.getvalue().encode()) for _ in batches]
        others = tqdm(iter(range(2)), file=out, mininterval=0, leave=False)
        known += [said(out.getvalue().encode()) for _ in others]
    assert [(one[1], one[3]) for one in known if isinstance(one, tuple)] == [
        (percent, "epochs") for percent in (0.0, 25.0, 50.0, 75.0) for _ in range(5)
    ]
    assert said(out.getvalue().encode()) == ("tqdm", 100.0, 0, "epochs")
    out = io.StringIO()
    bar = tqdm(total=3_000_000, unit="B", unit_scale=True, file=out, mininterval=0)
    for percent in (33.0, 67.0, 100.0):
        bar.update(1_000_000)
        moved = read(out.getvalue().encode())
        assert moved is not None
        assert moved[0].percent == percent
    out = io.StringIO()
    for _ in tqdm(iter(range(3)), file=out, mininterval=0):
        pass
    found = read(out.getvalue().encode())
    assert found is not None
    assert (found[0].percent, found[0].position) == (None, " 3")
