from __future__ import annotations

from pathlib import Path

import pytest

from submarine_jupyter.commands.settings import FILE, NAMES, Setting, settled
from submarine_jupyter.errors import UsageError


def test_the_first_that_says_something_counts(tmp_path: Path) -> None:
    here, home = tmp_path / "here", tmp_path / "home"
    for folder, text in ((here, 'gpu = 1\ntail = 5\nmemory = "1G"'), (home, "gpu = 2\ntail = 6\nlimit = 7")):
        folder.mkdir()
        (folder / FILE).write_text(text)

    found = settled({"cpu": 2}, {"SUBMARINE_DEFAULT_CPU": "3", "SUBMARINE_DEFAULT_TAIL": "4"}, [here, home])

    assert found.known == {
        "cpu": Setting("2", "%config SubmarineMagics.cpu"),
        "tail": Setting(4, "SUBMARINE_DEFAULT_TAIL"),
        "gpu": Setting("1", str(here / FILE)),
        "memory": Setting("1G", str(here / FILE)),
        "limit": Setting(7, str(home / FILE)),
    }
    assert (found.get("gpu"), found.get("gpu", "9"), found.get("image")) == ("1", "9", None)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("cpus = 2", "there is no setting 'cpus', did you mean 'cpu'"),
        ("detach = 'perhaps'", "detach: 'perhaps' is neither true nor false"),
        ("tail = -1", "tail: '-1' is not a whole number"),
        ("cpu = [1]", "cpu must be text, a number, true or false"),
        ("cpu = ", "cannot be read"),
        ("framework = 'pytroch'", "did you mean 'PyTorch'"),
    ],
)
def test_a_file_that_cannot_be_used_says_where(text: str, why: str, tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(text)
    with pytest.raises(UsageError, match=why) as caught:
        settled({}, {}, [tmp_path])
    assert str(tmp_path / FILE) in str(caught.value)


def test_each_setting_is_a_trait_of_the_magics() -> None:
    from submarine_jupyter.magics.magic import SubmarineMagics

    assert set(SubmarineMagics.class_trait_names(config=True)) == set(NAMES)
