from __future__ import annotations

import pytest

from submarine_jupyter.script.tracebacks import as_written, place, reason_as_written

LOCAL = "/data/my dir/work/experiment-1795829707130-0002/1/code"


@pytest.mark.parametrize("folder", [LOCAL, "/code"])
def test_a_frame_names_the_cell_and_files_by_their_own_names(folder: str) -> None:
    frame = f'  File "{folder}/train.py", line 2, in <module>'

    assert as_written(frame, "Cell In[4]") == "  Cell In[4], line 2, in <module>"
    assert as_written(frame, None) == '  File "train.py", line 2, in <module>'
    assert as_written(f'  File "{folder}/pkg/a.py", line 7', "Cell In[4]") == '  File "pkg/a.py", line 7'


def test_other_files_stay() -> None:
    for frame in ('File "/home/me/code/train.py", line 1', 'File "/usr/lib/python3/json.py", line 1', "/code/ is full"):
        assert as_written(frame, "Cell In[4]") == frame


def test_the_place_of_the_server_reads_alike() -> None:
    assert place(f"{LOCAL}/train.py:17", "Cell In[4]") == "Cell In[4], line 17"
    assert place("/code/train.py:17", None) == "train.py, line 17"
    assert place("/code/helper.py:17", "Cell In[4]") == "helper.py, line 17"
    assert place("/usr/lib/x.py:3", "Cell In[4]") == "/usr/lib/x.py, line 3"


def test_a_reason_names_files_by_their_own_names() -> None:
    frame = f'  File "{LOCAL}/train.py", line 4, in f'
    reason = f"Failed: worker-0 failed; last lines:\n{frame}\nFirst error: ValueError (worker-0, in {LOCAL}/train.py:4)"

    assert reason_as_written(reason) == (
        'Failed: worker-0 failed; last lines:\n  File "train.py", line 4, in f\n'
        "First error: ValueError (worker-0, in train.py, line 4)"
    )
