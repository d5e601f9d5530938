from __future__ import annotations

import os
from pathlib import Path

import pytest

from submarine_jupyter.errors import UsageError
from submarine_jupyter.script.files import chosen, read, summary
from submarine_jupyter.spec.code_files import BINARY, decoded, encoded


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    home = tmp_path / "my notebooks"
    (home / "data" / ".git").mkdir(parents=True)
    (home / "data" / "__pycache__").mkdir()
    for name in ("helper.py", "data/x.csv", "data/y.csv", "data/z.npy", "data/.git/config", "data/__pycache__/a.pyc"):
        (home / name).write_bytes(b"\0\xff" if name.endswith("npy") else b"a\r\n")
    return home


@pytest.mark.parametrize(
    ("patterns", "names"),
    [
        (["helper.py"], ["helper.py"]),
        (["./helper.py", "helper.py"], ["helper.py"]),
        (["data"], ["data/x.csv", "data/y.csv", "data/z.npy"]),
        (["data/"], ["data/x.csv", "data/y.csv", "data/z.npy"]),
        (["data/*.csv", "helper.py"], ["data/x.csv", "data/y.csv", "helper.py"]),
        (["**/*.csv"], ["data/x.csv", "data/y.csv"]),
        (["data/../helper.py"], ["helper.py"]),
    ],
)
def test_files_keep_their_places(folder: Path, patterns: list[str], names: list[str]) -> None:
    assert list(chosen(patterns, str(folder))) == names


def test_an_absolute_path_into_the_folder_is_one_of_it(folder: Path) -> None:
    assert list(chosen([str(folder / "helper.py")], str(folder))) == ["helper.py"]


@pytest.mark.parametrize("pattern", ["../x", "/etc/passwd", "data/../../x", ".."])
def test_what_lies_elsewhere_is_refused(folder: Path, pattern: str) -> None:
    with pytest.raises(UsageError, match=r"only files of .* can go along"):
        chosen([pattern], str(folder))


@pytest.mark.parametrize("pattern", ["nothing.py", "*.txt", "data/*.nothing"])
def test_what_is_not_there_is_named(folder: Path, pattern: str) -> None:
    with pytest.raises(UsageError, match="there is no such file in"):
        chosen([pattern], str(folder))


def test_a_pipe_does_not_hold_anybody(folder: Path) -> None:
    os.mkfifo(folder / "pipe")

    with pytest.raises(UsageError, match="no such file"):
        chosen(["pipe"], str(folder))


def test_contents_arrive_byte_for_byte(folder: Path) -> None:
    files = chosen(["data"], str(folder))

    assert {name: decoded(text) for name, text in read(files).items()} == {
        name: path.read_bytes() for name, path in files.items()
    }
    assert read(files)["data/x.csv"] == "a\r\n"
    assert read(files)["data/z.npy"].startswith(BINARY)


@pytest.mark.parametrize("content", [b"", b"\xff", b"a\0b", BINARY.encode(), "ü".encode(), b"\xef\xbb\xbfa"])
def test_any_content_can_be_sent(content: bytes) -> None:
    assert decoded(encoded(content)) == content


def test_too_much_is_said_with_what_is_large(folder: Path) -> None:
    (folder / "big.bin").write_bytes(bytes(700 * 1024))

    with pytest.raises(UsageError, match=r"700 KiB would go along, and 512 KiB can: big.bin has 700 KiB, helper.py"):
        read(chosen(["big.bin", "helper.py"], str(folder)))
    with pytest.raises(UsageError, match=r"helper.py has 3 bytes"):
        read(chosen(["helper.py"], str(folder)), beside=512 * 1024)


def test_a_folder_of_very_many_files_ends_early(folder: Path) -> None:
    many = folder / "many"
    many.mkdir()
    for i in range(501):
        (many / str(i)).touch()

    with pytest.raises(UsageError, match="more than 500 files"):
        chosen(["many"], str(folder))


def test_the_line_about_it_is_short() -> None:
    assert summary({"a": 1}) == "1 file goes along (1 byte): a"
    assert summary(dict.fromkeys("abcdefg", 1024)) == "7 files go along (7 KiB): a, b, c, d, e and 2 more"
